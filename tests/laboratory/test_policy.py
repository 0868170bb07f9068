"""The instructor's course.toml: what it decides, and what is said of a wrong one."""

import datetime as dt
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from daemonlab import course, policy, report, schedule
from daemonlab.checks import Verdict
from daemonlab.house import CHAPTERS
from daemonlab.judge import Outcome, Result
from daemonlab.policy import Late, Policy, PolicyError
from daemonlab.subjects import Subject
from rich.console import Console
from student import Copy

EXAMPLE = CHAPTERS / "examples" / "course.toml"
LABS = course.labs()
DAY = dt.timedelta(days=1)


def load(folder: Path, text: str) -> Policy:
    """The policy of a file with this text."""
    path = folder / "course.toml"
    path.write_text(text, encoding="utf-8")
    return policy.load(LABS, path)


# --- what it says


def test_without_a_file(tmp_path: Path) -> None:
    """All labs, both languages, everything shown, hints free, no dates, nothing off."""
    found = policy.load(LABS, tmp_path / "course.toml")
    assert found.labs == tuple(lab.number for lab in LABS)
    assert [found.terms[lab.number].points for lab in LABS] == [lab.points for lab in LABS]
    assert (found.given, found.to_do) == ("none", ("c", "python"))
    assert all(found.shows(part) for part in ("observed", "expected", "why", "next"))
    assert found.hints_cost(3) == 0 and found.late.percent(100 * DAY) == 0
    assert found == load(tmp_path, "")


def test_example_of_the_book() -> None:
    """The file that the book shows is read, and says what the book says."""
    found = policy.load(LABS, EXAMPLE)
    assert found.labs == (1, 2, 3, 4) and found.title
    assert (found.given, found.to_do) == ("c", ("python",))
    assert [found.hint_cost(tier) for tier in (1, 2, 3)] == [0, 0.5, 1]
    assert found.hints_cost(3) == 1.5
    assert found.terms[3].due == dt.datetime(2026, 11, 9, 18).astimezone()
    assert found.terms[1].due == dt.datetime(2026, 10, 19, 23, 59, 59).astimezone()


def test_the_book_names_every_key() -> None:
    """Each key has its row in the table, and no row is left over."""
    page = (CHAPTERS / "reference" / "course.md").read_text("utf-8")
    text = page.split("{#keys}")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| `([\w.]+)` \|", text)
    tables = {
        "hints": course.TIERS,
        "late": ("percent_per_day", "at_most", "accepted_days"),
        "lab": ("N.points", "N.opens", "N.due"),
    }
    wanted = {
        f"{key}.{inner}" if inner else key
        for key in policy._KEYS
        for inner in tables.get(key, ("",))
    }
    assert sorted(rows) == sorted(wanted)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("labs = [1, 99]", "labs: expected labs that are here (1, 2"),
        ("labs = []", "labs: expected a list of numbers"),
        ("labs = 3", "labs: expected a list of numbers"),
        ("labs = [true]", "labs: expected labs that are here"),
        ("labs = [1, 1]", "labs: expected each lab once"),
        ("lab = 3", "lab: expected a table, found 3"),
        ("laps = [1]", "laps: there is no such key; there are title, labs"),
        ("title = 3", "title: expected a text on one line, found 3"),
        ('given = "C"', "given: expected one of c, python, none, found 'C'"),
        ('to_do = ["rust"]', "to_do: expected one of c, python, found 'rust'"),
        ("to_do = []", "to_do: expected a list of c, python, found []"),
        ('given = "c"\nto_do = ["c"]', "to_do: expected what is not given (python)"),
        ('failures = "little"', "failures: expected one of full, observed, title"),
        ("[hints]\nanswer = 1", "hints.answer: there is no such key; there are question"),
        ("[hints]\nrecipe = -1", "hints.recipe: expected a number from 0 on, found -1"),
        ("[hints]\nrecipe = inf", "hints.recipe: expected a number from 0 on, found inf"),
        ("[hints]\nrecipe = nan", "hints.recipe: expected a number from 0 on, found nan"),
        ("[late]\npercent_per_day = 'ten'", "late.percent_per_day: expected a number from 0 to"),
        ("[late]\nat_most = 101", "late.at_most: expected a number from 0 to 100, found 101"),
        ("[late]\naccepted_days = 1.5", "late.accepted_days: expected a whole number of days"),
        ("[lab.99]\npoints = 1", "lab.99: there is no such key"),
        ("labs = [1]\n[lab.2]\npoints = 1", "lab.2: there is no such key; there are 1"),
        ("[lab.1]\npoint = 1", "lab.1.point: there is no such key; there are points"),
        ("[lab.1]\npoints = true", "lab.1.points: expected a number from 0 on, found True"),
        ('[lab.1]\ndue = "2026-10-19"', "lab.1.due: expected a date without quotes"),
        ("[lab.1]\nopens = 2026-10-19\ndue = 2026-10-12", "lab.1.due: expected a time after"),
        ("labs = [1\n= 2", "line 2: = 2: "),
        ("[lab.1]\ndue = 2026-13-45", "line 2: due: expected a date that there is, such as 2026-"),
        ("[lab.1]\n\nopens = 19.10.2026 # soon", "line 3: opens: expected a date that there is"),
        ("[lab.1]\ndue = 2026-10-19 25:00:00", "line 2: due: expected a date that there is"),
    ],
)
def test_wrong(text: str, says: str, tmp_path: Path) -> None:
    """A mistake is refused: file, key, what was expected and what was found."""
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith("course.toml: ") and says in str(caught.value)


