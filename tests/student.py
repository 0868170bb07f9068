"""A student's copy of the house: what stands in labs/ is theirs, and may be broken or hostile."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemonlab import course, subjects
from daemonlab.house import ROOT

LIMIT = 120
"""Seconds that any lab may take, whatever the student's module does."""

FULL = f"{course.lab(1).points} of {course.lab(1).points}"
"""What full points of lab 1 look like."""

SUFFIXES = {"c": "c", "python": "py"}
"""By language."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one command of the laboratory did."""

    code: int
    output: str
    errors: str
    seconds: float

    @property
    def words(self) -> str:
        """The output with lines folded by the table or the terminal put together again."""
        return " ".join((self.output + self.errors).split())

    def observed(self, subject: str, lab: int, check: str) -> str:
        """Of a run with --json: what a check of one subject found. Fails if it was not run."""
        results = json.loads(self.output)["results"]
        found = [one for one in results if (one["subject"], one["lab"]) == (subject, lab)]
        assert len(found) == 1, self
        return next(str(one["observed"]) for one in found[0]["checks"] if one["id"] == check)


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy, and what a student does there."""

    root: Path

    def reference(self, module: str, language: str) -> Path:
        """The source that the skeleton was made from."""
        folder = self.root / ("c/src" if language == "c" else "python/labd")
        return folder / f"{module}.{SUFFIXES[language]}"

    def skeleton(self, lab: int, language: str) -> Path:
        """The file in which the student works."""
        path = course.lab(lab).skeleton(SUFFIXES[language])
        return self.root / path.relative_to(ROOT)

    def fill_in(self, lab: int, language: str) -> Path:
        """Do the lab as the reference does; returns the file."""
        path = self.skeleton(lab, language)
        path.write_bytes(self.reference(path.stem, language).read_bytes())
        return path

    def hostile(self, lab: int, language: str, function: str, code: str, top: str = "") -> Path:
        """Do the lab as the reference does, but function first runs code; returns the file.

        The names in code are those of the language; top stands before the module.
        """
        path = self.fill_in(lab, language)
        source = path.read_text()
        if language == "c":
            head = re.search(rf"(?m)^int {function}\([^)]*\) {{\n", source)
            assert head is not None, f"{function} is not found in {path}"
            source = source[: head.end()] + code + source[head.end() :]
        else:
            body = textwrap.indent(textwrap.dedent(code).strip(), "    ")
            source += f"\n\n_as_it_was = {function}\n\n\ndef {function}(*those):\n{body}\n"
            source += "    return _as_it_was(*those)\n"
        path.write_text(f"{top}\n{source}")
        return path

    def start(
        self, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start the command line of the copy, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "daemonlab.cli", *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root / "python"), **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            process_group=0,
        )

    def daemonlab(
        self, *arguments: str, variables: Mapping[str, str] | None = None, limit: float = LIMIT
    ) -> Run:
        """Run the command line of the copy. Fails when it takes longer than limit seconds."""
        began = time.monotonic()
        with self.start(*arguments, variables=variables) as process:
            try:
                output, errors = process.communicate(timeout=limit)
            finally:
                process.kill()
        return Run(process.returncode, output, errors, time.monotonic() - began)


def running(below: Path) -> list[str]:
    """The processes, ourselves apart, that have a path below a folder in their command line, their
    program or their variables. A zombie has none of the three."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            traces = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            with suppress(OSError):  # a thread of the kernel has no program
                traces += os.fsencode(os.readlink(process / "exe"))
            if os.fsencode(below) in traces and int(process.name) != os.getpid():
                found.append((process / "stat").read_text(errors="replace"))
    return found


def copy_house(to: Path) -> Copy:
    """Copy what a lab needs, with the reference as it was built and nobody's work in labs/."""
    subjects.reference()
    nothing = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("c", "python", "labs", "docs", "build/c"):
        shutil.copytree(ROOT / name, to / name, ignore=nothing)
    for command in (
        ["-m", "daemonlab.cli", "skeletons", "--force"],
        # What the port imports is compiled here, not in each copy of this copy.
        ["-c", "from daemonlab import subjects; subjects.reference()"],
    ):
        subprocess.run(
            [sys.executable, *command],
            cwd=to,
            env={**os.environ, "PYTHONPATH": str(to / "python")},
            check=True,
            capture_output=True,
        )
    return Copy(to)
