/*
 * Lab 3, signals: your own module, yet to be written.
 *
 * The contract of each function stands above it, as in c/src/signals.h.
 * Write what is marked TODO, then run `make lab-3`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

/*
 * signals_reset - all dispositions to default, and the mask empty.
 *
 * To be called before anything else. Signals that cannot be changed (SIGKILL,
 * SIGSTOP, and the two that the C library keeps for itself) are left alone.
 * Dispositions first and the mask last: a signal that was pending is then
 * acted upon as its default says.
 *
 * Returns 0 or -errno. daemon(7) steps 2 and 3; sigaction(2), signal(7).
 */
int signals_reset(struct failure *why) {
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * signals_open - decide about every signal that matters to us.
 *
 * Ignores SIGTSTP, SIGTTIN and SIGTTOU: a daemon has no terminal that could
 * stop it. Ignores SIGPIPE and SIGXFSZ: a peer that hangs up, or a file that
 * has reached its limit, must cost us an EPIPE or EFBIG from write(2), not our
 * life. Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCHLD
 * and opens one signalfd(2) for the five (non-blocking, close-on-exec).
 *
 * Returns the descriptor, owned by the caller, or -errno.
 */
int signals_open(struct failure *why) {
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * signals_next - take the next signal that has arrived.
 *
 * Returns its number, 0 when none waits, or -errno. A standard signal that
 * was sent twice before it was read arrives once: signal(7), so a caller must
 * ask for the thing signalled, not count signals.
 */
int signals_next(int fd, struct failure *why) {
    (void)fd;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}
