/*
 * workers - what labd does from lab 8 on, each thing in a thread of its own.
 *
 *     queue     the jobs: takes them, reaps them, ends those that are late
 *     config    the configuration: reads it again when it is told to, or the file has changed
 *     reporter  logs the event "report", with the counters of metrics
 *
 * The main thread takes the signals, and waits for the group of workers.
 */
#ifndef LABD_WORKERS_H
#define LABD_WORKERS_H

#include "failure.h"
#include "state.h"

/* workers_start - start them all, in the group that is open. Returns 0, or -errno; those that
 * run then are stopped by workers_stop. */
int workers_start(struct labd *labd, struct failure *why);

/*
 * workers_serve - let them work until a signal asks us to stop, or one of them fails.
 *
 * After the signal, the queue finishes what is under way; as loop_serve. A
 * queue that gives no sign of life is not waited for. Stops the workers.
 * Returns 0, or -errno with the first error.
 */
int workers_serve(struct labd *labd, struct failure *why);

/* workers_stop - ask them all to stop, and wait for `stop_timeout`. Returns 0, or -errno with
 * the first error. */
int workers_stop(struct labd *labd, struct failure *why);

#endif