# --- what a result counts

RULES = [
    (0 * DAY, 0),
    (-DAY, 0),
    (dt.timedelta(seconds=1), 10),
    (DAY, 10),
    (DAY + dt.timedelta(seconds=1), 20),
    (3 * DAY, 25),
    (5 * DAY, 25),
    (5 * DAY + dt.timedelta(seconds=1), 100),
]


@pytest.mark.parametrize(("late", "percent"), RULES, ids=[str(late) for late, _ in RULES])
def test_late(late: dt.timedelta, percent: float) -> None:
    """So much for each day that has begun, up to a limit; after some days nothing counts."""
    assert Late(percent_per_day=10, at_most=25, accepted_days=5).percent(late) == percent


def test_worth(tmp_path: Path) -> None:
    """Points are scaled, hints cost, being late costs; what is in time and whole counts whole."""
    lab = LABS[0]
    text = "[late]\npercent_per_day = 50\n[lab.1]\npoints = 10\ndue = 2026-10-19T12:00:00Z"
    found = load(tmp_path, text)
    due = found.terms[1].due
    assert due is not None
    assert found.worth(lab, lab.points) == 10
    assert found.worth(lab, lab.points, handed_in=due) == 10
    assert found.worth(lab, lab.points, handed_in=due + DAY) == 5
    assert found.worth(lab, lab.points / 2) == 5
    assert found.worth(lab, lab.points, hints=lab.points / 4) == 7.5
    assert found.worth(lab, 1, hints=3) == 0


# --- what a failure shows


def shown(which: str) -> str:
    """A failing result, printed as the policy says."""
    lab = LABS[0]
    verdict = Verdict(False, "observed this", "expected that", "evidence here")
    outcomes = tuple(
        Outcome(check, verdict if n == 0 else Verdict(True, "fine", "", ""), check.scenarios[0])
        for n, check in enumerate(lab.checks)
    )
    facts = {outcomes[0].scenario: {"output": SimpleNamespace(value="none")}}
    record = SimpleNamespace(
        output="",
        trouble="",
        starter_seconds=1.0,
        not_executed="",
        settings=None,
        stuck=(),
        last=None,
        log=b"",
    )
    records = {outcomes[0].scenario: record}
    subject = Subject("mine-c", "yours (C)", ("x",), files=(lab.skeleton("c"),))
    result = Result(subject, lab, outcomes, records, facts)  # type: ignore[arg-type]
    stream = io.StringIO()
    decided = Policy((1,), {}, failures=which)
    report.print_results(Console(file=stream, width=80), [result], decided.shows)
    return stream.getvalue()


