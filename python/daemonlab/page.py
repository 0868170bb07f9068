"""Talk with a person at a terminal: lines that fit it, or, if asked for, plain ones.

Plain is for screen readers: one line a row, no columns, no signs, nothing that is drawn.
"""

import os
import select
import textwrap
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from daemonlab.text import printable
from daemonlab.wakeup import wakeup

_MOST_TYPED = 4096
"""Bytes of a line that are heeded."""


_NARROW = 20
"""Columns that a text is given at least, however narrow the terminal."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where one writes."""

    console: Console
    plain: bool = False

    def _line(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style), soft_wrap=True)

    def _fold(self, text: str, taken: int) -> list[str]:
        """The lines of a text that begins after so many columns."""
        if self.plain:
            return [text]
        width = max(_NARROW, self.console.width - taken)
        return textwrap.wrap(text, width, break_on_hyphens=False) or [""]

    def say(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """A paragraph. What others chose in it must be printable()."""
        indent = 0 if self.plain else indent
        for line in self._fold(text, indent):
            self._line(" " * indent + line if line else "", style)

    def item(self, sign: str, text: str, style: str = "", indent: int = 0) -> None:
        """A paragraph behind a sign or a number that stands alone."""
        indent = 0 if self.plain else indent
        first, *more = self._fold(text, indent + len(sign))
        self._line(f"{' ' * indent}{sign}{first}", style)
        for line in more:
            self._line(" " * (indent + len(sign)) + line, style)

    def rows(self, rows: Iterable[tuple[str, str]], indent: int = 0) -> None:
        """Names and what belongs to them; without a name: to the one above."""
        listed = list(rows)
        width = max((len(name) for name, _ in listed), default=0)
        for name, text in listed:
            if self.plain:
                self._line(f"{name}: {text}" if name else text)
            else:
                self.item(f"{name:<{width}}  ", text, indent=indent)

    def mark(self, right: bool | None, text: str) -> None:
        """A line with a verdict: a sign and a word, or in a plain page the word."""
        sign, word, style = {
            True: ("✓", "right", "green"),
            False: ("✗", "wrong", "bold red"),
            None: ("·", "open", "dim"),
        }[right]
        self.item(f"{word}: " if self.plain else f"{sign} {word:<6} ", text, style)

    def feed(self) -> None:
        """Where a printer begins a new page. Rich would drop the character."""
        self.console.file.write("\f")

    def prompt(self, about: str = "") -> None:
        """Ask for a line; about is what one would else have to scroll back for."""
        asks = f"{about}, answer: " if about else "Answer: "
        self.console.print(asks if self.plain else f"{about}> ", end="", markup=False)
        self.console.file.flush()


class Ended(Exception):
    """The process that was watched has ended while we waited for a line."""


class Lines:
    """Lines from a descriptor, waited for together with the end of a process."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._echo = not os.isatty(descriptor)
        """Nobody sees what comes from a file: we show it, so that the questions do not run on."""
        self._inbox = b""
        self._over = False

    def ask(self, page: Page, watched: int = -1, about: str = "") -> str | None:
        """Ask for a line; returns it without blanks around it. None: there is no more.

        Raises Ended when the process of the pidfd `watched` ends before there is one.
        """
        page.prompt(about)
        line = self._line(watched)
        if line is None:
            page.say("")
        elif self._echo:
            page.say(printable(line))
        return line

    def _line(self, watched: int) -> str | None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if watched >= 0:
            poll.register(watched, select.POLLIN)
        # A Ctrl-C between Python's last look for signals and poll(2) would wait for the next key.
        with wakeup(()) as woken:
            poll.register(woken, select.POLLIN)
            while b"\n" not in self._inbox and not self._over:
                if watched in (found := [fd for fd, _ in poll.poll()]):
                    raise Ended
                if self._descriptor in found:
                    self._take()
                woken.read()
        if not self._inbox:
            return None
        line, _, self._inbox = self._inbox.partition(b"\n")
        return line[:_MOST_TYPED].decode(errors="replace").strip()

    def _take(self) -> None:
        """Take what has come; of a line that does not end, no more than is heeded."""
        piece = b""
        with suppress(OSError):  # closed when we were started, or a terminal that is gone
            piece = os.read(self._descriptor, _MOST_TYPED)
        self._over = not piece
        self._inbox += piece
        if b"\n" not in self._inbox:
            self._inbox = self._inbox[:_MOST_TYPED]
