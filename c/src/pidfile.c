#include "pidfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_directory(struct pidfile *pidfile, const char *path, struct failure *why) {
    char folder[PATH_MAX], file[PATH_MAX]; /* dirname(3) and basename(3) write into theirs */
    struct stat status;

    snprintf(folder, sizeof folder, "%s", path);
    snprintf(file, sizeof file, "%s", path);
    const char *name = basename(file);
    if (strlen(name) >= sizeof pidfile->name)
        return failure(why, ENAMETOOLONG, "open(%s)", path);
    strcpy(pidfile->name, name);
    const char *in = dirname(folder);
    pidfile->directory = open(in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (pidfile->directory < 0)
        return failure(why, errno, "open(%s)", in);
    if (fstat(pidfile->directory, &status) < 0)
        return failure(why, errno, "fstat(%s)", in);
    if (status.st_mode & S_IWOTH)
        return failure(why, EPERM, "PID file %s: everybody may write to %s", path, in);
    return 0;
}

/* Makes the file or, where there is one, opens that. Between the two its owner may remove
 * it: then there is again one to be made. */
static int make_or_open(struct pidfile *pidfile) {
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd;

    do {
        fd = openat(pidfile->directory, pidfile->name, flags | O_CREAT | O_EXCL, 0644);
        pidfile->made = fd >= 0;
        if (fd >= 0 || errno != EEXIST)
            return fd;
        fd = openat(pidfile->directory, pidfile->name, flags);
    } while (fd < 0 && errno == ENOENT);
    return fd;
}

static int open_file(struct pidfile *pidfile, const char *path, struct failure *why) {
    struct stat status;

    pidfile->fd = make_or_open(pidfile);
    if (pidfile->fd < 0)
        return failure(why, errno, "open(%s)", path);
    if (fstat(pidfile->fd, &status) < 0)
        return failure(why, errno, "fstat(%s)", path);
    if (!S_ISREG(status.st_mode))
        return failure(why, EINVAL, "PID file %s: not a regular file", path);
    if (status.st_nlink > 1)
        return failure(why, EINVAL, "PID file %s: it has another name too", path);
    return 0;
}

/* The first line of the file, without what would not be seen on a terminal. */
static void read_line(int fd, char *line, size_t size) {
    ssize_t length = pread(fd, line, size - 1, 0);

    line[length > 0 ? length : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    for (char *c = line; *c != '\0'; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
}

static bool still_there(const struct pidfile *pidfile) {
    struct stat locked, named;

    return fstat(pidfile->fd, &locked) == 0 &&
           fstatat(pidfile->directory, pidfile->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

static int lock(struct pidfile *pidfile, const char *path, struct failure *why) {
    if (flock(pidfile->fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int error = errno;
    if (error != EWOULDBLOCK)
        return failure(why, error, "flock(%s)", path);
    read_line(pidfile->fd, pidfile->stale, sizeof pidfile->stale);
    failure_exit(why, EXIT_ALREADY_RUNNING,
        "already running with PID %s: it holds the lock on %s",
        pidfile->stale[0] != '\0' ? pidfile->stale : "(not written yet)", path);
    return -EWOULDBLOCK;
}

static int write_number(const struct pidfile *pidfile, const char *path, struct failure *why) {
    char line[32];
    int length = snprintf(line, sizeof line, "%d\n", (int)pidfile->owner);

    if (ftruncate(pidfile->fd, 0) < 0)
        return failure(why, errno, "ftruncate(%s)", path);
    if (fchmod(pidfile->fd, 0644) < 0)
        return failure(why, errno, "fchmod(%s)", path);
    ssize_t written = pwrite(pidfile->fd, line, (size_t)length, 0);
    if (written != length)
        return failure(why, written < 0 ? errno : ENOSPC, "write(%s)", path);
    if (fsync(pidfile->fd) < 0)
        return failure(why, errno, "fsync(%s)", path);
    return 0;
}

static void remove_file(const struct pidfile *pidfile) {
    if (still_there(pidfile))
        unlinkat(pidfile->directory, pidfile->name, 0);
}

static void close_both(struct pidfile *pidfile) {
    if (pidfile->fd >= 0)
        close(pidfile->fd);
    if (pidfile->directory >= 0)
        close(pidfile->directory);
    pidfile->fd = pidfile->directory = -1;
}

/* Opens and locks until the file that we hold is the one that the path leads to. */
static int open_and_lock(struct pidfile *pidfile, const char *path, struct failure *why) {
    for (;;) {
        int error = open_file(pidfile, path, why);
        if (error == 0)
            error = lock(pidfile, path, why);
        if (error < 0 || still_there(pidfile))
            return error;
        close(pidfile->fd);
        pidfile->fd = -1;
    }
}

int pidfile_acquire(struct pidfile *pidfile, const char *path, struct failure *why) {
    *pidfile = (struct pidfile){.fd = -1, .directory = -1, .owner = getpid()};
    int error = open_directory(pidfile, path, why);

    if (error == 0)
        error = open_and_lock(pidfile, path, why);
    if (error < 0) {
        if (pidfile->made && error != -EWOULDBLOCK)
            remove_file(pidfile);
        close_both(pidfile);
        return error;
    }
    read_line(pidfile->fd, pidfile->stale, sizeof pidfile->stale);
    error = write_number(pidfile, path, why);
    if (error < 0)
        pidfile_release(pidfile);
    return error;
}

void pidfile_release(struct pidfile *pidfile) {
    if (pidfile->fd < 0)
        return;
    if (pidfile->owner == getpid())
        remove_file(pidfile);
    close_both(pidfile);
}
