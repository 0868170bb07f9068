"""progress.toml: what was done is kept, whatever else stands there, and never lost."""

import errno
import io
import multiprocessing
import os
import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from daemonlab import course, hints, policy, progress, standing
from daemonlab.progress import NOT_BUILT, Entry, Progress, ProgressError, recorded
from daemonlab.text import printable
from rich.console import Console

WHEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def green(entry: Entry, when: datetime = WHEN) -> None:
    """A run in which every check passed."""
    entry.ran(points=15, of=15, failing="", when=when)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to be."""
    return tmp_path / "progress.toml"


def test_without_a_file(path: Path) -> None:
    """Nothing was done yet; and looking makes no file."""
    with recorded(path) as found:
        assert found.entry(1, "c") == Entry()
        assert not found.labs
    assert not path.exists()


def test_what_was_done_is_there_again(path: Path) -> None:
    """All that an entry says, of two labs, in two languages."""
    with recorded(path) as found:
        green(found.entry(3, "c"))
        found.entry(3, "c").hinted("mask", 2)
        found.entry(11, "python").ran(points=2, of=9, failing="stop-signals", when=WHEN)
    again = Progress.load(path)
    assert again.labs == ((3, "c"), (11, "python"))
    assert again.entry(3, "c") == Entry(
        points=15,
        of=15,
        runs=1,
        first_run=WHEN,
        last_run=WHEN,
        first_green=WHEN,
        hints={"mask": 2},
    )
    assert again.entry(11, "python").failing == "stop-signals"
    assert again.text() == path.read_text()


def test_green() -> None:
    """Green is what passed whole in the last run; the first time is kept, come what may."""
    entry = Entry()
    assert not entry.green
    green(entry)
    green(entry, WHEN + timedelta(days=1))
    assert entry.green and entry.first_green == WHEN
    entry.ran(points=0, of=15, failing=NOT_BUILT, when=WHEN + timedelta(days=2))
    assert not entry.green and entry.first_green == WHEN
    assert (entry.runs, entry.points, entry.last_run) == (3, 0, WHEN + timedelta(days=2))


def test_a_check_that_was_not_reached_is_not_green() -> None:
    """Nothing failed, and yet there are not all points."""
    entry = Entry()
    entry.ran(points=14, of=15, failing="", when=WHEN)
    assert not entry.green and entry.first_green is None


def test_hints_are_counted_once() -> None:
    """To be shown a tier again counts nothing."""
    entry = Entry()
    for tier in (1, 2, 1):
        entry.hinted("mask", tier)
    entry.hinted("hup", 1)
    assert (entry.hints, entry.hints_shown) == ({"mask": 2, "hup": 1}, 3)


FOREIGN = """\
name = "a \\"student\\" \\u007f \\\\ ü"
note = ['one', "two", 3, 4.5, true, {deep = {er = 1}, 'a key' = 2}]
born = 1999-12-31
at = 07:32:00
inf = inf

[lab.2.c]
points = 3
of = 12
runs = 2
mood = "good"

[lab.2.c.watch]
seconds = 12

[lab.2.notes]
text = "kept"

