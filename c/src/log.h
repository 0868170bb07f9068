/*
 * Lab 6: log - one JSON object a line, for programs to read and people to grep.
 *
 * Every line has ts (RFC 3339, UTC, microseconds), level, event and pid, in
 * this order, then the fields of the event. A line is one system call to a file
 * opened with O_APPEND, so that lines of several processes never run into each
 * other. What comes from outside is data: every control character is escaped,
 * so nobody can forge a line. JSON does not ask for it with 0x7F: that becomes
 * \u007f all the same. No field ever holds a secret.
 *
 * A log that cannot be written does not stop a daemon. It counts what it lost,
 * and says so with the first line that can be written again.
 *
 * The levels are "debug", "info", "warning" and "error".
 *
 * From lab 8 on, several threads write to one log. Each function but log_open
 * and log_attach may be called from any of them: the mutex of the log is held
 * for one event at a time, and so no two lines are mixed, and none is counted
 * as lost twice.
 */
#ifndef LABD_LOG_H
#define LABD_LOG_H

#include "failure.h"
#include "metrics.h"

#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>

struct log {
    int fd;                  /* -1: there is no log, and every event is dropped */
    int level;               /* the least urgent priority that is written: syslog(3) */
    bool journal;            /* fd is a socket to the journal, not a file */
    bool torn;               /* the file ends within a line */
    unsigned long lost;      /* lines that could not be written since the last that could */
    char path[PATH_MAX];     /* for log_reopen; empty when there is no file */
    struct metrics *metrics; /* told of every line that is lost; NULL: nobody is */
    pthread_mutex_t mutex;   /* guards all of the above once there are threads */
};

/*
 * log_open - append to the file at path, or no log if path is empty.
 *
 * Opened by descriptors_open with O_APPEND, O_CREAT (mode 0640) and O_NONBLOCK:
 * a FIFO whose reader is slow must not stop us, and one without a reader is
 * refused with -ENXIO. Looks whether the file ends within a line. level is the least urgent
 * that is written. Returns 0 or -errno; log->fd is -1 then.
 */
int log_open(struct log *log, const char *path, const char *level, struct failure *why);

/*
 * log_attach - log to standard error, or to the journal behind it: in the foreground.
 *
 * If JOURNAL_STREAM holds the device and inode of standard error, in decimal,
 * "DEVICE:INODE", then the journal listens there. Lines then go to its socket,
 * /run/systemd/journal/socket, as a datagram of PRIORITY, SYSLOG_IDENTIFIER,
 * LABD_EVENT and MESSAGE, the line. Ours is non-blocking and close-on-exec, and
 * connected once more when a line cannot be sent: the journal may have been
 * started anew. If it cannot be reached now, to standard error after all, where
 * a line that would have to wait for the reader is lost. Never fails. systemd.exec(5),
 * $JOURNAL_STREAM; sd_journal_send(3).
 */
void log_attach(struct log *log, const char *level);

/* log_set_level - write from this level on. */
void log_set_level(struct log *log, const char *level);

/*
 * log_reopen - open the path again: somebody has renamed the file, logrotate(8).
 *
 * The new file is opened first and then takes the place of the old one, so that
 * no line is lost in between. If it cannot be opened, the old one is kept.
 * Looks whether the new one ends within a line. Does nothing when there is no file. Returns 0
 * or -errno.
 */
int log_reopen(struct log *log, struct failure *why);

/*
 * log_event - write one line, if it is urgent enough.
 *
 * fields is a format of json_pack for one object, such as "{s:i, s:o}", with
 * its arguments; NULL when the event has no fields. What jansson does not
 * escape, 0x7F, becomes \u007f. Never fails. A file that
 * has no name any more (it was removed, not renamed) is opened anew at its
 * path. A line that was not written, or only in part (a full disk), is counted
 * in log->lost. Before the next line, or when the next event comes whatever its
 * level, comes the event "log_lost", a warning, with their number in the field
 * "lines". Each is told to log->metrics too: metrics_lost. A part of a line is first ended by a
 * newline, so that it spoils no other.
 */
void log_event(struct log *log, const char *level, const char *event, const char *fields, ...);

/*
 * log_text - text from outside as a JSON string, for "o" in the fields of log_event.
 *
 * Each byte that is not part of valid UTF-8 becomes U+FFFD: a file name can be
 * any bytes, a JSON string cannot.
 */
json_t *log_text(const char *text);

/*
 * log_close - close the file, but not standard error; events after that are dropped.
 *
 * What was lost is told now, if it can be.
 */
void log_close(struct log *log);

#endif
