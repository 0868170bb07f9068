#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void tell(const char *what, int fd) {
    int flags = fcntl(fd, F_GETFD);

    printf("%s: %s\n", what, flags & FD_CLOEXEC ? "close-on-exec" : "inherited");
}

int main(void) {
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    tell("open(O_CLOEXEC)", fd);
    dup2(fd, 50);
    tell("dup2(fd, 50)", 50);
    dup2(fd, fd);
    tell("dup2(fd, fd)", fd);
    return 0;
}
