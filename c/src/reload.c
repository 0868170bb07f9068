#include "reload.h"

/* The jobs belong to the worker, where there is one: it is told, and does it itself. */
void reload_look(struct labd *labd) {
    if (labd->queue.fd >= 0)
        wake_send(&labd->queue, WAKE_LOOK);
    else
        jobs_look(&labd->jobs);
}

static void log_change(
    struct labd *labd, const char *cause, const struct config_change *change) {
    log_event(&labd->log, "info", "reload", "{s:I, s:I, s:s}", "generation",
        (json_int_t)change->generation, "was", (json_int_t)change->was, "cause", cause);
    if (change->restart[0] != '\0')
        log_event(&labd->log, "warning", "restart_needed", "{s:s}", "keys", change->restart);
}

void reload_now(struct labd *labd, const char *cause) {
    struct config config;
    struct config_change change;
    struct failure why;
    int error = config_reload(&labd->store, &change, &why);

    metrics_reload(&labd->metrics, error == 0);
    if (error < 0) {
        log_event(&labd->log, "error", "reload_failed", "{s:I, s:s, s:o}", "generation",
            (json_int_t)change.generation, "cause", cause, "error", log_text(why.text));
        return;
    }
    config_get(&labd->store, &config);
    log_set_level(&labd->log, config.log_level);
    log_change(labd, cause, &change);
    reload_look(labd);
}

int reload_turn(struct labd *labd, struct failure *why) {
    int changed = config_watch_next(&labd->watch, why);

    if (changed > 0)
        reload_now(labd, "file");
    return changed < 0 ? changed : 0;
}
