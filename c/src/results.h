/*
 * results - how each job ended, in a database of SQLite: one row, one transaction a job.
 *
 * A row is known by the id that the job was given when it was claimed. The id
 * is the table's primary key: whatever dies and runs again in between, a second
 * row of it cannot be.
 *
 * The database is in WAL mode, so that who reads it never makes us wait, and
 * synchronous is FULL: when results_record has returned, the row survives a
 * power cut. sqlite.org/wal.html.
 */
#ifndef LABD_RESULTS_H
#define LABD_RESULTS_H

#include "failure.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <time.h>

enum { RESULT_ID = 32 }; /* hexadecimal digits */

struct results {
    struct sqlite3 *database;    /* NULL: there is none, and nothing is recorded */
    struct sqlite3_stmt *insert; /* kept, for they are used with each job */
    struct sqlite3_stmt *find;
    char path[PATH_MAX];
};

/* What is recorded of a job. */
struct result {
    char id[RESULT_ID + 1];
    char job[NAME_MAX + 1];
    struct timespec started, ended; /* CLOCK_REALTIME; written as UTC, with microseconds */
    int code;                       /* exit code; -1: it has none */
    char signal[16];                /* what ended it, "TERM"; empty: none did */
    char error[512];                /* why it could not be started; empty: it was */
    struct rusage usage;            /* wait4(2) */
    long long kept, lost;           /* bytes of its output */
};

/*
 * results_open - open the database at path, or have none if path is empty.
 *
 * Makes it, with its table, if it is not there. One whose version is not ours
 * is refused. Returns 0 or a negative errno, with nothing left open then.
 */
int results_open(struct results *results, const char *path, struct failure *why);

/*
 * results_record - write one result. There is exactly one row of its id then.
 *
 * If there was one already, that stays. The job's name is text where it is
 * valid UTF-8, else a BLOB. Returns 0, also when there is no database; or a
 * negative errno: the database is locked, the disk full.
 */
int results_record(struct results *results, const struct result *result, struct failure *why);

/*
 * results_find - is there a result of this id?
 *
 * Returns 1, and whether its exit code was 0 in good; 0 when there is none, or no database; or
 * a negative errno.
 */
int results_find(struct results *results, const char *id, bool *good, struct failure *why);

/*
 * results_close - close the database.
 *
 * The last one to close it brings what is in the WAL into the database, and
 * removes the WAL: sqlite3_close().
 */
void results_close(struct results *results);

#endif
