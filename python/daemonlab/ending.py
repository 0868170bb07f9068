"""Being asked to end, by Ctrl-C, kill(1) or a terminal that closes: tidy up first."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _heard(number: int, frame: object) -> None:
    """Once is enough. Not SIG_IGN: Python complains of a signal that came just before that."""


def leave(number: int, frame: object) -> NoReturn:
    """A handler: tidy up on the way out, and let nobody interrupt that."""
    for asked in ASKED:
        signal.signal(asked, _heard)
    raise SystemExit(128 + number)


@contextmanager
def not_now() -> Iterator[None]:
    """Hold back the request to end until the block is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def undisturbed(tidy: Callable[[], object]) -> None:
    """Tidy up without being interrupted: to be left in an ExitStack."""
    with not_now():
        tidy()
