"""Builds `labd._syscalls`: the system calls that `os` lacks, by cffi in API mode.

API mode compiles against the system's own headers: numbers come from there (`...`), and a name
that the headers do not know, or a prototype that contradicts them, is a compile error at
install, not a wrong call at run time.
"""

from cffi import FFI

DECLARATIONS = """
    int close_range(unsigned int first, unsigned int last, int flags);

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
    #include <sys/signalfd.h>
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
