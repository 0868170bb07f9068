/*
 * Lab 7: config - the settings of labd, read from one INI file, and again while we run.
 *
 * All keys stand in the section [labd]. Times are seconds with an optional
 * fraction; paths are absolute, because a daemon changes its directory.
 *
 *     key        default   meaning (+: it can change while we run)
 *     directory  /         where the daemon goes: chdir(2)
 *     umask      022       octal: umask(2)
 *     log        (none)    file that gets one JSON object a line
 *   + log_level  info      write from here on: debug, info, warning, error
 *     pidfile    (none)    file that holds our number, and our lock
 *     warmup     0         seconds of work before the daemon is ready
 *   + drain      0         seconds of work left to do after SIGTERM
 *     spool      (none)    folder of jobs
 *     workers    4         jobs that run at a time, 1 to 10000
 *   + poll_interval 1      seconds between two looks for jobs, besides inotify; 0: none
 *   + job_timeout 60       seconds that a job may run; 0: for ever
 *   + job_grace  5         seconds from SIGTERM to SIGKILL
 *     database   (none)    file that gets the results of the jobs
 *     output_limit 1048576 bytes of a job's output that are kept
 *     runner     none      what runs jobs in containers: podman, docker, or a program's path
 *     image      (none)    the image of these containers
 *     listen     (none)    127.0.0.1:PORT, [::1]:PORT or unix:/PATH
 *   + report_interval 60   seconds between two reports; 0: never
 *   + stop_timeout 10      seconds that the stop may take
 *   + worker_timeout 5     seconds without a sign of life until a worker is late
 */
#ifndef LABD_CONFIG_H
#define LABD_CONFIG_H

#include "failure.h"
#include "value.h"
#include "way.h"

#include <limits.h>
#include <pthread.h>
#include <sys/types.h>
#include <time.h>

struct config {
    char directory[PATH_MAX];
    char log[PATH_MAX];     /* empty: no log */
    const char *log_level;  /* a constant */
    char pidfile[PATH_MAX]; /* empty: no PID file */
    mode_t umask;
    int warmup;           /* milliseconds */
    int drain;            /* milliseconds */
    char spool[PATH_MAX]; /* empty: no jobs */
    int workers;
    int poll_interval;       /* milliseconds */
    int job_timeout;         /* milliseconds */
    int job_grace;           /* milliseconds */
    char database[PATH_MAX]; /* empty: no database */
    int output_limit;        /* bytes */
    char runner[PATH_MAX];   /* empty: jobs run without a container */
    char image[IMAGE_SIZE];
    char listen[LISTEN_SIZE]; /* empty: nowhere */
    int report_interval;      /* milliseconds */
    int stop_timeout;         /* milliseconds */
    int worker_timeout;       /* milliseconds */
};

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
int config_load(struct config *config, const char *path, struct failure *why);

/* A file as it was at one moment: when this differs, so may what it holds. */
struct config_seen {
    ino_t inode; /* 0: there was no file */
    struct timespec changed;
};

/*
 * The configuration that holds, for every thread to copy. Nobody sees a part of one and a part
 * of another: it is exchanged as a whole, under the mutex.
 */
struct config_store {
    pthread_mutex_t mutex; /* for config and generation */
    struct config config;
    long generation;         /* 1: the one that we started with */
    const char *path;        /* the caller's; NULL: the defaults */
    struct config_seen seen; /* the file just before it was last read, well or badly */
};

/*
 * config_open - load the first generation: config_load.
 *
 * path must last as long as the store; a daemon makes store->path absolute
 * before it goes elsewhere. Returns 0 or -errno.
 */
int config_open(struct config_store *store, const char *path, struct failure *why);

/* config_get - copy the configuration that holds now. Returns its generation. */
long config_get(struct config_store *store, struct config *copy);

/* What a reload has brought. */
struct config_change {
    long was;          /* the generation that held before */
    long generation;   /* the one that holds now */
    char restart[256]; /* keys of the file that need a restart: "umask, spool"; empty: none */
};

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
    struct config_store *store, struct config_change *change, struct failure *why);

struct config_watch {
    struct way way; /* way.fd is readable when something has happened */
    const struct config_store *store;
    struct config_seen seen; /* by the last of the looks that next_look makes us take */
    long long next_look;     /* milliseconds of CLOCK_MONOTONIC; -1: an event will tell */
};

/*
 * config_watch_open - get ready to watch the file of the store, at store->path, which is
 * absolute.
 *
 * next_look is now: the way has not been walked yet, and the file may have changed since it was
 * read. Without a path nothing is watched. Returns 0, or -errno when there is no inotify to be
 * had; way.fd is -1 then.
 */
int config_watch_open(
    struct config_watch *watch, const struct config_store *store, struct failure *why);

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
int config_watch_next(struct config_watch *watch, struct failure *why);

/* config_watch_close - watch no more. Does nothing when it is not open. */
void config_watch_close(struct config_watch *watch);

#endif
