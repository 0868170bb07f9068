/*
 * jobs - the daemon's work: what lies in the spool is run by children, logged, and recorded.
 *
 * What goes wrong with one job is logged and does not stop the daemon. A result
 * that could not be recorded is tried again at each look, and until it is no
 * other job is started.
 */
#ifndef LABD_JOBS_H
#define LABD_JOBS_H

#include "capture.h"
#include "children.h"
#include "failure.h"
#include "log.h"
#include "results.h"
#include "spool.h"

#include <poll.h>

enum { JOBS_POLL = 3 }; /* descriptors of jobs_poll */

struct jobs {
    struct children *children;
    struct log *log;
    struct results *results;
    struct capture capture;
    struct spool spool;
    struct result *unrecorded; /* results that wait for the database; their jobs are in cur/ */
    int unrecorded_count;
    int poll_interval;   /* milliseconds; 0: look only when told to */
    long long next_look; /* milliseconds of CLOCK_MONOTONIC; -1: when told to */
};

/*
 * jobs_open - open the spool at path, or have none if path is empty.
 *
 * Where the spool cannot be watched, that is logged, and looked at each
 * poll_interval alone. Returns 0 or -errno.
 */
int jobs_open(struct jobs *jobs, const char *path, int poll_interval, struct failure *why);

/* jobs_poll - which descriptors to wait for; those of -1 poll(2) does not look at. */
void jobs_poll(const struct jobs *jobs, struct pollfd waiting[JOBS_POLL]);

/* jobs_turn - do what is due: children_expire, capture_turn; look if the spool was heard of. */
int jobs_turn(struct jobs *jobs, struct failure *why);

/* jobs_look - look for new jobs at the next jobs_take. */
void jobs_look(struct jobs *jobs);

/* jobs_take - if it is time to look: start as many jobs as there is room for; when they are
 * many, only some of them, and next_look is at once. */
void jobs_take(struct jobs *jobs);

/* jobs_reap - log and record how each child ended, and put its job away: children_reap. */
int jobs_reap(struct jobs *jobs, struct failure *why);

/* jobs_end - end the children that still run, and put their jobs away: children_close. Results
 * that still cannot be recorded are given up: their jobs stay in cur/, and will run again. */
void jobs_end(struct jobs *jobs);

/* jobs_close - close the spool. */
void jobs_close(struct jobs *jobs);

#endif
