/*
 * Lab 5: children - programs that we start, and end, and never lose sight of.
 *
 * A child that has ended stays in the process table until its parent asks for
 * its status: a zombie. SIGCHLD only says "look"; many ends may come as one
 * signal. As long as we have not asked, the number of the child is still its
 * own, and a signal to it cannot hit a stranger. So: first the signals, then
 * the status.
 */
#ifndef LABD_CHILDREN_H
#define LABD_CHILDREN_H

#include "failure.h"

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

/* A child that runs. All times are milliseconds of CLOCK_MONOTONIC. */
struct child {
    pid_t pid; /* also the number of its process group; 0: this row of the table is free */
    char name[NAME_MAX + 1];
    long long started;
    long long deadline; /* when the next signal is due; 0: none is */
    int grace; /* milliseconds from SIGTERM to SIGKILL, as it was when this one started */
    int sent;  /* the last signal that a deadline brought it: 0, SIGTERM or SIGKILL */
};

/* timeout and grace are for the children that are started from now on: the owner may set them
 * to something else between two calls. */
struct children {
    struct child *table;
    int size;    /* rows of the table */
    int running; /* rows that are not free */
    int timeout; /* milliseconds that a child may run; 0: for ever */
    int grace;   /* milliseconds from SIGTERM to SIGKILL */
    int timer;   /* timerfd(2), readable when a deadline has come; -1: not open */
};

/* Told of each child that has ended: how, as waitid(2) says it, and what it used, as
 * getrusage(2) says it. The child is a copy: its row of the table is free already. With an
 * empty name it is none of the table: it came to us as an orphan. */
typedef void child_ended(
    void *user, const struct child *child, const siginfo_t *how, const struct rusage *usage);

/* Told of each child that was sent a signal because its deadline had come: child->sent. */
typedef void child_late(void *user, const struct child *child);

/*
 * children_open - get ready to have children, at most size at a time.
 *
 * Makes us the reaper of our descendants, so that what a child leaves behind
 * comes to us and not to PID 1: PR_SET_CHILD_SUBREAPER, prctl(2). Opens a
 * timerfd(2) on CLOCK_MONOTONIC, non-blocking and close-on-exec.
 * timeout and grace are milliseconds. Returns 0 or -errno, with nothing left
 * open or allocated then.
 */
int children_open(
    struct children *children, int size, int timeout, int grace, struct failure *why);

/*
 * children_spawn - run the program at path, under a name for our table.
 *
 * With posix_spawn(3). fork(2) copies one thread alone: a lock that another
 * thread holds, of malloc(3) say, is never released in the child, and whoever
 * wants it there waits for ever. The child
 *
 * - leads a process group of its own, so that one signal reaches all of it;
 * - has every disposition at default and no signal blocked;
 * - has /dev/null as 0, output as 1 and 2 (-1: /dev/null, too), and nothing above;
 * - gets arguments as its argv, argv[0] and the NULL at the end included, and
 *   PATH=/usr/local/bin:/usr/bin:/bin as its only variable.
 *
 * Enters it into the table, with its deadline, and sets the timer. output stays open here, and
 * is the caller's.
 * Returns its number (a pid_t is an int here), or -errno: -EAGAIN when the
 * table is full, else that of posix_spawn(3), which includes that of execve(2).
 */
int children_spawn(struct children *children, const char *name, const char *path,
    char *const arguments[], int output, struct failure *why);

/*
 * children_reap - ask for the status of every child that has ended. Called after SIGCHLD.
 *
 * Until none is left, for one SIGCHLD may stand for many: waitid(2) with
 * WNOHANG. Each is first looked at (WNOWAIT); if it is one of the table, what
 * is left of its process group gets SIGKILL; only then its status is taken,
 * by wait4(2), which also tells what it used; its row becomes free, and ended
 * is called. Orphans that came to us are reaped just so, but for the table. Then sets the timer
 * for the deadlines that are left. Returns 0 or -errno.
 */
int children_reap(
    struct children *children, child_ended *ended, void *user, struct failure *why);

/*
 * children_expire - send what is due. Called when the timer is readable.
 *
 * Every child whose deadline has come: SIGTERM to its group, and SIGCONT after
 * it, for one that is stopped takes no SIGTERM; its next deadline is its grace
 * from now. At that one: SIGKILL. Each time late is called. Sets the timer for
 * the deadline that comes next, or stops it.
 * Returns 0 or -errno.
 */
int children_expire(
    struct children *children, child_late *late, void *user, struct failure *why);

/*
 * children_end - every child is due at once: the daemon stops.
 *
 * Only makes the timer readable: children_expire then does what is to be done.
 * One that was sent its SIGTERM already keeps its deadline.
 */
void children_end(struct children *children);

/*
 * children_close - SIGKILL to the group of every child of the table, and wait for their ends.
 *
 * Before and after it, reaps those that have ended, and calls ended for each.
 * Waits for at most five seconds: a process that cannot be killed must not keep us; one that
 * was killed on a busy machine needs a while to end.
 * Closes the timer and frees the table. Does nothing when it is not open.
 */
void children_close(struct children *children, child_ended *ended, void *user);

#endif
