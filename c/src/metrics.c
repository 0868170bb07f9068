#include "metrics.h"

const double metrics_bounds[METRICS_BOUNDS] = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

void metrics_open(struct metrics *metrics) {
    *metrics = (struct metrics){.mutex = PTHREAD_MUTEX_INITIALIZER};
}

void metrics_job(struct metrics *metrics, bool good, long long milliseconds) {
    int bucket = 0;

    while (bucket < METRICS_BOUNDS && (double)milliseconds > metrics_bounds[bucket] * 1000)
        bucket++;
    pthread_mutex_lock(&metrics->mutex);
    if (good)
        metrics->counters.done++;
    else
        metrics->counters.failed++;
    metrics->counters.buckets[bucket]++;
    metrics->counters.milliseconds += (unsigned long long)milliseconds;
    pthread_mutex_unlock(&metrics->mutex);
}

void metrics_running(struct metrics *metrics, int running) {
    pthread_mutex_lock(&metrics->mutex);
    metrics->counters.running = running;
    pthread_mutex_unlock(&metrics->mutex);
}

void metrics_queue(struct metrics *metrics, int queue) {
    pthread_mutex_lock(&metrics->mutex);
    metrics->counters.queue = queue;
    pthread_mutex_unlock(&metrics->mutex);
}

void metrics_reload(struct metrics *metrics, bool good) {
    pthread_mutex_lock(&metrics->mutex);
    if (good)
        metrics->counters.reloads++;
    else
        metrics->counters.bad_reloads++;
    pthread_mutex_unlock(&metrics->mutex);
}

void metrics_reaped(struct metrics *metrics) {
    pthread_mutex_lock(&metrics->mutex);
    metrics->counters.reaped++;
    pthread_mutex_unlock(&metrics->mutex);
}

void metrics_lost(struct metrics *metrics, unsigned long lines) {
    pthread_mutex_lock(&metrics->mutex);
    metrics->counters.lost += lines;
    pthread_mutex_unlock(&metrics->mutex);
}

void metrics_read(struct metrics *metrics, struct counters *copy) {
    pthread_mutex_lock(&metrics->mutex);
    *copy = metrics->counters;
    pthread_mutex_unlock(&metrics->mutex);
}