[course."of ours"]
term = 2
[[course.week]]
day = "Monday"
[[course.week]]
day = "Friday"
"""


def test_unknown_keys_are_kept(path: Path) -> None:
    """Keys that others have put there are there afterwards, wherever they stood."""
    path.write_text(FOREIGN)
    before = tomllib.loads(FOREIGN)
    with recorded(path) as found:
        found.entry(2, "c").hinted("inherited", 1)
    after = tomllib.loads(path.read_text())
    assert after["lab"]["2"]["c"].pop("hints") == {"inherited": 1}
    assert after["lab"]["2"]["c"].pop("failing") == ""
    assert after == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[lab.1.c\n", "line 1"),
        ("lab = 3\n", "lab: expected a table, found 3"),
        ("[lab.one.c]\nruns = 1\n", "lab.one: expected the number of a lab"),
        ("[lab.1.c]\nruns = 'two'\n", "lab.1.c.runs: expected a number, found 'two'"),
        ("[lab.1.c]\nruns = true\n", "lab.1.c.runs: expected a number, found True"),
        ("[lab.1.c]\npoints = -1\n", "lab.1.c.points: expected no negative number"),
        ("[lab.1.c]\nfirst_green = 'May'\n", "lab.1.c.first_green: expected a date with a time"),
        ("[lab.1.c]\nfirst_green = 2026-03-01\n", "lab.1.c.first_green: expected a date with"),
        ("[lab.1.c]\nhints = 3\n", "lab.1.c.hints: expected a table"),
        ("[lab.1.c.hints]\nmask = 'all'\n", "lab.1.c.hints.mask: expected a number"),
        ("<<<<<<< ours\n", "line 1"),
    ],
)
def test_broken_file(text: str, says: str, path: Path) -> None:
    """It is named, with what is wrong in it and the remedy, and stays as it is."""
    path.write_text(text)
    with pytest.raises(ProgressError) as caught, recorded(path):
        pytest.fail("a broken file was taken for a good one")
    for word in (str(path), says, "mend it, or move it away"):
        assert word in str(caught.value)
    assert path.read_text() == text


def test_no_text(path: Path) -> None:
    """Bytes that are no UTF-8 are a broken file like any other."""
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ProgressError, match=r"progress\.toml: .*utf-8"):
        Progress.load(path)
    assert path.read_bytes() == b"\xff\xfe"


def test_time_without_a_zone(path: Path) -> None:
    """One that a person typed is that of the machine: it can be compared with ours."""
    path.write_text("[lab.1.c]\nlast_run = 2026-03-01T12:30:00\n")
    found = Progress.load(path).entry(1, "c").last_run
    assert found is not None and found.tzinfo is not None
    assert found.replace(tzinfo=None) == datetime(2026, 3, 1, 12, 30)


def test_written_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: the file is as it was, nothing lies beside it, and it is told."""
    with recorded(path) as found:
        green(found.entry(1, "c"))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(progress.os, "fsync", full)
    says = r"progress\.toml cannot be written: No space left"
    with pytest.raises(ProgressError, match=says), recorded(path) as found:
        green(found.entry(2, "c"))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_what_is_raised_within_writes_nothing(path: Path) -> None:
    """An exception, or Ctrl-C, in between leaves the file as it was."""
    with pytest.raises(KeyboardInterrupt), recorded(path) as found:
        green(found.entry(1, "c"))
        raise KeyboardInterrupt
    assert not list(path.parent.iterdir())


def _run_often(path: Path, language: str) -> None:
    for _ in range(50):
        with recorded(path) as found:
            green(found.entry(1, language))
            green(found.entry(2, "c"))


def test_two_at_once(path: Path) -> None:
    """Of two terminals none loses what the other has noted."""
    both = [multiprocessing.Process(target=_run_often, args=(path, one)) for one in ("c", "python")]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    found = Progress.load(path)
    assert [one.exitcode for one in both] == [0, 0]
    assert (found.entry(1, "c").runs, found.entry(1, "python").runs) == (50, 50)
    assert found.entry(2, "c").runs == 100


