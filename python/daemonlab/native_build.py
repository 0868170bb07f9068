"""Builds `daemonlab._native`: the system calls the laboratory needs and `os` lacks.

By cffi in API mode, so that numbers come from the system's headers: see labd.syscalls_build.
"""

from cffi import FFI

ffi = FFI()
ffi.cdef("""
    static const int PR_SET_CHILD_SUBREAPER;
    static const int PR_SET_DUMPABLE;
    int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
    int close_range(unsigned int first, unsigned int last, int flags);
    int default_signal(int number);

    static const int SYS_clone3;
    static const int SYS_close_range;
    static const int SYS_epoll_create1;
    static const int SYS_eventfd2;
    static const int SYS_inotify_init1;
    static const int SYS_timerfd_create;
    static const int SYS_flock;
    int deny_call(unsigned int number, unsigned int error);
    int hold_locks(void);
    int hold_waits(void);
    struct held { uint64_t id; uint32_t thread; uint32_t call; uint64_t argument; };
    int next_held(int listener, struct held *held);
    int let_go(int listener, uint64_t id);
    int answer(int listener, uint64_t id, int64_t value, int error);
    int is_poll(uint32_t call);

    static const int IN_CLOSE_WRITE;
    static const int IN_MOVED_TO;
    static const int IN_ONLYDIR;
    static const int IN_Q_OVERFLOW;
    static const int IN_NONBLOCK;
    static const int IN_CLOEXEC;
    int inotify_init1(int flags);
    int inotify_add_watch(int fd, const char *pathname, uint32_t mask);
""")
ffi.set_source(
    "daemonlab._native",
    """
    #include <fcntl.h>
    #include <linux/filter.h>
    #include <linux/seccomp.h>
    #include <stddef.h>
    #include <string.h>
    #include <sys/inotify.h>
    #include <sys/ioctl.h>
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    static int default_signal(int number)
    {
        struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; }
            standard = {0};

        return syscall(SYS_rt_sigaction, number, &standard, 0, sizeof standard.mask);
    }

    /* Filters of seccomp(2). No security hangs on them: they are for subjects that play by the
     * rules, so that they do not ask for the architecture. */
    #define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
    #define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
    #define WHEN(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skip, 0)
    #define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)

    static int install(struct sock_filter *filter, size_t length, unsigned int flags)
    {
        struct sock_fprog program = {.len = (unsigned short)length, .filter = filter};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) /* what allows it to those not root */
            return -1;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    }

    static int deny_call(unsigned int number, unsigned int error)
    {
        struct sock_filter filter[] = {
            LOAD(nr),
            UNLESS(number, 1),
            ANSWER(SECCOMP_RET_ERRNO | error),
            ANSWER(SECCOMP_RET_ALLOW),
        };

        return install(filter, sizeof filter / sizeof *filter, 0);
    }

    static int hold_locks(void)
    {
        struct sock_filter filter[] = {
            LOAD(nr),
            WHEN(SYS_flock, 6),
            UNLESS(SYS_fcntl, 6),
            LOAD(args[1]), /* its low half, on a little-endian machine */
            WHEN(F_SETLK, 3),
            WHEN(F_SETLKW, 2),
            WHEN(F_OFD_SETLK, 1),
            UNLESS(F_OFD_SETLKW, 1),
            ANSWER(SECCOMP_RET_USER_NOTIF),
            ANSWER(SECCOMP_RET_ALLOW),
        };

        return install(
            filter, sizeof filter / sizeof *filter, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    }

    #ifdef SYS_poll /* newer machines have only those with p: syscall(2) */
    #define POLL SYS_poll
    #define SELECT SYS_select
    #define EPOLL_WAIT SYS_epoll_wait
    #else
    #define POLL SYS_ppoll
    #define SELECT SYS_pselect6
    #define EPOLL_WAIT SYS_epoll_pwait
    #endif

    /* The calls by which a thread waits for one of several descriptors, and the one by which the
     * C library starts another thread. */
    static int hold_waits(void)
    {
        struct sock_filter filter[] = {
            LOAD(nr),
            WHEN(SYS_clone3, 7),
            WHEN(POLL, 6),
            WHEN(SYS_ppoll, 5),
            WHEN(SELECT, 4),
            WHEN(SYS_pselect6, 3),
            WHEN(EPOLL_WAIT, 2),
            WHEN(SYS_epoll_pwait, 1),
            UNLESS(SYS_epoll_pwait2, 1),
            ANSWER(SECCOMP_RET_USER_NOTIF),
            ANSWER(SECCOMP_RET_ALLOW),
        };

        return install(
            filter, sizeof filter / sizeof *filter, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    }

    static int is_poll(uint32_t call)
    {
        return call == POLL || call == SYS_ppoll;
    }

    struct held { uint64_t id; uint32_t thread; uint32_t call; uint64_t argument; };

    static int next_held(int listener, struct held *held)
    {
        union { struct seccomp_notif notice; char room[256]; } news; /* longer, one day */

        memset(&news, 0, sizeof news);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &news.notice) < 0)
            return -1;
        held->id = news.notice.id;
        held->thread = news.notice.pid;
        held->call = (uint32_t)news.notice.data.nr;
        held->argument = news.notice.data.args[0];
        return 0;
    }

    static int reply(int listener, uint64_t id, int64_t value, int error, uint32_t flags)
    {
        union { struct seccomp_notif_resp answer; char room[256]; } response;

        memset(&response, 0, sizeof response);
        response.answer.id = id;
        response.answer.val = value;
        response.answer.error = -error;
        response.answer.flags = flags;
        return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response.answer);
    }

    static int let_go(int listener, uint64_t id)
    {
        return reply(listener, id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    }

    static int answer(int listener, uint64_t id, int64_t value, int error)
    {
        return reply(listener, id, value, error, 0);
    }
    """,
    define_macros=[("_GNU_SOURCE", "1")],
    extra_compile_args=["-Werror", "-Wall"],
)
