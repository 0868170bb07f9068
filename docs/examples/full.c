#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int main(void) {
    struct rlimit limit;
    int fd = open("disk", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0640);

    signal(SIGXFSZ, SIG_IGN); /* its default ends us: setrlimit(2), RLIMIT_FSIZE */
    getrlimit(RLIMIT_FSIZE, &limit);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){20, limit.rlim_max}); /* a very small disk */
    for (int line = 1; line <= 5; line++) {
        char text[32];
        int length = snprintf(text, sizeof text, "line %d of 5\n", line);
        if (line == 4)
            setrlimit(RLIMIT_FSIZE, &limit); /* somebody makes room */
        ssize_t written = write(fd, text, (size_t)length);
        printf(
            "%d of %d: %s\n", (int)written, length, written < 0 ? strerror(errno) : "no error");
    }
    return 0;
}
