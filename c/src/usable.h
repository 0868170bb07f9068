/*
 * usable - whether what jobs need is still there, and still ours to write.
 *
 * The daemon holds its folders open, so that it would not notice by itself.
 */
#ifndef LABD_USABLE_H
#define LABD_USABLE_H

#include "failure.h"

/*
 * usable_check - look at the folders of the spool, and at the database.
 *
 * Either path may be empty: then it needs none. By faccessat(2), for our
 * effective user. Returns 0 or -errno, with the first that cannot be used.
 */
int usable_check(const char *spool, const char *database, struct failure *why);

#endif