PARTS = ("observed this", "evidence here", "expected that", LABS[0].checks[0].why[:30], "make hint")


@pytest.mark.parametrize(("which", "parts"), [("full", 5), ("observed", 2), ("title", 0)])
def test_detail_of_a_failure(which: str, parts: int) -> None:
    """The title of the check always; of the rest what the instructor chose."""
    text = shown(which)
    assert f"yours (C): {LABS[0].checks[0].title}" in text
    assert [part in text for part in PARTS] == [n < parts for n in range(5)]


def test_no_such_part_or_tier() -> None:
    """A caller that asks for what does not exist is told, not answered."""
    decided = Policy((1,), {})
    with pytest.raises(ValueError, match="no part 'solution'"):
        decided.shows("solution")
    for tier in (0, 4):
        with pytest.raises(ValueError, match="no tier"):
            decided.hint_cost(tier)


# --- the schedule


def printed(found: Policy, plain: bool) -> Sequence[str]:
    """The lines of the schedule."""
    stream = io.StringIO()
    schedule.print_schedule(Console(file=stream, width=80), found, LABS, plain)
    return stream.getvalue().splitlines()


def test_schedule_as_a_table() -> None:
    """Each lab of the course with its points and times, the sum, the rules; 80 columns."""
    lines = printed(policy.load(LABS, EXAMPLE), plain=False)
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if re.match(r" +\d ", line)]
    assert len(rows) == 4 and all("2026-1" in row for row in rows)
    assert "Mon 2026-11-09 18:00" in rows[2] and "Mon 2026-10-19" in rows[0]
    assert any("50" in line and "all" in line for line in lines)
    assert any("−10 % a day, at most 50 %, for 14 days" in line for line in lines)


def test_schedule_in_plain_words() -> None:
    """One line a lab, no box, whatever its length."""
    lines = printed(policy.load(LABS, EXAMPLE), plain=True)
    assert [line for line in lines if line.startswith("lab 2: descriptors: ")]
    assert not re.search("[│┃━─]", "\n".join(lines))


def test_commands_heed_it(house: Copy) -> None:
    """A lab that does not belong to the course is refused; a wrong file is told in one line."""
    (house.root / "course.toml").write_text('labs = [1, 2]\ngiven = "c"\n')
    run = house.daemonlab("lab", "3")
    assert run.code == 2 and "lab 3 is not part of this course" in run.errors
    run = house.daemonlab("schedule", "--json")
    assert [row["lab"] for row in json.loads(run.output)["labs"]] == [1, 2]
    (house.root / "course.toml").write_text("laps = [1]\n")
    for command in (["schedule"], ["lab", "1"], ["mine"]):
        run = house.daemonlab(*command)
        assert run.code == 2 and "laps: there is no such key" in run.errors, run
        assert "Traceback" not in run.errors


def test_only_the_language_to_do(house: Copy) -> None:
    """A module in the language that is given is not run, and not asked for."""
    (house.root / "course.toml").write_text('given = "c"\n')
    house.fill_in(2, "c")
    run = house.daemonlab("lab", "2")
    assert run.code == 0 and "yours (C)" not in run.output
    assert "descriptors.py" in run.words and "descriptors.c" not in run.words
    (house.root / "course.toml").unlink()
    assert "yours (C)" in house.daemonlab("lab", "2").output


def test_start_in_the_language_to_do(house: Copy) -> None:
    """What is given is not offered to be written, and a lab counts what the instructor says."""
    (house.root / "course.toml").write_text('given = "c"\n[lab.2]\npoints = 50\n')
    run = house.daemonlab("start", "2", "--plain")
    assert run.code == 0 and "50 points" in run.words and "" not in run.output.splitlines()
    assert "2. Open the file: labs/02-descriptors/descriptors.py" in run.words
    assert "descriptors.c" not in run.words and "descriptors.h" not in run.words
    run = house.daemonlab("hint", "2", "--check", "Starts,  and leaves a daemon")
    assert run.code == 0 and "(lab 2, Python)" in run.output
    run = house.daemonlab("hint", "2", "--check", "nothing")
    assert run.code == 2 and '  cloexec         or "' in run.errors, run
