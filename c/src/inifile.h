/*
 * inifile - the language of the configuration file: which lines it has, and what is in them.
 *
 * docs/reference/configuration.md describes it. What the keys mean is not known here.
 */
#ifndef LABD_INIFILE_H
#define LABD_INIFILE_H

#include "failure.h"

/*
 * inifile_take - what to do with `name = value`, on this line of the file, the first being 1.
 *
 * Returns NULL, or what it had expected: "an absolute path". That text has to
 * last until inifile_read returns. name and value do not last.
 */
typedef const char *inifile_take(void *user, int line, const char *name, const char *value);

/*
 * inifile_read - read the file at path, and call take for each key in it.
 *
 * Stops at the first line that is wrong, in the language or in the eyes of
 * take. The text of a failure names the file, the line and what stands there,
 * and says what would be right. Its exit code is EXIT_CONFIGURATION, also when
 * the file cannot be read. Never waits: a FIFO is refused. Returns 0 or -errno.
 */
int inifile_read(const char *path, inifile_take *take, void *user, struct failure *why);

/*
 * inifile_refuse - describe what is wrong with a line that was taken before.
 *
 * text is `name = value`. In the words of inifile_read. Returns -EINVAL.
 */
int inifile_refuse(
    const char *path, int line, const char *text, const char *expected, struct failure *why);

#endif
