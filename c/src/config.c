#include "config.h"

#include "inifile.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* --- keys --- */

static const struct key {
    const char *name;
    const char *(*read)(void *setting, const char *value);
    size_t setting;
} keys[] = {
    {"directory", value_path, offsetof(struct config, directory)},
    {"log", value_file, offsetof(struct config, log)},
    {"log_level", value_level, offsetof(struct config, log_level)},
    {"pidfile", value_file, offsetof(struct config, pidfile)},
    {"umask", value_umask, offsetof(struct config, umask)},
    {"warmup", value_seconds, offsetof(struct config, warmup)},
    {"drain", value_seconds, offsetof(struct config, drain)},
    {"spool", value_path, offsetof(struct config, spool)},
    {"workers", value_workers, offsetof(struct config, workers)},
    {"poll_interval", value_seconds, offsetof(struct config, poll_interval)},
    {"job_timeout", value_seconds, offsetof(struct config, job_timeout)},
    {"job_grace", value_seconds, offsetof(struct config, job_grace)},
    {"database", value_file, offsetof(struct config, database)},
    {"output_limit", value_bytes, offsetof(struct config, output_limit)},
    {"runner", value_runner, offsetof(struct config, runner)},
    {"image", value_image, offsetof(struct config, image)},
    {"listen", value_listen, offsetof(struct config, listen)},
    {"report_interval", value_seconds, offsetof(struct config, report_interval)},
    {"stop_timeout", value_seconds, offsetof(struct config, stop_timeout)},
    {"worker_timeout", value_seconds, offsetof(struct config, worker_timeout)},
};
enum { KEYS = sizeof keys / sizeof keys[0] };

struct reading {
    struct config *config;
    int lines[KEYS]; /* where each key was; 0: nowhere */
    char names[512];
};

static const char *expected_keys(struct reading *reading) {
    size_t length = (size_t)snprintf(reading->names, sizeof reading->names, "one of the keys");

    for (int i = 0; i < KEYS && length < sizeof reading->names; i++)
        length += (size_t)snprintf(reading->names + length, sizeof reading->names - length,
            "%s %s", i == 0 ? "" : ",", keys[i].name);
    return reading->names;
}

/* An inifile_take. */
static const char *take(void *user, int line, const char *name, const char *value) {
    struct reading *reading = user;

    for (int i = 0; i < KEYS; i++) {
        if (strcmp(name, keys[i].name) != 0)
            continue;
        if (reading->lines[i] > 0)
            return "each key once";
        reading->lines[i] = line;
        return keys[i].read((char *)reading->config + keys[i].setting, value);
    }
    return expected_keys(reading);
}

/* --- what the keys say together --- */

static int line_of(const struct reading *reading, const char *name) {
    int line = 0;

    for (int i = 0; i < KEYS; i++)
        if (strcmp(name, keys[i].name) == 0)
            line = reading->lines[i];
    return line;
}

static int check(const struct reading *reading, const char *path, struct failure *why) {
    const struct config *config = reading->config;
    char text[32];

    if (strcmp(config->runner, "exec") == 0 || config->image[0] != '\0')
        return 0;
    snprintf(text, sizeof text, "runner = %s", config->runner);
    return inifile_refuse(
        path, line_of(reading, "runner"), text, "the key image beside it", why);
}

int config_load(struct config *config, const char *path, struct failure *why) {
    struct reading reading = {.config = config};

    *config = (struct config){.directory = "/",
        .umask = 022,
        .log_level = "info",
        .workers = 4,
        .poll_interval = 1000,
        .job_timeout = 60000,
        .job_grace = 5000,
        .output_limit = 1 << 20,
        .runner = "exec",
        .report_interval = 60000,
        .stop_timeout = 10000,
        .worker_timeout = 5000};
    if (path == NULL)
        return 0;
    int error = inifile_read(path, take, &reading, why);
    return error < 0 ? error : check(&reading, path, why);
}
