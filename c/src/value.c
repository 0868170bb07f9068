#include "value.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    LONGEST_SECONDS = 86400,
    MOST_WORKERS = 10000,
    MOST_BYTES = 1 << 30,
    LAST_PORT = 65535,
    LONGEST_SOCKET = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
};

#define DIGITS "0123456789"

const char *value_path(void *setting, const char *value) {
    if (value[0] != '/')
        return "an absolute path";
    if (strlen(value) >= PATH_MAX)
        return "a path shorter than 4096 bytes";
    strcpy(setting, value);
    return NULL;
}

const char *value_file(void *setting, const char *value) {
    if (value[0] == '/' && value[strlen(value) - 1] == '/')
        return "the path of a file: no / at its end";
    return value_path(setting, value);
}

const char *value_umask(void *setting, const char *value) {
    const char *expected = "an octal number from 0 to 777";
    char *end;

    if (!isdigit((unsigned char)value[0]))
        return expected;
    unsigned long number = strtoul(value, &end, 8);
    if (*end != '\0' || number > 0777)
        return expected;
    *(mode_t *)setting = (mode_t)number;
    return NULL;
}

const char *value_seconds(void *setting, const char *value) {
    const char *expected = "seconds from 0 to 86400, such as 5 or 0.5";

    /* strtod(3) alone would take "inf", "0x1p3" and " 5" as well. */
    if (value[0] == '\0' || strspn(value, DIGITS ".") != strlen(value))
        return expected;
    char *end;
    double seconds = strtod(value, &end);
    if (*end != '\0' || seconds > LONGEST_SECONDS)
        return expected;
    *(int *)setting = (int)(seconds * 1000 + 0.5);
    return NULL;
}

/* Nothing but digits, at most ten of them; both bounds are included. */
static bool read_number(int *number, const char *value, int least, int most) {
    size_t length = strspn(value, DIGITS);

    if (length == 0 || length > 10 || value[length] != '\0')
        return false;
    long long read = strtoll(value, NULL, 10);
    if (read < least || read > most)
        return false;
    *number = (int)read;
    return true;
}

const char *value_workers(void *setting, const char *value) {
    return read_number(setting, value, 1, MOST_WORKERS) ? NULL : "a number from 1 to 10000";
}

const char *value_bytes(void *setting, const char *value) {
    return read_number(setting, value, 0, MOST_BYTES)
               ? NULL
               : "a number of bytes from 0 to 1073741824";
}

const char *value_level(void *setting, const char *value) {
    static const char *const levels[] = {"debug", "info", "warning", "error"};

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(value, levels[i]) == 0) {
            *(const char **)setting = levels[i];
            return NULL;
        }
    }
    return "debug, info, warning or error";
}

const char *value_runner(void *setting, const char *value) {
    bool named = strcmp(value, "podman") == 0 || strcmp(value, "docker") == 0;

    if (!named && strcmp(value, "none") != 0)
        return value_file(setting, value) == NULL
                   ? NULL
                   : "none, podman, docker or the absolute path of a program";
    strcpy(setting, named ? value : "");
    return NULL;
}

const char *value_image(void *setting, const char *value) {
    const char *letters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "-._/:@";
    size_t length = strlen(value);

    if (length == 0 || length >= IMAGE_SIZE || value[0] == '-' ||
        strspn(value, letters) != length)
        return "the name of an image: at most 255 of A-Z a-z 0-9 - . _ / : @";
    strcpy(setting, value);
    return NULL;
}

static bool is_socket(const char *path) {
    return path[0] == '/' && strlen(path) <= LONGEST_SOCKET && path[strlen(path) - 1] != '/';
}

/* What follows the prefix, or NULL. */
static const char *after(const char *value, const char *prefix) {
    size_t length = strlen(prefix);

    return strncmp(value, prefix, length) == 0 ? value + length : NULL;
}

const char *value_listen(void *setting, const char *value) {
    int port;
    const char *path = after(value, "unix:"), *rest = after(value, "127.0.0.1:");

    if (rest == NULL)
        rest = after(value, "[::1]:");
    if (path != NULL ? !is_socket(path)
                     : rest == NULL || !read_number(&port, rest, 0, LAST_PORT))
        return "127.0.0.1:PORT, [::1]:PORT or unix:/PATH of at most 107 bytes";
    snprintf(setting, LISTEN_SIZE, "%s", value);
    return NULL;
}
