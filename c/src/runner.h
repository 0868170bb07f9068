/*
 * runner - calls of a program that answers: podman(1), docker(1), or one that does as they do.
 *
 * Unlike a job, it is waited for. So each call has a limit of time: a daemon of
 * containers that hangs must not make us hang.
 */
#ifndef LABD_RUNNER_H
#define LABD_RUNNER_H

#include "failure.h"

#include <limits.h>

/*
 * runner_find - the path of the program of this name.
 *
 * A name with a / is the path. Else it is looked for in the folders that our
 * children get as their PATH, /usr/local/bin:/usr/bin:/bin: what PATH was when
 * we were started is somebody else's. Returns 0, or -errno when there is none
 * that we may execute.
 */
int runner_find(const char *name, char path[PATH_MAX], struct failure *why);

/*
 * runner_call - run the program at arguments[0], and wait for its end, for at most so many
 * milliseconds.
 *
 * With posix_spawn(3), as children_spawn does; with /dev/null as 0, and one pipe as 1 and 2.
 * *said gets what it wrote there, at most 1 MiB, with a \0 at the end; it is the
 * caller's to free(3), and NULL on failure. When the time is up, its group gets
 * SIGKILL. Returns its exit code, 128 and the number of the signal that ended it,
 * or -errno: -ETIMEDOUT when the time was up.
 *
 * Only in the thread that reaps children, which would take its status away; the SIGCHLD of its
 * end still comes.
 */
int runner_call(char *const arguments[], int limit, char **said, struct failure *why);

#endif
