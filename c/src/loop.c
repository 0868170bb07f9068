#include "loop.h"

#include "clock.h"
#include "reload.h"
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* The configuration belongs to the worker, where there is one. */
static void reload(struct labd *labd) {
    if (labd->loader.fd >= 0)
        wake_send(&labd->loader, WAKE_LOAD);
    else
        reload_now(labd, "HUP");
}

static void reopen(struct labd *labd) {
    struct failure why;

    if (log_reopen(&labd->log, &why) < 0)
        log_event(&labd->log, "error", "reopen_failed", "{s:o}", "error", log_text(why.text));
    else
        log_event(&labd->log, "info", "reopened", NULL);
}

/* So do the jobs. */
static int reap(struct labd *labd, struct failure *why) {
    if (labd->queue.fd >= 0)
        wake_send(&labd->queue, WAKE_REAP);
    else if (labd->children.timer >= 0)
        return jobs_reap(&labd->jobs, why);
    return 0;
}

/* Does what a signal asks for. */
static int heed(struct labd *labd, int number, struct failure *why) {
    if (number == SIGHUP) {
        reload(labd);
        reload_look(labd); /* also when it is no good */
    }
    if (number == SIGUSR1)
        reopen(labd);
    return number == SIGCHLD ? reap(labd, why) : 0;
}

int loop_wait(struct labd *labd, struct pollfd *waiting, nfds_t count, long long until,
    struct failure *why) {
    long long left = until < 0 ? -1 : until - now_milliseconds();

    if (until >= 0 && left < 0)
        left = 0;
    waiting[0] = (struct pollfd){.fd = labd->signals, .events = POLLIN};
    /* Before lab 3 there is nothing to wait for: a signal's default action ends us. */
    if (poll(waiting, count, (int)left) < 0 && errno != EINTR)
        return failure(why, errno, "poll()");
    int number = labd->signals < 0 ? 0 : signals_next(labd->signals, why);
    if (number < 0)
        return number;
    int error = heed(labd, number, why);
    if (error < 0)
        return error;
    return number == SIGTERM || number == SIGINT ? number : 0;
}

void loop_stop(struct labd *labd, int number) {
    log_event(&labd->log, "info", "stop", "{s:s}", "signal", sigabbrev_np(number));
}

int loop_force(struct labd *labd, int number, struct failure *why) {
    log_event(&labd->log, "warning", "forced", "{s:s}", "signal", sigabbrev_np(number));
    return failure_exit(why, EXIT_FAILED, "forced to stop by a second signal");
}

/* The earlier of two times; -1 is never. */
static long long earlier(long long one, long long other) {
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

/* Waits for something to do, and does it. Returns as loop_wait does. */
static int turn(struct labd *labd, struct failure *why) {
    struct pollfd waiting[2 + JOBS_POLL] = {[1] = {.fd = labd->watch.way.fd, .events = POLLIN}};
    long long until = earlier(jobs_due(&labd->jobs), labd->watch.next_look);

    jobs_poll(&labd->jobs, waiting + 2);
    int number = loop_wait(labd, waiting, 2 + JOBS_POLL, until, why);
    if (number != 0)
        return number;
    int error = reload_turn(labd, why);
    return error < 0 ? error : jobs_turn(&labd->jobs, waiting + 2, why);
}

/* A second request to stop cuts it short. */
static int drain(struct labd *labd, struct failure *why) {
    struct config config;

    config_get(&labd->store, &config);
    jobs_drain(&labd->jobs, config.drain);
    while (!jobs_drained(&labd->jobs)) {
        int number = turn(labd, why);
        if (number < 0)
            return number;
        if (number > 0)
            return loop_force(labd, number, why);
    }
    return 0;
}

int loop_serve(struct labd *labd, struct failure *why) {
    int number;

    do
        number = turn(labd, why);
    while (number == 0);
    if (number < 0)
        return number;
    loop_stop(labd, number);
    return drain(labd, why);
}
