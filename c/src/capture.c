#include "capture.h"

#include "leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ONCE = 65536, MOST = 1048576, EVENTS = 64 };

static int open_folder(const char *path, const char *name, mode_t mode, struct failure *why) {
    char folder[PATH_MAX];

    if (snprintf(folder, sizeof folder, "%s/%s", path, name) >= (int)sizeof folder)
        return failure(why, ENAMETOOLONG, "open(%s/%s)", path, name);
    if (mkdir(folder, mode) < 0 && errno != EEXIST)
        return failure(why, errno, "mkdir(%s)", folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? failure(why, errno, "open(%s)", folder) : fd;
}

int capture_open(
    struct capture *capture, const char *path, int size, long long limit, struct failure *why) {
    *capture =
        (struct capture){.size = size, .epoll = -1, .folder = -1, .pipes = -1, .limit = limit};
    if (path[0] == '\0')
        return 0;
    int error = capture->folder = open_folder(path, "out", 0755, why);
    if (error >= 0)
        error = capture->pipes = open_folder(path, "pipe", 0700, why);
    if (error < 0) {
        capture_close(capture);
        return error;
    }
    error = 0;
    capture->ended = leftover_end(capture->pipes);
    capture->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (capture->epoll < 0)
        error = failure(why, errno, "epoll_create1()");
    capture->table = calloc((size_t)size, sizeof *capture->table);
    if (error == 0 && capture->table == NULL)
        error = failure(why, errno, "calloc() of %d streams", size);
    if (error < 0)
        capture_close(capture);
    return error;
}

static struct stream *row_of(const struct capture *capture, const char *name) {
    if (capture->epoll < 0)
        return NULL;
    for (int i = 0; i < capture->size; i++)
        if (strcmp(capture->table[i].name, name) == 0)
            return &capture->table[i];
    return NULL;
}

/* A new file, whatever stood in its place: O_EXCL follows no link and opens no FIFO. */
static int open_file(const struct capture *capture, const char *name, struct failure *why) {
    unlinkat(capture->folder, name, 0);
    int fd =
        openat(capture->folder, name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    return fd < 0 ? failure(why, errno, "open(out/%s)", name) : fd;
}

static void close_fifo(const struct capture *capture, const char *name, const int ends[2]) {
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    unlinkat(capture->pipes, name, 0);
}

/* Our end first, and without waiting for the other: fifo(7). The flag is our end's alone. */
static int open_fifo(
    const struct capture *capture, const char *name, int ends[2], struct failure *why) {
    int error = 0;

    ends[0] = ends[1] = -1;
    unlinkat(capture->pipes, name, 0);
    if (mkfifoat(capture->pipes, name, 0600) < 0)
        return failure(why, errno, "mkfifo(pipe/%s)", name);
    ends[0] = openat(capture->pipes, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (ends[0] >= 0)
        ends[1] = openat(capture->pipes, name, O_WRONLY | O_CLOEXEC);
    if (ends[1] < 0) {
        error = failure(why, errno, "open(pipe/%s)", name);
        close_fifo(capture, name, ends);
    }
    return error;
}

static int watch_pipe(
    const struct capture *capture, struct stream *stream, struct failure *why) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};

    if (epoll_ctl(capture->epoll, EPOLL_CTL_ADD, stream->pipe, &event) < 0)
        return failure(why, errno, "epoll_ctl()");
    return 0;
}

int capture_begin(struct capture *capture, const char *name, struct failure *why) {
    struct stream *stream = row_of(capture, "");
    int ends[2];

    if (stream == NULL)
        return failure(why, EAGAIN, "%d outputs are captured already", capture->size);
    int file = open_file(capture, name, why);
    if (file < 0)
        return file;
    int error = open_fifo(capture, name, ends, why);
    if (error < 0) {
        close(file);
        return error;
    }
    *stream = (struct stream){.pipe = ends[0], .file = file};
    error = watch_pipe(capture, stream, why);
    if (error < 0) {
        close(file);
        close_fifo(capture, name, ends);
        return error;
    }
    snprintf(stream->name, sizeof stream->name, "%s", name);
    return ends[1];
}

static void keep(struct stream *stream, const char *data, long long size, long long limit) {
    long long wanted = limit - stream->kept < size ? limit - stream->kept : size;
    long long done = 0;

    while (done < wanted) {
        ssize_t written = write(stream->file, data + done, (size_t)(wanted - done));
        if (written < 0 && errno != EINTR)
            break; /* a full disk: what was not written is lost */
        done += written > 0 ? written : 0;
    }
    stream->kept += done;
    stream->lost += size - done;
}

static void close_pipe(const struct capture *capture, struct stream *stream) {
    if (stream->pipe < 0)
        return;
    /* To close it does not suffice while somebody shares it: epoll(7). */
    epoll_ctl(capture->epoll, EPOLL_CTL_DEL, stream->pipe, NULL);
    close(stream->pipe);
    stream->pipe = -1;
}

/* Reads once. Returns the number of bytes; 0 when there is nothing more, now or ever. */
static ssize_t take(const struct capture *capture, struct stream *stream) {
    char data[ONCE];
    ssize_t size = read(stream->pipe, data, sizeof data);

    if (size > 0)
        keep(stream, data, size, capture->limit);
    if (size == 0)
        close_pipe(capture, stream);
    return size > 0 ? size : 0;
}

void capture_turn(struct capture *capture) {
    struct epoll_event events[EVENTS];

    if (capture->epoll < 0)
        return;
    int count = epoll_wait(capture->epoll, events, EVENTS, 0);
    for (int i = 0; i < count; i++)
        take(capture, events[i].data.ptr);
}

static void free_row(const struct capture *capture, struct stream *stream) {
    close_pipe(capture, stream);
    unlinkat(capture->pipes, stream->name, 0);
    close(stream->file);
    *stream = (struct stream){0};
}

void capture_end(struct capture *capture, const char *name, long long *kept, long long *lost) {
    struct stream *stream = row_of(capture, name);
    ssize_t size = 1;

    *kept = *lost = 0;
    if (stream == NULL)
        return;
    for (ssize_t all = 0; stream->pipe >= 0 && size > 0 && all < MOST; all += size)
        size = take(capture, stream);
    *kept = stream->kept;
    *lost = stream->lost;
    free_row(capture, stream);
}

void capture_close(struct capture *capture) {
    for (int i = 0; capture->table != NULL && i < capture->size; i++)
        if (capture->table[i].name[0] != '\0')
            free_row(capture, &capture->table[i]);
    free(capture->table);
    capture->table = NULL;
    if (capture->epoll >= 0)
        close(capture->epoll);
    if (capture->folder >= 0)
        close(capture->folder);
    if (capture->pipes >= 0)
        close(capture->pipes);
    capture->epoll = capture->folder = capture->pipes = -1;
}
