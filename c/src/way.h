/*
 * way - the folders on the way to a file, watched with inotify(7).
 *
 * Folders are watched, not the file: an editor puts another file in its place.
 * And not only the folder of the file: the name that we were given may lead
 * over links, and Kubernetes exchanges one of them and leaves the file alone.
 */
#ifndef LABD_WAY_H
#define LABD_WAY_H

#include "failure.h"

#include <limits.h>
#include <stdbool.h>

enum { WAY_PLACES = 16 };

/* A name that is looked up: that of a link, or, last of all, that of the file. */
struct way_place {
    int folder; /* the watch descriptor of the folder that holds it: wd of an inotify_event */
    char name[NAME_MAX + 1];
};

struct way {
    int fd; /* of inotify, non-blocking and close-on-exec; -1: nothing is watched */
    struct way_place places[WAY_PLACES];
    int count;
    bool whole; /* the last place is the file's, whether it is there or not */
};

/* way_open - get an inotify descriptor, with no place yet. Returns 0 or -errno; fd is -1 then.
 */
int way_open(struct way *way, struct failure *why);

/*
 * way_follow - walk the way to path, which is absolute, name by name, and watch its places.
 *
 * The folder of each place is watched for IN_CLOSE_WRITE, IN_MOVED_TO,
 * IN_CREATE and IN_MOVE_SELF; folders that are on the way no longer are not.
 * way->whole is false when it ends at a folder that is not there, may not be
 * read or cannot be watched, or is longer than the table.
 * Returns whether it is another way than before.
 */
bool way_follow(struct way *way, const char *path);

/* way_close - watch no more. Does nothing when it is not open. */
void way_close(struct way *way);

#endif
