/*
 * wake - one thread asks another to do something, and gets it out of its poll(2).
 *
 * An eventfd(2) that becomes readable, and what was asked for, in bits: asked
 * for twice before it was looked at, it is done once.
 */
#ifndef LABD_WAKE_H
#define LABD_WAKE_H

#include "failure.h"

#include <stdatomic.h>

enum {
    WAKE_REAP = 1,  /* children have ended: SIGCHLD */
    WAKE_LOOK = 2,  /* look for jobs: SIGHUP */
    WAKE_DRAIN = 4, /* the daemon stops: finish what is under way */
    WAKE_LOAD = 8,  /* read the configuration again: SIGHUP */
};

struct wake {
    int fd; /* readable when something was asked for; -1: nobody listens */
    atomic_uint asked;
};

/* wake_open - the descriptor is non-blocking and close-on-exec. Returns 0 or -errno. */
int wake_open(struct wake *wake, struct failure *why);

/* wake_send - ask for something. Does nothing when nobody listens. */
void wake_send(struct wake *wake, unsigned what);

/* wake_take - what was asked for since the last time; 0: nothing. Not readable any more then.
 */
unsigned wake_take(struct wake *wake);

/* wake_close - close the descriptor. */
void wake_close(struct wake *wake);

#endif
