#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void look(pid_t child, const char *how, int options) {
    siginfo_t info;

    if (waitid(P_PID, (id_t)child, &info, WEXITED | options) == 0)
        printf("%s: exit code %d", how, info.si_status);
    else
        printf("%s: %s", how, strerror(errno));
    printf("; kill(child, 0): %s\n", kill(child, 0) == 0 ? "it is there" : strerror(errno));
}

int main(void) {
    pid_t child = fork();

    if (child == 0)
        _exit(7);
    look(child, "with WNOWAIT", WNOWAIT);
    look(child, "with WNOWAIT", WNOWAIT);
    look(child, "without", 0);
    look(child, "without", 0);
    return 0;
}
