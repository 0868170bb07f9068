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

/* The urgency of a level, as syslog(3) and the journal count it: 0 is the most urgent. */
static int priority(const char *level) {
    if (strcmp(level, "debug") == 0)
        return LOG_DEBUG;
    if (strcmp(level, "info") == 0)
        return LOG_INFO;
    return strcmp(level, "warning") == 0 ? LOG_WARNING : LOG_ERR;
}

void log_set_level(struct log *log, const char *level) {
    pthread_mutex_lock(&log->mutex);
    log->level = priority(level);
    pthread_mutex_unlock(&log->mutex);
}

static int open_file(const char *path, struct failure *why) {
    return descriptors_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0640, why);
}

/* Whether the file ends within a line: somebody's disk was full, or he died. */
static bool ends_torn(int fd) {
    char path[sizeof "/proc/self/fd/" + 16], last = '\n';
    struct stat status;

    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size == 0)
        return false;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd); /* ours is not open for reading */
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool torn = pread(file, &last, 1, status.st_size - 1) == 1 && last != '\n';
    close(file);
    return torn;
}

int log_open(struct log *log, const char *path, const char *level, struct failure *why) {
    *log = (struct log){.fd = -1, .mutex = PTHREAD_MUTEX_INITIALIZER};
    log_set_level(log, level);
    if (path[0] == '\0')
        return 0;
    int fd = open_file(path, why);
    if (fd < 0)
        return fd;
    log->fd = fd;
    log->torn = ends_torn(fd);
    snprintf(log->path, sizeof log->path, "%s", path);
    return 0;
}

/* Also once more, when there is another journal: the socket has no name of its own to lose. */
static bool connect_journal(int fd) {
    struct sockaddr_un address = {AF_UNIX, "/run/systemd/journal/socket"};

    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

/* A socket to the journal, if it is the journal that reads our standard error; else -1. */
static int open_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat status;

    if (stream == NULL || sscanf(stream, "%ju:%ju", &device, &inode) != 2)
        return -1;
    if (fstat(STDERR_FILENO, &status) < 0 || status.st_dev != device || status.st_ino != inode)
        return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect_journal(fd))
        return fd;
    close(fd);
    return -1;
}

void log_attach(struct log *log, const char *level) {
    *log = (struct log){.fd = open_journal(), .mutex = PTHREAD_MUTEX_INITIALIZER};
    log_set_level(log, level);
    log->journal = log->fd >= 0;
    if (!log->journal)
        log->fd = STDERR_FILENO;
}

/* The mutex is locked. */
static int reopen(struct log *log, struct failure *why) {
    if (log->path[0] == '\0')
        return 0;
    int fd = open_file(log->path, why);
    if (fd < 0)
        return fd;
    close(log->fd);
    log->fd = fd;
    log->torn = ends_torn(fd);
    return 0;
}

int log_reopen(struct log *log, struct failure *why) {
    pthread_mutex_lock(&log->mutex);
    int error = reopen(log, why);
    pthread_mutex_unlock(&log->mutex);
    return error;
}

/* How many bytes the UTF-8 character at text has; 0 if there is none. RFC 3629: no overlong
 * forms, no surrogates, nothing above U+10FFFF. */
