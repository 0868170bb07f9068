/*
 * labd - the daemon of the book: the start-up table, and the way out.
 *
 * usage: labd [--lab N] [--foreground] [--check] [-c CONFIG]
 */
#include "clock.h"
#include "descriptors.h"
#include "detach.h"
#include "loop.h"
#include "signals.h"
#include "state.h"
#include "usable.h"
#include "workers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- the steps, as the table below calls them; what each takes, it pushes on the cleanup ---
 */

static int push(struct labd *labd, const char *name, cleanup_undo *undo, struct failure *why) {
    return cleanup_push(&labd->cleanup, name, undo, labd, why);
}

static int start_signals_reset(struct labd *labd, struct failure *why) {
    (void)labd;
    return signals_reset(why);
}

static int start_descriptors_close(struct labd *labd, struct failure *why) {
    (void)labd;
    return descriptors_close(why);
}

static int start_detach_fork(struct labd *labd, struct failure *why) {
    return detach_fork(&labd->verdict, why);
}

static int start_detach_settle(struct labd *labd, struct failure *why) {
    return detach_settle(labd->config.umask, labd->config.directory, why);
}

static int start_descriptors_null(struct labd *labd, struct failure *why) {
    (void)labd;
    return descriptors_null(why);
}

/* The last line tells how we ended. */
static void stop_log(void *user) {
    struct labd *labd = user;

    if (labd->cause == NULL)
        log_event(&labd->log, "info", "stopped", NULL);
    else
        log_event(&labd->log, "error", "failed", "{s:o}", "error", log_text(labd->cause->text));
    log_close(&labd->log);
}

static int start_log(struct labd *labd, struct failure *why) {
    const struct config *config = &labd->config;
    int error = 0;

    if (labd->options.foreground && config->log[0] == '\0')
        log_attach(&labd->log, config->log_level); /* a service manager reads it */
    else
        error = log_open(&labd->log, config->log, config->log_level, why);
    labd->log.metrics = &labd->metrics;
    return error < 0 ? error : push(labd, "log_open", stop_log, why);
}

static void stop_signals(void *user) {
    struct labd *labd = user;

    /* The signals stay blocked: one more SIGTERM must not end a clean exit with a kill. */
    close(labd->signals);
    labd->signals = -1;
}

static int start_signals(struct labd *labd, struct failure *why) {
    labd->signals = signals_open(why);
    return labd->signals < 0 ? labd->signals : push(labd, "signals_open", stop_signals, why);
}

static void stop_pidfile(void *user) {
    struct labd *labd = user;

    pidfile_release(&labd->pidfile);
}

static int start_pidfile(struct labd *labd, struct failure *why) {
    if (labd->config.pidfile[0] == '\0')
        return 0;
    int error = pidfile_acquire(&labd->pidfile, labd->config.pidfile, why);
    if (error < 0)
        return error;
    if (labd->pidfile.stale[0] != '\0')
        log_event(&labd->log, "warning", "stale_pidfile", "{s:o, s:o}", "path",
            log_text(labd->config.pidfile), "held", log_text(labd->pidfile.stale));
    return push(labd, "pidfile_acquire", stop_pidfile, why);
}

static void stop_results(void *user) {
    struct labd *labd = user;

    results_close(&labd->results);
}

static int start_results(struct labd *labd, struct failure *why) {
    int error = results_open(&labd->results, labd->config.database, why);

    return error < 0 ? error : push(labd, "results_open", stop_results, why);
}

static void stop_watch(void *user) {
    struct labd *labd = user;

    config_watch_close(&labd->watch);
}

/* Without it, SIGHUP is there still: no reason not to start. */
static int start_watch(struct labd *labd, struct failure *why) {
    struct log *log = &labd->log;
    struct failure unwatched;

    if (config_watch_open(&labd->watch, &labd->store, &unwatched) < 0)
        log_event(log, "warning", "watch_failed", "{s:o}", "error", log_text(unwatched.text));
    return push(labd, "config_watch", stop_watch, why);
}

static void stop_jobs(void *user) {
    struct labd *labd = user;

    jobs_close(&labd->jobs);
}

static int start_jobs(struct labd *labd, struct failure *why) {
    int error = jobs_open(&labd->jobs, labd->config.spool, why);

    return error < 0 ? error : push(labd, "jobs_open", stop_jobs, why);
}

static void stop_capture(void *user) {
    struct labd *labd = user;

    capture_close(&labd->jobs.capture);
}

