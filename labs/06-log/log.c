/*
 * Lab 6, log: your own module, yet to be written.
 *
 * The contract of each function is written in c/src/log.h.
 * Write what is marked TODO, then run `make lab-6`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "log.h"

#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* log_set_level - write from this level on. */
void log_set_level(struct log *log, const char *level) {
    (void)log;
    (void)level;
    /* TODO: do what the contract above says. */
}

/*
 * log_open - append to the file at path, or no log if path is empty.
 *
 * Opened by descriptors_open with O_APPEND, O_CREAT (mode 0640) and O_NONBLOCK:
 * a FIFO whose reader is slow must not stop us, and one without a reader is
 * refused with -ENXIO. Looks whether the file ends within a line. level is the least urgent
 * that is written. Returns 0 or -errno; log->fd is -1 then.
 */
int log_open(struct log *log, const char *path, const char *level, struct failure *why) {
    (void)log;
    (void)path;
    (void)level;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

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
void log_attach(struct log *log, const char *level) {
    (void)log;
    (void)level;
    /* TODO: do what the contract above says. */
}

/*
 * log_reopen - open the path again: somebody has renamed the file, logrotate(8).
 *
 * The new file is opened first and then takes the place of the old one, so that
 * no line is lost in between. If it cannot be opened, the old one is kept.
 * Looks whether the new one ends within a line. Does nothing when there is no file. Returns 0
 * or -errno.
 */
int log_reopen(struct log *log, struct failure *why) {
    (void)log;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * log_text - text from outside as a JSON string, for "o" in the fields of log_event.
 *
 * Each byte that is not part of valid UTF-8 becomes U+FFFD: a file name can be
 * any bytes, a JSON string cannot.
 */
json_t *log_text(const char *text) {
    (void)text;
    /* TODO: do what the contract above says. */
    return NULL;
}

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
void log_event(struct log *log, const char *level, const char *event, const char *fields, ...) {
    (void)log;
    (void)level;
    (void)event;
    (void)fields;
    /* TODO: do what the contract above says. */
}

/*
 * log_close - close the file, but not standard error; events after that are dropped.
 *
 * What was lost is told now, if it can be.
 */
void log_close(struct log *log) {
    (void)log;
    /* TODO: do what the contract above says. */
}
