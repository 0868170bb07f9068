/*
 * failure - what went wrong, in words that reach the person who started us.
 *
 * Functions that can fail return 0 (or a descriptor) on success and a negative
 * errno on failure, and take a `struct failure *why` as their last parameter.
 * The errno is for the program, the text is for people: it names the system
 * call and the thing it was called on. The caller owns the struct; nothing
 * here allocates, so a failure can be told even when memory has run out.
 */
#ifndef LABD_FAILURE_H
#define LABD_FAILURE_H

/* Exit codes of labd; the book's reference page lists them. */
enum {
    EXIT_STARTED = 0,         /* started, or stopped cleanly */
    EXIT_FAILED = 1,          /* failed at run time, or was forced to stop */
    EXIT_USAGE = 2,           /* the command line was wrong */
    EXIT_ALREADY_RUNNING = 3, /* another daemon holds the PID file */
    EXIT_CONFIGURATION = 78,  /* EX_CONFIG of sysexits.h(3head) */
};

struct failure {
    int error;      /* errno of the call that failed; 0 when none was involved */
    int exit_code;  /* what the starter exits with */
    char text[512]; /* one line, without a newline; control characters show as ? */
};

/*
 * failure - describe a failed system call: "WHAT: strerror(error)".
 *
 * what is a printf format that names the call and its object, for example
 * "chdir(%s)". Sets the exit code to EXIT_FAILED.
 * Returns -error, so that a caller can say `return failure(why, errno, ...)`.
 */
__attribute__((format(printf, 3, 4))) int failure(
    struct failure *why, int error, const char *what, ...);

/*
 * failure_exit - describe a failure that no system call reported.
 *
 * exit_code is one of the codes above; what is the whole text.
 * Returns -EINVAL.
 */
__attribute__((format(printf, 3, 4))) int failure_exit(
    struct failure *why, int exit_code, const char *what, ...);

/*
 * failure_todo - say that a function of a lab has not been written yet.
 *
 * Returns -ENOSYS. Only skeletons call it.
 */
int failure_todo(struct failure *why, const char *function);

#endif
