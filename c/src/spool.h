/*
 * spool - jobs come as files, and a file's folder says how far its job is.
 *
 *     new/     a program dropped here (by rename, so that it is whole) is a job
 *     cur/     it was claimed, and runs
 *     done/    it ended with exit code 0
 *     failed/  it did not, or is no program
 *
 * rename(2) within one file system is atomic: a job is in one folder at any
 * moment, whatever dies in between.
 */
#ifndef LABD_SPOOL_H
#define LABD_SPOOL_H

#include "failure.h"

#include <limits.h>
#include <stdbool.h>

struct spool {
    char path[PATH_MAX];
    int fd; /* the folder; -1: there is no spool */
};

/*
 * spool_open - open the spool at path, with the four folders, which are made where they miss.
 *
 * The spool belongs to one daemon: what still lies in cur/ was running when
 * the last one died, and goes back to new/. Returns 0 or -errno.
 */
int spool_open(struct spool *spool, const char *path, struct failure *why);

/*
 * spool_claim - move the next job from new/ to cur/, and put its name into name.
 *
 * One whose name is in cur/ already waits in new/. What is not a regular file
 * goes to failed/; names that begin with a dot are not jobs.
 * Returns 1, or 0 when there is none to be had, or -errno.
 */
int spool_claim(const struct spool *spool, char name[NAME_MAX + 1], struct failure *why);

/* spool_job - put the path of a claimed job into path. */
void spool_job(const struct spool *spool, const char *name, char path[PATH_MAX]);

/* spool_return - move a claimed job back to new/: it cannot be run now. Returns 0 or -errno. */
int spool_return(const struct spool *spool, const char *name, struct failure *why);

/*
 * spool_finish - move a claimed job to done/ or failed/.
 *
 * It takes the place of an earlier one of its name there. Returns 0 or -errno.
 */
int spool_finish(const struct spool *spool, const char *name, bool good, struct failure *why);

/* spool_close - close the folder. */
void spool_close(struct spool *spool);

#endif
