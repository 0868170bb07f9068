#include "log.h"

#include "descriptors.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int log_open(struct log *log, const char *path, struct failure *why) {
    log->fd = -1;
    if (path[0] == '\0')
        return 0;
    log->fd = descriptors_open(path, O_WRONLY | O_APPEND | O_CREAT, 0640, why);
    return log->fd < 0 ? log->fd : 0;
}

static void timestamp(char *text, size_t size) {
    char seconds[sizeof "2026-01-01T00:00:00"];
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    strftime(seconds, sizeof seconds, "%FT%T", gmtime_r(&now.tv_sec, &utc));
    snprintf(text, size, "%s.%06ldZ", seconds, now.tv_nsec / 1000);
}

static void write_line(int fd, json_t *line) {
    char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);

    if (text == NULL)
        return;
    size_t length = strlen(text);
    text[length] = '\n'; /* in the place of the NUL: one write(2), no copy */
    if (write(fd, text, length + 1) < 0) {
        /* The disk may be full. The daemon goes on; chapter 6 says what else one can do. */
    }
    free(text);
}

void log_event(
    const struct log *log, const char *level, const char *event, const char *fields, ...) {
    char ts[64];
    va_list arguments;

    if (log->fd < 0)
        return;
    timestamp(ts, sizeof ts);
    json_t *line = json_pack(
        "{s:s, s:s, s:s, s:i}", "ts", ts, "level", level, "event", event, "pid", (int)getpid());
    if (fields != NULL) {
        va_start(arguments, fields);
        json_t *object = json_vpack_ex(NULL, 0, fields, arguments);
        va_end(arguments);
        json_object_update(line, object);
        json_decref(object);
    }
    write_line(log->fd, line);
    json_decref(line);
}

void log_close(struct log *log) {
    if (log->fd > STDERR_FILENO)
        close(log->fd);
    log->fd = -1;
}
