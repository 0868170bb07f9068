#include "jobs.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SOME = 64,    /* jobs that are taken in one turn */
    AGAIN = 1000, /* milliseconds until what has failed is tried again */
    COUNT = 1000, /* milliseconds between two counts of the queue: it may be long */
};

static void log_failure(struct jobs *jobs, const char *level, const char *event,
    const char *job, const char *text) {
    log_event(
        jobs->log, level, event, "{s:o, s:o}", "job", log_text(job), "error", log_text(text));
}

int jobs_open(struct jobs *jobs, const char *path, struct failure *why) {
    struct failure unwatched;

    jobs->next_look = jobs->drain_until = -1;
    if (path[0] == '\0')
        return 0;
    int error = spool_open(&jobs->spool, path, why);
    if (error == 0 && spool_watch(&jobs->spool, &unwatched) < 0)
        log_failure(jobs, "warning", "spool_unwatched", "", unwatched.text);
    jobs_look(jobs);
    return error;
}

void jobs_look(struct jobs *jobs) {
    if (jobs->spool.fd < 0)
        return;
    spool_look(&jobs->spool);
    jobs->next_look = 0;
}

void jobs_poll(const struct jobs *jobs, struct pollfd waiting[JOBS_POLL]) {
    waiting[0] = (struct pollfd){.fd = jobs->children->timer, .events = POLLIN};
    waiting[1] = (struct pollfd){.fd = jobs->capture.epoll, .events = POLLIN};
    waiting[2] = (struct pollfd){.fd = jobs->spool.watch, .events = POLLIN};
}

long long jobs_due(const struct jobs *jobs) {
    if (jobs->drain_until < 0)
        return jobs->next_look;
    return jobs->ending ? -1 : jobs->drain_until;
}

/* --- the result --- */

static void finish(struct jobs *jobs, const char *job, bool good) {
    struct failure why;

    if (spool_finish(&jobs->spool, job, good, &why) < 0)
        log_failure(jobs, "error", "spool_failed", job, why.text);
}

/* First the result, then the folder: whoever finds the job in done/ finds the result, too. */
static bool record(struct jobs *jobs, const struct result *result) {
    struct failure why;

    if (results_record(jobs->results, result, &why) < 0) {
        log_failure(jobs, "error", "record_failed", result->job, why.text);
        return false;
    }
    finish(jobs, result->job, result->code == 0);
    return true;
}

/* Those that were not recorded wait, in this order. Without memory for it, the job is not lost:
 * it stays in cur/, and runs again when the daemon is started anew. */
static void wait_for_database(struct jobs *jobs, const struct result *result) {
    size_t count = (size_t)jobs->unrecorded_count;
    struct result *longer = reallocarray(jobs->unrecorded, count + 1, sizeof *longer);

    if (longer == NULL)
        return;
    longer[count] = *result;
    jobs->unrecorded = longer;
    jobs->unrecorded_count++;
}

/* Whether all are recorded now. */
static bool record_rest(struct jobs *jobs) {
    int done = 0;

    while (done < jobs->unrecorded_count && record(jobs, &jobs->unrecorded[done]))
        done++;
    jobs->unrecorded_count -= done;
    if (done > 0)
        memmove(jobs->unrecorded, jobs->unrecorded + done,
            (size_t)jobs->unrecorded_count * sizeof *jobs->unrecorded);
    return jobs->unrecorded_count == 0;
}

static struct timespec before(struct timespec when, long long milliseconds) {
    long long all = when.tv_sec * 1000000000LL + when.tv_nsec - milliseconds * 1000000;

    return (struct timespec){.tv_sec = all / 1000000000, .tv_nsec = all % 1000000000};
}

/* What is known of a job that has run for so long. The time of its start is reckoned back from
 * its end: the wall clock may have been set in between. */
static struct result new_result(struct jobs *jobs, const char *job, long long milliseconds) {
    struct result result = {.code = -1};
    struct failure why;

    snprintf(result.job, sizeof result.job, "%s", job);
    if (spool_id(&jobs->spool, job, result.id, &why) < 0)
        log_failure(jobs, "error", "spool_failed", job, why.text);
    clock_gettime(CLOCK_REALTIME, &result.ended);
    result.started = before(result.ended, milliseconds);
    capture_end(&jobs->capture, job, &result.kept, &result.lost);
    return result;
}

/* A job whose container may run on is not over: its result waits until that is removed. */
static void conclude(struct jobs *jobs, const struct result *result, long long milliseconds) {
    metrics_job(jobs->metrics, result->code == 0, milliseconds);
    /* The database was waited for with the first: many ends together wait once. */
    if (jobs->container.left_count > 0 || jobs->unrecorded_count > 0 || !record(jobs, result))
        wait_for_database(jobs, result);
}

/* --- the start --- */

