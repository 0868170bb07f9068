/*
 * loop - waiting for signals, and for what labs 1 to 7 do in one thread.
 */
#ifndef LABD_LOOP_H
#define LABD_LOOP_H

#include "failure.h"
#include "state.h"

#include <poll.h>

/*
 * loop_wait - wait until a time, for a signal or for one of the descriptors.
 *
 * until is milliseconds of CLOCK_MONOTONIC; -1: for ever. waiting[0] is left
 * for the signalfd, the others of the count are the caller's: poll(2). Does
 * what a signal asks for, whatever else we are doing. Returns the signal when
 * it asks us to stop, 0 when it was something else, or -errno.
 */
int loop_wait(struct labd *labd, struct pollfd *waiting, nfds_t count, long long until,
    struct failure *why);

/* loop_stop - log which signal asks us to stop. */
void loop_stop(struct labd *labd, int number);

/* loop_force - a second one did: log it. Returns -errno, as a failure does. */
int loop_force(struct labd *labd, int number, struct failure *why);

/*
 * loop_serve - do the jobs until a signal asks us to stop, then finish what is under way.
 *
 * For at most `drain`; then the jobs are ended. A second signal cuts it short,
 * and is a failure. Returns 0 or -errno.
 */
int loop_serve(struct labd *labd, struct failure *why);

#endif
