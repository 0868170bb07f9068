#include "results.h"

#include <errno.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 1, PATIENCE = 1000 /* milliseconds, for another who writes */ };

static const char prepare_text[] = "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = FULL;";
static const char table_text[] =
    "CREATE TABLE IF NOT EXISTS results ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " job NOT NULL,"
    " started TEXT NOT NULL,"
    " ended TEXT NOT NULL,"
    " code INTEGER,"
    " signal TEXT,"
    " error TEXT,"
    " user_seconds REAL NOT NULL,"
    " system_seconds REAL NOT NULL,"
    " max_rss_kib INTEGER NOT NULL,"
    " output_bytes INTEGER NOT NULL,"
    " lost_bytes INTEGER NOT NULL,"
    " CHECK ((code IS NULL) + (signal IS NULL) + (error IS NULL) = 2));"
    "PRAGMA user_version = 1;";
static const char insert_text[] =
    "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING";
static const char find_text[] = "SELECT code IS 0 FROM results WHERE id = ?";

static int broken(const struct results *results, struct failure *why) {
    return failure_exit(
        why, EXIT_FAILED, "sqlite(%s): %s", results->path, sqlite3_errmsg(results->database));
}

static int check_version(struct results *results, struct failure *why) {
    sqlite3_stmt *ask = NULL;
    int version = -1;

    if (sqlite3_prepare_v2(results->database, "PRAGMA user_version", -1, &ask, NULL) ==
            SQLITE_OK &&
        sqlite3_step(ask) == SQLITE_ROW)
        version = sqlite3_column_int(ask, 0);
    sqlite3_finalize(ask);
    if (version < 0)
        return broken(results, why);
    if (version != 0 && version != VERSION)
        return failure_exit(why, EXIT_FAILED,
            "sqlite(%s): its version is %d, and labd writes %d", results->path, version,
            VERSION);
    return 0;
}

static int prepare(struct results *results, struct failure *why) {
    sqlite3_busy_timeout(results->database, PATIENCE);
    int error = check_version(results, why);
    if (error < 0)
        return error;
    if (sqlite3_exec(results->database, prepare_text, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(results->database, table_text, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(results->database, insert_text, -1, &results->insert, NULL) !=
            SQLITE_OK ||
        sqlite3_prepare_v2(results->database, find_text, -1, &results->find, NULL) != SQLITE_OK)
        return broken(results, why);
    return 0;
}

int results_open(struct results *results, const char *path, struct failure *why) {
    *results = (struct results){0};
    if (path[0] == '\0')
        return 0;
    snprintf(results->path, sizeof results->path, "%s", path);
    int error = 0;
    if (sqlite3_open_v2(path, &results->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
            NULL) != SQLITE_OK)
        error = broken(results, why);
    if (error == 0)
        error = prepare(results, why);
    if (error < 0)
        results_close(results);
    return error;
}

static void bind_time(sqlite3_stmt *statement, int column, const struct timespec *when) {
    char seconds[sizeof "2026-01-01T00:00:00"], text[64];
    struct tm utc;

    strftime(seconds, sizeof seconds, "%FT%T", gmtime_r(&when->tv_sec, &utc));
    snprintf(text, sizeof text, "%s.%06ldZ", seconds, when->tv_nsec / 1000);
    sqlite3_bind_text(statement, column, text, -1, SQLITE_TRANSIENT);
}

/* A file name can be any bytes. What is no UTF-8 is no text for those who read it. An empty one
 * stays NULL. */
static void bind_name(sqlite3_stmt *statement, int column, const char *name) {
    if (name[0] == '\0')
        return;
    json_t *text = json_string(name); /* NULL if it is not valid */
    if (text != NULL)
        sqlite3_bind_text(statement, column, name, -1, SQLITE_STATIC);
    else
        sqlite3_bind_blob(statement, column, name, (int)strlen(name), SQLITE_STATIC);
    json_decref(text);
}

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int results_record(struct results *results, const struct result *result, struct failure *why) {
    sqlite3_stmt *insert = results->insert;
    int error = 0;

    if (results->database == NULL)
        return 0;
    sqlite3_bind_text(insert, 1, result->id, -1, SQLITE_STATIC);
    bind_name(insert, 2, result->job);
    bind_time(insert, 3, &result->started);
    bind_time(insert, 4, &result->ended);
    if (result->code >= 0)
        sqlite3_bind_int(insert, 5, result->code);
    bind_name(insert, 6, result->signal);
    bind_name(insert, 7, result->error);
    sqlite3_bind_double(insert, 8, seconds_of(result->usage.ru_utime));
    sqlite3_bind_double(insert, 9, seconds_of(result->usage.ru_stime));
    sqlite3_bind_int64(insert, 10, result->usage.ru_maxrss);
    sqlite3_bind_int64(insert, 11, result->kept);
    sqlite3_bind_int64(insert, 12, result->lost);
    /* A statement outside of a transaction is one: lang_transaction.html. */
    if (sqlite3_step(insert) != SQLITE_DONE)
        error = broken(results, why);
    sqlite3_reset(insert);
    sqlite3_clear_bindings(insert);
    return error;
}

int results_find(struct results *results, const char *id, bool *good, struct failure *why) {
    if (results->database == NULL)
        return 0;
    sqlite3_bind_text(results->find, 1, id, -1, SQLITE_STATIC);
    int answer = sqlite3_step(results->find);
    int found = answer == SQLITE_ROW ? 1 : answer == SQLITE_DONE ? 0 : broken(results, why);
    if (found > 0)
        *good = sqlite3_column_int(results->find, 0) != 0;
    sqlite3_reset(results->find);
    sqlite3_clear_bindings(results->find);
    return found;
}

void results_close(struct results *results) {
    sqlite3_finalize(results->insert); /* NULL is no mistake for these */
    sqlite3_finalize(results->find);
    sqlite3_close(results->database);
    *results = (struct results){0};
}
