"""The command line: read alike by both daemons, and refused with the same words."""

from pathlib import Path

import pytest
from twins import answer

CHECKED = [
    "--check",
    "--check --foreground --lab 13",
    "--lab 1 --check",
    "--lab=13 --check",
    "--lab 007 --check",
    "--lab 99 --lab 3 --check",
    "--check --",
    "-c /dev/null --check",
    "--check -c/dev/null",
    "--check --config /dev/null",
    "--check --config=/dev/null",
    "-c /nowhere -c /dev/null --check",
]

OPTION = "unknown option"
WRONG = "unknown option, missing value or unwanted value"
LAB = "--lab expects a number from 1 to 13"
ARGUMENT = "unexpected argument"

WRONG_LINES = [
    # the command line, the word that is complained about, and why
    ("--la 3", "--la", OPTION),
    ("--la=3", "--la=3", OPTION),
    ("--conf /dev/null", "--conf", OPTION),
    ("--f", "--f", OPTION),
    ("--checks", "--checks", OPTION),
    ("--check --nope -h", "--nope", OPTION),
    ("-- --nope", "--nope", OPTION),
    ("-x", "-x", WRONG),
    ("-hx", "-x", WRONG),
    ("-f", "-f", WRONG),
    ("-t", "-t", WRONG),
    ("-l 3", "-l", WRONG),
    ("--check=yes", "--check", WRONG),
    ("--check=", "--check", WRONG),
    ("-c", "--config", WRONG),
    ("--config", "--config", WRONG),
    ("--lab", "--lab", WRONG),
    ("--lab 0", "0", LAB),
    ("--lab 14", "14", LAB),
    ("--lab 4x", "4x", LAB),
    ("--lab=+5", "+5", LAB),
    ("--lab=-5", "-5", LAB),
    ("--lab=", "", LAB),
    ("--lab 99999999999999999999", "9" * 20, LAB),
    ("--lab ٣", "٣", LAB),
    ("--lab 99 --help", "99", LAB),
    ("stop", "stop", ARGUMENT),
    ("--check stop", "stop", ARGUMENT),
    ("stop --check", "stop", ARGUMENT),
    ("-", "-", ARGUMENT),
    ("-- --check", "--check", ARGUMENT),
]


@pytest.mark.parametrize("line", CHECKED)
def test_right(line: str) -> None:
    """Both take the words, and answer on standard output."""
    assert answer(*line.split(" ")) == (0, b"labd: the configuration is good\n", b"")


@pytest.mark.parametrize(("line", "word", "why"), WRONG_LINES, ids=[row[0] for row in WRONG_LINES])
def test_wrong(line: str, word: str, why: str) -> None:
    """Both name the word that is wrong, show the usage, and start nothing."""
    code, output, errors = answer(*line.split(" "))
    complaint, usage = errors.decode().split("\n", 1)
    assert (code, output, complaint) == (2, b"", f"labd: {word}: {why}")
    assert usage.startswith("usage: labd ")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        (" 5", f"labd:  5: {LAB}"),
        ("5 ", f"labd: 5 : {LAB}"),
        ("5\n", f"labd: 5\n: {LAB}"),
        ("1_0", f"labd: 1_0: {LAB}"),
    ],
)
def test_number_with_something_else(word: str, says: str) -> None:
    """strtol(3) and int() would take more than digits."""
    code, _, errors = answer("--lab", word)
    assert code == 2
    assert errors.decode().startswith(says + "\n")


def test_value_that_looks_like_an_option() -> None:
    """What follows -c is its value, as in getopt(3)."""
    for words in (["-c", "-x"], ["--config", "-x"], ["-c-x"], ["--config=-x"]):
        says = b"labd: open(-x): No such file or directory\n"
        assert answer("--check", *words) == (78, b"", says)
    says = b"labd: open(=/dev/null): No such file or directory\n"
    assert answer("--check", "-c=/dev/null") == (78, b"", says)


@pytest.mark.parametrize("line", ["-h", "--help", "--check -h", "-hc /nowhere"])
def test_help(line: str) -> None:
    """The help names every exit code, and is all that happens."""
    code, output, errors = answer(*line.split(" "))
    assert (code, errors) == (0, b"")
    assert output.startswith(b"usage: labd ")
    assert b"78 bad configuration" in output


@pytest.mark.parametrize("word", ["--check", "--help"])
def test_answer_that_cannot_be_written(word: str) -> None:
    """A full disk is a failure: a script must not take silence for good."""
    says = b"labd: write() to standard output: No space left on device\n"
    with Path("/dev/full").open("wb") as full:
        assert answer(word, stdout=full) == (1, b"", says)
