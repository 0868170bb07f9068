#include "descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* open(2) gives the lowest free number: repeat until that is above 2. */
static int fill_standard(struct failure *why) {
    int fd;

    do {
        fd = open("/dev/null", O_RDWR | O_NOCTTY);
        if (fd < 0)
            return failure(why, errno, "open(/dev/null)");
    } while (fd <= STDERR_FILENO);
    close(fd);
    return 0;
}

/* The kernel's own list of our descriptors, which no limit cuts short. */
static int close_listed(struct failure *why) {
    DIR *list = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (list == NULL)
        return failure(why, errno, "opendir(/proc/self/fd)");
    while ((entry = readdir(list)) != NULL) {
        int fd = atoi(entry->d_name); /* "." and ".." give 0 */
        if (fd > STDERR_FILENO && fd != dirfd(list))
            close(fd);
    }
    closedir(list);
    return 0;
}

int descriptors_close(struct failure *why) {
    if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0) {
        if (errno != ENOSYS && errno != EPERM)
            return failure(why, errno, "close_range()");
        int error = close_listed(why);
        if (error < 0)
            return error;
    }
    return fill_standard(why);
}

static int null_onto(int fd, int flags, struct failure *why) {
    struct stat status;
    int error = 0;

    int null = descriptors_open("/dev/null", flags, 0, why);
    if (null < 0)
        return null;
    if (fstat(null, &status) < 0)
        error = failure(why, errno, "fstat(/dev/null)");
    else if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
        error = failure(why, ENODEV, "/dev/null is not the null device");
    /* The copy that dup2(2) makes is not close-on-exec, whatever the original is. */
    else if (dup2(null, fd) < 0)
        error = failure(why, errno, "dup2(%d, %d)", null, fd);
    close(null);
    return error;
}

int descriptors_null(struct failure *why) {
    int error = null_onto(STDIN_FILENO, O_RDONLY, why);
    if (error == 0)
        error = null_onto(STDOUT_FILENO, O_WRONLY, why);
    if (error == 0)
        error = null_onto(STDERR_FILENO, O_WRONLY, why);
    return error;
}

int descriptors_open(const char *path, int flags, mode_t mode, struct failure *why) {
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
    if (fd < 0)
        return failure(why, errno, "open(%s)", path);
    return fd;
}
