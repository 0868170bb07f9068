#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int start(void) {
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return child;
}

int main(void) {
    sigset_t child_signal;
    siginfo_t info;

    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, NULL); /* it waits until we ask: lab 3 */
    for (int i = 0; i < 5; i++)
        waitid(P_PID, (id_t)start(), &info, WEXITED | WNOWAIT); /* ended, and left a zombie */
    system("grep ShdPnd /proc/$PPID/status");
    while (sigtimedwait(&child_signal, NULL, &(struct timespec){0}) == SIGCHLD) {
        printf("one SIGCHLD, one child reaped: %d\n", waitpid(-1, NULL, WNOHANG) > 0);
        fflush(stdout);
    }
    system("ps -o stat,comm --ppid $PPID | grep -c Z");
    return 0;
}
