/*
 * Lab 1, detach: your own module, yet to be written.
 *
 * The contract of each function stands above it, as in c/src/detach.h.
 * Write what is marked TODO, then run `make lab-1`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "detach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * detach_fork - become a process that no terminal and no session holds.
 *
 * In this order: flush stdio; make the verdict pipe (close-on-exec); fork; in
 * the child setsid(2) and fork again; the middle process leaves with _exit(2).
 *
 * Returns 0 in the daemon only. *verdict is then the write end of the pipe,
 * owned by the caller; nobody else holds one, so that the daemon's death shows
 * as end of file. When pipe2(2) or the first fork(2) fails it returns -errno
 * in the process that called it, with nothing left open.
 *
 * The starter never returns: it waits for the middle process (no zombie),
 * reads the verdict to its end, prints the text, if any, as "labd: TEXT" on
 * standard error, and leaves by _exit(2) with the verdict's exit code. An
 * empty verdict means that the daemon died before it could speak: that is a
 * failure (EXIT_FAILED) and never "ready". A setsid(2) or second fork(2) that
 * fails is reported through the same pipe. An inherited "ignore SIGCHLD" makes
 * waitpid(2) fail with ECHILD: that is no failure of the start.
 *
 * daemon(7) steps 5-8, 14 and 15; fork(2), setsid(2), credentials(7).
 */
int detach_fork(int *verdict, struct failure *why) {
    (void)verdict;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * detach_settle - take a umask and a working directory of our own.
 *
 * umask(2) to mask, then chdir(2) to directory: an inherited umask would
 * decide the mode of every file we make, and an inherited directory would
 * keep its file system from being unmounted.
 * Returns 0 or -errno from chdir(2).
 *
 * daemon(7) steps 10 and 11; umask(2), chdir(2).
 */
int detach_settle(mode_t mask, const char *directory, struct failure *why) {
    (void)mask;
    (void)directory;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * detach_report - give the starter the verdict it waits for.
 *
 * outcome NULL means ready: exit code EXIT_STARTED and no text; else the
 * starter exits with outcome's exit code and prints its text. The message is
 * the exit code in one byte, then the text, sent in a single write(2) of at
 * most PIPE_BUF bytes.
 *
 * Ready: closes *verdict and sets it to -1; the end of file lets the starter
 * go. A failure: leaves *verdict open. The caller is about to exit, and only
 * that is the end of file: the starter returns when the daemon is really gone.
 *
 * Returns 0, or -EPIPE when the starter is gone: nobody waits for this daemon,
 * and the caller stops as after any failed start. That also while SIGPIPE,
 * which write(2) sends then, still does its default, which is to kill.
 *
 * daemon(7) step 14; pipe(7).
 */
int detach_report(int *verdict, const struct failure *outcome, struct failure *why) {
    (void)verdict;
    (void)outcome;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}
