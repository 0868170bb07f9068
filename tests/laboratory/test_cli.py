"""The command line does what its help says: exit codes, words, data, and nothing left behind."""

import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from daemonlab import course
from daemonlab.checks import CHECKS, Verdict
from daemonlab.cli import main
from daemonlab.facts import documentation
from daemonlab.judge import Outcome, Result
from daemonlab.report import print_results
from daemonlab.subjects import Subject
from observed import sleeping, until
from rich.console import Console
from student import FULL, Copy, Run

pytestmark = pytest.mark.usefixtures("nothing_left")

LIMIT = 120
"""Seconds for any command: reached only when something is broken."""
NOBODY = str(2**31 - 1)
"""No process has this number: the kernel's greatest is 2^22, proc_sys_kernel(5)."""


def daemonlab(*arguments: str, **variables: str) -> Run:
    """Run the command line as a program of its own, with its output in a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "daemonlab.cli", *arguments],
        env={**{k: v for k, v in os.environ.items() if k != "COLUMNS"}, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    return Run(done.returncode, done.stdout, done.stderr, 0)


def plain(run: Run, columns: int = 80) -> None:
    """What is no terminal gets lines that fit one, and nothing that one would obey."""
    assert all(len(line.rstrip()) <= columns for line in run.output.splitlines()), run.output
    assert all(c.isprintable() or c == "\n" for c in run.output + run.errors), run


# --- help and usage


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", *main.commands])
def test_help(command: str, option: str) -> None:
    """Each command explains itself and does nothing else."""
    run = daemonlab(*filter(None, [command]), option)
    assert run.code == 0 and run.errors == "", run
    assert run.output.startswith("Usage: ") and f" {command} ".strip() in run.output
    assert "Options:" in run.output
    plain(run, 100)


def test_version() -> None:
    """It tells its version."""
    run = daemonlab("--version")
    assert run.code == 0 and re.search(r"\d+\.\d+\.\d+", run.output), run


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lab", "99"], "there is no lab 99"),
        (["lab", "0"], "there is no lab 0"),
        (["lab", "one"], "'one' is not a valid integer"),
        (["lab"], "Missing argument 'NUMBER'"),
        (["observe"], "Missing argument 'PID...'"),
        (["observe", "init"], "'init' is not a valid integer"),
        (["run"], "Missing argument 'COMMAND...'"),
        (["run", "no-such-program"], "no-such-program: no such program"),
        (["run", "./no-such-program"], "no-such-program: no such program"),
        (["run", "--environment", "kind", "--", "true"], "'kind' is not one of"),
        (["run", "--wait", "0", "--", "true"], "0"),
        (["dance"], "No such command 'dance'"),
    ],
    ids=" ".join,
)
def test_usage(arguments: list[str], says: str) -> None:
    """What cannot be asked for ends with 2, and standard error says why."""
    run = daemonlab(*arguments)
    assert (run.code, run.output) == (2, ""), run
    assert says in run.errors and "Traceback" not in run.errors
    plain(run)


def test_lab_that_is_still_to_come() -> None:
    """A lab that is planned is told from one that never will be."""
    if 9 in {lab.number for lab in course.labs()}:
        pytest.skip("lab 9 is there")
    run = daemonlab("lab", "9")
    assert run.code == 2 and "lab 9 is not there yet" in run.errors, run


# --- observe


def test_observe() -> None:
    """A process is shown: who it is, where it stands, what it holds."""
    with sleeping() as pid:
        run = daemonlab("observe", str(pid))
    assert run.code == 0 and run.errors == "", run
    assert f"{pid} sh" in run.output
    assert re.search(rf"parent +{os.getpid()}\b", run.output)
    assert re.search(r"(?m)^0 .*pipe:", run.output)
    plain(run)


def test_observe_nobody() -> None:
    """A process that is not there ends with 1; those that are there are shown all the same."""
    run = daemonlab("observe", NOBODY)
    assert (run.code, run.output) == (1, "") and f"{NOBODY}: " in run.errors, run
    assert "Traceback" not in run.errors
    with sleeping() as pid:
        run = daemonlab("observe", NOBODY, str(pid))
    assert run.code == 1 and f"{pid} sh" in run.output and NOBODY in run.errors, run


def test_observe_as_json() -> None:
    """The snapshot as data has everything that the text has."""
    with sleeping() as pid:
        run = daemonlab("observe", "--json", str(pid))
    assert run.code == 0, run
    seen = json.loads(run.output)
    assert seen["process"]["pid"] == pid and seen["ppid"] == os.getpid()
    assert seen["comm"] == "sh" and seen["state"] == "S"
    assert [fd["number"] for fd in seen["descriptors"]][:2] == [0, 1]
    plain(run, 100_000)


# --- run

SESSION = "setsid sleep 60 &"
WIDE = "160"
"""Columns at which no cell of the table is folded: what is looked for stands in one line."""


def row(run: Run, title: str) -> str:
    """The line of a table that begins so."""
    return next(line for line in run.output.splitlines() if line.startswith(title))


def test_run() -> None:
    """The example of the help: a session leader, told as such. The fixture saw that it is gone."""
    run = daemonlab("run", "--environment", "friendly", "--", "sh", "-c", SESSION)
    assert run.code == 0 and run.errors == "", run
    assert "✗ yes" in row(run, "session leader")
    assert "✓ reaper" in row(run, "parent")
    assert "✗ killed by SIGTERM" in row(run, "on SIGTERM")
    assert re.search(r"(?m)^process \d+ sleep$", run.output)
    plain(run)


@pytest.mark.parametrize("environment", ["friendly", "hostile", "bare"])
def test_run_in_each_environment(environment: str) -> None:
    """In each environment a command is found and run. The bare one has no PATH: the default's."""
    command = ["--environment", environment, "--", "/bin/sh", "-c", "exit 3"]
    run = daemonlab("run", *command, COLUMNS=WIDE)
    assert run.code == 0 and "the starter ended with 3" in row(run, "starts"), run.output
    plain(run, int(WIDE))