def test_the_umask_decides_about_the_mode(path: Path) -> None:
    """It is a file like any other that one makes."""
    before = os.umask(0o027)
    try:
        with recorded(path) as found:
            green(found.entry(1, "c"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


# --- how it is shown


def rows(found: Progress) -> dict[tuple[int, str], standing.Row]:
    """The rows by lab and language."""
    return {
        (row.number, row.language): row
        for row in standing.rows(course.labs(), found, policy.read({}, course.labs()))
    }


def test_every_lab_has_a_row(path: Path) -> None:
    """Thirteen labs: those that are there, and those to come."""
    found = rows(Progress(path))
    assert sorted({number for number, _ in found}) == list(range(1, course.LAST_LAB + 1))
    there = {lab.number for lab in course.labs()}
    for (number, _), row in found.items():
        assert (row.words == "to come") == (number not in there)


def test_what_a_row_says(path: Path) -> None:
    """Both languages; what fails by its title; how long it took."""
    known = Progress(path)
    known.entry(1, "c").ran(points=3, of=20, failing="session", when=WHEN)
    green(known.entry(1, "python"), WHEN)
    entry = known.entry(3, "c")
    entry.ran(points=0, of=15, failing=NOT_BUILT, when=WHEN)
    green(known.entry(2, "c"), WHEN)
    known.entry(2, "c").first_run = WHEN - timedelta(hours=25, minutes=3)
    known.entry(2, "c").ran(points=1, of=12, failing="no-such-check", when=WHEN)
    found = rows(known)
    assert found[1, "c"].words == "fails: session" and found[1, "c"].sign == "✗"
    assert found[1, "python"].words.startswith("green on 1 Mar")
    assert found[3, "c"].words == "does not compile"
    assert re.fullmatch(r"fails: no-such-check; was green on 1 Mar", found[2, "c"].words)
    labs = course.labs()
    assert "C: 4 of " in standing.total(labs, known, policy.read({}, labs))[0]


def test_file_of_somebody_else(path: Path) -> None:
    """The file may be carried along: what stands in it does nothing to a terminal, nor to the
    table."""
    known, labs = Progress(path), course.labs()
    for name in ("[/]", "\x1b]0;gone\x07", "[red]no-such-check[/red]"):
        known.entry(1, "c").ran(points=3, of=20, failing=name, when=WHEN)
        shown = io.StringIO()
        standing.show(Console(file=shown, width=120), labs, known, policy.read({}, labs))
        text = shown.getvalue()
        assert printable(name) in text and "\x1b" not in text and "\x07" not in text
        said = hints.next_hint(labs[0], known, "c").words
        assert printable(name) in said and said.isprintable()


def test_fits_a_screen(path: Path) -> None:
    """The whole of it fits 24 lines of 80 columns, with one language in every lab, and the other in
    two; the labs to come take one line."""
    known, labs = Progress(path), course.labs()
    for lab in labs:
        title = max((check.id for check in lab.checks), key=len)
        known.entry(lab.number, "c").ran(points=1, of=lab.points, failing=title, when=WHEN)
    for number in (1, 2):
        green(known.entry(number, "python"), WHEN)
        known.entry(number, "python").first_run = WHEN - timedelta(hours=23, minutes=58)
        known.entry(number, "python").runs = 1234
    console = Console(width=80, file=io.StringIO(), record=True)
    standing.show(console, labs, known, policy.read({}, labs))
    lines = console.export_text().splitlines()
    assert len(lines) < 24 and max(map(len, lines)) <= 80, lines
    assert sum("to come" in line for line in lines) == 1, lines
    assert sum("green on 1 Mar, after 23 h 58 min" in line for line in lines) == 2, lines
    assert (
        sum("to come" in line for line in standing.plain(labs, known, policy.read({}, labs))) == 1
    )


def test_hints_are_paid_for(path: Path) -> None:
    """What the tiers that were shown cost by course.toml stands beside the points."""
    known, labs = Progress(path), course.labs()
    entry = known.entry(1, "c")
    entry.ran(points=3, of=20, failing="session", when=WHEN)
    entry.hinted("session", 2)
    entry.hinted("leader", 1)
    terms = replace(policy.read({}, labs), hints=(0.5, 1.0, 2.0))
    assert standing.hints_cost(entry, terms) == 0.5 + 1.0 + 0.5
    assert "points, less 2 for hints, 0 of" in standing.total(labs, known, terms)[0]
    assert "less" not in standing.total(labs, known, policy.read({}, labs))[0]


def test_as_the_instructor_has_it(tmp_path: Path) -> None:
    """Labs that course.toml leaves out, and the language that is given, are not shown; points that
    it gives a lab are counted."""
    labs = course.labs()
    terms = policy.read({"labs": [2, 3], "given": "c", "lab": {"2": {"points": 50}}}, labs)
    known = Progress(tmp_path / "progress.toml")
    assert standing.total(labs, known, terms) == [
        "Nothing was run yet: make lab-2 says how to begin."
    ]
    for number in (1, 2):
        for language in ("c", "python"):
            lab = labs[number - 1]
            known.entry(number, language).ran(
                points=lab.points, of=lab.points, failing="", when=WHEN
            )
    found = [(row.number, row.language) for row in standing.rows(labs, known, terms)]
    assert found == [(2, "python"), (3, "")]
    of, worth = labs[1].points + labs[2].points, 50 + labs[2].points
    assert standing.total(labs, known, terms) == [
        f"Python: {labs[1].points} of {of} points, 1 of 2 labs green; counts 50 of {worth}"
    ]
    assert not any("to come" in line for line in standing.plain(labs, known, terms))


@pytest.mark.parametrize(
    ("took", "says"),
    [
        (timedelta(seconds=59), ""),
        (timedelta(minutes=5), ", after 5 min"),
        (timedelta(hours=2, minutes=1), ", after 2 h 1 min"),
        (timedelta(days=3, hours=4, minutes=5), ", after 3 d 4 h"),
        (timedelta(days=-1), ""),
    ],
)
def test_how_long_it_took(took: timedelta, says: str) -> None:
    """From the first run to the first that was green, also when the clock was put back."""
    entry = Entry(
        first_run=WHEN, first_green=(WHEN + took).astimezone(timezone(timedelta(hours=5)))
    )
    assert standing._took(entry) == says
