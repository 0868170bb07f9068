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
""")
ffi.set_source(
    "daemonlab._native",
    """
    #include <sys/prctl.h>
    #include <unistd.h>
    """,
    define_macros=[("_GNU_SOURCE", "1")],
    extra_compile_args=["-Werror", "-Wall"],
)
