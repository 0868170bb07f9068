/*
 * options - the command line of labd.
 */
#ifndef LABD_OPTIONS_H
#define LABD_OPTIONS_H

#include <stdbool.h>

enum { LAST_LAB = 13 };

struct options {
    const char *config; /* NULL: the defaults */
    int lab;
    bool foreground;
    bool check;
    bool help;
};

extern const char options_usage[];

/*
 * options_read - fill *options from the words of the command line.
 *
 * Returns false when they are wrong, and has said so on standard error: the
 * exit code is EXIT_USAGE then.
 */
bool options_read(struct options *options, int argc, char *argv[]);

#endif
