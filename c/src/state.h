/*
 * state - what the daemon holds, from one step of the start-up table to the next.
 */
#ifndef LABD_STATE_H
#define LABD_STATE_H

#include "children.h"
#include "cleanup.h"
#include "config.h"
#include "group.h"
#include "health.h"
#include "jobs.h"
#include "log.h"
#include "metrics.h"
#include "options.h"
#include "pidfile.h"
#include "results.h"
#include "wake.h"

struct labd {
    struct options options;
    struct config config; /* as we were started; what holds now: config_get */
    struct config_store store;
    struct config_watch watch;
    struct cleanup cleanup;
    struct metrics metrics;
    struct log log;
    struct pidfile pidfile;
    int verdict; /* write end of the pipe to the starter; -1: nobody waits */
    int signals; /* the signalfd; -1: signals do what their default is */
    struct results results;
    struct children children;
    struct jobs jobs;
    struct group group;
    struct health health;
    struct wake queue;           /* of the worker that has the jobs */
    struct wake loader;          /* of the worker that has the configuration */
    const struct failure *cause; /* why we end; NULL: we were asked to */
};

#endif
