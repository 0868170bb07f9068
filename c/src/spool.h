/*
 * spool - jobs come as files, and a file's folder says how far its job is.
 *
 *     new/     a program dropped here (by rename, so that it is whole) is a job
 *     cur/     it was claimed, and runs
 *     done/    it ended with exit code 0
 *     failed/  it did not, or is no program
 *     id/      for each name in cur/ a symbolic link, which holds the id of that job
 *
 * rename(2) within one file system is atomic: a job is in one folder at any
 * moment, whatever dies in between. The same name may come many times, and each
 * time it is another job: so a job has an id of its own, random, which it is
 * given before it is moved to cur/, and keeps until it has left cur/. How that
 * makes every result be recorded exactly once: docs/decisions/spool.md.
 */
#ifndef LABD_SPOOL_H
#define LABD_SPOOL_H

#include "failure.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum { SPOOL_ID = 32 }; /* hexadecimal digits of 128 bits */

/* What spool_claim found. */
enum { SPOOL_NONE, SPOOL_CLAIMED, SPOOL_REFUSED };

struct claim {
    char name[NAME_MAX + 1];
    char id[SPOOL_ID + 1];
    bool left; /* by a daemon that died: perhaps it has run, perhaps it has a result */
};

/* A job in cur/ that does not run. */
struct held {
    char name[NAME_MAX + 1];
    bool left;
};

struct spool {
    char path[PATH_MAX];
    int fd;     /* the folder; -1: there is no spool */
    int watch;  /* inotify(7) on new/; readable when a file was put there; -1: not open */
    DIR *list;  /* new/, as far as it has been read; NULL: from the top next time */
    bool found; /* something was claimed since the top, or may have come */
    struct held *held;
    size_t held_count;
    size_t due; /* the first so many of them are given again, the others after spool_again */
};

/* spool_new_id - 128 random bits. Returns 0 or -errno. */
int spool_new_id(char id[SPOOL_ID + 1], struct failure *why);

/*
 * spool_open - open the spool at path, with the five folders, which are made where they miss.
 *
 * The spool belongs to one daemon: what still lies in cur/ was running when
 * the last one died, and is held. Ids of names that are not in cur/ are removed.
 * Returns 0 or -errno, with nothing left open or allocated then.
 */
int spool_open(struct spool *spool, const char *path, struct failure *why);

/* spool_watch - be told when a file has been moved into new/, or written there. Returns 0 or
 * -errno: then one has to look now and then. */
int spool_watch(struct spool *spool, struct failure *why);

/* spool_heard - read what the watch has told, so that it is not readable any more. Returns
 * whether it was. */
bool spool_heard(const struct spool *spool);

/*
 * spool_claim - take the next job: one that is held, or else from new/, which is moved to cur/.
 *
 * Goes on in new/ where it stopped the last time, and says SPOOL_NONE when it
 * has seen all of it, from the top, and found nothing to take: so a hundred thousand
 * files cost a hundred thousand steps. One whose name is in cur/ already waits
 * in new/; names that begin with a dot are not jobs.
 *
 * What is not a regular file, or belongs neither to us nor to root, or may be
 * written by everybody, is refused: it goes to failed/, SPOOL_REFUSED is
 * returned, and why says the reason. That is looked at in cur/, where nobody
 * else can put another in its place.
 *
 * Returns one of the three, or -errno; claim->name is empty when that was not about
 * this job alone: new/ cannot be read, or no id can be made. The next call goes on behind it.
 */
int spool_claim(struct spool *spool, struct claim *claim, struct failure *why);

/* spool_look - more may have come: see all of new/, from the top, before the next SPOOL_NONE.
 */
void spool_look(struct spool *spool);

/* spool_job - put the path of a claimed job into path. */
void spool_job(const struct spool *spool, const char *name, char path[PATH_MAX]);

/* spool_id - put the id of a claimed job into id; one whose id was removed gets another.
 * Returns 0 or -errno. */
int spool_id(
    const struct spool *spool, const char *name, char id[SPOOL_ID + 1], struct failure *why);

/* spool_return - hold a claimed job: it cannot be run now. left as in its claim. It is not
 * given again before spool_again. Returns 0 or -errno. */
int spool_return(struct spool *spool, const char *name, bool left, struct failure *why);

/* spool_again - all that are held are given again by spool_claim, before new ones. */
void spool_again(struct spool *spool);

/*
 * spool_finish - move a claimed job to done/ or failed/; then its id is removed.
 *
 * It takes the place of an earlier one of its name there; where that is a
 * folder, it is named by its id. Returns 0 or -errno.
 */
int spool_finish(const struct spool *spool, const char *name, bool good, struct failure *why);

/* spool_count - how many names wait in new/. */
int spool_count(const struct spool *spool);

/* spool_close - close the folder and the watch. */
void spool_close(struct spool *spool);

#endif
