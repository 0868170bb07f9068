/*
 * options - the command line of labd.
 */
#ifndef LABD_OPTIONS_H
#define LABD_OPTIONS_H

#include <limits.h>
#include <stdbool.h>

enum { LAST_LAB = 13 };

struct options {
    const char *config; /* NULL: the defaults */
    int lab;
    bool foreground;
    bool check;
    bool help;
    char path[PATH_MAX]; /* where config points to after options_settle */
};

extern const char options_usage[];

/*
 * options_read - fill *options from the words of the command line.
 *
 * Returns false when they are wrong, and has said so on standard error: the
 * exit code is EXIT_USAGE then.
 */
bool options_read(struct options *options, int argc, char *argv[]);

/*
 * options_settle - make the path of the configuration absolute.
 *
 * A daemon reads it again on SIGHUP, from another directory. Links on the way
 * stay: they may be meant to lead elsewhere by then. Where there is no
 * directory (getcwd(3) fails) or the path is too long, it stays as it is.
 */
void options_settle(struct options *options);

#endif