def test_run_in_the_foreground() -> None:
    """A service that stays in the foreground is looked at when its time to return is over."""
    command = ["--environment", "friendly", "--wait", "0.2", "--", "sleep", "60"]
    run = daemonlab("run", *command, COLUMNS=WIDE)
    assert run.code == 0 and "the starter does not return" in row(run, "starts"), run.output
    assert re.search(r"(?m)^process \d+ sleep$", run.output)


def test_run_as_json() -> None:
    """What was observed as data; options after -- are the command's."""
    run = daemonlab("run", "--json", "--environment", "friendly", "--", "sh", "-c", SESSION)
    assert run.code == 0, run
    record = json.loads(run.output)
    assert record["command"] == ["sh", "-c", SESSION]
    assert record["starter_code"] == 0
    assert record["daemon"]["session"] == record["daemon"]["process"]["pid"]
    assert [reaction["action"] for reaction in record["reactions"]] == ["logout", "TERM"]
    assert not Path(record["scratch"]).exists()


def test_run_what_prints_escapes() -> None:
    """What a command prints cannot act on the reader's terminal."""
    script = r"printf '\033[2J\007\302\233red\r\n'"
    run = daemonlab("run", "--environment", "friendly", "--", "sh", "-c", script)
    assert run.code == 0 and r"\x1b[2J\x07" in run.output, run
    plain(run)


