#include "workers.h"

#include "clock.h"
#include "loop.h"
#include "reload.h"

#include <errno.h>
#include <poll.h>

enum { BEAT = 1000 }; /* milliseconds: the longest that a worker waits without a sign of life */

/* --- each in its own thread --- */

/* Waits for one of the descriptors until a time, but not longer than a sign of life may take.
 */
static int wait(struct worker *worker, struct pollfd *waiting, nfds_t count, long long until,
    struct failure *why) {
    long long left = until < 0 ? BEAT : until - now_milliseconds();

    group_beat(worker);
    if (poll(waiting, count,
            left < 0      ? 0
            : left > BEAT ? BEAT
                          : (int)left) < 0 &&
        errno != EINTR)
        return failure(why, errno, "poll()");
    return 0;
}

/* Does what the main thread asks for. */
static int obey(struct labd *labd, unsigned asked, struct failure *why) {
    struct config config;

    config_get(&labd->store, &config);
    if ((asked & WAKE_LOOK) != 0)
        jobs_look(&labd->jobs);
    if ((asked & WAKE_DRAIN) != 0)
        jobs_drain(&labd->jobs, config.drain);
    return (asked & WAKE_REAP) != 0 ? jobs_reap(&labd->jobs, why) : 0;
}

/* When the last job has ended, it stops all. Asked to stop before that, it leaves what runs to
 * the cleanup. */
static int queue(struct worker *worker, void *user, struct failure *why) {
    struct labd *labd = user;
    struct jobs *jobs = &labd->jobs;
    struct pollfd waiting[2 + JOBS_POLL] = {
        {.fd = group_stop_fd(worker->group), .events = POLLIN},
        {.fd = labd->queue.fd, .events = POLLIN}};

    while (!jobs_drained(jobs)) {
        jobs_poll(jobs, waiting + 2);
        int error = wait(worker, waiting, 2 + JOBS_POLL, jobs_due(jobs), why);
        if (error < 0)
            return error;
        if (waiting[0].revents != 0)
            return 0;
        error = obey(labd, wake_take(&labd->queue), why);
        if (error == 0)
            error = jobs_turn(jobs, waiting + 2, why);
        if (error < 0)
            return error;
    }
    group_stop(worker->group);
    return 0;
}

static int config(struct worker *worker, void *user, struct failure *why) {
    struct labd *labd = user;
    struct pollfd waiting[3] = {{.fd = group_stop_fd(worker->group), .events = POLLIN},
        {.fd = labd->loader.fd, .events = POLLIN},
        {.fd = labd->watch.way.fd, .events = POLLIN}};

    for (;;) {
        int error = wait(worker, waiting, 3, labd->watch.next_look, why);
        if (error < 0 || waiting[0].revents != 0)
            return error;
        if ((wake_take(&labd->loader) & WAKE_LOAD) != 0)
            reload_now(labd, "HUP");
        error = reload_turn(labd, why);
        if (error < 0)
            return error;
    }
}

static void report(struct labd *labd) {
    struct counters now;

    metrics_read(&labd->metrics, &now);
    log_event(&labd->log, "info", "report",
        "{s:I, s:I, s:i, s:i, s:I, s:I, s:I, s:I}", /* in the order of struct counters */
        "done", (json_int_t)now.done, "failed", (json_int_t)now.failed, "running", now.running,
        "queue", now.queue, "reloads", (json_int_t)now.reloads, "bad_reloads",
        (json_int_t)now.bad_reloads, "reaped", (json_int_t)now.reaped, "lost",
        (json_int_t)now.lost);
}

/* The interval may become another while it waits. */
static int reporter(struct worker *worker, void *user, struct failure *why) {
    struct labd *labd = user;
    struct config config;
    struct pollfd stop = {.fd = group_stop_fd(worker->group), .events = POLLIN};
    long long last = now_milliseconds();

    for (;;) {
        config_get(&labd->store, &config);
        int interval = config.report_interval;
        int error = wait(worker, &stop, 1, interval > 0 ? last + interval : -1, why);
        if (error < 0 || stop.revents != 0)
            return error;
        long long now = now_milliseconds();
        if (interval > 0 && now >= last + interval) {
            report(labd);
            last = now; /* those that were missed are not made up for */
        }
    }
}

/* --- all of them, in the main thread --- */

int workers_start(struct labd *labd, struct failure *why) {
    int error = wake_open(&labd->queue, why);

    if (error == 0)
        error = wake_open(&labd->loader, why);
    if (error == 0)
        error = group_start(&labd->group, "queue", queue, labd, why);
    if (error == 0)
        error = group_start(&labd->group, "config", config, labd, why);
    if (error == 0)
        error = group_start(&labd->group, "reporter", reporter, labd, why);
    return error;
}

int workers_stop(struct labd *labd, struct failure *why) {
    struct config now;

    config_get(&labd->store, &now);
    group_stop(&labd->group);
    return group_wait(&labd->group, now.stop_timeout, why);
}

/* Waits until a time for a signal or the first end of a worker. Returns as loop_wait does. */
static int wait_for_end(struct labd *labd, bool *ended, long long until, struct failure *why) {
    struct pollfd waiting[2] = {[1] = {.fd = group_fd(&labd->group), .events = POLLIN}};
    int number = loop_wait(labd, waiting, 2, until, why);

    *ended = waiting[1].revents != 0;
    return number;
}

/* The queue ends by itself when there is nothing left to do. One that hangs would never. Late
 * is who is late at two looks: after a SIGSTOP and a SIGCONT all are, until each has had its
 * turn. */
static int drain(struct labd *labd, struct failure *why) {
    struct config now;
    int number = 0, late = 0;
    bool ended = false;

    config_get(&labd->store, &now);
    wake_send(&labd->queue, WAKE_DRAIN);
    while (number == 0 && !ended) {
        late = group_late(&labd->group, now.worker_timeout) == NULL ? 0 : late + 1;
        if (late == 2)
            break;
        number = wait_for_end(labd, &ended, now_milliseconds() + BEAT, why);
    }
    return number > 0 ? loop_force(labd, number, why) : number;
}

int workers_serve(struct labd *labd, struct failure *why) {
    struct failure later;
    int number;
    bool ended;

    do
        number = wait_for_end(labd, &ended, -1, why);
    while (number == 0 && !ended);
    health_state(&labd->health, HEALTH_STOPPING); /* also when one of them has failed */
    if (number > 0) {
        loop_stop(labd, number);
        number = drain(labd, why);
    }
    int error = workers_stop(labd, number < 0 ? &later : why);
    return number < 0 ? number : error;
}
