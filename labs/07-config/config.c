/*
 * Lab 7, config: your own module, yet to be written.
 *
 * The contract of each function stands above it, as in c/src/config.h.
 * Write what is marked TODO, then run `make lab-7`: it shows yours beside the
 * reference. Functions of your own are welcome: make them static.
 */

#include "config.h"

#include "clock.h"
#include "inifile.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * config_load - read and check the file at path; NULL gives the defaults.
 *
 * The language of the file: inifile_read. Each key at most once. A database
 * needs a spool: there are no results without jobs. So does a runner, and an
 * image; and the spool has no colon then, which would end its path in --volume.
 *
 * Fills *config whole, or leaves it unspecified on failure. The text of a
 * failure names the file and, where there is one, the line with its key and
 * value, and says what would be right; its exit code is EXIT_CONFIGURATION.
 * Returns 0 or a negative errno.
 */
int config_load(struct config *config, const char *path, struct failure *why) {
    (void)config;
    (void)path;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * config_open - load the first generation: config_load.
 *
 * path must last as long as the store; a daemon makes store->path absolute
 * before it goes elsewhere. Returns 0 or -errno.
 */
int config_open(struct config_store *store, const char *path, struct failure *why) {
    (void)store;
    (void)path;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/* config_get - copy the configuration that holds now. Returns its generation. */
long config_get(struct config_store *store, struct config *copy) {
    (void)store;
    (void)copy;
    /* TODO: do what the contract above says. */
    return 0;
}

/*
 * config_reload - read the file again, and let it hold from now on, as a whole.
 *
 * It is read and checked aside: one that is wrong, or cannot be read, changes
 * nothing. Keys that cannot change while we run keep their value; where the
 * file says another, they are named in change->restart, in the order of the
 * table above, each time until we are started anew. Called by one thread only.
 * Returns 0 or -errno; change->was and change->generation are equal then.
 */
int config_reload(
    struct config_store *store, struct config_change *change, struct failure *why) {
    (void)store;
    (void)change;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * config_watch_open - get ready to watch the file of the store, at store->path, which is
 * absolute.
 *
 * next_look is now: the way has not been walked yet, and the file may have changed since it was
 * read. Without a path nothing is watched. Returns 0, or -errno when there is no inotify to be
 * had; way.fd is -1 then.
 */
int config_watch_open(
    struct config_watch *watch, const struct config_store *store, struct failure *why) {
    (void)watch;
    (void)store;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/*
 * config_watch_next - say whether to reload now. Called when way.fd is
 * readable, or next_look has come.
 *
 * Takes all events that wait. If there were any, follows the way again. Yes, if
 *
 * - one who had written to the file closed it (IN_CLOSE_WRITE), or another was renamed into its
 *   place (IN_MOVED_TO). That it was made or modified is no reason: half of it may be to come;
 * - events were lost (IN_Q_OVERFLOW);
 * - at a place something was made or renamed, and the way is another now: a link was exchanged.
 *
 * But never when there is no file now: many editors take it away for a moment.
 * If the way is another without that, or not whole, a folder is not what it
 * was: next_look is now. Without events, and when next_look has come, follows
 * the way, and looks: yes, if there is a file that is not the one that was last
 * read (store->seen), and was the same at the last look. If it was not,
 * somebody may be at it: looks again in a second. So it does while the way is
 * not whole. Returns 1, 0, or -errno.
 */
int config_watch_next(struct config_watch *watch, struct failure *why) {
    (void)watch;
    /* TODO: do what the contract above says. */
    return failure_todo(why, __func__);
}

/* config_watch_close - watch no more. Does nothing when it is not open. */
void config_watch_close(struct config_watch *watch) {
    (void)watch;
    /* TODO: do what the contract above says. */
}
