#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void lock(const char *daemon, int fd) {
    const char *result = flock(fd, LOCK_EX | LOCK_NB) == 0 ? "locked" : strerror(errno);
    struct stat held, named;

    fstat(fd, &held);
    int gone = stat("pid", &named) < 0 || named.st_ino != held.st_ino;
    printf("%s: %s%s\n", daemon, result, gone ? ", and \"pid\" is another file" : "");
}

int main(void) {
    int first = open("pid", O_RDWR | O_CREAT, 0644);
    lock("first", first);
    int second = open("pid", O_RDWR | O_CREAT, 0644); /* it has yet to lock */
    unlink("pid");                                    /* the first one ends */
    close(first);
    int third = open("pid", O_RDWR | O_CREAT, 0644);
    lock("third", third);
    lock("second", second);
    return 0;
}
