#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/random.h>
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

static bool exists(const struct spool *spool, const char *folder, const char *name) {
    char path[LONGEST_JOB];
    struct stat status;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fstatat(spool->fd, path, &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
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
    static const char *const folders[] = {"new", "cur", "done", "failed", "id"};

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (mkdirat(spool->fd, folders[i], 0755) < 0 && errno != EEXIST)
            return failure(why, errno, "mkdir(%s/%s)", spool->path, folders[i]);
    return 0;
}

/* --- ids --- */

int spool_new_id(char id[SPOOL_ID + 1], struct failure *why) {
    unsigned char bits[SPOOL_ID / 2];

    if (getrandom(bits, sizeof bits, 0) != sizeof bits)
        return failure(why, errno, "getrandom()");
    for (size_t i = 0; i < sizeof bits; i++)
        snprintf(id + 2 * i, 3, "%02x", bits[i]);
    return 0;
}

/* Gives the name a new id; -EEXIST if it has one. symlink(2) is atomic, as no write(2) is. */
static int give_id(
    const struct spool *spool, const char *name, char id[SPOOL_ID + 1], struct failure *why) {
    char path[LONGEST_JOB];

    int error = spool_new_id(id, why);
    if (error < 0)
        return error;
    snprintf(path, sizeof path, "id/%s", name);
    if (symlinkat(id, spool->fd, path) < 0)
        return failure(why, errno, "symlink(%s/%s)", spool->path, path);
    return 0;
}

int spool_id(
    const struct spool *spool, const char *name, char id[SPOOL_ID + 1], struct failure *why) {
    char path[LONGEST_JOB], found[SPOOL_ID + 1];

    snprintf(path, sizeof path, "id/%s", name);
    ssize_t size = readlinkat(spool->fd, path, found, sizeof found);
    if (size < 0 && errno == ENOENT) /* somebody has removed it */
        return give_id(spool, name, id, why);
    if (size < 0)
        return failure(why, errno, "readlink(%s/%s)", spool->path, path);
    if (size != SPOOL_ID)
        return failure(why, EINVAL, "readlink(%s/%s)", spool->path, path);
    memcpy(id, found, SPOOL_ID);
    id[SPOOL_ID] = '\0';
    return 0;
}

static void drop_id(const struct spool *spool, const char *name) {
    char path[LONGEST_JOB];

    snprintf(path, sizeof path, "id/%s", name);
    unlinkat(spool->fd, path, 0); /* one that stays is removed at the next start */
}

/* --- what was left --- */

int spool_return(struct spool *spool, const char *name, bool left, struct failure *why) {
    struct held *longer = reallocarray(spool->held, spool->held_count + 1, sizeof *longer);

    if (longer == NULL)
        return failure(why, ENOMEM, "malloc() for %s", name);
    spool->held = longer;
    struct held *held = &longer[spool->held_count++];
    held->left = left;
    snprintf(held->name, sizeof held->name, "%s", name);
    return 0;
}

void spool_again(struct spool *spool) {
    spool->due = spool->held_count;
}

static int hold_left(struct spool *spool, const char *name, struct failure *why) {
    char id[SPOOL_ID + 1];
    int error = give_id(spool, name, id, why); /* one that came here without us has none */

    return error < 0 && error != -EEXIST ? error : spool_return(spool, name, true, why);
}

/* The claim of one that is still in new/ was not finished; one that has left cur/ is done. */
static int forget(struct spool *spool, const char *name, struct failure *why) {
    (void)why;
    if (!exists(spool, "cur", name))
        drop_id(spool, name);
    return 0;
}

static int each(struct spool *spool, const char *folder,
    int (*act)(struct spool *spool, const char *name, struct failure *why),
    struct failure *why) {
    const char *name;
    int error = 0;
    DIR *list = list_folder(spool, folder, why);

    if (list == NULL)
        return -why->error;
    while (error == 0 && (name = next_name(list)) != NULL)
        error = act(spool, name, why);
    closedir(list);
    return error;
}

int spool_open(struct spool *spool, const char *path, struct failure *why) {
    *spool = (struct spool){.fd = -1, .watch = -1};
    if (strlen(path) + LONGEST_JOB > sizeof spool->path)
        return failure(why, ENAMETOOLONG, "open(%s)", path);
    strcpy(spool->path, path);
    spool->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->fd < 0)
        return failure(why, errno, "open(%s)", path);
    int error = make_folders(spool, why);
    if (error == 0)
        error = each(spool, "cur", hold_left, why);
    spool_again(spool);
    if (error == 0)
        error = each(spool, "id", forget, why);
    if (error < 0)
        spool_close(spool);
    return error;
}

/* --- the watch --- */

int spool_watch(struct spool *spool, struct failure *why) {
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%.*s/new", PATH_MAX - LONGEST_JOB, spool->path);
    spool->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (spool->watch < 0)
        return failure(why, errno, "inotify_init1()");
    if (inotify_add_watch(spool->watch, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) < 0) {
        int error = failure(why, errno, "inotify_add_watch(%s)", path);
        close(spool->watch);
        spool->watch = -1;
        return error;
    }
    return 0;
}

bool spool_heard(const struct spool *spool) {
    char events[4096];
    bool heard = false;

    /* What they say does not matter, also not that some were lost: we look at all of new/. */
    while (spool->watch >= 0 && read(spool->watch, events, sizeof events) > 0)
        heard = true;
    return heard;
}

/* --- claiming --- */

