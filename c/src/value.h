/*
 * value - the kinds of values that a key of the configuration can have.
 *
 * Each function reads the text of one value into *setting, whose type it
 * names. Returns NULL, or what it had expected, a constant text such as "an
 * absolute path"; *setting is as it was then. What strtol(3) and strtod(3) take
 * beside plain numbers (blanks, signs, "0x10", "inf") is refused.
 */
#ifndef LABD_VALUE_H
#define LABD_VALUE_H

/* value_path - an absolute path: char[PATH_MAX]. */
const char *value_path(void *setting, const char *value);

/* value_file - one without a / at its end: char[PATH_MAX]. */
const char *value_file(void *setting, const char *value);

/* value_umask - octal, from 0 to 777: mode_t. */
const char *value_umask(void *setting, const char *value);

/* value_seconds - from 0 to 86400, with a fraction or not: int, in milliseconds. */
const char *value_seconds(void *setting, const char *value);

/* value_workers - a number from 1 to 10000: int. */
const char *value_workers(void *setting, const char *value);

/* value_bytes - a number from 0 to 1073741824: int. */
const char *value_bytes(void *setting, const char *value);

/* value_level - debug, info, warning or error: const char *, a constant. */
const char *value_level(void *setting, const char *value);

/* value_runner - none, podman, docker or the path of a program: char[PATH_MAX], empty for none.
 */
const char *value_runner(void *setting, const char *value);

enum { IMAGE_SIZE = 256 };

/* value_image - letters, digits and -._/:@, but no - in front: it would be an option.
 * char[IMAGE_SIZE]. */
const char *value_image(void *setting, const char *value);

enum { LISTEN_SIZE = 128 };

/*
 * value_listen - where to listen: char[LISTEN_SIZE].
 *
 * 127.0.0.1:PORT, [::1]:PORT or unix:PATH. Only this machine can reach these:
 * nobody has to prove who he is. PORT is a number up to 65535, 0 for one that the
 * kernel chooses; PATH is absolute and has at most 107 bytes, unix(7).
 */
const char *value_listen(void *setting, const char *value);

#endif
