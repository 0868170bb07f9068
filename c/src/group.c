#include "group.h"

#include "clock.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

int group_open(struct group *group, struct log *log, struct failure *why) {
    pthread_condattr_t monotonic;

    *group = (struct group){.log = log, .mutex = PTHREAD_MUTEX_INITIALIZER, .ended = -1};
    group->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (group->stop >= 0)
        group->ended = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (group->ended < 0) {
        int error = failure(why, errno, "eventfd()");
        if (group->stop >= 0)
            close(group->stop);
        group->stop = -1;
        return error;
    }
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&group->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return 0;
}

/* Makes an eventfd readable. It cannot be full: nobody adds more than a few to it. */
static void tell(int fd) {
    const uint64_t one = 1;

    (void)!write(fd, &one, sizeof one);
}

/* The mutex is locked. */
static void ask_to_stop(struct group *group) {
    if (!group->stopping)
        tell(group->stop);
    group->stopping = true;
}

/* The first error is the cause; later ones may only follow from it. The mutex is locked. */
static void keep_first(struct group *group, int error, const struct failure *why) {
    if (group->error != 0)
        return;
    group->error = error;
    group->why = *why;
}

/* Judges how a worker has ended. The mutex is locked. */
static void judge(struct worker *worker) {
    struct group *group = worker->group;
    struct failure why;

    if (worker->error == 0 && group->stopping) {
        log_event(group->log, "info", "worker_ended", "{s:s}", "worker", worker->name);
        return;
    }
    if (worker->error == 0) {
        worker->error =
            failure_exit(&why, EXIT_FAILED, "worker %s ended by itself", worker->name);
    } else {
        failure_exit(
            &why, worker->why.exit_code, "worker %s: %s", worker->name, worker->why.text);
        why.error = worker->why.error;
    }
    log_event(group->log, "error", "worker_failed", "{s:s, s:o}", "worker", worker->name,
        "error", log_text(why.text));
    keep_first(group, worker->error, &why);
}

/* The last that a worker's thread does, also when its work called pthread_exit(3). */
static void end(void *user) {
    struct worker *worker = user;
    struct group *group = worker->group;

    pthread_mutex_lock(&group->mutex);
    judge(worker);
    worker->ended = true;
    ask_to_stop(group);
    tell(group->ended);
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->mutex);
}

/* The first. */
static void begin(struct worker *worker) {
    struct group *group = worker->group;

    prctl(PR_SET_NAME, worker->name);
    log_event(group->log, "info", "worker_started", "{s:s}", "worker", worker->name);
    pthread_mutex_lock(&group->mutex);
    worker->begun = true;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->mutex);
}

static void *run(void *user) {
    struct worker *worker = user;

    begin(worker);
    pthread_cleanup_push(end, worker);
    worker->error = worker->work(worker, worker->user, &worker->why);
    pthread_cleanup_pop(1);
    return NULL;
}

int group_start(
    struct group *group, const char *name, group_work *work, void *user, struct failure *why) {
    struct worker *worker = &group->workers[group->count];
    sigset_t all, before;

    if (group->count == GROUP_SIZE)
        return failure(why, ENOBUFS, "group_start(%s)", name);
    *worker = (struct worker){.group = group, .name = name, .work = work, .user = user};
    group_beat(worker);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return failure(why, error, "pthread_create() of worker %s", name);
    pthread_mutex_lock(&group->mutex);
    group->count++;
    while (!worker->begun)
        pthread_cond_wait(&group->changed, &group->mutex);
    pthread_mutex_unlock(&group->mutex);
    return 0;
}

void group_stop(struct group *group) {
    pthread_mutex_lock(&group->mutex);
    ask_to_stop(group);
    pthread_mutex_unlock(&group->mutex);
}

int group_fd(const struct group *group) {
    return group->ended;
}

int group_stop_fd(const struct group *group) {
    return group->stop;
}

void group_beat(struct worker *worker) {
    atomic_store(&worker->beat, now_milliseconds());
}

const char *group_late(struct group *group, int limit) {
    long long oldest = now_milliseconds() - limit;
    const char *late = NULL;

    pthread_mutex_lock(&group->mutex);
    for (int i = 0; i < group->count && late == NULL; i++) {
        struct worker *worker = &group->workers[i];
        if (!worker->ended && atomic_load(&worker->beat) < oldest)
            late = worker->name;
    }
    pthread_mutex_unlock(&group->mutex);
    return late;
}

/* Whether there is one that is worth waiting for. The mutex is locked. */
static bool is_awaited(const struct group *group) {
    for (int i = 0; i < group->count; i++)
        if (!group->workers[i].ended && !group->workers[i].left)
            return true;
    return false;
}

/* Waits until none is awaited, or the time has come. The mutex is locked. */
static void await(struct group *group, int limit) {
    struct timespec until = timespec_of(now_milliseconds() + limit);
    int error = 0;

    while (is_awaited(group) && error == 0)
        error = limit < 0 ? pthread_cond_wait(&group->changed, &group->mutex)
                          : pthread_cond_timedwait(&group->changed, &group->mutex, &until);
}

/* The mutex is locked. */
static void leave_behind(struct worker *worker, int limit) {
    struct group *group = worker->group;
    struct failure why;

    worker->left = true;
    log_event(group->log, "error", "worker_hung", "{s:s}", "worker", worker->name);
    int error = failure_exit(
        &why, EXIT_FAILED, "worker %s did not stop within %d ms", worker->name, limit);
    keep_first(group, error, &why);
    pthread_detach(worker->thread);
}

/* One that has ended is about to unlock the mutex, and to return: we may wait for it. */
static void join(struct group *group) {
    for (int i = 0; i < group->count; i++) {
        struct worker *worker = &group->workers[i];
        if (!worker->left && !worker->joined)
            pthread_join(worker->thread, NULL);
        worker->joined = true;
    }
}

int group_wait(struct group *group, int limit, struct failure *why) {
    pthread_mutex_lock(&group->mutex);
    await(group, limit);
    for (int i = 0; i < group->count; i++)
        if (!group->workers[i].ended && !group->workers[i].left)
            leave_behind(&group->workers[i], limit);
    int error = group->error;
    if (error != 0)
        *why = group->why;
    pthread_mutex_unlock(&group->mutex);
    join(group);
    return error;
}

void group_close(struct group *group) {
    for (int i = 0; i < group->count; i++)
        if (group->workers[i].left)
            return;
    pthread_cond_destroy(&group->changed);
    pthread_mutex_destroy(&group->mutex);
    close(group->stop);
    close(group->ended);
    group->stop = group->ended = -1;
}
