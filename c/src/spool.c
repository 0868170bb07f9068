#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST_JOB = sizeof "failed/" + NAME_MAX };

/* flags as renameat2(2) takes them. Returns 0 or -errno. */
static int move(const struct spool *spool, const char *from, const char *to, const char *name,
    unsigned int flags, struct failure *why) {
    char source[LONGEST_JOB], target[LONGEST_JOB];

    snprintf(source, sizeof source, "%s/%s", from, name);
    snprintf(target, sizeof target, "%s/%s", to, name);
    if (renameat2(spool->fd, source, spool->fd, target, flags) < 0)
        return failure(why, errno, "rename(%s/%s, %s)", spool->path, source, to);
    return 0;
}

static DIR *list_folder(const struct spool *spool, const char *folder, struct failure *why) {
    int fd = openat(spool->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        failure(why, errno, "open(%s/%s)", spool->path, folder);
        return NULL;
    }
    DIR *list = fdopendir(fd);
    if (list == NULL) {
        failure(why, errno, "fdopendir(%s/%s)", spool->path, folder);
        close(fd);
    }
    return list;
}

/* The next name that does not begin with a dot, or NULL. */
static const char *next_name(DIR *list) {
    const struct dirent *entry;

    do {
        entry = readdir(list);
    } while (entry != NULL && entry->d_name[0] == '.');
    return entry != NULL ? entry->d_name : NULL;
}

static int make_folders(const struct spool *spool, struct failure *why) {
    static const char *const folders[] = {"new", "cur", "done", "failed"};

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (mkdirat(spool->fd, folders[i], 0755) < 0 && errno != EEXIST)
            return failure(why, errno, "mkdir(%s/%s)", spool->path, folders[i]);
    return 0;
}

/* One that was running when the last daemon died is to run again. If another of its name has
 * come since, both are to run. */
static int put_back(const struct spool *spool, const char *name, struct failure *why) {
    char source[LONGEST_JOB], target[LONGEST_JOB + 1];
    int error = move(spool, "cur", "new", name, RENAME_NOREPLACE, why);

    if (error != -EEXIST)
        return error;
    snprintf(source, sizeof source, "cur/%s", name);
    snprintf(target, sizeof target, "new/%s~", name);
    if (renameat2(spool->fd, source, spool->fd, target, RENAME_NOREPLACE) < 0)
        return failure(why, errno, "rename(%s/%s, %s)", spool->path, source, target);
    return 0;
}

static int recover(const struct spool *spool, struct failure *why) {
    const char *name;
    int error = 0;
    DIR *list = list_folder(spool, "cur", why);

    if (list == NULL)
        return -why->error;
    while (error == 0 && (name = next_name(list)) != NULL)
        error = put_back(spool, name, why);
    closedir(list);
    return error;
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

/* Returns 1 if it is ours now, 0 if it is not to be had, or -errno. */
static int claim(const struct spool *spool, const char *name, struct failure *why) {
    char path[LONGEST_JOB];
    struct stat status;

    snprintf(path, sizeof path, "new/%s", name);
    if (fstatat(spool->fd, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return 0; /* who put it there has taken it away again */
    if (!S_ISREG(status.st_mode)) {
        /* Where it cannot be moved (a folder of that name is there) it stays, and does no harm.
         */
        move(spool, "new", "failed", name, 0, why);
        return 0;
    }
    int error = move(spool, "new", "cur", name, RENAME_NOREPLACE, why);
    if (error == 0)
        return 1;
    if (error == -EEXIST) /* a job of that name runs: this one waits */
        return 0;
    /* ENOENT may be about cur/ as well: then this would never end. */
    if (error == -ENOENT && fstatat(spool->fd, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return error;
}

int spool_claim(const struct spool *spool, char name[NAME_MAX + 1], struct failure *why) {
    const char *found;
    int claimed = 0;
    DIR *list = list_folder(spool, "new", why);

    if (list == NULL)
        return -why->error;
    while (claimed == 0 && (found = next_name(list)) != NULL) {
        claimed = claim(spool, found, why);
        strcpy(name, found);
    }
    closedir(list);
    return claimed;
}

void spool_job(const struct spool *spool, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%.*s/cur/%s", PATH_MAX - LONGEST_JOB, spool->path, name);
}

int spool_return(const struct spool *spool, const char *name, struct failure *why) {
    return put_back(spool, name, why);
}

int spool_finish(const struct spool *spool, const char *name, bool good, struct failure *why) {
    return move(spool, "cur", good ? "done" : "failed", name, 0, why);
}

void spool_close(struct spool *spool) {
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
}
