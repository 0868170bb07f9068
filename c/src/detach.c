#include "detach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct verdict {
    unsigned char exit_code;
    char text[sizeof((struct failure *)0)->text];
};
_Static_assert(sizeof(struct verdict) <= PIPE_BUF, "one write(2) must carry a whole verdict");

/* Reads to the end of file: it comes when the last write end is closed, thus at the
 * latest when the daemon dies. Also when the verdict is whole: a daemon that failed is
 * gone only then. Returns the bytes read, 0 for a daemon that said nothing. */
static size_t read_verdict(int fd, struct verdict *verdict) {
    char *bytes = (char *)verdict;
    size_t length = 0;

    for (;;) {
        char rest;
        bool whole = length == sizeof *verdict;
        ssize_t n =
            whole ? read(fd, &rest, 1) : read(fd, bytes + length, sizeof *verdict - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return length;
        if (!whole)
            length += (size_t)n;
    }
}

_Noreturn static void starter_waits(pid_t middle, int fd) {
    struct verdict verdict = {0};

    /* The middle process ends at once. With SIGCHLD ignored the kernel has reaped
     * it already and answers ECHILD: waitpid(2), NOTES. */
    while (waitpid(middle, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (read_verdict(fd, &verdict) == 0) {
        verdict.exit_code = EXIT_FAILED;
        strcpy(verdict.text, "the daemon died before it was ready");
    }
    if (verdict.text[0] != '\0')
        dprintf(STDERR_FILENO, "labd: %.*s\n", (int)sizeof verdict.text, verdict.text);
    /* _exit: the daemon's copy of stdio buffers and atexit functions is the one that counts. */
    _exit(verdict.exit_code);
}

/* In the middle process: a new session without a terminal, then a child that does not
 * lead it. Returns 0 in the daemon; the middle process never comes back. */
static int middle_forks(struct failure *why) {
    /* Cannot be a process group leader here, so EPERM cannot happen: setsid(2). */
    if (setsid() < 0)
        return failure(why, errno, "setsid()");
    /* A session leader would gain a terminal by opening one: daemon(7) step 7. */
    pid_t daemon = fork();
    if (daemon < 0)
        return failure(why, errno, "fork() of the daemon");
    if (daemon > 0)
        _exit(EXIT_STARTED);
    return 0;
}

int detach_fork(int *verdict, struct failure *why) {
    int ends[2];

    /* Unflushed output would be written by each process that holds a copy of it. */
    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return failure(why, errno, "pipe2()");
    pid_t middle = fork();
    if (middle < 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        return failure(why, error, "fork()");
    }
    if (middle > 0) {
        /* Our copy of the write end would keep the end of file from ever coming. */
        close(ends[1]);
        starter_waits(middle, ends[0]);
    }
    close(ends[0]);
    if (middle_forks(why) < 0) {
        detach_report(&ends[1], why, &(struct failure){0});
        _exit(EXIT_FAILED);
    }
    *verdict = ends[1];
    return 0;
}

int detach_settle(mode_t mask, const char *directory, struct failure *why) {
    umask(mask); /* cannot fail: umask(2) */
    if (chdir(directory) < 0)
        return failure(why, errno, "chdir(%s)", directory);
    return 0;
}

/* write(2), but with EPIPE alone when nobody is left to read, not also a SIGPIPE. Pipes
 * have no MSG_NOSIGNAL, and before lab 3 the signal does its default. We have one thread
 * yet: nobody else misses the signal meanwhile. */
static ssize_t write_without_signal(int fd, const void *bytes, size_t length) {
    struct sigaction before;

    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &before);
    ssize_t written = write(fd, bytes, length);
    int error = errno;
    sigaction(SIGPIPE, &before, NULL);
    errno = error;
    return written;
}

int detach_report(int *verdict, const struct failure *outcome, struct failure *why) {
    struct verdict message = {.exit_code = EXIT_STARTED};

    if (outcome != NULL) {
        message.exit_code = (unsigned char)outcome->exit_code;
        memcpy(message.text, outcome->text, sizeof message.text);
    }
    if (write_without_signal(*verdict, &message, sizeof message) < 0)
        return failure(why, errno, "write() of the verdict to the starter");
    if (outcome == NULL) {
        close(*verdict);
        *verdict = -1;
    }
    return 0;
}
