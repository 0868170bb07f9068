#include "failure.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What was typed may hold a newline, or move the cursor of the terminal that shows it. */
static void make_one_line(char *text) {
    for (; *text != '\0'; text++)
        if (iscntrl((unsigned char)*text))
            *text = '?';
}

int failure(struct failure *why, int error, const char *what, ...) {
    char call[sizeof why->text];
    va_list arguments;

    va_start(arguments, what);
    vsnprintf(call, sizeof call, what, arguments);
    va_end(arguments);
    why->error = error;
    why->exit_code = EXIT_FAILED;
    /* A path may be longer than our line: cut the path, never the reason. */
    const char *reason = strerror(error);
    int room = (int)(sizeof why->text - strlen(reason) - sizeof ": ");
    snprintf(why->text, sizeof why->text, "%.*s: %s", room, call, reason);
    make_one_line(why->text);
    return -error;
}

int failure_exit(struct failure *why, int exit_code, const char *what, ...) {
    va_list arguments;

    va_start(arguments, what);
    vsnprintf(why->text, sizeof why->text, what, arguments);
    va_end(arguments);
    make_one_line(why->text);
    why->error = 0;
    why->exit_code = exit_code;
    return -EINVAL;
}

int failure_todo(struct failure *why, const char *function) {
    failure(why, ENOSYS, "TODO: %s() is not written yet", function);
    return -ENOSYS;
}