static int start_capture(struct labd *labd, struct failure *why) {
    const struct config *config = &labd->config;
    int error = capture_open(
        &labd->jobs.capture, config->spool, config->workers, config->output_limit, why);

    if (error == 0 && labd->jobs.capture.ended > 0)
        log_event(&labd->log, "warning", "leftovers_ended", "{s:i}", "processes",
            labd->jobs.capture.ended);
    return error < 0 ? error : push(labd, "capture_open", stop_capture, why);
}

static void stop_container(void *user) {
    struct labd *labd = user;
    struct failure why;

    if (container_close(&labd->jobs.container, &why) < 0)
        log_event(
            &labd->log, "error", "container_failed", "{s:o}", "error", log_text(why.text));
}

static int start_container(struct labd *labd, struct failure *why) {
    const struct config *config = &labd->config;
    struct container *container = &labd->jobs.container;
    /* Half of it: at the stop there has to be time to say that it was not enough. */
    int error = container_open(
        container, config->runner, config->image, config->spool, config->stop_timeout / 2, why);

    if (error < 0 || config->runner[0] == '\0')
        return error;
    if (container->removed > 0)
        log_event(&labd->log, "warning", "containers_removed", "{s:i}", "containers",
            container->removed);
    return push(labd, "container_open", stop_container, why);
}

static void stop_children(void *user) {
    struct labd *labd = user;

    jobs_end(&labd->jobs);
}

static int start_children(struct labd *labd, struct failure *why) {
    const struct config *config = &labd->config;
    int error = children_open(
        &labd->children, config->workers, config->job_timeout, config->job_grace, why);

    return error < 0 ? error : push(labd, "children_open", stop_children, why);
}

static void stop_group(void *user) {
    struct labd *labd = user;
    struct failure known;

    workers_stop(labd, &known); /* those that run still, because the start-up has failed */
    wake_close(&labd->loader);
    wake_close(&labd->queue);
    group_close(&labd->group);
}

static int start_group(struct labd *labd, struct failure *why) {
    int error = group_open(&labd->group, &labd->log, why);

    return error < 0 ? error : push(labd, "group_open", stop_group, why);
}

static int usable(void *user, struct failure *why) {
    const struct labd *labd = user;

    return usable_check(labd->config.spool, labd->config.database, why);
}

static int limit(void *user) {
    struct labd *labd = user;
    struct config now;

    config_get(&labd->store, &now);
    return now.worker_timeout;
}

static void stop_health(void *user) {
    struct labd *labd = user;

    health_close(&labd->health);
}

static int start_health(struct labd *labd, struct failure *why) {
    struct health_sources sources = {.group = &labd->group,
        .metrics = &labd->metrics,
        .usable = usable,
        .limit = limit,
        .user = labd,
        .log = &labd->log};
    int error = health_listen(&labd->health, labd->config.listen, &sources, why);

    if (error == 0)
        error = push(labd, "health", stop_health, why);
    return error < 0 ? error : health_start(&labd->health, why);
}

/* What a real daemon does before it can serve: load, connect, check. Ours only waits,
 * but as it must be done: a SIGTERM meanwhile ends it at once. */
static int start_work(struct labd *labd, struct failure *why) {
    long long until = now_milliseconds() + labd->config.warmup;
    struct pollfd waiting[1];

    log_event(&labd->log, "info", "starting", NULL);
    while (now_milliseconds() < until) {
        int number = loop_wait(labd, waiting, 1, until, why);
        if (number < 0)
            return number;
        if (number > 0)
            return failure_exit(
                why, EXIT_FAILED, "stopped by SIG%s while starting", sigabbrev_np(number));
    }
    return 0;
}

static int start_ready(struct labd *labd, struct failure *why) {
    health_state(&labd->health, HEALTH_READY);
    log_event(&labd->log, "info", "ready", NULL);
    if (labd->verdict < 0)
        return 0; /* in the foreground nobody waits */
    return detach_report(&labd->verdict, NULL, why);
}

/*
 * The start-up table, in the order of daemon(7). --lab N runs the rows with
 * lab <= N; lab 0 is given from the start. Rows that are about leaving a
 * terminal make no sense in the foreground.
 */
