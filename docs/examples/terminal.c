#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void try_open(const char *who, const char *path, int flags) {
    int fd = open(path, O_RDWR | flags);
    /* /dev/tty is one's controlling terminal, if one has it: tty(4) */
    int own = open("/dev/tty", O_RDWR | O_NOCTTY);

    printf("%s: controlling terminal: %s\n", who, own < 0 ? "no" : "yes");
    fflush(stdout);
    close(own);
    close(fd);
}

int main(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        return 1;
    const char *path = ptsname(master);
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            try_open("member of the session", path, 0);
            _exit(0);
        }
        wait(NULL);
        try_open("leader, O_NOCTTY", path, O_NOCTTY);
        try_open("leader", path, 0);
        _exit(0);
    }
    wait(NULL);
    return 0;
}
