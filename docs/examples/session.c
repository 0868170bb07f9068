#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void try_setsid(const char *who) {
    if (setsid() < 0)
        printf("%s: setsid(): %s\n", who, strerror(errno));
    else
        printf("%s: leads session and group: %s\n", who,
            getsid(0) == getpid() && getpgrp() == getpid() ? "yes" : "no");
    fflush(stdout);
}

int main(void) {
    setpgid(0, 0); /* as a shell does for each job: now we lead a group */
    try_setsid("group leader");
    pid_t child = fork();
    if (child == 0) {
        try_setsid("its child");
        return 0;
    }
    waitpid(child, NULL, 0);
    return 0;
}
