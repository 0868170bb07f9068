"""How each job ended, in a database of SQLite: one row, one transaction a job.

A row is known by the id that the job was given when it was claimed. The id is the table's primary
key: whatever dies and runs again in between, a second row of it cannot be.

The database is in WAL mode, so that who reads it never makes us wait, and synchronous is FULL: when
results_record has returned, the row survives a power cut. sqlite.org/wal.html. Twin of
`c/src/results.c`.
"""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labd.failure import Failure

if TYPE_CHECKING:
    import sqlite3

_VERSION = 1
_PATIENCE = 1.0
"""Seconds, for another who writes."""
_PREPARE = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
_TABLE = (
    "CREATE TABLE IF NOT EXISTS results ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " job NOT NULL,"
    " started TEXT NOT NULL,"
    " ended TEXT NOT NULL,"
    " code INTEGER,"
    " signal TEXT,"
    " error TEXT,"
    " user_seconds REAL NOT NULL,"
    " system_seconds REAL NOT NULL,"
    " max_rss_kib INTEGER NOT NULL,"
    " output_bytes INTEGER NOT NULL,"
    " lost_bytes INTEGER NOT NULL,"
    " CHECK ((code IS NULL) + (signal IS NULL) + (error IS NULL) = 2))",
    "PRAGMA user_version = 1",
)
_INSERT = (
    "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
_FIND = "SELECT code IS 0 FROM results WHERE id = ?"


@dataclass(slots=True)
class Results:
    """The database."""

    database: "sqlite3.Connection | None" = None
    """None: there is none, and nothing is recorded."""
    path: str = ""


@dataclass(slots=True)
class Result:
    """What is recorded of a job."""

    id: str = ""
    job: str = ""
    started: int = 0
    """Nanoseconds of CLOCK_REALTIME; written as UTC, with microseconds."""
    ended: int = 0
    code: int = -1
    """Exit code; -1: it has none."""
    signal: str = ""
    """What ended it, "TERM"; empty: none did."""
    error: str = ""
    """Why it could not be started; empty: it was."""
    usage: resource.struct_rusage | None = None
    """wait4(2); None: it was not started."""
    kept: int = 0
    """Bytes of its output."""
    lost: int = 0


@contextmanager
def _unbroken(results: Results) -> Iterator["sqlite3.Connection | None"]:
    import sqlite3  # not at the top: most labs do without, and it takes its time

    try:
        yield results.database
    except sqlite3.Error as error:
        raise Failure(f"sqlite({results.path}): {error}") from error


def _check_version(results: Results, database: "sqlite3.Connection") -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version not in (0, _VERSION):
        raise Failure(
            f"sqlite({results.path}): its version is {version}, and labd writes {_VERSION}"
        )


def results_open(path: str) -> Results:
    """Open the database at path, or have none if path is empty.

    Makes it, with its table, if it is not there. One whose version is not ours is refused. Raises
    Failure, with nothing left open then.
    """
    results = Results(path=path)
    if not path:
        return results
    import sqlite3

    try:
        with _unbroken(results):
            # No thread of its own, and no transactions but ours: each statement is one.
            results.database = database = sqlite3.connect(
                os.fsencode(path), _PATIENCE, isolation_level=None, check_same_thread=False
            )
            _check_version(results, database)
            for text in _PREPARE + _TABLE:
                database.execute(text)
    except Failure:
        results_close(results)
        raise
    return results


def _time(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%FT%T', time.gmtime(seconds))}.{rest // 1000:06d}Z"


def _name(text: str) -> str | bytes | None:
    """A file name can be any bytes. What is no UTF-8 is no text for those who read it. An empty one
    is NULL."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text or None


def _used(usage: resource.struct_rusage | None) -> tuple[float, float, int]:
    return (usage.ru_utime, usage.ru_stime, usage.ru_maxrss) if usage else (0.0, 0.0, 0)


def results_record(results: Results, result: Result) -> None:
    """Write one result. There is exactly one row of its id then.

    If there was one already, that stays. The job's name is text where it is valid UTF-8, else a
    BLOB. Raises Failure: the database is locked, the disk full.
    """
    if results.database is None:
        return
    row = (
        result.id,
        _name(result.job),
        _time(result.started),
        _time(result.ended),
        result.code if result.code >= 0 else None,
        _name(result.signal),
        _name(result.error),
        *_used(result.usage),
        result.kept,
        result.lost,
    )
    with _unbroken(results):
        # A statement outside of a transaction is one: lang_transaction.html.
        results.database.execute(_INSERT, row).close()


def results_find(results: Results, job_id: str) -> bool | None:
    """Is there a result of this id? Whether its exit code was 0; None when there is none, or no
    database. Raises Failure."""
    if results.database is None:
        return None
    with _unbroken(results):
        found = results.database.execute(_FIND, (job_id,)).fetchone()
    return None if found is None else bool(found[0])


def results_close(results: Results) -> None:
    """Close the database.

    The last one to close it brings what is in the WAL into the database, and removes the WAL:
    sqlite3_close().
    """
    if results.database is not None:
        results.database.close()
    results.database = None
