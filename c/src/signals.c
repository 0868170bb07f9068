#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int ignored_signals[] = {SIGPIPE, SIGXFSZ, SIGTSTP, SIGTTIN, SIGTTOU};
static const int taken_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

int signals_reset(struct failure *why) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number <= SIGRTMAX; number++) {
        /* EINVAL: SIGKILL, SIGSTOP, and 32 and 33, which belong to the C library. */
        if (sigaction(number, &standard, NULL) < 0 && errno != EINVAL)
            return failure(why, errno, "sigaction(%d)", number);
    }
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return failure(why, errno, "sigprocmask()");
    return 0;
}

static int ignore(int number, struct failure *why) {
    struct sigaction ignored = {.sa_handler = SIG_IGN};

    if (sigaction(number, &ignored, NULL) < 0)
        return failure(why, errno, "sigaction(%d)", number);
    return 0;
}

int signals_open(struct failure *why) {
    sigset_t taken;
    int error = 0;

    for (size_t i = 0; error == 0 && i < LENGTH(ignored_signals); i++)
        error = ignore(ignored_signals[i], why);
    if (error < 0)
        return error;
    sigemptyset(&taken);
    for (size_t i = 0; i < LENGTH(taken_signals); i++)
        sigaddset(&taken, taken_signals[i]);
    /* Blocked before the descriptor exists: one that came in between would be
     * acted upon by its default, and end us: signalfd(2). */
    if (sigprocmask(SIG_BLOCK, &taken, NULL) < 0)
        return failure(why, errno, "sigprocmask()");
    int fd = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return failure(why, errno, "signalfd()");
    return fd;
}

int signals_next(int fd, struct failure *why) {
    struct signalfd_siginfo info;
    ssize_t n;

    do {
        n = read(fd, &info, sizeof info);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0)
        return failure(why, errno, "read() from the signalfd");
    return (int)info.ssi_signo;
}
