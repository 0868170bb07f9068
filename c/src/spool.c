#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST_JOB = sizeof "failed/" + NAME_MAX };

static int move(const struct spool *spool, const char *from, const char *to, const char *name,
    struct failure *why) {
    char source[LONGEST_JOB], target[LONGEST_JOB];

    snprintf(source, sizeof source, "%s/%s", from, name);
    snprintf(target, sizeof target, "%s/%s", to, name);
    if (renameat(spool->fd, source, spool->fd, target) < 0)
        return failure(why, errno, "rename(%s/%s, %s)", spool->path, source, to);
    return 0;
}

/* The first name in one of the folders that does not begin with a dot: 1, or 0 for none. */
static int first(const struct spool *spool, const char *folder, char name[NAME_MAX + 1],
    struct failure *why) {
    const struct dirent *entry;

    int fd = openat(spool->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failure(why, errno, "open(%s/%s)", spool->path, folder);
    DIR *list = fdopendir(fd);
    if (list == NULL) {
        int error = failure(why, errno, "fdopendir(%s/%s)", spool->path, folder);
        close(fd);
        return error;
    }
    do {
        entry = readdir(list);
    } while (entry != NULL && entry->d_name[0] == '.');
    if (entry != NULL)
        strcpy(name, entry->d_name);
    closedir(list);
    return entry != NULL;
}

static int make_folders(const struct spool *spool, struct failure *why) {
    static const char *const folders[] = {"new", "cur", "done", "failed"};

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (mkdirat(spool->fd, folders[i], 0755) < 0 && errno != EEXIST)
            return failure(why, errno, "mkdir(%s/%s)", spool->path, folders[i]);
    return 0;
}

static int recover(const struct spool *spool, struct failure *why) {
    char name[NAME_MAX + 1];
    int found;

    while ((found = first(spool, "cur", name, why)) > 0) {
        int error = move(spool, "cur", "new", name, why);
        if (error < 0)
            return error;
    }
    return found;
}

int spool_open(struct spool *spool, const char *path, struct failure *why) {
    if (strlen(path) + LONGEST_JOB > sizeof spool->path)
        return failure(why, ENAMETOOLONG, "open(%s)", path);
    strcpy(spool->path, path);
    spool->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->fd < 0)
        return failure(why, errno, "open(%s)", path);
    int error = make_folders(spool, why);
    if (error == 0)
        error = recover(spool, why);
    if (error < 0)
        spool_close(spool);
    return error;
}

int spool_claim(const struct spool *spool, char name[NAME_MAX + 1], struct failure *why) {
    char path[LONGEST_JOB];
    struct stat status;
    int found;

    while ((found = first(spool, "new", name, why)) > 0) {
        snprintf(path, sizeof path, "new/%s", name);
        if (fstatat(spool->fd, path, &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT)
                continue; /* who put it there has taken it away again */
            return failure(why, errno, "stat(%s/%s)", spool->path, path);
        }
        bool regular = S_ISREG(status.st_mode);
        int error = move(spool, "new", regular ? "cur" : "failed", name, why);
        if (error < 0 && error != -ENOENT)
            return error;
        if (error == 0 && regular)
            return 1;
    }
    return found;
}

void spool_job(const struct spool *spool, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%.*s/cur/%s", PATH_MAX - LONGEST_JOB, spool->path, name);
}

int spool_finish(const struct spool *spool, const char *name, bool good, struct failure *why) {
    return move(spool, "cur", good ? "done" : "failed", name, why);
}

void spool_close(struct spool *spool) {
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
}
