/*
 * Lab 7: config - the settings of labd, read from one INI file.
 *
 * All keys stand in the section [labd]. Times are seconds with an optional
 * fraction; paths are absolute, because a daemon changes its directory.
 *
 *     key        default   meaning
 *     directory  /         where the daemon goes: chdir(2)
 *     umask      022       octal: umask(2)
 *     log        (none)    file that gets one JSON object a line
 *     log_level  info      write from here on: debug, info, warning, error
 *     pidfile    (none)    file that holds our number, and our lock
 *     warmup     0         seconds of work before the daemon is ready
 *     drain      0         seconds of work left to do after SIGTERM
 *     spool      (none)    folder of jobs
 *     workers    4         jobs that run at a time, 1 to 10000
 *     poll_interval 1      seconds between two looks for jobs; 0: only on SIGHUP
 *     job_timeout 60       seconds that a job may run; 0: for ever
 *     job_grace  5         seconds from SIGTERM to SIGKILL
 *     database   (none)    file that gets the results of the jobs
 *     output_limit 1048576 bytes of a job's output that are kept
 *     runner     exec      what runs a job: exec, podman or docker
 *     image      (none)    of the container that podman or docker runs
 *     listen     (none)    127.0.0.1:PORT, [::1]:PORT or unix:/PATH
 *     report_interval 60   seconds between two reports; 0: never
 *     stop_timeout 10      seconds that the stop may take
 *     worker_timeout 5     seconds without a sign of life until a worker is late
 */
#ifndef LABD_CONFIG_H
#define LABD_CONFIG_H

#include "failure.h"
#include "value.h"

#include <limits.h>
#include <sys/types.h>

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
    int poll_interval;        /* milliseconds */
    int job_timeout;          /* milliseconds */
    int job_grace;            /* milliseconds */
    char database[PATH_MAX];  /* empty: no database */
    int output_limit;         /* bytes */
    const char *runner;       /* a constant */
    char image[IMAGE_SIZE];   /* empty: no image */
    char listen[LISTEN_SIZE]; /* empty: nowhere */
    int report_interval;      /* milliseconds */
    int stop_timeout;         /* milliseconds */
    int worker_timeout;       /* milliseconds */
};

/*
 * config_load - read and check the file at path; NULL gives the defaults.
 *
 * The language of the file: inifile_read. Each key at most once. A runner that
 * is not exec needs an image.
 *
 * Fills *config whole, or leaves it unspecified on failure. The text of a
 * failure names the file and, where there is one, the line with its key and
 * value, and says what would be right; its exit code is EXIT_CONFIGURATION.
 * Returns 0 or a negative errno.
 */
int config_load(struct config *config, const char *path, struct failure *why);

#endif
