"""`daemonlab watch`: a save runs the lab again; keys do the rest.

One loop waits for everything: saves, keys, signals, the end of a run. Nothing goes on beside it, so
that at any moment it is clear what runs and what is left to tidy up. Which lab one is in changes by
a save in another lab or by a key; a lab that is green is never left by itself.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from daemonlab import loop
from daemonlab.attempt import Attempt
from daemonlab.course import LANGUAGES, Lab
from daemonlab.desk import REFUSED, Desk
from daemonlab.explain import relative
from daemonlab.keyboard import END, Keyboard, keyboard
from daemonlab.loop import SUFFIXES
from daemonlab.outlet import reader_has_left
from daemonlab.progress import Progress
from daemonlab.saves import Saves
from daemonlab.screen import Screen
from daemonlab.wakeup import Wakeup, stop_here, wakeup

_QUIET = 0.1
"""Seconds without a save before a run: an editor that saves all its files saves them one by one."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Ctrl-\\ among them: no terminal is left raw for the sake of a core file."""
_HEARD = (*_ENDINGS, signal.SIGTSTP, signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for on the command line."""

    lab: Lab | None = None
    language: str | None = None
    to_do: tuple[str, ...] = LANGUAGES
    """Those in which a lab may be done here: course.toml."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Those whose files are watched."""
        return (self.language,) if self.language else self.to_do


def begun(lab: Lab, languages: Sequence[str]) -> list[tuple[Path, str]]:
    """The files of a lab that the student has begun with, and their languages."""
    return [
        (lab.skeleton(SUFFIXES[language]), language)
        for language in languages
        if loop.begun(lab, language)
    ]


def _saved_at(file: Path) -> int:
    """When, in ns of the file's clock; long ago, if it is a link to nowhere or just replaced."""
    with suppress(OSError):
        return os.stat(file).st_mtime_ns
    return 0


def first_lab(labs: Sequence[Lab], choice: Choice, progress: Progress) -> Lab:
    """The lab one is in: that asked for, else that of the file last saved, else the first that is
    not green, else the first."""
    if choice.lab:
        return choice.lab
    saved = [
        (_saved_at(file), lab.number, lab)
        for lab in labs
        for file, _ in begun(lab, choice.languages)
    ]
    if saved:
        return max(saved)[-1]
    for lab in labs:
        if not any(progress.entry(lab.number, language).green for language in choice.languages):
            return lab
    return labs[0]


@dataclass(slots=True)
class Watch:
    """The state of the loop, and what each event does to it."""

    labs: Sequence[Lab]
    choice: Choice
    saves: Saves
    screen: Screen
    desk: Desk
    lab: Lab
    language: str
    keys: Keyboard | None = None
    attempt: Attempt | None = None
    due: float | None = None
    """When the next run is to begin, in the time of time.monotonic()."""
    why: str = ""
    """Why it runs: shown with the result."""
    typed: str = ""
    """Keys that wait for the end of the run."""
    answer: Callable[[bool], None] | None = None
    """Gets the answer to the question that was asked last: yes or no."""
    exit_code: int | None = None
    handlers: Mapping[str, Callable[[], None]] = field(default_factory=dict)

    # --- a run

    def again(self, why: str, wait: float = 0.0) -> None:
        """Run the lab, after that which may be under way was ended."""
        self.why, self.due = why, time.monotonic() + wait
        self.answer = None
        if self.attempt:
            self.attempt.break_off()

    def begin(self) -> None:
        """Start the run that is due."""
        self.due = None
        self.screen.running(self.lab, self.why)
        self.attempt = Attempt(
            self.desk.run(self.lab, self.choice.language), self.screen.variables()
        )

    def look(self) -> None:
        """Show what the run found, if it is over."""
        attempt = self.attempt
        if attempt is None or (code := attempt.ended()) is None:
            return
        self.attempt = None
        if self.due is None:  # else it was broken off, and the next one takes its place
            self.screen.result(self.lab, self.why, attempt.output, attempt.seconds)
            self.screen.verdict(self.lab, code, self.is_green(code), self.following(), self.files())
            self.invite()

    def is_green(self, code: int) -> bool:
        """Whether that exit code says so: 0 is also that of who has not begun."""
        return code == 0 and bool(begun(self.lab, self.choice.languages))

    def files(self) -> list[str]:
        """What is to be saved, to run again: what was begun with, else either."""
        languages = self.choice.languages
        mine = [file for file, _ in begun(self.lab, languages)]
        return [
            relative(file)
            for file in mine or [self.lab.skeleton(SUFFIXES[language]) for language in languages]
        ]

    def following(self) -> Lab | None:
        """The lab after this one."""
        later = [lab for lab in self.labs if lab.number > self.lab.number]
        return later[0] if later else None

    def close(self) -> None:
        """Leave nothing behind."""
        if self.attempt:
            self.attempt.end()

    # --- events

    def saved(self, files: Sequence[Path]) -> None:
        """Files were saved: the last one tells which lab one is in, unless that was asked for."""
        if not files:
            return
        last = files[-1]
        self.language = "c" if last.suffix == ".c" else "python"
        if self.choice.lab is None:
            self.lab = next(lab for lab in self.labs if lab.folder == last.parent)
        self.again(f"{relative(last)} was saved", _QUIET)

    def signalled(self, number: int) -> None:
        """One of _HEARD came."""
        if number in _ENDINGS:
            self.exit_code = 128 + number
        elif number == signal.SIGTSTP:
            self.suspend()
        elif number == signal.SIGCONT and self.keys:
            self.keys.take()  # whoever stopped us by SIGSTOP may have changed the terminal
            self.invite()

    def suspend(self) -> None:
        """Ctrl-Z: give the terminal back, stop, and take it again when the shell goes on."""
        if self.keys:
            self.keys.give_back()
        stop_here()
        if self.keys:
            self.keys.take()

    def invite(self) -> None:
        """Say which keys there are."""
        if self.keys and self.attempt is None and self.due is None:
            self.screen.keys()

    def pressed(self, keys: str) -> None:
        """Keys were pressed. Quit is heard at once, the others when no run is under way."""
        for key in keys:
            if key in ("q", END):
                self.exit_code = self.exit_code or 0
                return
            if self.attempt is None or key not in "\r\n":  # it runs: nobody need ask for it
                self.typed += key

    def act(self) -> None:
        """Do what the keys ask for that wait; a run makes the rest of them wait again."""
        while self.typed and self.attempt is None and self.due is None:
            key, self.typed = self.typed[0], self.typed[1:]
            if self.answer:
                answer, self.answer = self.answer, None
                self.screen.say("yes" if key == "y" else "no")
                answer(key == "y")
                self.invite()
            elif handler := self.handlers.get(key):
                handler()

    # --- keys

    def enter(self) -> None:
        """Enter: run again."""
        self.again("you pressed Enter")

    def hint(self) -> None:
        """h: the next hint."""
        self.consult(lambda console: self.desk.hint(console, self.lab, self.language))

    def overview(self) -> None:
        """l: the labs with their state."""
        self.consult(self.desk.overview)

    def consult(self, what: Callable[[Console], None]) -> None:
        """Show something below the result, or why it cannot be shown."""
        try:
            self.screen.show(what)
        except REFUSED as error:
            self.screen.refused(str(error))
        self.invite()

    def next_lab(self) -> None:
        """n: go on to the next lab, but only after a yes."""
        following = self.following()
        if following is None:
            self.screen.say(f"Lab {self.lab.number} is the last one that is here.")
            self.invite()
            return
        self.screen.ask(f"Go on to lab {following.number}, {following.module}?")
        self.answer = self.go_on

    def go_on(self, yes: bool) -> None:
        """The answer to n."""
        following = self.following()
        if yes and following:
            self.lab = following
            if self.choice.lab:
                self.choice = replace(self.choice, lab=following)
            self.again(f"you went on to lab {following.number}")

    def reset(self) -> None:
        """r: bring the skeleton back, but only after a yes."""
        file = relative(self.lab.skeleton(SUFFIXES[self.language]))
        self.screen.ask(f"Bring the skeleton of {file} back? Your file is kept aside.")
        self.answer = self.bring_back

    def bring_back(self, yes: bool) -> None:
        """The answer to r."""
        if yes:
            try:
                done = self.desk.reset(self.lab, self.language)
                self.saves.read()  # that was no save of theirs
                self.again(done)
            except REFUSED as error:
                self.screen.refused(str(error))

    # --- the loop

    def run(self, signals: Wakeup) -> int:
        """Until the end is asked for; returns the exit code."""
        self.handlers = {
            **dict.fromkeys("\r\n", self.enter),
            "h": self.hint,
            "l": self.overview,
            "n": self.next_lab,
            "r": self.reset,
        }
        self.again("the watch begins")
        while self.exit_code is None:
            self.turn(signals)
        return self.exit_code

    def turn(self, signals: Wakeup) -> None:
        """Wait for the next event, and do what it asks for."""
        ready = self.wait([signals.fileno(), self.saves.fileno()])
        if signals.fileno() in ready:
            for number in signals.read():
                self.signalled(number)
        if self.saves.fileno() in ready:
            self.saved(self.saves.read())
        if self.keys and self.keys.fd in ready and self.exit_code is None:
            self.pressed(self.keys.read())
        self.look()
        self.act()
        if reader_has_left():
            self.exit_code = 1
        if self.attempt is None and self.due is not None and time.monotonic() >= self.due:
            self.begin()

    def wait(self, filenos: Sequence[int]) -> set[int]:
        """Those that are ready, also of the keyboard and the run; after a second also none."""
        waiting = select.poll()
        for fd in (*filenos, *(self.attempt.filenos() if self.attempt else ())):
            waiting.register(fd, select.POLLIN)
        if self.keys:
            waiting.register(self.keys.fd, select.POLLIN)
        patience = 1.0
        if self.attempt is None and self.due is not None:
            patience = max(0.0, self.due - time.monotonic())
        # Rounded down, the wait would end a little too early, again and again.
        return {fd for fd, _ in waiting.poll(int(patience * 1000) + 1)}


def first_language(lab: Lab, choice: Choice) -> str:
    """That asked for, else that of the file last saved, else the first that there is."""
    files = begun(lab, choice.languages)
    none = lab.folder, choice.languages[0]
    return max(files, key=lambda one: _saved_at(one[0]), default=none)[1]


def watch(
    console: Console,
    labs: Sequence[Lab],
    choice: Choice,
    desk: Desk,
    *,
    plain: bool = False,
) -> int:
    """Watch until the end is asked for; returns the exit code. Raises WatchError."""
    lab = first_lab(labs, choice, Progress.load())
    files = [one.skeleton(SUFFIXES[language]) for one in labs for language in choice.languages]
    with ExitStack() as stack:
        signals = stack.enter_context(wakeup(_HEARD))
        saves = stack.enter_context(Saves(files))
        screen = Screen(console, plain)
        state = Watch(
            labs=labs,
            choice=choice,
            saves=saves,
            screen=screen,
            desk=desk,
            lab=lab,
            language=first_language(lab, choice),
        )
        stack.callback(state.close)
        state.keys = stack.enter_context(keyboard(0))
        return state.run(signals)
