#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static int by_fcntl(int fd) {
    struct flock whole = {.l_type = F_WRLCK};

    return fcntl(fd, F_SETLK, &whole);
}

static int by_flock(int fd) {
    return flock(fd, LOCK_EX | LOCK_NB);
}

static void another_tries(const char *when, int (*lock)(int)) {
    int status;

    if (fork() == 0)
        _exit(lock(open("pid", O_RDWR)) < 0);
    wait(&status);
    printf("%s: another %s\n", when, status != 0 ? "is refused" : "gets the lock");
    fflush(stdout);
}

static void try(const char *name, int (*lock)(int)) {
    int fd = open("pid", O_RDWR | O_CREAT, 0644);

    lock(fd);
    another_tries(name, lock);
    close(open("pid", O_RDONLY)); /* as a function would that reads the number */
    another_tries("  after a look into the file", lock);
    close(fd);
}

int main(void) {
    try("fcntl", by_fcntl);
    try("flock", by_flock);
    return 0;
}
