"""The language of the configuration file: which lines it has, and what is in them.

docs/reference/configuration.md describes it. What the keys mean is not known here. Twin of
`c/src/inifile.c`.
"""

import configparser
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass

from labd.failure import EXIT_CONFIGURATION, Failure, failing

_LARGEST_FILE = 65536

Take = Callable[[int, str, str], None]
"""What to do with the line, the name and the value of a key. Raises Expected."""


class Expected(Exception):
    """Something else than what is there; the text says what: "an absolute path"."""


@dataclass(slots=True)
class _Reading:
    take: Take
    line: int = 0
    section: bool = False
    """[labd] was there."""


# --- lines ---


def _split(line: str) -> tuple[str, str]:
    """configparser is given one line at a time, so that it cannot join it to another."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys have a case
    parser.read_string(f"[labd]\n{line}")
    ((name, value),) = parser.items("labd")
    return name, os.fsdecode(value.encode("ascii", "surrogateescape"))


def _read_section(reading: _Reading, line: str) -> None:
    if not line.startswith("[labd]"):
        raise Expected("the section [labd]")
    if line.removeprefix("[labd]").strip(" \t"):
        raise Expected("nothing after [labd]")
    if reading.section:
        raise Expected("[labd] once")
    reading.section = True


def _has_comment_at_end(line: str) -> bool:
    return re.search("[ \t][;#]", line) is not None


def _is_key(line: str) -> bool:
    return re.match("[A-Za-z0-9_-]+[ \t]*=", line) is not None


def _read_line(reading: _Reading, line: str) -> None:
    if not line.strip(" \t") or line[0] in ";#":
        return
    if line[0] in " \t":
        raise Expected("no space at the start of a line")
    if line[0] == "[":
        _read_section(reading, line)
        return
    if not _is_key(line):
        raise Expected('"[labd]", "key = value" or a comment')
    if not reading.section:
        raise Expected("[labd] before the first key")
    if _has_comment_at_end(line):
        raise Expected("a comment to have a line of its own")
    reading.take(reading.line, *_split(line))


# --- the file ---


def _is_clean(line: bytes) -> bool:
    return re.search(rb"[\0-\x08\x0a-\x1f\x7f]", line) is None


def _cut(path: str) -> str:
    return os.fsdecode(os.fsencode(path)[:200])


def inifile_refuse(path: str, line: int, text: bytes, expected: str) -> Failure:
    """What is wrong with a line that was taken before, in the words of inifile_read.

    text is `name = value`.
    """
    shown = os.fsdecode(text[:100])
    return Failure(f'{_cut(path)}, line {line}: "{shown}": expected {expected}', EXIT_CONFIGURATION)


def _read_lines(reading: _Reading, text: bytes, path: str) -> None:
    for line in text.split(b"\n"):
        reading.line += 1
        try:
            if not _is_clean(line):
                raise Expected(r"no control characters, and lines that end with \n alone")
            # Bytes beyond ASCII stay what they are: some would be a space or a digit to Python.
            _read_line(reading, line.decode("ascii", "surrogateescape"))
        except Expected as expected:
            raise inifile_refuse(path, reading.line, line, str(expected)) from expected


def _read_whole(path: str, size: int) -> bytes:
    """Read at most size bytes. Not by open(): it refuses a folder with words of its own."""
    text = b""
    with failing(f"open({path})"):
        # O_NONBLOCK: a FIFO would have us wait, at a reload the whole daemon.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            raise Failure(f"{_cut(path)}: expected a file, not a pipe", EXIT_CONFIGURATION)
        with failing(f"read({path})"):
            while piece := os.read(fd, size - len(text)):
                text += piece
    finally:
        os.close(fd)
    return text


def inifile_read(path: str, take: Take) -> None:
    """Read the file at path, and call take for each key in it.

    Stops at the first line that is wrong, in the language or in the eyes of take. The text of a
    Failure names the file, the line and what stands there, and says what would be right. Its exit
    code is EXIT_CONFIGURATION, also when the file cannot be read. Never waits: a FIFO is refused.
    """
    try:
        # One byte more, to see that it is too large.
        text = _read_whole(path, _LARGEST_FILE + 1)
    except Failure as failure:
        failure.exit_code = EXIT_CONFIGURATION
        raise
    if len(text) > _LARGEST_FILE:
        raise Failure(f"{_cut(path)}: expected at most {_LARGEST_FILE} bytes", EXIT_CONFIGURATION)
    _read_lines(_Reading(take), text, path)
