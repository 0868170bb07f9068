/*
 * log - one JSON object a line, for programs to read and people to grep.
 *
 * Every line has ts (RFC 3339, UTC, microseconds), level, event and pid, then
 * the fields of the event. A line is one write(2) to a file opened with
 * O_APPEND, so that lines of several processes never run into each other.
 */
#ifndef LABD_LOG_H
#define LABD_LOG_H

#include "failure.h"

struct log {
    int fd; /* -1: there is no log, and every event is dropped */
};

/*
 * log_open - append to the file at path (made with mode 0640), or no log if path is empty.
 *
 * Returns 0 or -errno from open(2).
 */
int log_open(struct log *log, const char *path, struct failure *why);

/*
 * log_event - write one line.
 *
 * fields is a format of json_pack(3) for one object, such as "{s:s}", with its
 * arguments; NULL when the event has no fields. Never fails: a daemon does not
 * stop because its log cannot be written.
 */
void log_event(
    const struct log *log, const char *level, const char *event, const char *fields, ...);

/* log_close - close the file; events after that are dropped. */
void log_close(struct log *log);

#endif
