#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void tell(const char *when) {
    const char *state = fcntl(300, F_GETFD) < 0 ? "closed" : "open";

    printf("%s: descriptor 300 is %s\n", when, state);
}

int main(void) {
    struct rlimit limit;

    dup2(0, 300);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 256;
    setrlimit(RLIMIT_NOFILE, &limit);
    tell("limit lowered to 256");
    for (int fd = 3; fd < (int)limit.rlim_cur; fd++)
        close(fd);
    tell("closed up to the limit");
    close_range(3, ~0U, 0);
    tell("close_range()");
    return 0;
}
