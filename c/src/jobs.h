/*
 * jobs - the daemon's work: what lies in the spool is run by children, and logged.
 *
 * What goes wrong with one job is logged and does not stop the daemon.
 */
#ifndef LABD_JOBS_H
#define LABD_JOBS_H

#include "children.h"
#include "failure.h"
#include "log.h"
#include "spool.h"

struct jobs {
    struct children *children;
    struct spool spool;
    struct log *log;
    int poll_interval;   /* milliseconds; 0: look only when told to */
    long long next_look; /* milliseconds of CLOCK_MONOTONIC; -1: when told to */
};

/* jobs_open - open the spool at path, or have none if path is empty. Returns 0 or -errno. */
int jobs_open(struct jobs *jobs, const char *path, int poll_interval, struct failure *why);

/* jobs_look - look for new jobs at the next jobs_take. */
void jobs_look(struct jobs *jobs);

/* jobs_take - if it is time to look: start as many jobs as there is room for. */
void jobs_take(struct jobs *jobs);

/* jobs_reap - log how each child ended, and put its job away: children_reap. */
int jobs_reap(struct jobs *jobs, struct failure *why);

/* jobs_expire - log which children were sent a signal: children_expire. */
int jobs_expire(struct jobs *jobs, struct failure *why);

/* jobs_end - end the children that still run, and put their jobs away: children_close. */
void jobs_end(struct jobs *jobs);

/* jobs_close - close the spool. */
void jobs_close(struct jobs *jobs);

#endif
