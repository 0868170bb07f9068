/*
 * Lab 8, group: your own module, yet to be written.
 *
 * The contract of each function is written in c/src/group.h.
 * Write what is marked TODO, then run `make lab-8`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "group.h"

#include "clock.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * group_open - a group without workers, which logs to log.
 *
 * Two eventfds, non-blocking and close-on-exec. Returns 0 or -errno, with
 * nothing left open then.
 */
int group_open(struct group *group, struct log *log, struct failure *why) {
    (void)group;
    (void)log;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * group_start - start one more worker, in a thread of its own.
 *
 * Every signal is blocked in it, so that the main thread alone gets them: a
 * thread inherits the mask of the one that starts it, pthread_create(3), and
 * ours is as before when this returns. First of all the thread takes the
 * worker's name, PR_SET_NAME of prctl(2), so that /proc/PID/task/TID/comm
 * tells who is who; logs the event "worker_started", with "worker"; then calls
 * work. This returns when the thread has got so far. The worker has given its
 * first sign of life before it runs.
 *
 * When work has returned (or ended its thread by pthread_exit(3)):
 *
 * - -errno is the failure of the worker: "worker NAME: " and its text. The
 *   event "worker_failed", an error, with "worker" and "error".
 * - 0 without having been asked to stop is one too: "worker NAME ended by
 *   itself".
 * - 0 after the group was asked to stop: the event "worker_ended".
 *
 * In each case the group is asked to stop, as by group_stop, and group_fd
 * becomes readable. The first failure is kept before any other worker can see
 * that it is to stop: what fails because of it, comes after it.
 *
 * Returns 0 or -errno: that of pthread_create(3), or -ENOBUFS when GROUP_SIZE
 * workers were started.
 */
int group_start(
    struct group *group, const char *name, group_work *work, void *user, struct failure *why) {
    (void)group;
    (void)name;
    (void)work;
    (void)user;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/* group_stop - ask all workers to stop. May be called more than once, and by a worker. */
void group_stop(struct group *group) {
    (void)group;
    /* TODO: do what the contract above says. */
}

/* group_fd - the descriptor that is readable once any worker has ended. */
int group_fd(const struct group *group) {
    (void)group;
    /* TODO: do what the contract above says. */
    return 0;
}

/* group_stop_fd - the descriptor that is readable, for ever, once the workers are to stop. They
 * poll it, and never read from it: then each of them sees it. */
int group_stop_fd(const struct group *group) {
    (void)group;
    /* TODO: do what the contract above says. */
    return 0;
}

/* group_beat - a sign of life: to be given by each worker on each turn, and at least once a
 * second. */
void group_beat(struct worker *worker) {
    (void)worker;
    /* TODO: do what the contract above says. */
}

/*
 * group_late - the name of the first worker, as they were started, whose last sign of life is
 * older than so many milliseconds; NULL: there is none. Those that have ended do not count.
 */
const char *group_late(struct group *group, int limit) {
    (void)group;
    (void)limit;
    /* TODO: do what the contract above says. */
    return NULL;
}

/*
 * group_wait - wait until all workers have ended, for at most so many milliseconds (-1: for
 * ever).
 *
 * Does not ask them to stop. For each that has not ended in time: the event
 * "worker_hung", an error, with "worker"; and, if there was no failure before,
 * the failure "worker NAME did not stop within N ms". It is left behind, and
 * never waited for again.
 * Joins those that have ended. Returns 0, or the first error with its why.
 */
int group_wait(struct group *group, int limit, struct failure *why) {
    (void)group;
    (void)limit;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * group_close - close the descriptors of a group that has been waited for.
 *
 * A worker that was left behind still uses them: then they stay open. The
 * process is about to end.
 */
void group_close(struct group *group) {
    (void)group;
    /* TODO: do what the contract above says. */
}
