#include "usable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static int look(const char *path, int mode, struct failure *why) {
    if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) < 0)
        return failure(why, errno, "access(%s)", path);
    return 0;
}

int usable_check(const char *spool, const char *database, struct failure *why) {
    static const char *const folders[] = {"new", "cur", "done", "failed", "id", "out", "pipe"};
    int error = 0;

    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && error == 0; i++) {
        if (spool[0] == '\0')
            break;
        char path[PATH_MAX + 8];
        snprintf(path, sizeof path, "%s/%s", spool, folders[i]);
        error = look(path, R_OK | W_OK | X_OK, why);
    }
    if (error == 0 && database[0] != '\0')
        error = look(database, R_OK | W_OK, why);
    return error;
}
