"""A spool with its database, and a daemon of either language that works there."""

import json
import os
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from daemonlab import subjects
from labresults import LANGUAGES
from waiting import LIMIT

ALREADY_RUNNING = 3


class House:
    """A spool, a database, and what a daemon of one language needs to work there."""

    def __init__(
        self, language: str, folder: Path, settings: str = "", poll_interval: str = "60"
    ) -> None:
        self.folder, self.spool = folder, folder / "spool"
        self.new, self.out = self.spool / "new", self.spool / "out"
        self.new.mkdir(parents=True, exist_ok=True)
        (folder / "made").mkdir(exist_ok=True)
        self.configuration = folder / "labd.ini"
        self.configuration.write_text(
            f"[labd]\nlog = {folder}/log\nspool = {self.spool}\ndatabase = {folder}/results.db\n"
            f"pidfile = {folder}/labd.pid\npoll_interval = {poll_interval}\n{settings}"
        )
        subject = dict(zip(LANGUAGES, subjects.reference(), strict=True))[language]
        self.variables = {**os.environ, **subject.variables}
        self.command = [*subject.command(13, self.configuration), "--foreground"]

    def make(self, name: str, script: str) -> Path:
        """A job, not yet in the spool."""
        job = self.folder / "made" / name
        job.write_text(f"#!/bin/sh\n{script}\n")
        job.chmod(0o755)
        return job

    def drop(self, name: str, script: str) -> None:
        self.make(name, script).rename(self.new / name)

    def start(self, *before: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([*before, *self.command], env=self.variables)

    def start_ready(self) -> "subprocess.Popen[bytes]":
        """Start one, and wait until it is ready.

        Where the last one was killed just as it started a job, the job has the lock of the PID file
        until its execve(2): whoever starts a daemon anew tries again then, as we do.
        """
        begun = self.count("ready")
        deadline = time.monotonic() + LIMIT
        daemon = self.start()
        while self.count("ready") == begun:
            assert time.monotonic() < deadline, self.log()[-2000:]
            time.sleep(0.002)
            if (code := daemon.poll()) == ALREADY_RUNNING:
                daemon = self.start()
            else:
                assert code is None, self.log()[-2000:]
        return daemon

    @contextmanager
    def daemon(self) -> "Iterator[subprocess.Popen[bytes]]":
        """One that is asked to stop at the end, and must do so cleanly."""
        with self.start_ready() as daemon:
            try:
                yield daemon
                daemon.terminate()
                assert daemon.wait(LIMIT) == 0, self.log()
            finally:
                daemon.kill()

    def log(self) -> str:
        with suppress(FileNotFoundError):
            return (self.folder / "log").read_text(errors="replace")
        return ""

    def events(self, event: str) -> list[dict[str, object]]:
        """Lines that a kill has torn are none."""
        found = []
        for line in self.log().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [one for one in found if one["event"] == event]

    def count(self, event: str) -> int:
        return self.log().count(f'"event":"{event}"')

    def names(self, folder: str) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(os.listdir(self.spool / folder))
        return []

    def idle(self) -> bool:
        return not any(self.names(folder) for folder in ("new", "cur", "id", "pipe"))

    def rows(self) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(self.folder / "results.db")) as database:
            database.row_factory = sqlite3.Row
            return database.execute("SELECT * FROM results ORDER BY rowid").fetchall()

    def row(self, job: str) -> sqlite3.Row:
        (row,) = (row for row in self.rows() if row["job"] == job)
        return row


class Dropper(threading.Thread):
    """Drops jobs until it is over, and counts how often each name."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house, self.over = house, threading.Event()
        self.dropped: Counter[str] = Counter()
