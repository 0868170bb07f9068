/*
 * Lab 8: group - workers with names that live and die together.
 *
 * A daemon that has lost one of its threads looks well from outside, and does
 * half of its work. So: when one worker fails, or is gone, all are asked to
 * stop, and whoever waits for the group learns the first error. Nobody is
 * killed: pthread_cancel(3) would leave locks locked and files half written.
 * To be stoppable, a worker polls a descriptor beside its own.
 */
#ifndef LABD_GROUP_H
#define LABD_GROUP_H

#include "failure.h"
#include "log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { GROUP_SIZE = 8 };

struct worker;

/* What a worker does, until it is asked to stop: it then returns 0. -errno: it has failed, and
 * why says of what. */
typedef int group_work(struct worker *worker, void *user, struct failure *why);

struct worker {
    struct group *group;
    const char *name; /* a constant of at most 15 bytes: what /proc shows as comm */
    group_work *work;
    void *user;
    pthread_t thread;
    atomic_llong beat; /* its last sign of life: milliseconds of CLOCK_MONOTONIC */
    bool begun;        /* it has its name */
    bool ended;        /* work has returned */
    bool left;         /* it did not stop in time: nobody waits for it any more */
    bool joined;
    int error; /* what work returned */
    struct failure why;
};

/* What mutex guards is written and read under it alone: the workers' begun, ended, left,
 * error and why, and all below it. */
struct group {
    struct log *log;
    int stop;               /* eventfd(2); readable for ever once the group is to stop */
    int ended;              /* eventfd(2); readable for ever once a worker has ended */
    pthread_cond_t changed; /* on CLOCK_MONOTONIC: a worker has begun, or ended */
    pthread_mutex_t mutex;
    bool stopping; /* the workers were asked to stop */
    int count;     /* workers that were started */
    struct worker workers[GROUP_SIZE];
    int error;          /* 0, or the first error: */
    struct failure why; /* its text begins "worker NAME: " */
};

/*
 * group_open - a group without workers, which logs to log.
 *
 * Two eventfds, non-blocking and close-on-exec. Returns 0 or -errno, with
 * nothing left open then.
 */
int group_open(struct group *group, struct log *log, struct failure *why);

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
    struct group *group, const char *name, group_work *work, void *user, struct failure *why);

/* group_stop - ask all workers to stop. May be called more than once, and by a worker. */
void group_stop(struct group *group);

/* group_fd - the descriptor that is readable once any worker has ended. */
int group_fd(const struct group *group);

/* group_stop_fd - the descriptor that is readable, for ever, once the workers are to stop. They
 * poll it, and never read from it: then each of them sees it. */
int group_stop_fd(const struct group *group);

/* group_beat - a sign of life: to be given by each worker on each turn, and at least once a
 * second. */
void group_beat(struct worker *worker);

/*
 * group_late - the name of the first worker, as they were started, whose last sign of life is
 * older than so many milliseconds; NULL: there is none. Those that have ended do not count.
 */
const char *group_late(struct group *group, int limit);

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
int group_wait(struct group *group, int limit, struct failure *why);

/*
 * group_close - close the descriptors of a group that has been waited for.
 *
 * A worker that was left behind still uses them: then they stay open. The
 * process is about to end.
 */
void group_close(struct group *group);

#endif
