/*
 * Lab 10, cleanup: your own module, yet to be written.
 *
 * The contract of each function stands above it, as in c/src/cleanup.h.
 * Write what is marked TODO, then run `make lab-10`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "cleanup.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* cleanup_open - an empty stack, which will log to log. Never fails. */
void cleanup_open(struct cleanup *stack, struct log *log) {
    (void)stack;
    (void)log;
    /* TODO: do what the contract above says. */
}

/*
 * cleanup_push - undo this too, before all that was pushed until now.
 *
 * name is kept as it is, not copied. When the stack is full, undoes it at once
 * and returns -ENOBUFS: the caller has nothing left to give back. Else returns 0.
 */
int cleanup_push(struct cleanup *stack, const char *name, cleanup_undo *undo, void *user,
    struct failure *why) {
    (void)stack;
    (void)name;
    (void)undo;
    (void)user;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * cleanup_pop - undo what was pushed last, and forget it.
 *
 * Before it, logs the event "cleanup", debug, with its "name". It stays on the
 * stack while it is being undone, for cleanup_unwind to name it. Does nothing
 * when the stack is empty.
 */
void cleanup_pop(struct cleanup *stack) {
    (void)stack;
    /* TODO: do what the contract above says. */
}

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
void cleanup_unwind(struct cleanup *stack, int limit) {
    (void)stack;
    (void)limit;
    /* TODO: do what the contract above says. */
}
