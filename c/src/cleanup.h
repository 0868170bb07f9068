/*
 * Lab 10: cleanup - a stack of what is to be undone, in reverse, on every way out.
 *
 * Whoever takes a resource pushes, at once, what gives it back. Then there is
 * one way out, whatever the reason for it: a signal, a start-up that failed
 * half-way, a worker that failed.
 */
#ifndef LABD_CLEANUP_H
#define LABD_CLEANUP_H

#include "failure.h"
#include "log.h"

#include <pthread.h>
#include <stdbool.h>

/* Gives something back. It cannot fail: what it cannot do, it logs. */
typedef void cleanup_undo(void *user);

struct undo {
    const char *name; /* a constant, for the log */
    cleanup_undo *undo;
    void *user;
};

enum { CLEANUP_SIZE = 32 };

struct cleanup {
    struct log *log;
    struct undo rows[CLEANUP_SIZE];
    int count; /* rows that are in use; the last one is undone first */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* on CLOCK_MONOTONIC */
    bool over;              /* all is undone: nobody needs to watch any more */
};

/* cleanup_open - an empty stack, which will log to log. Never fails. */
void cleanup_open(struct cleanup *stack, struct log *log);

/*
 * cleanup_push - undo this too, before all that was pushed until now.
 *
 * name is kept as it is, not copied. When the stack is full, undoes it at once
 * and returns -ENOBUFS: the caller has nothing left to give back. Else returns 0.
 */
int cleanup_push(struct cleanup *stack, const char *name, cleanup_undo *undo, void *user,
    struct failure *why);

/*
 * cleanup_pop - undo what was pushed last, and forget it.
 *
 * Before it, logs the event "cleanup", debug, with its "name". It stays on the
 * stack while it is being undone, for cleanup_unwind to name it. Does nothing
 * when the stack is empty.
 */
void cleanup_pop(struct cleanup *stack);

/*
 * cleanup_unwind - undo all, the last first, within so many milliseconds.
 *
 * Each once. An undo that waits for a dead disk may never come back, so a
 * thread of its own looks at the clock, which must not jump: when the time is
 * up, it logs the event "failed", an error, whose "error" names what is not
 * undone, and ends the process with _exit(2) and EXIT_FAILED. That line has one
 * more thread, and a second: the log may be what hangs, with its mutex locked.
 * If there is no thread to look at the clock, there is no limit. When the
 * function returns, the stack is empty and the thread has ended.
 */
void cleanup_unwind(struct cleanup *stack, int limit);

#endif
