#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST_SECONDS = 86400, MOST_WORKERS = 10000, LARGEST_FILE = 65536 };

#define BLANKS " \t"
#define KEY_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

/* --- values: each reader returns NULL, or what it had expected --- */

static const char *read_path(void *setting, const char *value) {
    if (value[0] != '/')
        return "an absolute path";
    if (strlen(value) >= PATH_MAX)
        return "a path shorter than 4096 bytes";
    strcpy(setting, value);
    return NULL;
}

static const char *read_file(void *setting, const char *value) {
    if (value[0] == '/' && value[strlen(value) - 1] == '/')
        return "the path of a file: no / at its end";
    return read_path(setting, value);
}

static const char *read_umask(void *setting, const char *value) {
    const char *expected = "an octal number from 0 to 777";
    char *end;

    if (!isdigit((unsigned char)value[0]))
        return expected;
    unsigned long number = strtoul(value, &end, 8);
    if (*end != '\0' || number > 0777)
        return expected;
    *(mode_t *)setting = (mode_t)number;
    return NULL;
}

static const char *read_seconds(void *setting, const char *value) {
    const char *expected = "seconds from 0 to 86400, such as 5 or 0.5";

    /* strtod(3) alone would take "inf", "0x1p3" and " 5" as well. */
    if (value[0] == '\0' || strspn(value, "0123456789.") != strlen(value))
        return expected;
    char *end;
    double seconds = strtod(value, &end);
    if (*end != '\0' || seconds > LONGEST_SECONDS)
        return expected;
    *(int *)setting = (int)(seconds * 1000 + 0.5);
    return NULL;
}

static const char *read_workers(void *setting, const char *value) {
    const char *expected = "a number from 1 to 10000";
    int *number = setting;

    if (value[0] == '\0' || strspn(value, "0123456789") != strlen(value) || strlen(value) > 5)
        return expected;
    *number = atoi(value);
    return *number >= 1 && *number <= MOST_WORKERS ? NULL : expected;
}

static const char *read_level(void *setting, const char *value) {
    static const char *const levels[] = {"debug", "info", "warning", "error"};

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(value, levels[i]) == 0) {
            *(const char **)setting = levels[i];
            return NULL;
        }
    return "debug, info, warning or error";
}

/* --- keys --- */

static const struct key {
    const char *name;
    const char *(*read)(void *setting, const char *value);
    size_t setting;
} keys[] = {
    {"directory", read_path, offsetof(struct config, directory)},
    {"log", read_file, offsetof(struct config, log)},
    {"log_level", read_level, offsetof(struct config, log_level)},
    {"pidfile", read_file, offsetof(struct config, pidfile)},
    {"umask", read_umask, offsetof(struct config, umask)},
    {"warmup", read_seconds, offsetof(struct config, warmup)},
    {"drain", read_seconds, offsetof(struct config, drain)},
    {"spool", read_path, offsetof(struct config, spool)},
    {"workers", read_workers, offsetof(struct config, workers)},
    {"poll_interval", read_seconds, offsetof(struct config, poll_interval)},
    {"job_timeout", read_seconds, offsetof(struct config, job_timeout)},
    {"job_grace", read_seconds, offsetof(struct config, job_grace)},
};
enum { KEYS = sizeof keys / sizeof keys[0] };

struct reading {
    struct config *config;
    bool section;         /* [labd] was there */
    bool seen[KEYS];      /* so was this key */
    const char *expected; /* by the last line; NULL: it was good */
    char names[256];
};

static const char *expected_keys(struct reading *reading) {
    size_t length = (size_t)snprintf(reading->names, sizeof reading->names, "one of the keys");

    for (int i = 0; i < KEYS && length < sizeof reading->names; i++)
        length += (size_t)snprintf(reading->names + length, sizeof reading->names - length,
            "%s %s", i == 0 ? "" : ",", keys[i].name);
    return reading->names;
}

static const char *read_key(struct reading *reading, const char *name, const char *value) {
    for (int i = 0; i < KEYS; i++) {
        if (strcmp(name, keys[i].name) != 0)
            continue;
        if (reading->seen[i])
            return "each key once";
        reading->seen[i] = true;
        return keys[i].read((char *)reading->config + keys[i].setting, value);
    }
    return expected_keys(reading);
}

/* libinih calls this for the key of a line. */
static int take(void *user, const char *section, const char *name, const char *value) {
    struct reading *reading = user;

    (void)section;
    reading->expected = read_key(reading, name, value);
    return 1;
}

/* --- lines: NULL, or what was expected --- */