static const struct step {
    const char *name;
    int lab;
    bool foreground;
    int (*start)(struct labd *labd, struct failure *why);
} steps[] = {
    {"signals_reset", 3, true, start_signals_reset},
    {"descriptors_close", 2, true, start_descriptors_close},
    {"detach_fork", 1, false, start_detach_fork},
    {"detach_settle", 1, false, start_detach_settle},
    {"descriptors_null", 2, false, start_descriptors_null},
    {"log_open", 0, true, start_log},
    {"signals_open", 3, true, start_signals},
    {"pidfile_acquire", 4, true, start_pidfile},
    {"config_watch", 7, true, start_watch},
    {"results_open", 7, true, start_results},
    {"jobs_open", 5, true, start_jobs},
    {"capture_open", 7, true, start_capture},
    {"container_open", 10, true, start_container},
    {"children_open", 5, true, start_children},
    {"group_open", 8, true, start_group},
    {"health", 9, true, start_health},
    {"work", 0, true, start_work},
    {"workers_start", 8, true, workers_start},
    {"ready", 1, true, start_ready},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static bool included(const struct step *step, const struct options *options) {
    return step->lab <= options->lab && (step->foreground || !options->foreground);
}

/* Runs the table from the top. */
static int start(struct labd *labd, struct failure *why) {
    int error = 0;

    for (int i = 0; i < STEPS && error == 0; i++)
        if (included(&steps[i], &labd->options))
            error = steps[i].start(labd, why);
    return error;
}

/* Until lab 8, one thread does it all. */
static int serve(struct labd *labd, struct failure *why) {
    return labd->options.lab < 8 ? loop_serve(labd, why) : workers_serve(labd, why);
}

/* --- the command line --- */

/* An answer that did not arrive is a failure, also when the disk is full. */
static int say(const char *text, struct failure *why) {
    if (fputs(text, stdout) < 0 || fflush(stdout) != 0)
        return failure(why, errno, "write() to standard output");
    return 0;
}

/* Tells whoever can hear it: the starter while it waits, else standard error. */
static void tell(struct labd *labd, const struct failure *why) {
    struct failure unheard;

    if (labd->verdict >= 0)
        detach_report(&labd->verdict, why, &unheard);
    else
        fprintf(stderr, "labd: %s\n", why->text);
}

static int run(struct labd *labd, struct failure *why) {
    struct config now;
    int error = start(labd, why);

    if (error == 0)
        error = serve(labd, why);
    labd->cause = error < 0 ? why : NULL;
    health_state(&labd->health, HEALTH_STOPPING);
    config_get(&labd->store, &now);
    cleanup_unwind(&labd->cleanup, now.stop_timeout);
    return error;
}

static int obey(struct labd *labd, struct failure *why) {
    if (labd->options.help)
        return say(options_usage, why);
    int error = config_open(&labd->store, labd->options.config, why);
    if (error < 0)
        return error;
    if (labd->options.check)
        return say("labd: the configuration is good\n", why);
    options_settle(&labd->options);
    labd->store.path = labd->options.config; /* absolute by now */
    config_get(&labd->store, &labd->config);
    return run(labd, why);
}

int main(int argc, char *argv[]) {
    /* static: a worker that was left behind may look at it until the very end. */
    static struct labd labd = {.log = {.fd = -1, .mutex = PTHREAD_MUTEX_INITIALIZER},
        .pidfile = {.fd = -1},
        .verdict = -1,
        .signals = -1,
        .children = {.timer = -1},
        .jobs = {.spool = {.fd = -1, .watch = -1},
            .capture = {.epoll = -1, .folder = -1, .pipes = -1},
            .next_look = -1,
            .drain_until = -1},
        .health = {.listener = {.fd = -1}, .stop = -1, .mutex = PTHREAD_MUTEX_INITIALIZER},
        .watch = {.way = {.fd = -1}, .next_look = -1},
        .queue = {.fd = -1},
        .loader = {.fd = -1}};
    struct failure why;

    cleanup_open(&labd.cleanup, &labd.log);
    metrics_open(&labd.metrics);
    labd.jobs.children = &labd.children;
    labd.jobs.log = &labd.log;
    labd.jobs.metrics = &labd.metrics;
    labd.jobs.results = &labd.results;
    labd.jobs.store = &labd.store;
    if (!options_read(&labd.options, argc, argv))
        return EXIT_USAGE;
    if (obey(&labd, &why) == 0)
        return EXIT_STARTED;
    /* Last of all: whoever hears of the failure finds nothing left behind. */
    tell(&labd, &why);
    return why.exit_code;
}
