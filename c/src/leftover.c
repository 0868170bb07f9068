#include "leftover.h"

#include "clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATIENCE = 5000, LOOK = 5 }; /* milliseconds */

/* The FIFOs that lie in the folder: an inode is a number of its own within its device. */
struct fifo {
    dev_t device;
    ino_t inode;
};

struct fifos {
    struct fifo *all;
    size_t count;
};

static void add(struct fifos *fifos, const struct stat *status) {
    struct fifo *longer = reallocarray(fifos->all, fifos->count + 1, sizeof *longer);

    if (longer == NULL)
        return;
    fifos->all = longer;
    longer[fifos->count++] = (struct fifo){status->st_dev, status->st_ino};
}

static struct fifos list_fifos(int folder, bool unlink) {
    DIR *list = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;
    struct fifos found = {0};
    struct stat status;

    while (list != NULL && (entry = readdir(list)) != NULL) {
        if (fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISFIFO(status.st_mode))
            continue;
        add(&found, &status);
        if (unlink)
            unlinkat(folder, entry->d_name, 0);
    }
    if (list != NULL)
        closedir(list);
    return found;
}

/* Whether the process has one of them as its standard output or error. One that has ended has
 * no descriptors. */
static bool writes_into(const struct fifos *fifos, pid_t pid) {
    char path[64];
    struct stat status;

    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        if (stat(path, &status) < 0)
            continue;
        for (size_t i = 0; i < fifos->count; i++)
            if (fifos->all[i].device == status.st_dev && fifos->all[i].inode == status.st_ino)
                return true;
    }
    return false;
}

/* By a pidfd: the number may be another's when we have looked. While it is stopped it is there,
 * and so the number of its group is its group's. */
static void end(const struct fifos *fifos, pid_t pid) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0);

    if (process < 0)
        return;
    if (writes_into(fifos, pid) &&
        syscall(SYS_pidfd_send_signal, process, SIGSTOP, NULL, 0) == 0) {
        pid_t group = getpgid(pid);
        if (group > 1 && group != getpgrp())
            kill(-group, SIGKILL);
        syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
    }
    close(process);
}

/* Returns how many there were. */
static int end_all(const struct fifos *fifos) {
    DIR *list = opendir("/proc");
    const struct dirent *entry;
    int count = 0;

    while (list != NULL && (entry = readdir(list)) != NULL) {
        pid_t pid = atoi(entry->d_name); /* 0 for what is no process */
        if (pid == 0 || pid == getpid() || !writes_into(fifos, pid))
            continue;
        end(fifos, pid);
        count++;
    }
    if (list != NULL)
        closedir(list);
    return count;
}

int leftover_end(int folder) {
    long long until = now_milliseconds() + PATIENCE;
    struct timespec look = {.tv_nsec = LOOK * 1000000};
    struct fifos fifos = list_fifos(folder, false);

    int found = fifos.count > 0 ? end_all(&fifos) : 0;
    for (int left = found; left > 0 && now_milliseconds() < until; left = end_all(&fifos))
        nanosleep(&look, NULL);
    free(fifos.all);
    fifos = list_fifos(folder, true);
    free(fifos.all);
    return found;
}
