/*
 * labd - the daemon of the book: the start-up table and the loop.
 *
 * usage: labd [--lab N] [--foreground] [--check] [-c CONFIG]
 */
#include "children.h"
#include "clock.h"
#include "config.h"
#include "descriptors.h"
#include "detach.h"
#include "failure.h"
#include "jobs.h"
#include "log.h"
#include "options.h"
#include "pidfile.h"
#include "results.h"
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct labd {
    struct options options;
    struct config config;
    struct log log;
    struct pidfile pidfile;
    int verdict; /* write end of the pipe to the starter; -1: nobody waits */
    int signals; /* the signalfd; -1: signals do what their default is */
    struct results results;
    struct children children;
    struct jobs jobs;
};

/* --- the steps, as the table below calls them --- */

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

static int start_log(struct labd *labd, struct failure *why) {
    if (labd->options.foreground && labd->config.log[0] == '\0') {
        log_attach(&labd->log, labd->config.log_level); /* a service manager reads it */
        return 0;
    }
    return log_open(&labd->log, labd->config.log, labd->config.log_level, why);
}

static void stop_log(struct labd *labd) {
    log_event(&labd->log, "info", "stopped", NULL);
    log_close(&labd->log);
}

static int start_pidfile(struct labd *labd, struct failure *why) {
    if (labd->config.pidfile[0] == '\0')
        return 0;
    int error = pidfile_acquire(&labd->pidfile, labd->config.pidfile, why);
    if (error == 0 && labd->pidfile.stale[0] != '\0')
        log_event(&labd->log, "warning", "stale_pidfile", "{s:o, s:o}", "path",
            log_text(labd->config.pidfile), "held", log_text(labd->pidfile.stale));
    return error;
}

static void stop_pidfile(struct labd *labd) {
    pidfile_release(&labd->pidfile);
}

static int start_signals(struct labd *labd, struct failure *why) {
    labd->signals = signals_open(why);
    return labd->signals < 0 ? labd->signals : 0;
}

static void stop_signals(struct labd *labd) {
    /* The signals stay blocked: one more SIGTERM must not end a clean exit with a kill. */
    close(labd->signals);
    labd->signals = -1;
}

static int start_results(struct labd *labd, struct failure *why) {
    return results_open(&labd->results, labd->config.database, why);
}

static void stop_results(struct labd *labd) {
    results_close(&labd->results);
}

static int start_capture(struct labd *labd, struct failure *why) {
    const struct config *config = &labd->config;

    return capture_open(
        &labd->jobs.capture, config->spool, config->workers, config->output_limit, why);
}

static void stop_capture(struct labd *labd) {
    capture_close(&labd->jobs.capture);
}

static int start_children(struct labd *labd, struct failure *why) {
    const struct config *config = &labd->config;

    return children_open(
        &labd->children, config->workers, config->job_timeout, config->job_grace, why);
}

static void stop_children(struct labd *labd) {
    jobs_end(&labd->jobs);
}

static int start_jobs(struct labd *labd, struct failure *why) {
    return jobs_open(&labd->jobs, labd->config.spool, labd->config.poll_interval, why);
}

static void stop_jobs(struct labd *labd) {
    jobs_close(&labd->jobs);
}

/* --- waiting --- */

/* Of the configuration only the level of the log can change while we run. */
static void reload(struct labd *labd) {
    struct config config;
    struct failure why;

    if (config_load(&config, labd->options.config, &why) < 0) {
        log_event(&labd->log, "error", "reload_failed", "{s:o}", "error", log_text(why.text));
        return;
    }
    log_set_level(&labd->log, config.log_level);
    log_event(&labd->log, "info", "reload", "{s:s, s:s}", "signal", "HUP", "log_level",
        config.log_level);
}

static void reopen(struct labd *labd) {
    struct failure why;

    if (log_reopen(&labd->log, &why) < 0)
        log_event(&labd->log, "error", "reopen_failed", "{s:o}", "error", log_text(why.text));
    else
        log_event(&labd->log, "info", "reopened", NULL);
}

/* Does what a signal asks for, whatever we are doing. */
static int heed(struct labd *labd, int number, struct failure *why) {
    if (number == SIGHUP) {
        reload(labd);
        jobs_look(&labd->jobs);
    }
    if (number == SIGUSR1)
        reopen(labd);
    if (number == SIGCHLD && labd->children.timer >= 0)
        return jobs_reap(&labd->jobs, why);
    return 0;
}

/* Waits until a time (-1: for ever) or a signal that asks us to stop, which it returns; 0 when
 * it was something else. Before lab 3 there is nothing to wait for: a signal's default action
 * ends us. */
static int wait_for_stop(struct labd *labd, long long until, struct failure *why) {
    struct pollfd waiting[1 + JOBS_POLL] = {{.fd = labd->signals, .events = POLLIN}};
    long long left = until < 0 ? -1 : until - now_milliseconds();

    if (until >= 0 && left < 0)
        left = 0;
    jobs_poll(&labd->jobs, waiting + 1);
    if (poll(waiting, 1 + JOBS_POLL, (int)left) < 0 && errno != EINTR)
        return failure(why, errno, "poll()");
    int number = labd->signals < 0 ? 0 : signals_next(labd->signals, why);
    if (number < 0)
        return number;
    int error = heed(labd, number, why);
    if (error == 0)
        error = jobs_turn(&labd->jobs, why);
    if (error < 0)
        return error;
    return number == SIGTERM || number == SIGINT ? number : 0;
}

/* --- the work --- */

/* What a real daemon does before it can serve: load, connect, check. Ours only waits,
 * but as it must be done: a SIGTERM meanwhile ends it at once. */
