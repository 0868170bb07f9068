/*
 * labd - the daemon of the book: the start-up table and the loop.
 *
 * usage: labd [--lab N] [--foreground] [--check] [-c CONFIG]
 */
#include "config.h"
#include "descriptors.h"
#include "detach.h"
#include "failure.h"
#include "log.h"
#include "options.h"
#include "pidfile.h"
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct labd {
    struct options options;
    struct config config;
    struct log log;
    struct pidfile pidfile;
    int verdict; /* write end of the pipe to the starter; -1: nobody waits */
    int signals; /* the signalfd; -1: signals do what their default is */
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
        labd->log.fd = STDERR_FILENO; /* a service manager reads it there */
        return 0;
    }
    return log_open(&labd->log, labd->config.log, why);
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
        log_event(&labd->log, "warning", "stale_pidfile", "{s:s, s:s}", "path",
            labd->config.pidfile, "held", labd->pidfile.stale);
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

static long long now_milliseconds(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now); /* the wall clock may jump */
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Before lab 3 there is nothing to wait for: a signal's default action ends us. */
static int wait_for_signal(struct labd *labd, long long until, struct failure *why) {
    struct pollfd waiting = {.fd = labd->signals, .events = POLLIN};
    long long left = until < 0 ? -1 : until - now_milliseconds();

    if (until >= 0 && left < 0)
        left = 0;
    if (poll(&waiting, 1, (int)left) < 0 && errno != EINTR)
        return failure(why, errno, "poll()");
    return labd->signals < 0 ? 0 : signals_next(labd->signals, why);
}

/* What a real daemon does before it can serve: load, connect, check. Ours only waits,
 * but as it must be done: a SIGTERM meanwhile ends it at once. */
static int start_work(struct labd *labd, struct failure *why) {
    long long until = now_milliseconds() + labd->config.warmup;

    log_event(&labd->log, "info", "starting", NULL);
    while (now_milliseconds() < until) {
        int number = wait_for_signal(labd, until, why);
        if (number < 0)
            return number;
        if (number == SIGTERM || number == SIGINT)
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

/* Finishes what is under way, for at most `drain`; a second request cuts it short. */
static int drain(struct labd *labd, struct failure *why) {
    long long until = now_milliseconds() + labd->config.drain;

    while (now_milliseconds() < until) {
        int number = wait_for_signal(labd, until, why);
        if (number < 0)
            return number;
        if (number == SIGTERM || number == SIGINT) {
            log_event(&labd->log, "warning", "forced", "{s:s}", "signal", sigabbrev_np(number));
            return failure_exit(why, EXIT_FAILED, "forced to stop by a second signal");
        }
    }
    return 0;
}

static int serve(struct labd *labd, struct failure *why) {
    for (;;) {
        int number = wait_for_signal(labd, -1, why);
        if (number < 0)
            return number;
        if (number == SIGHUP)
            log_event(&labd->log, "info", "reload", "{s:s}", "signal", "HUP");
        if (number == SIGTERM || number == SIGINT) {
            log_event(&labd->log, "info", "stop", "{s:s}", "signal", sigabbrev_np(number));
            return drain(labd, why);
        }
    }
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
        log_event(&labd->log, "error", "failed", "{s:s}", "error", why->text);
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
    return run(labd, why);
}

int main(int argc, char *argv[]) {
    struct labd labd = {.log = {.fd = -1}, .pidfile = {.fd = -1}, .verdict = -1, .signals = -1};
    struct failure why;

    if (!options_read(&labd.options, argc, argv))
        return EXIT_USAGE;
    if (obey(&labd, &why) == 0)
        return EXIT_STARTED;
    /* Last of all: whoever hears of the failure finds nothing left behind. */
    tell(&labd, &why);
    return why.exit_code;
}
