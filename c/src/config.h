/*
 * config - the settings of labd, read from one INI file.
 *
 * All keys stand in the section [labd]. Times are seconds with an optional
 * fraction; paths are absolute, because a daemon changes its directory.
 *
 *     key        default   meaning
 *     directory  /         where the daemon goes: chdir(2)
 *     umask      022       octal: umask(2)
 *     log        (none)    file that gets one JSON object a line
 *     pidfile    (none)    file that holds our number, and our lock
 *     warmup     0         seconds of work before the daemon is ready
 *     drain      0         seconds of work left to do after SIGTERM
 */
#ifndef LABD_CONFIG_H
#define LABD_CONFIG_H

#include "failure.h"

#include <limits.h>
#include <sys/types.h>

struct config {
    char directory[PATH_MAX];
    char log[PATH_MAX];     /* empty: no log */
    char pidfile[PATH_MAX]; /* empty: no PID file */
    mode_t umask;
    int warmup; /* milliseconds */
    int drain;  /* milliseconds */
};

/*
 * config_load - read and check the file at path; NULL gives the defaults.
 *
 * The language of the file: docs/reference/configuration.md.
 *
 * Fills *config whole, or leaves it unspecified on failure. The text of a
 * failure names the file and, where there is one, the line with its key and
 * value, and says what would be right; its exit code is EXIT_CONFIGURATION.
 * Returns 0 or a negative errno.
 */
int config_load(struct config *config, const char *path, struct failure *why);

#endif