static int start_work(struct labd *labd, struct failure *why) {
    long long until = now_milliseconds() + labd->config.warmup;

    log_event(&labd->log, "info", "starting", NULL);
    while (now_milliseconds() < until) {
        int number = wait_for_stop(labd, until, why);
        if (number < 0)
            return number;
        if (number > 0)
            return failure_exit(
                why, EXIT_FAILED, "stopped by SIG%s while starting", sigabbrev_np(number));
    }
    return 0;
}

static int start_ready(struct labd *labd, struct failure *why) {
    log_event(&labd->log, "info", "ready", NULL);
    if (labd->verdict < 0)
        return 0; /* in the foreground nobody waits */
    return detach_report(&labd->verdict, NULL, why);
}

/*
 * The start-up table, in the order of daemon(7). --lab N runs the rows with
 * lab <= N; lab 0 is given from the start. Rows that are about leaving a
 * terminal make no sense in the foreground. Stops run in reverse.
 */
static const struct step {
    const char *name;
    int lab;
    bool foreground;
    int (*start)(struct labd *labd, struct failure *why);
    void (*stop)(struct labd *labd);
} steps[] = {
    {"signals_reset", 3, true, start_signals_reset, NULL},
    {"descriptors_close", 2, true, start_descriptors_close, NULL},
    {"detach_fork", 1, false, start_detach_fork, NULL},
    {"detach_settle", 1, false, start_detach_settle, NULL},
    {"descriptors_null", 2, false, start_descriptors_null, NULL},
    {"log_open", 0, true, start_log, stop_log},
    {"signals_open", 3, true, start_signals, stop_signals},
    {"pidfile_acquire", 4, true, start_pidfile, stop_pidfile},
    {"results_open", 7, true, start_results, stop_results},
    {"jobs_open", 5, true, start_jobs, stop_jobs},
    {"capture_open", 7, true, start_capture, stop_capture},
    {"children_open", 5, true, start_children, stop_children},
    {"work", 0, true, start_work, NULL},
    {"ready", 1, true, start_ready, NULL},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static bool included(const struct step *step, const struct options *options) {
    return step->lab <= options->lab && (step->foreground || !options->foreground);
}

/* Runs the table from the top; *done is the number of rows that need their stop. */
static int start(struct labd *labd, int *done, struct failure *why) {
    for (*done = 0; *done < STEPS; ++*done) {
        const struct step *step = &steps[*done];
        if (!included(step, &labd->options))
            continue;
        int error = step->start(labd, why);
        if (error < 0)
            return error;
    }
    return 0;
}

static void stop(struct labd *labd, int done) {
    while (done-- > 0) {
        const struct step *step = &steps[done];
        if (step->stop != NULL && included(step, &labd->options))
            step->stop(labd);
    }
}

/* --- the loop --- */

/* Jobs are the work that is under way. Where there is no spool, waiting stands for it. */
static bool is_busy(const struct labd *labd, long long until) {
    bool waits = labd->jobs.spool.fd < 0 && now_milliseconds() < until;

    return waits || labd->children.running > 0;
}

/* Finishes what is under way, for at most `drain`; then the jobs are ended. A second request
 * cuts it short. */
static int drain(struct labd *labd, struct failure *why) {
    long long until = now_milliseconds() + labd->config.drain;
    bool ended = false;

    while (is_busy(labd, until)) {
        if (!ended && now_milliseconds() >= until) {
            children_end(&labd->children);
            ended = true;
        }
        int number = wait_for_stop(labd, ended ? -1 : until, why);
        if (number < 0)
            return number;
        if (number > 0) {
            log_event(&labd->log, "warning", "forced", "{s:s}", "signal", sigabbrev_np(number));
            return failure_exit(why, EXIT_FAILED, "forced to stop by a second signal");
        }
    }
    return 0;
}

static int serve(struct labd *labd, struct failure *why) {
    int number;

    do {
        jobs_take(&labd->jobs);
        number = wait_for_stop(labd, labd->jobs.next_look, why);
    } while (number == 0);
    if (number < 0)
        return number;
    log_event(&labd->log, "info", "stop", "{s:s}", "signal", sigabbrev_np(number));
    return drain(labd, why);
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
    int done = 0;
    int error = start(labd, &done, why);

    if (error == 0)
        error = serve(labd, why);
    if (error < 0)
        log_event(&labd->log, "error", "failed", "{s:o}", "error", log_text(why->text));
    stop(labd, done);
    return error;
}

static int obey(struct labd *labd, struct failure *why) {
    if (labd->options.help)
        return say(options_usage, why);
    int error = config_load(&labd->config, labd->options.config, why);
    if (error < 0)
        return error;
    if (labd->options.check)
        return say("labd: the configuration is good\n", why);
    options_settle(&labd->options);
    return run(labd, why);
}

int main(int argc, char *argv[]) {
    struct labd labd = {.log = {.fd = -1},
        .pidfile = {.fd = -1},
        .verdict = -1,
        .signals = -1,
        .children = {.timer = -1},
        .jobs = {.spool = {.fd = -1, .watch = -1},
            .capture = {.epoll = -1, .folder = -1},
            .next_look = -1}};
    struct failure why;

    labd.jobs.children = &labd.children;
    labd.jobs.log = &labd.log;
    labd.jobs.results = &labd.results;
    if (!options_read(&labd.options, argc, argv))
        return EXIT_USAGE;
    if (obey(&labd, &why) == 0)
        return EXIT_STARTED;
    /* Last of all: whoever hears of the failure finds nothing left behind. */
    tell(&labd, &why);
    return why.exit_code;
}
