/*
 * jobs - the daemon's work: what lies in the spool is run by children, logged, and recorded.
 *
 * What goes wrong with one job is logged, and stops neither the daemon nor the
 * others. What has failed is tried again at the next look, and that is in a
 * second then, if not before. A result that could not be recorded is tried again
 * at each look, and until it is no other job is started. The limits of a job are those of the
 * configuration that holds when it starts, all of one generation, which the event job_started
 * names.
 *
 * One thread at a time: the loop of labs 1 to 7, or the worker "queue". It polls
 * what jobs_poll says until jobs_due, then calls jobs_turn.
 */
#ifndef LABD_JOBS_H
#define LABD_JOBS_H

#include "capture.h"
#include "children.h"
#include "config.h"
#include "container.h"
#include "failure.h"
#include "log.h"
#include "metrics.h"
#include "results.h"
#include "spool.h"

#include <poll.h>
#include <stdbool.h>

enum { JOBS_POLL = 3 }; /* descriptors of jobs_poll */

/* All times are milliseconds of CLOCK_MONOTONIC. */
struct jobs {
    struct children *children;
    struct log *log;
    struct metrics *metrics;
    struct results *results;
    struct capture capture;
    struct spool spool;
    struct container container;
    struct result *unrecorded; /* results that wait for the database; their jobs are in cur/ */
    int unrecorded_count;
    struct config_store *store;
    long long next_look;   /* -1: when told to */
    long long next_count;  /* of those that wait */
    long long next_again;  /* try of those that could not be run */
    bool failed;           /* in this look */
    long long drain_until; /* when what still runs is to be ended; -1: we do not drain */
    bool ending;           /* it was told to end */
};

/*
 * jobs_open - open the spool at path, or have none if path is empty.
 *
 * Where the spool cannot be watched, that is logged, and looked at each
 * poll_interval alone. Returns 0 or -errno.
 */
int jobs_open(struct jobs *jobs, const char *path, struct failure *why);

/* jobs_poll - which descriptors to wait for; those of -1 poll(2) does not look at. */
void jobs_poll(const struct jobs *jobs, struct pollfd waiting[JOBS_POLL]);

/* jobs_due - when jobs_turn is to be called at the latest; -1: when a descriptor is ready. */
long long jobs_due(const struct jobs *jobs);

/*
 * jobs_turn - do all that is due: read output, end what is late, take new jobs, unless we
 * drain.
 *
 * Looks for new jobs when told to, when the spool was heard of, or each poll_interval. When
 * they are many, takes only some of them, and is due again at once. Returns 0 or -errno.
 */
int jobs_turn(struct jobs *jobs, const struct pollfd waiting[JOBS_POLL], struct failure *why);

/* jobs_look - look for new jobs at the next jobs_turn. */
void jobs_look(struct jobs *jobs);

/*
 * jobs_reap - log and record how each child ended, and put its job away: children_reap.
 *
 * Where a container may be left, it is removed before that: container_remove. What this could
 * not remove is logged, and left to container_close.
 */
int jobs_reap(struct jobs *jobs, struct failure *why);

/* jobs_drain - take no more; what runs may do so for so many milliseconds, then it is ended. */
void jobs_drain(struct jobs *jobs, int limit);

/* jobs_drained - whether we drain, and nothing is under way any more. Where there is no spool,
 * waiting stands for it. */
bool jobs_drained(const struct jobs *jobs);

/* jobs_end - end the children that still run, and put their jobs away: children_close. Results
 * that still cannot be recorded are given up: their jobs stay in cur/, and will run again. */
void jobs_end(struct jobs *jobs);

/* jobs_close - close the spool. */
void jobs_close(struct jobs *jobs);

#endif
