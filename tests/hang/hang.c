/*
 * hang - a disk that does not answer, for a daemon that is started with LD_PRELOAD=hang.so.
 *
 * As soon as there is a file "access" in the folder $HANG, faccessat(2) of what lies in a spool
 * does not come back. With a file "log" there, neither does the write(2) of an event "cleanup".
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void hang_if(bool meant, const char *name) {
    const char *folder = getenv("HANG");
    char path[4096];

    if (!meant || folder == NULL)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    while (access(path, F_OK) == 0)
        usleep(100000);
}

static bool is_cleanup(const char *text, size_t size) {
    static const char event[] = "\"event\":\"cleanup\"";

    return memmem(text, size, event, sizeof event - 1) != NULL;
}

int faccessat(int folder, const char *path, int mode, int flags) {
    int (*next)(int, const char *, int, int) = dlsym(RTLD_NEXT, "faccessat");

    hang_if(strstr(path, "/spool/") != NULL, "access");
    return next(folder, path, mode, flags);
}

ssize_t write(int fd, const void *text, size_t size) {
    ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");

    hang_if(is_cleanup(text, size), "log");
    return next(fd, text, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t (*next)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, "writev");

    for (int i = 0; i < count; i++)
        hang_if(is_cleanup(parts[i].iov_base, parts[i].iov_len), "log");
    return next(fd, parts, count);
}
