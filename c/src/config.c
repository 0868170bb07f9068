#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_SECONDS = 86400, MOST_WORKERS = 10000 };

struct reading {
    struct config *config;
    const char *expected; /* what the last refused value should have been */
    char refused[128];    /* the last refused "key = value", empty for none */
};

static const char *read_path(char *setting, const char *value) {
    if (value[0] != '/')
        return "an absolute path";
    if (strlen(value) >= PATH_MAX)
        return "a path shorter than PATH_MAX";
    strcpy(setting, value);
    return NULL;
}

static const char *read_umask(mode_t *setting, const char *value) {
    const char *expected = "an octal number from 0 to 777";
    char *end;

    if (!isdigit((unsigned char)value[0]))
        return expected;
    unsigned long number = strtoul(value, &end, 8);
    if (*end != '\0' || number > 0777)
        return expected;
    *setting = (mode_t)number;
    return NULL;
}

static const char *read_seconds(int *milliseconds, const char *value) {
    const char *expected = "seconds from 0 to 86400, such as 5 or 0.5";

    /* strtod(3) alone would take "inf", "0x1p3" and " 5" as well. */
    if (value[0] == '\0' || strspn(value, "0123456789.") != strlen(value))
        return expected;
    char *end;
    double seconds = strtod(value, &end);
    if (*end != '\0' || seconds > LONGEST_SECONDS)
        return expected;
    *milliseconds = (int)lround(seconds * 1000);
    return NULL;
}

static const char *read_workers(int *setting, const char *value) {
    const char *expected = "a number from 1 to 10000";

    if (value[0] == '\0' || strspn(value, "0123456789") != strlen(value) || strlen(value) > 5)
        return expected;
    *setting = atoi(value);
    return *setting >= 1 && *setting <= MOST_WORKERS ? NULL : expected;
}

static const char *read_level(const char **setting, const char *value) {
    static const char *const levels[] = {"debug", "info", "warning", "error"};

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(value, levels[i]) == 0) {
            *setting = levels[i];
            return NULL;
        }
    return "debug, info, warning or error";
}

static const char *read_key(struct config *config, const char *key, const char *value) {
    if (strcmp(key, "directory") == 0)
        return read_path(config->directory, value);
    if (strcmp(key, "log") == 0)
        return read_path(config->log, value);
    if (strcmp(key, "log_level") == 0)
        return read_level(&config->log_level, value);
    if (strcmp(key, "pidfile") == 0)
        return read_path(config->pidfile, value);
    if (strcmp(key, "umask") == 0)
        return read_umask(&config->umask, value);
    if (strcmp(key, "spool") == 0)
        return read_path(config->spool, value);
    if (strcmp(key, "workers") == 0)
        return read_workers(&config->workers, value);
    if (strcmp(key, "poll_interval") == 0)
        return read_seconds(&config->poll_interval, value);
    if (strcmp(key, "job_timeout") == 0)
        return read_seconds(&config->job_timeout, value);
    if (strcmp(key, "job_grace") == 0)
        return read_seconds(&config->job_grace, value);
    if (strcmp(key, "warmup") == 0)
        return read_seconds(&config->warmup, value);
    if (strcmp(key, "drain") == 0)
        return read_seconds(&config->drain, value);
    return "one of the keys directory, log, pidfile, umask, warmup, drain";
}

/* libinih calls this for each key; 0 refuses the line. */
static int take(void *user, const char *section, const char *key, const char *value) {
    struct reading *reading = user;
    const char *expected = "a key of the section [labd]";

    if (strcmp(section, "labd") == 0)
        expected = read_key(reading->config, key, value);
    if (expected == NULL)
        return 1;
    if (reading->refused[0] == '\0') {
        reading->expected = expected;
        snprintf(reading->refused, sizeof reading->refused, "%s = %s", key, value);
    }
    return 0;
}

int config_load(struct config *config, const char *path, struct failure *why) {
    struct reading reading = {.config = config};

    *config = (struct config){.directory = "/",
        .umask = 022,
        .log_level = "info",
        .workers = 4,
        .poll_interval = 1000,
        .job_timeout = 60000,
        .job_grace = 5000};
    if (path == NULL)
        return 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        int error = failure(why, errno, "open(%s)", path);
        why->exit_code = EXIT_CONFIGURATION;
        return error;
    }
    int line = ini_parse_file(file, take, &reading);
    int error = ferror(file) ? EIO : 0;
    fclose(file);
    if (error != 0) {
        failure(why, error, "read(%s)", path);
        why->exit_code = EXIT_CONFIGURATION;
        return -error;
    }
    if (line == 0)
        return 0;
    if (reading.refused[0] == '\0')
        return failure_exit(why, EXIT_CONFIGURATION,
            "%s, line %d: expected \"[labd]\", \"key = value\" or a comment", path, line);
    return failure_exit(why, EXIT_CONFIGURATION, "%s, line %d: \"%s\": expected %s", path, line,
        reading.refused, reading.expected);
}
