#include "jobs.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int jobs_open(struct jobs *jobs, const char *path, struct failure *why) {
    jobs->next_look = jobs->drain_until = -1;
    if (path[0] == '\0')
        return 0;
    int error = spool_open(&jobs->spool, path, why);
    jobs_look(jobs);
    return error;
}

void jobs_poll(const struct jobs *jobs, struct pollfd waiting[JOBS_POLL]) {
    waiting[0] = (struct pollfd){.fd = jobs->children->timer, .events = POLLIN};
}

long long jobs_due(const struct jobs *jobs) {
    if (jobs->drain_until < 0)
        return jobs->next_look;
    return jobs->ending ? -1 : jobs->drain_until;
}

void jobs_look(struct jobs *jobs) {
    if (jobs->spool.fd >= 0)
        jobs->next_look = 0;
}

static void log_failure(
    struct jobs *jobs, const char *event, const char *job, const char *text) {
    log_event(
        jobs->log, "error", event, "{s:o, s:o}", "job", log_text(job), "error", log_text(text));
}

static void finish(struct jobs *jobs, const char *job, bool good) {
    struct failure why;

    if (spool_finish(&jobs->spool, job, good, &why) < 0)
        log_failure(jobs, "spool_failed", job, why.text);
}

/* Whether it is no fault of the job: there may be room for it later. */
static bool is_shortage(int error) {
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ||
           error == ETXTBSY;
}

/* The limits for the next job, all of one generation, which is returned. */
static long set_limits(struct jobs *jobs) {
    struct config config;
    long generation = config_get(jobs->store, &config);

    jobs->children->timeout = config.job_timeout;
    jobs->children->grace = config.job_grace;
    return generation;
}

/* Returns false when no other job could be started now, either. */
static bool start(struct jobs *jobs, const char *job) {
    char path[PATH_MAX];
    struct failure why, unheard;

    spool_job(&jobs->spool, job, path);
    long generation = set_limits(jobs);
    pid_t pid = children_spawn(jobs->children, job, path, &why);
    if (pid >= 0) {
        log_event(jobs->log, "info", "job_started", "{s:o, s:i, s:I}", "job", log_text(job),
            "child", (int)pid, "generation", (json_int_t)generation);
        return true;
    }
    if (is_shortage(-pid) && spool_return(&jobs->spool, job, &unheard) == 0) {
        log_failure(jobs, "job_delayed", job, why.text);
        return false;
    }
    log_failure(jobs, "job_failed", job, why.text);
    finish(jobs, job, false);
    return true;
}

/* If it is time to look: as many jobs as there is room for. */
static void take(struct jobs *jobs) {
    struct config config;
    char job[NAME_MAX + 1];
    struct failure why;
    int found = 1;

    if (jobs->next_look < 0 || jobs->next_look > now_milliseconds())
        return;
    while (jobs->children->running < jobs->children->size &&
           (found = spool_claim(&jobs->spool, job, &why)) > 0 && start(jobs, job))
        continue;
    if (found < 0)
        log_failure(jobs, "spool_failed", "", why.text);
    metrics_running(jobs->metrics, jobs->children->running);
    config_get(jobs->store, &config);
    jobs->next_look = config.poll_interval > 0 ? now_milliseconds() + config.poll_interval : -1;
}

/* "TERM" for SIGTERM; the number for a real-time signal, which has no name: signal(7). */
static const char *signal_name(int number, char text[16]) {
    const char *name = sigabbrev_np(number);

    snprintf(text, 16, "%d", number);
    return name != NULL ? name : text;
}

/* A child_ended of children_reap. */
static void ended(void *user, const struct child *child, const siginfo_t *how) {
    struct jobs *jobs = user;
    int pid = (int)child->pid;
    char text[16];
    json_int_t milliseconds = now_milliseconds() - child->started;

    metrics_reaped(jobs->metrics);
    if (child->name[0] == '\0') {
        log_event(jobs->log, "debug", "orphan_ended", "{s:i}", "child", pid);
        return;
    }
    bool exited = how->si_code == CLD_EXITED;
    bool good = exited && how->si_status == 0;
    if (exited)
        log_event(jobs->log, good ? "info" : "warning", "job_ended", "{s:o, s:i, s:I, s:i}",
            "job", log_text(child->name), "child", pid, "milliseconds", milliseconds, "code",
            how->si_status);
    else
        log_event(jobs->log, "warning", "job_ended", "{s:o, s:i, s:I, s:s}", "job",
            log_text(child->name), "child", pid, "milliseconds", milliseconds, "signal",
            signal_name(how->si_status, text));
    finish(jobs, child->name, good);
    metrics_job(jobs->metrics, good, milliseconds);
    metrics_running(jobs->metrics, jobs->children->running);
    jobs_look(jobs); /* there is room for another */
}

int jobs_reap(struct jobs *jobs, struct failure *why) {
    return children_reap(jobs->children, ended, jobs, why);
}

/* A child_late of children_expire. */
static void late(void *user, const struct child *child) {
    struct jobs *jobs = user;

    log_event(jobs->log, "warning", "job_signalled", "{s:o, s:i, s:s}", "job",
        log_text(child->name), "child", (int)child->pid, "signal", sigabbrev_np(child->sent));
}

int jobs_turn(struct jobs *jobs, const struct pollfd waiting[JOBS_POLL], struct failure *why) {
    if (jobs->drain_until < 0)
        take(jobs);
    else if (!jobs->ending && now_milliseconds() >= jobs->drain_until) {
        children_end(jobs->children);
        jobs->ending = true;
    }
    return waiting[0].revents != 0 ? children_expire(jobs->children, late, jobs, why) : 0;
}

void jobs_drain(struct jobs *jobs, int limit) {
    jobs->drain_until = now_milliseconds() + limit;
}

bool jobs_drained(const struct jobs *jobs) {
    bool waits = jobs->spool.fd < 0 && now_milliseconds() < jobs->drain_until;

    return jobs->drain_until >= 0 && !waits && jobs->children->running == 0;
}

void jobs_end(struct jobs *jobs) {
    children_close(jobs->children, ended, jobs);
}

void jobs_close(struct jobs *jobs) {
    spool_close(&jobs->spool);
}
