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
""")
ffi.set_source(
    "daemonlab._native",
    """
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    static int default_signal(int number)
    {
        struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; }
            standard = {0};

        return syscall(SYS_rt_sigaction, number, &standard, 0, sizeof standard.mask);
    }
    """,
    define_macros=[("_GNU_SOURCE", "1")],
    extra_compile_args=["-Werror", "-Wall"],
)
