/*
 * metrics - what the daemon has done so far, in numbers.
 *
 * Written where things happen (jobs, config, log), read by the reporter and by
 * health. Every function may be called from any thread.
 */
#ifndef LABD_METRICS_H
#define LABD_METRICS_H

#include <pthread.h>
#include <stdbool.h>

/* Upper bounds of the histogram's buckets, in seconds; one more bucket has no bound. */
enum { METRICS_BOUNDS = 13 };
extern const double metrics_bounds[METRICS_BOUNDS];

/* All but running and queue only grow. */
struct counters {
    unsigned long done;   /* jobs that ended with exit code 0 */
    unsigned long failed; /* jobs that ended otherwise, or could not be started */
    unsigned long
        buckets[METRICS_BOUNDS + 1]; /* jobs by time: up to the bound, above the last one */
    unsigned long long milliseconds; /* all jobs together */
    int running;                     /* jobs that run now */
    int queue;                       /* jobs that waited at the last look */
    unsigned long reloads;           /* of the configuration, that were good */
    unsigned long bad_reloads;
    unsigned long reaped; /* children whose status was taken, orphans too */
    unsigned long lost;   /* lines of the log that could not be written */
};

struct metrics {
    pthread_mutex_t mutex;
    struct counters counters;
};

/* metrics_open - all at zero. Never fails. */
void metrics_open(struct metrics *metrics);

/* metrics_job - a job has ended, after so many milliseconds. */
void metrics_job(struct metrics *metrics, bool good, long long milliseconds);

/* metrics_running - so many jobs run now. */
void metrics_running(struct metrics *metrics, int running);

/* metrics_queue - so many jobs wait now. */
void metrics_queue(struct metrics *metrics, int queue);

/* metrics_reload - the configuration was read again: good, or the old one kept. */
void metrics_reload(struct metrics *metrics, bool good);

/* metrics_reaped - the status of a child was taken. */
void metrics_reaped(struct metrics *metrics);

/* metrics_lost - so many more lines of the log were lost. */
void metrics_lost(struct metrics *metrics, unsigned long lines);

/* metrics_read - copy all of them, as they were at one moment. */
void metrics_read(struct metrics *metrics, struct counters *copy);

#endif