static int character_length(const unsigned char *text) {
    unsigned char lead = text[0];
    unsigned char lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    int length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;

    if (lead > 0xF4 || (length > 1 && (text[1] < lowest || text[1] > highest)))
        return 0;
    for (int i = 2; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

json_t *log_text(const char *text) {
    static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
    char *clean = malloc(3 * strlen(text) + 1);
    char *end = clean;

    if (clean == NULL)
        return json_null();
    while (*text != '\0') {
        int length = character_length((const unsigned char *)text);
        memcpy(end, length > 0 ? text : replacement, length > 0 ? (size_t)length : 3);
        end += length > 0 ? length : 3;
        text += length > 0 ? length : 1;
    }
    *end = '\0';
    json_t *string = json_string(clean);
    free(clean);
    return string;
}

static void timestamp(char *text, size_t size) {
    char seconds[sizeof "2026-01-01T00:00:00"];
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    strftime(seconds, sizeof seconds, "%FT%T", gmtime_r(&now.tv_sec, &utc));
    snprintf(text, size, "%s.%06ldZ", seconds, now.tv_nsec / 1000);
}

static json_t *new_line(const char *level, const char *event) {
    char ts[64];

    timestamp(ts, sizeof ts);
    return json_pack(
        "{s:s, s:s, s:s, s:i}", "ts", ts, "level", level, "event", event, "pid", (int)getpid());
}

/* One datagram of KEY=VALUE lines. A JSON text holds no newline, so none needs a length. */
static bool send_journal(
    const struct log *log, const char *level, const char *event, char *text, size_t length) {
    char head[256];
    int size = snprintf(head, sizeof head,
        "PRIORITY=%d\nSYSLOG_IDENTIFIER=labd\nLABD_EVENT=%s\nMESSAGE=", priority(level), event);
    struct iovec parts[] = {{head, (size_t)size}, {text, length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    return sendmsg(log->fd, &message, 0) >= 0 ||
           (connect_journal(log->fd) && sendmsg(log->fd, &message, 0) >= 0);
}

/* Whether a line can be written to standard error without waiting for its reader. We may not
 * make it O_NONBLOCK: the flag belongs to all who share it. */
static bool is_free(int fd) {
    struct pollfd file = {.fd = fd, .events = POLLOUT};

    return poll(&file, 1, 0) != 0;
}

/* A file without a name is one that nobody will ever read: then it is opened anew. */
static bool can_write(struct log *log) {
    struct stat status;
    struct failure unheard;

    if (log->path[0] == '\0')
        return is_free(log->fd);
    if (fstat(log->fd, &status) < 0 || status.st_nlink > 0)
        return true;
    return reopen(log, &unheard) == 0;
}

/* The line in a single call, after the newline that a torn one still needs. */
static bool write_file(struct log *log, char *text, size_t length) {
    size_t extra = log->torn ? 1 : 0;
    struct iovec parts[] = {{"\n", extra}, {text, length}};

    if (!can_write(log))
        return false;
    ssize_t written = writev(log->fd, parts, 2);
    if (written > 0) /* of the newline alone: what was torn is ended, and no more */
        log->torn = (size_t)written > extra && (size_t)written < extra + length;
    return written == (ssize_t)(extra + length);
}

/* The one control character that JSON lets stand, and a terminal obeys. Takes over the text. */
static char *escape_delete(char *text) {
    char *at;

    while ((at = strchr(text, 0x7F)) != NULL) {
        char *longer = NULL;
        if (asprintf(&longer, "%.*s\\u007f%s", (int)(at - text), text, at + 1) < 0) {
            *at = '?';
            continue;
        }
        free(text);
        text = longer;
    }
    return text;
}

static bool write_line(struct log *log, const char *level, const char *event, json_t *line) {
    char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    bool written = false;

    if (text != NULL) {
        text = escape_delete(text);
        size_t length = strlen(text);
        text[length++] = '\n'; /* in the place of the NUL */
        written = log->journal ? send_journal(log, level, event, text, length)
                               : write_file(log, text, length);
    }
    free(text);
    return written;
}

static void lose(struct log *log) {
    log->lost++;
    if (log->metrics != NULL)
        metrics_lost(log->metrics, 1);
}

/* Says what was lost, now that something can be written again. */
static bool confess(struct log *log) {
    json_t *line = new_line("warning", "log_lost");

    json_object_set_new(line, "lines", json_integer((json_int_t)log->lost));
    bool written = write_line(log, "warning", "log_lost", line);
    json_decref(line);
    if (written)
        log->lost = 0;
    return written;
}

void log_event(struct log *log, const char *level, const char *event, const char *fields, ...) {
    va_list arguments;
    json_t *object = NULL;

    if (fields != NULL) { /* before anything else: it takes over what log_text made */
        va_start(arguments, fields);
        object = json_vpack_ex(NULL, 0, fields, arguments);
        va_end(arguments);
    }
    pthread_mutex_lock(&log->mutex);
    bool told = log->fd < 0 || log->lost == 0 || confess(log);
    if (log->fd >= 0 && priority(level) <= log->level) {
        json_t *line = new_line(level, event); /* only now: its time is not before that one's */
        json_object_update(line, object);
        if (!told || !write_line(log, level, event, line))
            lose(log);
        json_decref(line);
    }
    pthread_mutex_unlock(&log->mutex);
    json_decref(object);
}

void log_close(struct log *log) {
    pthread_mutex_lock(&log->mutex);
    if (log->fd >= 0 && log->lost > 0)
        confess(log);
    if (log->fd > STDERR_FILENO)
        close(log->fd);
    log->fd = -1;
    pthread_mutex_unlock(&log->mutex);
}