/* Whether it is no fault of the job: there may be room for it later. */
static bool is_shortage(int error) {
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ||
           error == ETXTBSY || error == ENOSPC || error == EDQUOT;
}

/* In a container, where there is a runner. Returns its number or -errno. */
static pid_t run(
    struct jobs *jobs, const char *job, const char *path, int output, struct failure *why) {
    const struct container *container = &jobs->container;
    char *alone[] = {(char *)job, NULL}, id[SPOOL_ID + 1];
    struct container_run how;

    if (container->runner[0] == '\0')
        return children_spawn(jobs->children, job, path, alone, output, why);
    int error = spool_id(&jobs->spool, job, id, why);
    if (error == 0)
        error = container_run(container, id, path, &how, why);
    if (error < 0)
        return error;
    return children_spawn(jobs->children, job, container->runner, how.arguments, output, why);
}

/* Holds a job that cannot be run now. Returns whether another one may be: somebody still writes
 * to this one. */
static bool delay(struct jobs *jobs, const char *job, const struct failure *why) {
    log_failure(jobs, "error", "job_delayed", job, why->text);
    if (why->error == ETXTBSY)
        return true;
    spool_again(&jobs->spool); /* it comes first, before more are claimed */
    return false;
}

/* Returns its number, or -errno with nothing left open. */
static pid_t spawn(struct jobs *jobs, const char *job, struct failure *why) {
    char path[PATH_MAX];
    long long unheard;
    int output = -1;

    if (jobs->capture.epoll >= 0) {
        output = capture_begin(&jobs->capture, job, why);
        if (output < 0)
            return output;
    }
    spool_job(&jobs->spool, job, path);
    pid_t pid = run(jobs, job, path, output, why);
    if (output >= 0)
        close(output); /* else the pipe would not end with the job */
    if (pid < 0)
        capture_end(&jobs->capture, job, &unheard, &unheard);
    return pid;
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
    struct failure why, unheard;
    long generation = set_limits(jobs);
    pid_t pid = spawn(jobs, job, &why);

    if (pid >= 0) {
        log_event(jobs->log, "info", "job_started", "{s:o, s:i, s:I}", "job", log_text(job),
            "child", (int)pid, "generation", (json_int_t)generation);
        return true;
    }
    if (is_shortage(-pid) && spool_return(&jobs->spool, job, false, &unheard) == 0)
        return delay(jobs, job, &why);
    log_failure(jobs, "error", "job_failed", job, why.text);
    struct result result = new_result(jobs, job, 0);
    snprintf(result.error, sizeof result.error, "%s", why.text);
    conclude(jobs, &result, 0);
    return true;
}

/* One that was in cur/ already may have a result: then only its move is missing. Returns false
 * when that cannot be known now. */
static bool recover(struct jobs *jobs, const struct claim *claim) {
    struct failure why, unheard;
    bool good = false;
    int found = results_find(jobs->results, claim->id, &good, &why);

    if (found < 0) {
        log_failure(jobs, "error", "record_failed", claim->name, why.text);
        spool_return(&jobs->spool, claim->name, true, &unheard);
        spool_again(&jobs->spool);
        return false;
    }
    log_event(jobs->log, "warning", "job_recovered", "{s:o, s:b}", "job", log_text(claim->name),
        "recorded", found);
    if (found == 0)
        return start(jobs, claim->name);
    finish(jobs, claim->name, good);
    return true;
}

/* Returns false when there is nothing more to take now. */
static bool take_one(struct jobs *jobs) {
    struct claim claim;
    struct failure why;
    int found = spool_claim(&jobs->spool, &claim, &why);

    if (found == SPOOL_CLAIMED)
        return claim.left ? recover(jobs, &claim) : start(jobs, claim.name);
    if (found == SPOOL_REFUSED)
        log_failure(jobs, "warning", "spool_refused", claim.name, why.text);
    if (found < 0) {
        log_failure(jobs, "error", "spool_failed", claim.name, why.text);
        jobs->failed = true;
        return claim.name[0] != '\0'; /* it is about that one alone */
    }
    return found == SPOOL_REFUSED;
}

static bool has_room(const struct jobs *jobs) {
    return jobs->children->running < jobs->children->size && jobs->unrecorded_count == 0;
}

/* Now and then: the queue is counted, and those are due again that could not be run. */
static void refresh(struct jobs *jobs) {
    if (now_milliseconds() >= jobs->next_count) {
        metrics_queue(jobs->metrics, spool_count(&jobs->spool));
        jobs->next_count = now_milliseconds() + COUNT;
    }
    if (now_milliseconds() >= jobs->next_again) {
        spool_again(&jobs->spool);
        jobs->next_again = now_milliseconds() + AGAIN;
    }
}

