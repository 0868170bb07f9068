"""What a student has done so far: `progress.toml`, one plain file in the root of the house.

It may be read, committed and carried to another machine. It is written when a module of the
student's was run, or a hint was shown, and by nobody else. Keys that are not ours are kept.

    with recorded(PROGRESS) as progress:
        progress.entry(3, "c").ran(points=11, of=15, failing="mask", when=now())
"""

import fcntl
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from daemonlab.house import ROOT
from daemonlab.refusal import refused

PROGRESS = ROOT / "progress.toml"
NOT_BUILT = "build"
"""What fails where a module does not compile: no check of any lab has this name."""
_HEAD = "# Your way through the labs, kept by `make lab-N` and `make hint-N`. You may commit it.\n"
_LABS = "lab"
_WRONG = "mend it, or move it away and begin anew"


class ProgressError(Exception):
    """The file cannot be read or written; the text names it and the remedy. It stays as it was."""


def now() -> datetime:
    """The time, to the second, with its zone."""
    return datetime.now().astimezone().replace(microsecond=0)


@dataclass(slots=True)
class Entry:
    """One lab in one language."""

    points: int = 0
    """Reached in the last run."""
    of: int = 0
    """What the lab was worth then; 0: it was never run."""
    runs: int = 0
    failing: str = ""
    """The first check that failed in the last run; NOT_BUILT: it did not compile; else empty."""
    first_run: datetime | None = None
    last_run: datetime | None = None
    first_green: datetime | None = None
    """When every check passed for the first time; None: never."""
    hints: dict[str, int] = field(default_factory=dict)
    """How many tiers were shown, by the id of the check."""

    @property
    def green(self) -> bool:
        """Every check passed in the last run."""
        return bool(self.of) and self.points == self.of and not self.failing

    @property
    def hints_shown(self) -> int:
        """All tiers of all checks that were shown."""
        return sum(self.hints.values())

    def ran(self, *, points: int, of: int, failing: str, when: datetime) -> None:
        """Note a run. failing: the first check that failed, NOT_BUILT, or empty for none."""
        self.points, self.of, self.failing = points, of, failing
        self.runs += 1
        self.first_run = self.first_run or when
        self.last_run = when
        if self.green:
            self.first_green = self.first_green or when

    def hinted(self, check: str, tier: int) -> None:
        """Note that so many tiers (1 to 3) of the hints for a check were shown."""
        self.hints[check] = max(tier, self.hints.get(check, 0))


_KEYS = {one.name for one in fields(Entry)}
_KINDS: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("points", "of", "runs"), (int, "a number")),
    "failing": (str, "a text"),
    **dict.fromkeys(("first_run", "last_run", "first_green"), (datetime, "a date with a time")),
    "hints": (dict, "a table"),
}


def _wrong(key: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{key}: expected {expected}, found {value!r}")


def _table(key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(key, value, "a table")
    return value


def _entry(key: str, table: Mapping[str, Any]) -> Entry:
    known = {name: value for name, value in table.items() if name in _KEYS}
    for name, value in known.items():
        kind, expected = _KINDS[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _wrong(f"{key}.{name}", value, expected)
        if isinstance(value, int) and value < 0:
            raise _wrong(f"{key}.{name}", value, "no negative number")
        if isinstance(value, datetime):
            known[name] = value.astimezone()  # times without a zone cannot be compared with ours
    for check, shown in known.get("hints", {}).items():
        if not isinstance(shown, int) or isinstance(shown, bool) or shown < 0:
            raise _wrong(f"{key}.hints.{check}", shown, "a number")
    return Entry(**{**known, "hints": dict(known.get("hints", {}))})


def _values(entry: Entry) -> dict[str, Any]:
    """By key, in order; what was not yet is missing, for TOML has no null."""
    values = ((one.name, getattr(entry, one.name)) for one in fields(Entry))
    return {name: value for name, value in values if value is not None and value != {}}


class Progress:
    """The whole file. An entry is made when it is asked for, and kept once it says something."""

    def __init__(self, path: Path, table: dict[str, Any] | None = None) -> None:
        self.path = path
        self._table = table or {}
        self._entries: dict[tuple[int, str], Entry] = {}
        for number, languages in _table(_LABS, self._table.get(_LABS, {})).items():
            if not number.isdecimal():
                raise _wrong(f"{_LABS}.{number}", number, "the number of a lab")
            for language, values in _table(f"{_LABS}.{number}", languages).items():
                key = f"{_LABS}.{number}.{language}"
                self._entries[int(number), language] = _entry(key, _table(key, values))

    @classmethod
    def load(cls, path: Path = PROGRESS) -> "Progress":
        """Read the file; without one nothing was done yet. Raises ProgressError."""
        try:
            return cls(path, tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise ProgressError(refused(f"{path} cannot be read", error, _WRONG)) from error
        except ValueError as error:  # tomllib's, UnicodeDecodeError, ours
            raise ProgressError(f"{path}: {error}; {_WRONG}") from error

    def entry(self, lab: int, language: str) -> Entry:
        """What was done of a lab in "c" or "python"; changes to it are saved by save()."""
        return self._entries.setdefault((lab, language), Entry())

    @property
    def labs(self) -> tuple[tuple[int, str], ...]:
        """The labs, with their languages, of which anything is known, in order."""
        return tuple(sorted(key for key, entry in self._entries.items() if entry != Entry()))

    def text(self) -> str:
        """The file as it is written."""
        table = dict(self._table)
        labs: dict[str, Any] = {key: dict(value) for key, value in table.pop(_LABS, {}).items()}
        for number, language in self.labs:
            entry = self._entries[number, language]
            of_lab = labs.setdefault(str(number), {})
            others = {k: v for k, v in of_lab.get(language, {}).items() if k not in _KEYS}
            of_lab[language] = _values(entry) | others
        table[_LABS] = dict(sorted(labs.items(), key=lambda item: int(item[0])))
        return _HEAD + _toml(table)

    def save(self) -> None:
        """Write the file, whole or not at all. Raises ProgressError."""
        try:
            _replace(self.path, self.text())
        except OSError as error:
            raise ProgressError(refused(f"{self.path} cannot be written", error)) from error


def _replace(path: Path, text: str) -> None:
    """Write beside the file and rename(2): who reads meanwhile sees the old one or the new one."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, 0o666 & ~_umask())
            os.fsync(handle)
        os.rename(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def recorded(path: Path = PROGRESS) -> Iterator[Progress]:
    """Read the file, let the caller change it, write it; of two at once one waits for the other.

    The lock is on the folder: the file itself is replaced. It is not written when nothing in it has
    changed. Raises ProgressError; what is raised within leaves the file as it was.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ProgressError(refused(f"{path} cannot be written", error)) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        progress = Progress.load(path)
        before = progress.text()
        yield progress
        if progress.text() != before:
            progress.save()
    finally:
        os.close(folder)


# --- TOML: the standard library reads it only ---


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else _value(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's strings are TOML's, but for DEL, and the halves of a pair that JSON may have.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())}}}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _toml(table: Mapping[str, Any], name: tuple[str, ...] = ()) -> str:
    """A table: its values first, then its tables, each under its whole name."""
    plain = [f"{_key(k)} = {_value(v)}\n" for k, v in table.items() if not isinstance(v, dict)]
    inner = [_toml(v, (*name, k)) for k, v in table.items() if isinstance(v, dict)]
    head = f"\n[{'.'.join(map(_key, name))}]\n" if name and (plain or not inner) else ""
    return head + "".join(plain) + "".join(inner)
