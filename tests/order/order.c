/* Starts a job and reaps it with the module children, and says in which order that sends
 * signals and takes the status: linked with --wrap=kill, --wrap=wait4 and --wrap=waitid, ld(1). */
#include "children.h"

#include <stdio.h>
#include <sys/wait.h>

pid_t __real_wait4(pid_t pid, int *status, int options, struct rusage *usage);
int __real_kill(pid_t pid, int number);
int __real_waitid(idtype_t type, id_t id, siginfo_t *how, int options);

int __wrap_kill(pid_t pid, int number) {
    puts("signal");
    return __real_kill(pid, number);
}

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *how, int options) {
    int result = __real_waitid(type, id, how, options);
    if (result == 0 && how->si_pid != 0 && (options & WNOWAIT) == 0)
        puts("status");
    return result;
}

pid_t __wrap_wait4(pid_t pid, int *status, int options, struct rusage *usage) {
    pid_t found = __real_wait4(pid, status, options, usage);
    if (found > 0)
        puts("status");
    return found;
}

static void ended(void *user, const struct child *child, const siginfo_t *how,
    const struct rusage *usage) {
    (void)user, (void)child, (void)how, (void)usage;
}

int main(void) {
    struct children children;
    struct failure why;

    if (children_open(&children, 1, 0, 0, &why) < 0 ||
        children_spawn(&children, "true", "/bin/true", (char *[]){"true", NULL}, -1, &why) < 0)
        return 1;
    __real_waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOWAIT);
    return children_reap(&children, ended, NULL, &why) < 0;
}
