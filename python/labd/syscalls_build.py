"""Builds `labd._syscalls`: the system calls that `os` lacks, by cffi in API mode.

API mode compiles against the system's own headers: numbers come from there (`...`), and a name
that the headers do not know, or a prototype that contradicts them, is a compile error at
install, not a wrong call at run time.
"""

from cffi import FFI

DECLARATIONS = """
    int close_range(unsigned int first, unsigned int last, int flags);

    static const int RENAME_NOREPLACE;
    int renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath,
        unsigned int flags);

    static const int PR_SET_CHILD_SUBREAPER;
    static const int PR_SET_NAME;
    int prctl(int option, ...);

    static const int CLOCK_MONOTONIC;
    static const int TFD_CLOEXEC;
    static const int TFD_NONBLOCK;
    static const int TFD_TIMER_ABSTIME;
    typedef int... time_t;
    struct timespec { time_t tv_sec; long tv_nsec; ...; };
    struct itimerspec { struct timespec it_interval; struct timespec it_value; ...; };
    int timerfd_create(int clockid, int flags);
    int timerfd_settime(
        int fd, int flags, const struct itimerspec *new_value, struct itimerspec *old_value);

    static const int IN_CLOEXEC;
    static const int IN_NONBLOCK;
    int inotify_init1(int flags);
    int inotify_add_watch(int fd, const char *pathname, uint32_t mask);
    int inotify_rm_watch(int fd, int wd);
    static const uint32_t IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE, IN_DELETE_SELF, IN_MOVE_SELF,
        IN_MASK_ADD;
    static const uint32_t IN_ONLYDIR, IN_IGNORED, IN_Q_OVERFLOW;
    struct inotify_event { int wd; uint32_t mask; uint32_t cookie; uint32_t len; ...; };

    static const int SFD_CLOEXEC;
    static const int SFD_NONBLOCK;

    typedef struct { ...; } sigset_t;
    int sigemptyset(sigset_t *set);
    int sigaddset(sigset_t *set, int signum);
    int signalfd(int fd, const sigset_t *mask, int flags);

    struct signalfd_siginfo {
        uint32_t ssi_signo;
        ...;
    };
"""

HEADERS = """
    #include <signal.h>
    #include <stdio.h>
    #include <sys/inotify.h>
    #include <sys/prctl.h>
    #include <sys/signalfd.h>
    #include <sys/timerfd.h>
    #include <time.h>
    #include <unistd.h>
"""


def builder(declarations: str = DECLARATIONS) -> FFI:
    """An FFI ready to compile. The tests pass wrong declarations to see them refused."""
    ffi = FFI()
    ffi.cdef(declarations)
    ffi.set_source(
        "labd._syscalls",
        HEADERS,
        define_macros=[("_GNU_SOURCE", "1")],
        extra_compile_args=["-Werror", "-Wall"],
    )
    return ffi


ffi = builder()