def test_run_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is that from where we stand, though the command is started elsewhere."""
    (tmp_path / "it").write_text("#!/bin/sh\nexit 5\n")
    (tmp_path / "it").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    run = daemonlab("run", "--environment", "friendly", "./it", COLUMNS=WIDE)
    assert run.code == 0 and "the starter ended with 5" in row(run, "starts"), run.output


# --- lab and mine


def test_lab(house: Copy) -> None:
    """The reference and its port pass, side by side, at the width that was asked for."""
    for columns in (80, 120):
        run = house.daemonlab("lab", "1", variables={"COLUMNS": str(columns)}, limit=LIMIT)
        assert run.code == 0 and run.errors == "", run
        assert "✗" not in run.output and run.words.count(FULL) == 2
        plain(run, columns)
        assert max(map(len, run.output.splitlines())) > columns * 0.8


def test_lab_as_json(house: Copy) -> None:
    """The results as data, under names that do not change."""
    run = house.daemonlab("lab", "1", "--json", limit=LIMIT)
    assert run.code == 0 and run.errors == "", run
    data: dict[str, Any] = json.loads(run.output)
    assert set(data) == {"results", "broken", "regressions"} and data["broken"] == []
    assert [result["subject"] for result in data["results"]] == ["c", "python"]
    for result in data["results"]:
        assert set(result) == {"lab", "subject", "points", "of", "passed", "checks", "facts"}
        assert (result["lab"], result["points"], result["of"]) == (
            1,
            course.lab(1).points,
            course.lab(1).points,
        )
        assert result["passed"] is True
        assert set(result["facts"]["friendly"]) == set(documentation())
        for check in result["checks"]:
            names = {"id", "points", "passed", "scenario", "observed", "expected", "evidence"}
            assert set(check) == names and check["id"] in CHECKS


def test_lab_as_json_with_a_broken_module(house: Copy) -> None:
    """What does not compile is told as data too; the exit code is 1 and the JSON still whole."""
    house.skeleton(1, "c").write_text("int nothing(\n")
    run = house.daemonlab("lab", "1", "--json", limit=LIMIT)
    data = json.loads(run.output)
    assert run.code == 1 and len(data["results"]) == 2, run
    assert "labs/01-detach/detach.c does not compile" in data["broken"][0]


def test_lab_in_one_language(house: Copy) -> None:
    """With --language: the reference in it, and yours; the other file is not looked at."""
    house.fill_in(2, "python")
    house.skeleton(2, "c").write_text("int nothing(\n")
    run = house.daemonlab("lab", "2", "--language", "python", "--json", limit=LIMIT)
    names = [result["subject"] for result in json.loads(run.output)["results"]]
    assert run.code == 0 and names == ["python", "mine-python"], run
    run = house.daemonlab("lab", "2", "--language", "c", limit=LIMIT)
    assert run.code == 1 and "does not compile" in run.words and "Python" not in run.output, run


def test_what_is_next(house: Copy) -> None:
    """A lab that is green names what comes next: the next lab, or the other language, if that is
    not green yet. After the last lab there is the whole daemon."""
    house.fill_in(2, "c")
    run = house.daemonlab("lab", "2", limit=LIMIT)
    assert "Lab 2 is green in C. Next: make start-3; or the same in Python, labs/02-" in run.words
    house.fill_in(2, "python")
    run = house.daemonlab("lab", "2", limit=LIMIT)
    assert run.words.endswith("Lab 2 is green in C and Python. Next: make start-3."), run
    plain(run)
    house.skeleton(2, "c").write_text("int nothing(\n")
    assert "Next:" not in house.daemonlab("lab", "2", limit=LIMIT).words


@pytest.mark.parametrize("number", [lab.number for lab in course.labs()])
@pytest.mark.parametrize("own", [0, 1, 2])
def test_table_fits(number: int, own: int) -> None:
    """Of two, three and four subjects: a line a check, within 80 columns, no title cut off."""
    lab = course.lab(number)
    names = {"c": "C", "python": "Python", "mine-c": "yours (C)", "mine-python": "yours (Python)"}
    outcomes = tuple(
        Outcome(check, Verdict(True, "exit 1, says why, nothing left", ""), check.scenarios[0])
        for check in lab.checks
    )
    those = [
        Result(Subject(name, title, ()), lab, outcomes, {}, {})
        for name, title in [*names.items()][: 2 + own]
    ]
    console = Console(width=80, file=io.StringIO(), record=True)
    print_results(console, those)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) <= len(lab.checks) + 6 <= 22, lines
    for check in lab.checks:
        rows = [line for line in lines if line.split("│")[0].strip() == check.title]
        assert len(rows) == 1, (check, lines)


@pytest.mark.parametrize(
    "command", ["progress", "lab 2", "lab 2 --json", "observe 1", "hint 1", "schedule --plain"]
)
def test_reader_that_leaves(command: str, house: Copy) -> None:
    """Whoever reads only the beginning gets no complaint, and the exit code is that of the work."""
    with house.start(*command.split()) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.wait(LIMIT) == 0 and process.stderr.read() == ""


def test_watch_whose_reader_leaves(house: Copy) -> None:
    """Nobody is there any more for whom to watch."""
    with house.start("watch", "2") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(LIMIT) == 1


def test_mine(house: Copy) -> None:
    """Every lab with the modules of one's own; who has none is told how to begin."""
    run = house.daemonlab("mine", limit=LIMIT)
    assert run.code == 0 and "You have not begun" in run.words, run
    house.fill_in(2, "c")
    house.fill_in(3, "python")
    run = house.daemonlab("mine", limit=LIMIT)
    assert run.code == 0 and "✗" not in run.output, run.output + run.errors
    assert run.words.count("yours (C)") == run.words.count("yours (Python)") == 1
    assert re.search(r"(?m)^✓ lab 2 +descriptors +yours \(C\) +12 of 12$", run.output)
    assert re.search(r"(?m)^✓ lab 2 +descriptors +the reference \(Python\) +12 of 12$", run.output)
    assert len(run.output.splitlines()) == 2 * len(course.labs()), "a line a lab"
    plain(run)