/* libinih is given one line at a time, so that it cannot join it to another. */
static const char *split(struct reading *reading, const char *line) {
    /* By default it cuts a line at 200 bytes and reads the rest as a line of its own.
     * These settings are Debian's: docs/decisions/configuration.md. */
    ini_use_stack = false;
    ini_initial_alloc = ini_max_line = LARGEST_FILE + 3;
    reading->expected = "\"key = value\"";
    ini_parse_string(line, take, reading); /* fails if take() was not called: see above */
    return reading->expected;
}

static const char *read_section(struct reading *reading, const char *line) {
    const char *name = "[labd]";

    if (strncmp(line, name, strlen(name)) != 0)
        return "the section [labd]";
    line += strlen(name);
    if (line[strspn(line, BLANKS)] != '\0')
        return "nothing after [labd]";
    if (reading->section)
        return "[labd] once";
    reading->section = true;
    return NULL;
}

static bool has_comment_at_end(const char *line) {
    for (; *line != '\0'; line++)
        if (strchr(BLANKS, line[0]) != NULL && (line[1] == ';' || line[1] == '#'))
            return true;
    return false;
}

static bool is_key(const char *line) {
    size_t length = strspn(line, KEY_CHARACTERS);

    return length > 0 && line[length + strspn(line + length, BLANKS)] == '=';
}

static const char *read_line(struct reading *reading, const char *line) {
    if (line[strspn(line, BLANKS)] == '\0' || line[0] == ';' || line[0] == '#')
        return NULL;
    if (strchr(BLANKS, line[0]) != NULL)
        return "no space at the start of a line";
    if (line[0] == '[')
        return read_section(reading, line);
    if (!is_key(line))
        return "\"[labd]\", \"key = value\" or a comment";
    if (!reading->section)
        return "[labd] before the first key";
    if (has_comment_at_end(line))
        return "a comment to have a line of its own";
    return split(reading, line);
}

/* --- the file --- */

/* Makes the bytes a string that can be shown; false when they were not. */
static bool make_clean(char *line, const char *end) {
    bool clean = true;

    for (char *c = line; c < end; c++) {
        if (*c != '\t' && iscntrl((unsigned char)*c)) {
            *c = '?';
            clean = false;
        }
    }
    return clean;
}

static int read_lines(
    struct reading *reading, char *text, size_t size, const char *path, struct failure *why) {
    char *end = text, *last = text + size;
    int number = 1;

    for (char *line = text; line < last; line = end + 1, number++) {
        end = memchr(line, '\n', (size_t)(last - line));
        if (end == NULL)
            end = last;
        *end = '\0';
        const char *expected = make_clean(line, end)
                                   ? read_line(reading, line)
                                   : "no control characters, and lines that end with \\n alone";
        if (expected != NULL)
            return failure_exit(why, EXIT_CONFIGURATION,
                "%.200s, line %d: \"%.100s\": expected %s", path, number, line, expected);
    }
    return 0;
}

/* Reads at most size bytes. Returns how many there were, or a negative errno. */
static ssize_t read_whole(const char *path, char *text, size_t size, struct failure *why) {
    size_t length = 0;
    ssize_t n = 0;
    struct stat status;
    /* O_NONBLOCK: a FIFO would have us wait, at a reload the whole daemon. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return failure(why, errno, "open(%s)", path);
    if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode)) {
        close(fd);
        return failure_exit(
            why, EXIT_CONFIGURATION, "%.200s: expected a file, not a pipe", path);
    }
    while (length < size && (n = read(fd, text + length, size - length)) > 0)
        length += (size_t)n;
    int error = errno;
    close(fd);
    return n < 0 ? failure(why, error, "read(%s)", path) : (ssize_t)length;
}

int config_load(struct config *config, const char *path, struct failure *why) {
    struct reading reading = {.config = config};
    char text[LARGEST_FILE + 1]; /* one more, to see that it is too large; then for a NUL */

    *config = (struct config){.directory = "/",
        .umask = 022,
        .log_level = "info",
        .workers = 4,
        .poll_interval = 1000,
        .job_timeout = 60000,
        .job_grace = 5000,
        .report_interval = 60000,
        .stop_timeout = 10000,
        .worker_timeout = 5000};
    if (path == NULL)
        return 0;
    ssize_t size = read_whole(path, text, sizeof text, why);
    if (size < 0) {
        why->exit_code = EXIT_CONFIGURATION;
        return (int)size;
    }
    if (size > LARGEST_FILE)
        return failure_exit(
            why, EXIT_CONFIGURATION, "%.200s: expected at most %d bytes", path, LARGEST_FILE);
    return read_lines(&reading, text, (size_t)size, path, why);
}
