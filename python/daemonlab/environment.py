"""What a subject is born into: everything that fork(2) and execve(2) hand down, chosen by us.

A check that only passes in a friendly environment is not a check. What a hostile one must hold
was learnt from real launchers: a cron job with SIGCHLD ignored, a shell with a low descriptor
limit set after files were opened, a supervisor that leaks its sockets.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from signal import Signals

NULL_VARIABLES: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/",
    "LANG": "C.UTF-8",
    "SHELL": "/bin/sh",
}


@dataclass(frozen=True, slots=True)
class Environment:
    """How to start a subject. Every subject is started as a shell would: the starter leads a
    process group of its own, in the foreground of its terminal if there is one.

    In each environment no file may grow beyond 16 MiB (RLIMIT_FSIZE), and no core is dumped
    (RLIMIT_CORE 0), whatever the subject asks for: both limits are hard, setrlimit(2). Memory is
    not limited."""

    name: str
    terminal: bool = True
    """A pseudo-terminal, controlling, on 0, 1 and 2; otherwise 0 is /dev/null, 1 and 2 a pipe."""
    umask: int = 0o002
    closed: frozenset[int] = frozenset()
    """Which of 0, 1 and 2 are closed."""
    descriptors: tuple[int, ...] = ()
    """Numbers at which a file called "leaked" is open, without close-on-exec."""
    descriptor_limit: int | None = None
    """Soft RLIMIT_NOFILE, lowered after the descriptors were opened."""
    ignored: frozenset[Signals] = frozenset()
    blocked: frozenset[Signals] = frozenset()
    directory_deleted: bool = False
    """The working directory has been removed: getcwd(2) fails."""
    groups: tuple[int, ...] | None = None
    """Supplementary groups; only root can set them, for others they stay."""
    variables: Mapping[str, str] = field(default_factory=lambda: NULL_VARIABLES)


FRIENDLY = Environment(name="friendly")
"""A login shell on a terminal. The umask is 002, that of many shells, but no daemon's choice."""

HOSTILE = Environment(
    name="hostile",
    umask=0o077,
    descriptors=(7, 300, 900),
    descriptor_limit=256,
    ignored=frozenset({signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGUSR2}),
    blocked=frozenset({signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM}),
    groups=(0, 4, 27),
    variables={
        **NULL_VARIABLES,
        "IFS": "/",
        "TZ": "XYZ-5",  # five hours ahead of UTC: who logs local time is seen
        "TMPDIR": "/nonexistent",
        "PYTHONHOME": "/nonexistent",
        "NOTIFY_SOCKET": "/nonexistent/notify",
        "LISTEN_PID": "1",
        "LISTEN_FDS": "3",
    },
)
"""A terminal, and everything inherited that one can inherit."""

BARE = Environment(
    name="bare",
    terminal=False,
    umask=0o137,
    closed=frozenset({0, 1, 2}),
    directory_deleted=True,
    variables={},
)
"""Nothing: no terminal, 0, 1 and 2 closed, no directory, not one variable."""

ENVIRONMENTS = {environment.name: environment for environment in (FRIENDLY, HOSTILE, BARE)}
