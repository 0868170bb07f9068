/*
 * container - jobs that run in a container each, by podman(1) or docker(1).
 *
 * What runs is the program "podman run", in the place of the job: a child of ours, which writes
 * what the job writes, passes SIGTERM on, and ends with its exit code. But the
 * container itself is no child of it, and outlives it: SIGKILL ends the one and
 * not the other, and so does the end of a daemon that was killed. So each
 * container carries two marks, by which it is found and removed:
 *
 * - the label labd.instance, the same for all of a daemon's life and for the
 *   next one on the same spool, and for nobody else;
 * - the name labd-INODE-ID, with the number of the instance and the id of the job. Names are
 *   unique: while one is there, the same job cannot run a second time. A name is taken before
 *   the label is written: a runner that is killed in between leaves what no list shows.
 *
 * Both must fit: an image that was made of such a container (podman-commit(1))
 * has its labels, too.
 */
#ifndef LABD_CONTAINER_H
#define LABD_CONTAINER_H

#include "failure.h"
#include "spool.h"
#include "value.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    CONTAINER_PREFIX = sizeof "labd--" + 20,
    CONTAINER_NAME = CONTAINER_PREFIX + SPOOL_ID,
    CONTAINER_LABEL = sizeof "labd.instance=." + SPOOL_ID + 20,
    CONTAINER_ARGUMENTS = 20,
    CONTAINER_OWN = 125, /* exit code of a runner that could not run the job: podman-run(1) */
};

struct container {
    char runner[PATH_MAX]; /* the program; empty: jobs run without one */
    char image[IMAGE_SIZE];
    char label[CONTAINER_LABEL];   /* labd.instance=… */
    char prefix[CONTAINER_PREFIX]; /* of all its names: labd-INODE- */
    int limit;                     /* milliseconds that finding and removing may take */
    int removed;                   /* containers that a daemon had left which was killed */
    char (*left)[CONTAINER_NAME];  /* containers that may be there though their runner ended */
    size_t left_count;
};

/* How a job is to be started. The arguments point into it. */
struct container_run {
    char name[CONTAINER_NAME];
    char volume[PATH_MAX + sizeof ":/job:ro"];
    char *arguments[CONTAINER_ARGUMENTS];
};

/*
 * container_open - get ready to run jobs of the spool by the runner, and remove what was left.
 *
 * Does nothing if runner is empty: container->runner is empty then. The runner
 * is looked for by runner_find. The instance is the symbolic link `instance` in
 * the spool, made here if it is not there: 128 random bits, and the number of its
 * inode, so that a copy of a spool is another instance. Then removes all
 * containers of the instance, and of the jobs that have an id in the spool: container_remove
 * says how. Those who waited for them must be ended by now: capture_open. Returns 0, or -errno
 * with nothing left allocated.
 */
int container_open(struct container *container, const char *runner, const char *image,
    const char *spool, int limit, struct failure *why);

/*
 * container_run - how to run the job with this id, whose file is at path.
 *
 *     RUNNER run --rm --label LABEL --name labd-INODE-ID --network none --log-driver none
 *         --volume PATH:/job:ro IMAGE /job
 *
 * The runner would keep all output of the job in a log of its own, without a limit: hence the
 * log driver. Returns 0; or -EINVAL for a path with a colon, which ends a path there, or one
 * that is no UTF-8, which the runner cannot pass on.
 */
int container_run(const struct container *container, const char *id, const char *path,
    struct container_run *run, struct failure *why);

/*
 * container_ended - tell how the runner of a job has ended; code is -1 if by a signal. asked is
 * whether it was sent one before.
 *
 * Returns whether its container may be there still, and keeps it in mind: after
 * a signal, and after 125, 126 and 127, which may have come half-way; and always when it was
 * asked. Then 0 does not say that the job has run: asked while it still makes the
 * container, podman ends with 0, and leaves that.
 */
bool container_ended(struct container *container, const char *id, int code, bool asked);

/*
 * container_remove - remove those that are kept in mind, as far as they are there.
 *
 * "ps" lists the containers of the instance; those that are meant get "kill" and
 * "rm --force", the first time whether they are in the list or not; and again, until the list
 * has none of them: one that removes itself just then is no failure. All that may take limit.
 * Keeps none in mind then. Returns 0 or -errno.
 */
int container_remove(struct container *container, struct failure *why);

/* container_close - remove all of the instance, and free the memory. Called when no runner runs
 * any more. Does nothing without a runner. Returns 0 or -errno. */
int container_close(struct container *container, struct failure *why);

#endif