/* Why it is no job for us, or NULL. */
static const char *objection(const struct stat *status) {
    if (!S_ISREG(status->st_mode))
        return "it is not a regular file";
    if (status->st_uid != geteuid() && status->st_uid != 0)
        return "it belongs to another user";
    if ((status->st_mode & S_IWOTH) != 0)
        return "everybody may write to it";
    return NULL;
}

/* To a name that is taken by a folder it cannot be moved: then its id is its name. */
static int put_away(
    const struct spool *spool, const char *name, const char *folder, struct failure *why) {
    char id[SPOOL_ID + 1], source[LONGEST_JOB], target[LONGEST_JOB];
    struct failure unheard;
    int error = move(spool, "cur", folder, name, 0, why);

    if ((error == -EISDIR || error == -ENOTDIR || error == -ENOTEMPTY || error == -EEXIST) &&
        spool_id(spool, name, id, &unheard) == 0) {
        snprintf(source, sizeof source, "cur/%s", name);
        snprintf(target, sizeof target, "%s/%s", folder, id);
        if (renameat2(spool->fd, source, spool->fd, target, RENAME_NOREPLACE) == 0)
            error = 0;
    }
    if (error < 0)
        return error;
    /* Where both names are links to one file, rename(2) does nothing, and calls it a success.
     */
    snprintf(source, sizeof source, "cur/%s", name);
    unlinkat(spool->fd, source, 0);
    drop_id(spool, name);
    return 0;
}

/* Looks at one that lies in cur/ now. */
static int look_at(const struct spool *spool, const char *name, struct failure *why) {
    char path[LONGEST_JOB];
    struct stat status;

    snprintf(path, sizeof path, "cur/%s", name);
    if (fstatat(spool->fd, path, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return failure(why, errno, "stat(%s/%s)", spool->path, path);
        drop_id(spool, name); /* who has taken it away wants nothing to be run */
        return SPOOL_NONE;
    }
    const char *reason = objection(&status);
    if (reason == NULL)
        return SPOOL_CLAIMED;
    int error = put_away(spool, name, "failed", why);
    if (error < 0)
        return error;
    failure_exit(why, EXIT_FAILED, "%s", reason);
    return SPOOL_REFUSED;
}

/* SPOOL_NONE if it is not to be had. */
static int claim_new(const struct spool *spool, struct claim *claim, struct failure *why) {
    int error = give_id(spool, claim->name, claim->id, why);

    if (error == -EEXIST) /* a job of that name runs: this one waits */
        return SPOOL_NONE;
    if (error < 0) {
        claim->name[0] = '\0'; /* the next one would get none, either */
        return error;
    }
    error = move(spool, "new", "cur", claim->name, RENAME_NOREPLACE, why);
    if (error == 0)
        return look_at(spool, claim->name, why);
    drop_id(spool, claim->name);
    /* Who put it there may have taken it away again; whether it has come back says nothing. But
     * ENOENT may be about cur/ as well. */
    return error == -ENOENT && exists(spool, "cur", ".") ? SPOOL_NONE : error;
}

static int claim_held(struct spool *spool, struct claim *claim, struct failure *why) {
    struct held *held = &spool->held[--spool->due];

    *claim = (struct claim){.left = held->left};
    strcpy(claim->name, held->name);
    *held = spool->held[--spool->held_count];
    int found = look_at(spool, claim->name, why);
    int error = found == SPOOL_CLAIMED ? spool_id(spool, claim->name, claim->id, why) : 0;
    return error < 0 ? error : found;
}

/* The next name in new/, or NULL. From the top again as long as that brought something: others
 * may have come behind us. */
static const char *next_new(struct spool *spool, struct failure *why) {
    const char *name = NULL;
    bool again = true;

    why->error = 0;
    while (name == NULL && again) {
        if (spool->list == NULL) {
            spool->list = list_folder(spool, "new", why);
            spool->found = false;
        }
        if (spool->list == NULL)
            return NULL;
        name = next_name(spool->list);
        if (name == NULL) {
            closedir(spool->list);
            spool->list = NULL;
            again = spool->found;
        }
    }
    return name;
}

void spool_look(struct spool *spool) {
    spool->found = true;
}

int spool_claim(struct spool *spool, struct claim *claim, struct failure *why) {
    const char *name;
    int found = SPOOL_NONE;

    *claim = (struct claim){0};
    while (found == SPOOL_NONE && spool->due > 0)
        found = claim_held(spool, claim, why);
    while (found == SPOOL_NONE && (name = next_new(spool, why)) != NULL) {
        *claim = (struct claim){0};
        strcpy(claim->name, name);
        found = claim_new(spool, claim, why);
        if (found > SPOOL_NONE)
            spool->found = true;
    }
    if (found == SPOOL_NONE && why->error != 0) {
        claim->name[0] = '\0';
        return -why->error;
    }
    return found;
}

void spool_job(const struct spool *spool, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%.*s/cur/%s", PATH_MAX - LONGEST_JOB, spool->path, name);
}

int spool_finish(const struct spool *spool, const char *name, bool good, struct failure *why) {
    return put_away(spool, name, good ? "done" : "failed", why);
}

int spool_count(const struct spool *spool) {
    struct failure unheard;
    DIR *list = list_folder(spool, "new", &unheard);
    int count = 0;

    while (list != NULL && next_name(list) != NULL)
        count++;
    if (list != NULL)
        closedir(list);
    return count;
}

void spool_close(struct spool *spool) {
    free(spool->held);
    if (spool->list != NULL)
        closedir(spool->list);
    if (spool->watch >= 0)
        close(spool->watch);
    if (spool->fd >= 0)
        close(spool->fd);
    *spool = (struct spool){.fd = -1, .watch = -1};
}
