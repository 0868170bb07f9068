"""The command line of labd. Twin of `c/src/options.c`.

By getopt and not by argparse, which differs from C's getopt_long(3) in what it takes: `-c=FILE`,
`--config -x`.
"""

import getopt
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from labd.failure import EXIT_USAGE

LAST_LAB = 13

USAGE = """\
usage: labd [--lab N] [--foreground] [--check] [-c CONFIG]
  -c, --config CONFIG  the INI file (none: the defaults)
  --check              only say whether CONFIG is good
  --foreground         do not detach: for a service manager, or a debugger
  --lab N              only the steps of labs 1 to N (all: 13)
  -h, --help           this text
exit codes: 0 started or stopped cleanly, 1 failed, 2 usage, 3 already running,
            78 bad configuration
"""

_NAMES = ("config=", "check", "foreground", "lab=", "help")


@dataclass(slots=True)
class Options:
    """What the words say."""

    config: str | None = None
    """None: the defaults."""
    lab: int = LAST_LAB
    foreground: bool = False
    check: bool = False
    help: bool = False


def _refuse(word: str, why: str) -> NoReturn:
    if sys.stderr is not None:  # None: came closed
        os.write(2, os.fsencode(f"labd: {word}: {why}\n{USAGE}"))
    sys.exit(EXIT_USAGE)


def _in_full(word: str) -> bool:
    # "--" ends the options.
    return word == "" or word.split("=")[0] in (name.rstrip("=") for name in _NAMES)


def _all_in_full(words: list[str]) -> None:
    """getopt takes "--la" for "--lab": until there is another option like it."""
    for word in words:
        if word.startswith("--") and not _in_full(word[2:]):
            _refuse(word, "unknown option")


def _refuse_option(name: str) -> NoReturn:
    """By its long name, if it has one."""
    name = {"c": "config", "h": "help"}.get(name, name)
    word = f"-{name}" if len(name) == 1 else f"--{name}"
    _refuse(word, "unknown option, missing value or unwanted value")


def _read_lab(text: str) -> int:
    if not re.fullmatch("0*[0-9]{1,2}", text) or not 1 <= int(text[-2:]) <= LAST_LAB:
        _refuse(text, f"--lab expects a number from 1 to {LAST_LAB}")
    return int(text[-2:])


def options_read(words: list[str]) -> Options:
    """What the words of the command line say.

    Leaves with EXIT_USAGE when they are wrong, and has said so on standard error.
    """
    options, lab = Options(), None
    _all_in_full(words)
    try:
        found, others = getopt.gnu_getopt(words, "c:h", _NAMES)
    except getopt.GetoptError as error:
        _refuse_option(error.opt)
    for name, value in found:
        if name in ("-c", "--config"):
            options.config = value
        elif name == "--check":
            options.check = True
        elif name == "--foreground":
            options.foreground = True
        elif name == "--lab":
            lab = value
        else:
            options.help = True
    if others:
        _refuse(others[0], "unexpected argument")
    if lab is not None:
        options.lab = _read_lab(lab)
    return options


def options_settle(options: Options) -> None:
    """Make the path of the configuration absolute.

    A daemon reads it again on SIGHUP, from another directory. Links on the way stay: they may be
    meant to lead elsewhere by then. Where there is no directory, it stays as it is.
    """
    if options.config is not None:
        with suppress(OSError):
            options.config = os.path.join(os.getcwd(), options.config)
