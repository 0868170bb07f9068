"""What `daemonlab watch` shows: cleared for each run where there is a terminal, else one line after
the other. Made to be read at 80 columns; colour only adds."""

import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from daemonlab.course import Lab
from daemonlab.facts import signal_names

_KEYS = "Enter run again · h hint · l list · n next lab · r reset · q quit"
_PLAIN_KEYS = "Keys: Enter run again, h hint, l list, n next lab, r reset, q quit."

_SIGNALLED = 128
"""Above it, an exit code of ours tells the signal that asked us to end."""


class Screen:
    """Writes to one console."""

    def __init__(self, console: Console, plain: bool) -> None:
        self._console = console
        self._plain = plain

    def variables(self) -> Mapping[str, str]:
        """What a command must know whose output comes to this screen by a pipe."""
        colour = {"FORCE_COLOR": "1"} if self._console.color_system else {}
        if self._plain:
            return {"COLUMNS": str(self._console.width)}
        lines = {"LINES": str(self._console.height)} if self._console.is_terminal else {}
        return {"COLUMNS": str(self._console.width), **lines, **colour}

    def clear(self) -> None:
        """Begin anew; what stood there can still be scrolled to. Nothing where none can see it."""
        if not self._plain:
            self._console.clear()

    def say(self, text: str | Text) -> None:
        """Some lines."""
        self._console.print(text, markup=False)

    def show(self, what: Callable[[Console], None]) -> None:
        """Something that prints itself, set apart from what stands above."""
        self._console.print()
        what(self._console)

    def running(self, lab: Lab, why: str) -> None:
        """A run begins."""
        self.clear()
        self.say(f"Lab {lab.number} is running: {why}…")

    def result(self, lab: Lab, why: str, output: bytes, seconds: float) -> None:
        """What a run had to say, as it said it."""
        self.clear()
        stream = self._console.file
        stream.write(output.decode(errors="backslashreplace"))
        clock = time.strftime("%H:%M:%S")
        self.say(f"\nLab {lab.number} was run at {clock} ({seconds:.1f} s): {why}.")

    def verdict(
        self, lab: Lab, code: int, green: bool, following: Lab | None, files: Sequence[str]
    ) -> None:
        """Whether the lab is done, and how to go on."""
        if green and following:
            beyond = f"n goes on to lab {following.number}, {following.module}."
            self._sign("✓", "green", f"Lab {lab.number} is green: every check passed. {beyond}")
        elif green:
            self._sign("✓", "green", f"Lab {lab.number} is green: it is the last one here.")
        elif code < 0 or code > _SIGNALLED:
            (name,) = signal_names([-code if code < 0 else code - _SIGNALLED])
            self.refused(f"Somebody ended the run by SIG{name}: Enter runs it again.")
        else:
            self.say(f"Save {' or '.join(files)} and it runs again.")

    def _sign(self, sign: str, style: str, text: str) -> None:
        self.say(Text.assemble((sign, style), " ", text))

    def refused(self, text: str) -> None:
        """Something that could not be done."""
        # Not folded: a path is longer than a line, and a reader wants to copy it.
        self._console.print(Text.assemble(("✗", "bold red"), " ", text), soft_wrap=True)

    def keys(self) -> None:
        """The line of keys."""
        self.say(_PLAIN_KEYS if self._plain else Text(f"\n{_KEYS}", style="bold"))

    def ask(self, question: str) -> None:
        """A question that one key answers."""
        self._console.print(Text(f"{question} [y/n] "), end="")