def test_mine_with_a_broken_module(house: Copy) -> None:
    """A module that does not compile is told after what the others did; the exit code is 1."""
    house.fill_in(3, "python")
    house.skeleton(4, "c").write_text("int nothing(\n")
    run = house.daemonlab("mine", limit=LIMIT)
    assert run.code == 1 and "Traceback" not in run.errors, run.output + run.errors
    assert "labs/04-pidfile/pidfile.c does not compile" in run.words
    assert "make reset-4 brings" in run.words
    assert run.words.count("the reference (Python)") == len(course.labs()) - 1


# --- when it cannot go on


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (f"{resource.RLIMIT_FSIZE}, (0, 0)", "no temporary folder can be made: "),
        (f"{resource.RLIMIT_NOFILE}, (8, 8)", "Too many open files; end some processes, or raise "),
    ],
    ids=["files", "descriptors"],
)
@pytest.mark.parametrize("command", [("lab", "1"), ("run", "--", "true")], ids=" ".join)
def test_system_refuses(limit: str, says: str, command: tuple[str, ...], house: Copy) -> None:
    """What the system does not grant is told in a line, with a remedy; the exit code is 1."""
    script = (
        "import resource, sys\n"
        "from daemonlab import cli\n"
        f"resource.setrlimit({limit})\n"
        "cli.main(sys.argv[1:], prog_name='daemonlab')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        env={**os.environ, "PYTHONPATH": str(house.root / "python")},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 1 and done.stdout == "", done
    assert says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("whom", ["group", "laboratory"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(number: signal.Signals, whom: str, house: Copy, temporary: Path) -> None:
    """Ctrl-C, kill(1) or a terminal that is closed: no process and no folder is left when it has
    ended, nor a traceback. The fixtures look for processes."""
    with house.start("lab", "4") as process:
        try:
            until(lambda: len(list(temporary.glob("daemonlab-*/labd.ini"))) > 2)
            if whom == "group":
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            output, errors = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
    assert process.returncode == (1 if number == signal.SIGINT else 128 + number), errors
    assert (output, "Traceback" in errors) == ("", False), errors
    assert not list(temporary.glob("daemonlab-*"))


@pytest.mark.parametrize("door", ["front", "cli"])
def test_interrupted_while_it_is_imported(door: str, tmp_path: Path) -> None:
    """Ctrl-C ends the command `daemonlab` in silence, as early as it comes; without its door one
    would see a traceback."""
    (tmp_path / "click.py").write_text("import os, time\nos.write(1, b'here')\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, "-c", f"from daemonlab import {door}; {door}.main()"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.read(4) == b"here"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT
    assert (b"Traceback" in errors, errors == b"") == (
        (False, True) if door == "front" else (True, False)
    )


def test_the_command_goes_through_its_door() -> None:
    """What is installed begins there, and goes on as it should, also with SIGINT ignored."""
    (found,) = [one for one in entry_points(group="console_scripts") if one.name == "daemonlab"]
    assert found.value == "daemonlab.front:main"
    for prefix in ("", "trap '' INT; "):
        line = f'{prefix}exec "$0" -c "from daemonlab.front import main; main()" labs'
        done = subprocess.run(["sh", "-c", line, sys.executable], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("1 2"), done


# --- skeletons


def test_skeletons(house: Copy) -> None:
    """They are derived; who has begun is not overwritten but by force; stale ones are named."""
    assert house.daemonlab("skeletons", "--check").code == 0
    path = house.fill_in(1, "c")
    done = path.read_bytes()
    run = house.daemonlab("skeletons")
    assert run.code == 1 and "labs/01-detach/detach.c" in run.words.replace(" ", ""), run
    assert "Traceback" not in run.errors and path.read_bytes() == done
    run = house.daemonlab("skeletons", "--force")
    assert (run.code, run.output) == (0, "labs/01-detach/detach.c\n"), run
    assert b"TODO" in path.read_bytes()
    source = house.reference("detach", "python")
    source.write_text(source.read_text().replace("def detach_settle(", "def detach_settled("))
    run = house.daemonlab("skeletons", "--check")
    assert run.code == 1 and "01-detach/detach.py" in run.output, run
