"""What the daemon holds, from one step of the start-up table to the next.

Twin of `c/src/state.h`.
"""

from dataclasses import dataclass, field

from labd.children import Children
from labd.cleanup import Cleanup
from labd.config import Config, Store, Watch
from labd.failure import Failure
from labd.group import Group
from labd.jobs import Jobs
from labd.log import Log
from labd.metrics import Metrics
from labd.options import Options
from labd.pidfile import Pidfile
from labd.wake import Wake


@dataclass(slots=True)
class Labd:
    """The daemon."""

    options: Options
    config: Config = field(default_factory=Config)
    """As we were started; what holds now: config_get."""
    store: Store = field(default_factory=Store)
    watch: Watch = field(default_factory=Watch)
    cleanup: Cleanup = field(default_factory=Cleanup)
    metrics: Metrics = field(default_factory=Metrics)
    log: Log = field(default_factory=Log)
    pidfile: Pidfile = field(default_factory=Pidfile)
    verdict: int = -1
    """Write end of the pipe to the starter; -1: nobody waits."""
    signals: int = -1
    """The signalfd; -1: signals do what their default is."""
    children: Children = field(default_factory=Children)
    jobs: Jobs = field(default_factory=Jobs)
    group: Group = field(default_factory=lambda: Group(Log(), -1, -1))
    queue: Wake = field(default_factory=Wake)
    """Of the worker that has the jobs."""
    loader: Wake = field(default_factory=Wake)
    """Of the worker that has the configuration."""
    cause: Failure | None = None
    """Why we end; None: we were asked to."""
