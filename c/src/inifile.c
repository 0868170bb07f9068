#include "inifile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_FILE = 65536 };

#define BLANKS " \t"
#define KEY_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

struct reading {
    inifile_take *take;
    void *user;
    int line;
    bool section;         /* [labd] was there */
    const char *expected; /* by the last line; NULL: it was good */
};

/* --- lines: NULL, or what was expected --- */

/* libinih calls this for the key of a line. */
static int pass_on(void *user, const char *section, const char *name, const char *value) {
    struct reading *reading = user;

    (void)section;
    reading->expected = reading->take(reading->user, reading->line, name, value);
    return 1;
}

/* libinih is given one line at a time, so that it cannot join it to another. */
static const char *split(struct reading *reading, const char *line) {
    /* By default it cuts a line at 200 bytes and reads the rest as a line of its own.
     * These settings are Debian's: docs/decisions/configuration.md. */
    ini_use_stack = false;
    ini_initial_alloc = ini_max_line = LARGEST_FILE + 3;
    reading->expected = "\"key = value\"";
    ini_parse_string(line, pass_on, reading); /* fails if nothing was passed on: see above */
    return reading->expected;
}

static const char *read_section(struct reading *reading, const char *line) {
    const char *name = "[labd]";

    if (strncmp(line, name, strlen(name)) != 0)
        return "the section [labd]";
    line += strlen(name);
    if (line[strspn(line, BLANKS)] != '\0')
        return "nothing after [labd]";
    if (reading->section)
        return "[labd] once";
    reading->section = true;
    return NULL;
}

static bool has_comment_at_end(const char *line) {
    for (; *line != '\0'; line++)
        if (strchr(BLANKS, line[0]) != NULL && (line[1] == ';' || line[1] == '#'))
            return true;
    return false;
}

static bool is_key(const char *line) {
    size_t length = strspn(line, KEY_CHARACTERS);

    return length > 0 && line[length + strspn(line + length, BLANKS)] == '=';
}

static const char *read_line(struct reading *reading, const char *line) {
    if (line[strspn(line, BLANKS)] == '\0' || line[0] == ';' || line[0] == '#')
        return NULL;
    if (strchr(BLANKS, line[0]) != NULL)
        return "no space at the start of a line";
    if (line[0] == '[')
        return read_section(reading, line);
    if (!is_key(line))
        return "\"[labd]\", \"key = value\" or a comment";
    if (!reading->section)
        return "[labd] before the first key";
    if (has_comment_at_end(line))
        return "a comment to have a line of its own";
    return split(reading, line);
}

/* --- the file --- */

/* Makes the bytes a string that can be shown; false when they were not. */
static bool make_clean(char *line, const char *end) {
    bool clean = true;

    for (char *c = line; c < end; c++) {
        if (*c != '\t' && iscntrl((unsigned char)*c)) {
            *c = '?';
            clean = false;
        }
    }
    return clean;
}

int inifile_refuse(
    const char *path, int line, const char *text, const char *expected, struct failure *why) {
    return failure_exit(why, EXIT_CONFIGURATION, "%.200s, line %d: \"%.100s\": expected %s",
        path, line, text, expected);
}

static int read_lines(
    struct reading *reading, char *text, size_t size, const char *path, struct failure *why) {
    char *end = text, *last = text + size;

    for (char *line = text; line < last; line = end + 1) {
        reading->line++;
        end = memchr(line, '\n', (size_t)(last - line));
        if (end == NULL)
            end = last;
        *end = '\0';
        const char *expected = make_clean(line, end)
                                   ? read_line(reading, line)
                                   : "no control characters, and lines that end with \\n alone";
        if (expected != NULL)
            return inifile_refuse(path, reading->line, line, expected, why);
    }
    return 0;
}

/* Reads at most size bytes. Returns how many there were, or a negative errno. */
static ssize_t read_whole(const char *path, char *text, size_t size, struct failure *why) {
    size_t length = 0;
    ssize_t n = 0;
    struct stat status;
    /* O_NONBLOCK: a FIFO would have us wait, at a reload the whole daemon. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return failure(why, errno, "open(%s)", path);
    if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode)) {
        close(fd);
        return failure_exit(
            why, EXIT_CONFIGURATION, "%.200s: expected a file, not a pipe", path);
    }
    while (length < size && (n = read(fd, text + length, size - length)) > 0)
        length += (size_t)n;
    int error = errno;
    close(fd);
    return n < 0 ? failure(why, error, "read(%s)", path) : (ssize_t)length;
}

int inifile_read(const char *path, inifile_take *take, void *user, struct failure *why) {
    struct reading reading = {.take = take, .user = user};
    char text[LARGEST_FILE + 1]; /* one more, to see that it is too large; then for a NUL */
    ssize_t size = read_whole(path, text, sizeof text, why);

    if (size < 0) {
        why->exit_code = EXIT_CONFIGURATION;
        return (int)size;
    }
    if (size > LARGEST_FILE)
        return failure_exit(
            why, EXIT_CONFIGURATION, "%.200s: expected at most %d bytes", path, LARGEST_FILE);
    return read_lines(&reading, text, (size_t)size, path, why);
}
