#include "cleanup.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LAST = 1000 }; /* milliseconds */

void cleanup_open(struct cleanup *stack, struct log *log) {
    pthread_condattr_t monotonic;

    *stack = (struct cleanup){.log = log, .mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&stack->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

int cleanup_push(struct cleanup *stack, const char *name, cleanup_undo *undo, void *user,
    struct failure *why) {
    if (stack->count == CLEANUP_SIZE) {
        undo(user);
        return failure(why, ENOBUFS, "cleanup_push(%s)", name);
    }
    pthread_mutex_lock(&stack->mutex);
    stack->rows[stack->count++] = (struct undo){name, undo, user};
    pthread_mutex_unlock(&stack->mutex);
    return 0;
}

void cleanup_pop(struct cleanup *stack) {
    if (stack->count == 0)
        return;
    const struct undo *last = &stack->rows[stack->count - 1];
    log_event(stack->log, "debug", "cleanup", "{s:s}", "name", last->name);
    last->undo(last->user);
    pthread_mutex_lock(&stack->mutex);
    stack->count--;
    pthread_mutex_unlock(&stack->mutex);
}

struct watch {
    struct cleanup *stack;
    int limit; /* milliseconds */
};

/* Says what is left. The mutex is locked by who started us: what is left can only become less.
 */
static void *tell(void *user) {
    const struct watch *this = user;
    const struct cleanup *stack = this->stack;
    char left[512] = "";

    for (int i = stack->count - 1; i >= 0; i--) {
        size_t used = strlen(left);
        snprintf(left + used, sizeof left - used, " %s", stack->rows[i].name);
    }
    log_event(stack->log, "error", "failed", "{s:o}", "error",
        json_sprintf("not undone within %d ms:%s", this->limit, left));
    return NULL;
}

/* Ends the process whatever the others do. The log may be what they wait for: so its line has a
 * thread of its own, and LAST milliseconds. */
static void give_up(struct watch *this) {
    struct timespec until = timespec_of(now_milliseconds() + LAST);
    pthread_t teller;

    if (pthread_create(&teller, NULL, tell, this) == 0)
        pthread_clockjoin_np(teller, NULL, CLOCK_MONOTONIC, &until);
    _exit(EXIT_FAILED);
}

static void *watch(void *user) {
    struct watch *this = user;
    struct cleanup *stack = this->stack;
    struct timespec until = timespec_of(now_milliseconds() + this->limit);
    int error = 0;

    pthread_mutex_lock(&stack->mutex);
    while (!stack->over && error == 0)
        error = pthread_cond_timedwait(&stack->changed, &stack->mutex, &until);
    if (!stack->over)
        give_up(this);
    pthread_mutex_unlock(&stack->mutex);
    return NULL;
}

void cleanup_unwind(struct cleanup *stack, int limit) {
    struct watch this = {stack, limit};
    pthread_t watcher;
    bool watched = pthread_create(&watcher, NULL, watch, &this) == 0;

    while (stack->count > 0)
        cleanup_pop(stack);
    pthread_mutex_lock(&stack->mutex);
    stack->over = true;
    pthread_cond_signal(&stack->changed);
    pthread_mutex_unlock(&stack->mutex);
    if (watched)
        pthread_join(watcher, NULL);
}