/* When to look for more: what has failed waits for no event, and for no long interval. */
static long long next_look(const struct jobs *jobs) {
    struct config config;
    bool undone = jobs->failed || jobs->unrecorded_count > 0 || jobs->spool.held_count > 0;

    config_get(jobs->store, &config);
    int wait = config.poll_interval;
    if (undone && (wait == 0 || wait > AGAIN))
        wait = AGAIN;
    return wait > 0 ? now_milliseconds() + wait : -1;
}

/* If it is time to look: as many jobs as there is room for, but not too many at once. */
static void take(struct jobs *jobs) {
    int taken = 0;

    if (jobs->next_look < 0 || jobs->next_look > now_milliseconds())
        return;
    refresh(jobs);
    jobs->failed = false;
    bool more = record_rest(jobs);
    while (more && taken < SOME && has_room(jobs)) {
        more = take_one(jobs);
        taken++;
    }
    jobs->next_look = more && taken == SOME && !jobs->failed ? 0 : next_look(jobs);
}

/* --- the end --- */

/* "TERM" for SIGTERM; the number for a real-time signal, which has no name: signal(7). */
static void name_signal(int number, char text[16]) {
    const char *name = sigabbrev_np(number);

    snprintf(text, 16, "%d", number);
    if (name != NULL)
        snprintf(text, 16, "%s", name);
}

static void log_end(
    struct jobs *jobs, const struct child *child, const struct result *result, json_int_t ran) {
    bool exited = result->code >= 0;

    if (exited)
        log_event(jobs->log, result->code == 0 ? "info" : "warning", "job_ended",
            "{s:o, s:i, s:I, s:i}", "job", log_text(child->name), "child", (int)child->pid,
            "milliseconds", ran, "code", result->code);
    else
        log_event(jobs->log, "warning", "job_ended", "{s:o, s:i, s:I, s:s}", "job",
            log_text(child->name), "child", (int)child->pid, "milliseconds", ran, "signal",
            result->signal);
}

/* What a runner says when it could not run the job is no exit code of the job. */
static void blame_runner(struct jobs *jobs, struct result *result) {
    snprintf(result->error, sizeof result->error, "%s run: exit code %d: its output says why",
        jobs->container.runner, result->code);
    result->code = -1;
    log_failure(jobs, "error", "job_failed", result->job, result->error);
}

/* A child_ended of children_reap. */
static void ended(
    void *user, const struct child *child, const siginfo_t *how, const struct rusage *usage) {
    struct jobs *jobs = user;
    long long milliseconds = now_milliseconds() - child->started;

    metrics_reaped(jobs->metrics);
    if (child->name[0] == '\0') {
        log_event(jobs->log, "debug", "orphan_ended", "{s:i}", "child", (int)child->pid);
        return;
    }
    struct result result = new_result(jobs, child->name, milliseconds);
    if (how->si_code == CLD_EXITED)
        result.code = how->si_status;
    else
        name_signal(how->si_status, result.signal);
    result.usage = *usage;
    bool left = container_ended(&jobs->container, result.id, result.code, child->sent != 0);
    if (left && result.code == 0) {
        result.code = -1; /* perhaps it has not run */
        name_signal(child->sent, result.signal);
    }
    if (left && result.code == CONTAINER_OWN)
        blame_runner(jobs, &result);
    else
        log_end(jobs, child, &result, milliseconds);
    conclude(jobs, &result, milliseconds);
    jobs_look(jobs); /* there is room for another */
}

int jobs_reap(struct jobs *jobs, struct failure *why) {
    struct failure unremoved;
    int error = children_reap(jobs->children, ended, jobs, why);

    if (jobs->container.left_count > 0) {
        if (container_remove(&jobs->container, &unremoved) < 0)
            log_event(jobs->log, "error", "container_failed", "{s:o}", "error",
                log_text(unremoved.text));
        record_rest(jobs);
    }
    return error;
}

/* --- the turn --- */

/* A child_late of children_expire. */
static void late(void *user, const struct child *child) {
    struct jobs *jobs = user;

    log_event(jobs->log, "warning", "job_signalled", "{s:o, s:i, s:s}", "job",
        log_text(child->name), "child", (int)child->pid, "signal", sigabbrev_np(child->sent));
}

int jobs_turn(struct jobs *jobs, const struct pollfd waiting[JOBS_POLL], struct failure *why) {
    if (waiting[1].revents != 0)
        capture_turn(&jobs->capture);
    if (waiting[2].revents != 0 && spool_heard(&jobs->spool))
        jobs_look(jobs);
    if (jobs->drain_until < 0)
        take(jobs);
    else if (!jobs->ending && now_milliseconds() >= jobs->drain_until) {
        children_end(jobs->children);
        jobs->ending = true;
    }
    metrics_running(jobs->metrics, jobs->children->running);
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
    record_rest(jobs);
    free(jobs->unrecorded);
    jobs->unrecorded = NULL;
    jobs->unrecorded_count = 0;
}

void jobs_close(struct jobs *jobs) {
    spool_close(&jobs->spool);
}
