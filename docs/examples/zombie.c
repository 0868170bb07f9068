#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    char command[64];
    siginfo_t info;
    int status;

    pid_t child = fork();
    if (child == 0)
        _exit(7);
    /* WNOWAIT: wait until it has ended, but leave it to be reaped. */
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    snprintf(command, sizeof command, "ps -o stat,comm -p %d", child);
    system(command);
    waitpid(child, &status, 0);
    printf("reaped, exit status %d\n", WEXITSTATUS(status));
    fflush(stdout);
    return system(command) == 0; /* ps(1) fails: there is no such process */
}
