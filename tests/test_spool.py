"""The spool: what comes into it, what is recorded of a job, and what is kept of its output."""

import os
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from labresults import LANGUAGES
from spoolhouse import House
from waiting import LIMIT, until

FILES = int(os.environ.get("FILES", "20000"))
"""How many files lie in new/ at once; FILES=100000 takes a minute or more."""

both = pytest.mark.parametrize("language", LANGUAGES)


# --- what is recorded ---


@both
def test_what_is_recorded(language: str, tmp_path: Path, alone: None) -> None:
    """How it ended, when, what it used, and how much it wrote."""
    house = House(language, tmp_path)
    with house.daemon():
        house.drop("good", "echo out; echo err >&2")
        house.drop("bad", "exit 3")
        house.drop("killed", "kill -9 $$")
        house.drop("busy", "i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done")
        (house.folder / "none").write_text("no program")
        (house.folder / "none").rename(house.new / "none")
        until(lambda: len(house.rows()) == 5 and house.idle())
    assert (house.row("good")["code"], house.row("good")["output_bytes"]) == (0, 8)
    assert (house.out / "good").read_text() == "out\nerr\n"
    assert house.row("bad")["code"] == 3
    assert (house.row("killed")["code"], house.row("killed")["signal"]) == (None, "KILL")
    assert house.row("none")["error"] == (f"posix_spawn({house.spool}/cur/none): Permission denied")
    busy = house.row("busy")
    assert busy["user_seconds"] + busy["system_seconds"] > 0.005 and busy["max_rss_kib"] > 100
    assert busy["started"] < busy["ended"] and busy["ended"].endswith("Z")
    assert house.names("done") == ["busy", "good"]
    assert house.names("failed") == ["bad", "killed", "none"]
    assert not list(tmp_path.glob("results.db-*")), "the WAL is left"


@both
def test_the_same_name_twice_is_two_jobs(language: str, tmp_path: Path, alone: None) -> None:
    """Each with its own result. The second waits while the first runs."""
    house = House(language, tmp_path)
    os.mkfifo(tmp_path / "gate")
    with house.daemon():
        house.drop("again", f"read x <{tmp_path}/gate; exit 1")
        until(lambda: house.names("cur"))
        house.drop("again", "exit 2")
        assert house.names("new") == ["again"]
        (tmp_path / "gate").write_text("go\n")
        until(house.idle)
    assert [(row["job"], row["code"]) for row in house.rows()] == [("again", 1), ("again", 2)]
    assert len({row["id"] for row in house.rows()}) == 2


@both
def test_names_of_any_bytes(language: str, tmp_path: Path, alone: None) -> None:
    """Text where they are UTF-8, else as they are; also the longest, and what looks like SQL."""
    names = [
        b"a'; DROP TABLE results; --",
        b"n" * 255,
        b"\xff\xfe",
        "ü ☃\n".encode(),
        b"-rf",
        b"a%s",
    ]
    house = House(language, tmp_path)
    job = house.make("job", "exit 0")
    with house.daemon():
        for name in names:
            os.link(job, os.fsencode(tmp_path) + b"/link")
            os.rename(os.fsencode(tmp_path) + b"/link", os.fsencode(house.new) + b"/" + name)
        until(lambda: len(house.rows()) == len(names) and house.idle())
    found = {
        row["job"] if isinstance(row["job"], bytes) else row["job"].encode() for row in house.rows()
    }
    assert found == set(names)
    assert [type(row["job"]) for row in house.rows()].count(bytes) == 1
    assert sorted(os.listdir(os.fsencode(house.spool) + b"/done")) == sorted(names)


@both
def test_one_file_by_two_names(language: str, tmp_path: Path, alone: None) -> None:
    """A hard link to what lies in done/ already, by the same name: rename(2) does nothing then."""
    house = House(language, tmp_path)
    job = house.make("job", "exit 0")
    with house.daemon():
        for times in (1, 2):
            os.link(job, house.folder / "again")
            (house.folder / "again").rename(house.new / "again")
            until(lambda: len(house.rows()) == times and house.idle())  # noqa: B023
    assert house.names("done") == ["again"]


# --- output ---


@both
def test_output_is_cut(language: str, tmp_path: Path, alone: None) -> None:
    """A flood costs neither the disk nor the job its time: what is above is counted."""
    house = House(language, tmp_path, "output_limit = 1000\n")
    with house.daemon():
        house.drop("flood", "head -c 30000000 /dev/zero; exit 4")
        house.drop("quiet", "exit 0")
        until(lambda: len(house.rows()) == 2 and house.idle())
    flood = house.row("flood")
    assert (flood["code"], flood["output_bytes"], flood["lost_bytes"]) == (4, 1000, 29999000)
    assert (house.out / "flood").stat().st_size == 1000
    assert (house.row("quiet")["output_bytes"], house.row("quiet")["lost_bytes"]) == (0, 0)


@both
def test_a_flood_keeps_nobody_else_from_work(language: str, tmp_path: Path, alone: None) -> None:
    """While one job writes without end, others run, and it is ended at its deadline."""
    house = House(language, tmp_path, "output_limit = 10\njob_timeout = 1\njob_grace = 0.1\n")
    with house.daemon():
        house.drop("flood", "exec cat /dev/zero")
        until(lambda: "flood" in house.names("cur"))
        house.drop("other", "exit 0")
        until(lambda: len(house.rows()) == 2 and house.idle())
    assert [row["job"] for row in house.rows()] == ["other", "flood"]
    assert house.row("flood")["signal"] == "TERM" and house.row("flood")["output_bytes"] == 10


@both
def test_a_pipe_that_stays_open_keeps_no_job(language: str, tmp_path: Path, alone: None) -> None:
    """Who was left behind in a session of its own holds the pipe, and even floods it: the job is
    over, and that one hears it."""
    house = House(language, tmp_path)
    with house.daemon():
        house.drop("holder", "setsid sleep 600 & echo held")
        house.drop("flooder", "setsid cat /dev/zero & echo $! >&2; exit 5")
        until(lambda: len(house.rows()) == 2 and house.idle())
    assert house.row("holder")["code"] == 0 and (house.out / "holder").read_text() == "held\n"
    assert house.row("flooder")["code"] == 5


@both
def test_output_takes_the_place_of_what_lies_there(
    language: str, tmp_path: Path, alone: None
) -> None:
    """A link is not followed, a FIFO not opened."""
    house = House(language, tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    house.out.mkdir()
    (house.out / "link").symlink_to(victim)
    os.mkfifo(house.out / "fifo")
    with house.daemon():
        for name in ("link", "fifo"):
            house.drop(name, "echo new")
        until(lambda: len(house.rows()) == 2 and house.idle())
    assert victim.read_text() == "precious"
    assert [(house.out / name).read_text() for name in ("link", "fifo")] == ["new\n", "new\n"]


# --- what comes into new/ ---


@both
def test_what_is_no_job_is_refused(language: str, tmp_path: Path, alone: None) -> None:
    """It is moved to failed/, logged with the reason, and not run; nothing else suffers."""
    house = House(language, tmp_path)
    (house.new / "folder").mkdir()
    (house.new / "folder" / "full").write_text("")
    (house.spool / "failed" / "folder").mkdir(parents=True)
    (house.spool / "failed" / "folder" / "full").write_text("")
    os.mkfifo(house.new / "fifo")
    (house.new / "link").symlink_to("/bin/true")
    (house.new / "dangling").symlink_to("/nowhere")
    (house.new / ".hidden").write_text("")
    house.drop("writable", "exit 0")
    (house.new / "writable").chmod(0o777)
    refused = {"folder", "fifo", "link", "dangling", "writable"}
    if os.geteuid() == 0:
        house.drop("another's", "exit 0")
        os.chown(house.new / "another's", 65534, 65534)
        refused.add("another's")
    with house.daemon():
        house.drop("good", "exit 0")
        until(lambda: house.names("new") == [".hidden"] and "good" in house.names("done"))
    told = {str(event["job"]): event["error"] for event in house.events("spool_refused")}
    assert set(told) == refused
    assert told["fifo"] == "it is not a regular file"
    assert told["writable"] == "everybody may write to it"
    # "folder" was taken there: it has the name of its id.
    assert len(house.names("failed")) == len(refused) + 1
    assert refused <= set(house.names("failed"))
    assert [row["job"] for row in house.rows()] == ["good"]


@both
def test_files_that_vanish(language: str, tmp_path: Path, alone: None) -> None:
    """Who put a job there may take it away again at any moment; the others run."""
    house = House(language, tmp_path, "workers = 1\n")
    with house.daemon() as daemon:
        stop = threading.Event()

        def tease() -> None:
            job = house.make("ghost", "exit 0")
            while not stop.is_set():
                with suppress(OSError):
                    os.link(job, house.new / "ghost")
                with suppress(OSError):
                    os.unlink(house.new / "ghost")

        teaser = threading.Thread(target=tease)
        teaser.start()
        try:
            for number in range(100):
                house.drop(f"job{number}", "exit 0")
            until(lambda: len([row for row in house.rows() if row["job"] != "ghost"]) == 100)
        finally:
            stop.set()
            teaser.join()
        assert daemon.poll() is None
        with suppress(FileNotFoundError):
            (house.new / "ghost").unlink()
        until(house.idle)
    assert house.count("spool_failed") == 0, house.events("spool_failed")[:3]
    assert {row["code"] for row in house.rows()} == {0}


@both
def test_a_new_job_is_heard_of(language: str, tmp_path: Path, alone: None) -> None:
    """By inotify: the next look would be in a minute. Moved there, or written there and closed."""
    house = House(language, tmp_path)
    with house.daemon():
        house.drop("moved", "exit 0")
        until(lambda: "moved" in house.names("done"), 20)
        job = house.make("written", "exit 0")
        with open(house.new / "written", "wb", opener=lambda p, f: os.open(p, f, 0o755)) as file:
            file.write(job.read_bytes())
        until(lambda: "written" in house.names("done"), 20)


@both
def test_the_look_is_a_net_below(language: str, tmp_path: Path, alone: None) -> None:
    """A hard link brings no event that we listen for: the look finds it."""
    house = House(language, tmp_path, poll_interval="0.1")
    with house.daemon():
        os.link(house.make("linked", "exit 0"), house.new / "linked")
        until(lambda: "linked" in house.names("done"), 20)


@pytest.mark.slow
@pytest.mark.timeout(900)
@both
def test_many_files(language: str, tmp_path: Path, alone: None) -> None:
    """The time for a job does not grow with those that wait: files that are refused, so that no
    process is to be started, ten times as many in at most thirty times the time."""
    seconds = {}
    house = House(language, tmp_path)
    for many in (FILES // 10, FILES):
        for number in range(many):
            os.symlink("x", house.new / f"{many}-{number}")
        began = time.monotonic()
        with house.daemon():
            until(lambda: next(house.new.iterdir(), None) is None, 400)
        seconds[many] = time.monotonic() - began
    assert seconds[FILES] < 30 * seconds[FILES // 10] + 1, seconds
    assert sum(1 for _ in (house.spool / "failed").iterdir()) == FILES // 10 + FILES


# --- the database ---


@both
def test_a_database_that_cannot_be_written(language: str, tmp_path: Path, alone: None) -> None:
    """Somebody holds it locked: the job waits in cur/, no other is started, and both are recorded
    when it is free."""
    house = House(language, tmp_path, "workers = 1\n")
    with house.daemon():
        with closing(sqlite3.connect(tmp_path / "results.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            house.drop("first", "exit 0")
            house.drop("second", "exit 0")
            until(lambda: house.count("record_failed") >= 1)
            assert house.names("cur") == ["first"] and house.names("new") == ["second"]
            other.execute("ROLLBACK")
        os.kill(int((tmp_path / "labd.pid").read_text()), signal.SIGHUP)
        until(house.idle)
    assert [row["job"] for row in house.rows()] == ["first", "second"]
    (told, *_) = house.events("record_failed")
    assert told["error"] == f"sqlite({tmp_path}/results.db): database is locked"


@both
@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"no database" * 100, "file is not a database"),
        (None, "unable to open database file"),
        (7, "its version is 7, and labd writes 1"),
    ],
)
def test_a_database_that_is_none(
    language: str, content: bytes | int | None, error: str, tmp_path: Path, alone: None
) -> None:
    """The start fails, with the same words in both languages."""
    house = House(language, tmp_path)
    path = tmp_path / "results.db"
    if content is None:
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"PRAGMA user_version = {content}")
    run = subprocess.run(
        house.command, env=house.variables, capture_output=True, text=True, timeout=LIMIT
    )
    assert (run.returncode, run.stderr) == (1, f"labd: sqlite({path}): {error}\n")


@both
def test_a_locked_database_is_waited_for_once(language: str, tmp_path: Path, alone: None) -> None:
    """However many jobs end meanwhile: or the worker would give no sign of life for as many
    seconds, and be taken for one that hangs."""
    house = House(language, tmp_path, "workers = 30\ndrain = 86400\nworker_timeout = 20\n")
    names = [f"job{number}" for number in range(30)]
    with house.start_ready() as daemon:
        with closing(sqlite3.connect(tmp_path / "results.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for name in names:
                house.drop(name, f"while [ ! -e {tmp_path}/enough ]; do sleep 0.1; done")
            until(lambda: house.count("job_started") == len(names))
            daemon.terminate()
            until(lambda: house.count("stop"))
            (tmp_path / "enough").touch()
            assert daemon.wait(LIMIT) == 0, house.log()
        assert house.rows() == [] and house.names("cur") == sorted(names)
        assert house.count("record_failed") == 2, "once when it ended, once at the very end"
    with house.daemon():
        until(house.idle)
    assert {row["job"] for row in house.rows()} == set(names)


# --- what fails with one job ---


@both
def test_a_job_that_is_still_written(language: str, tmp_path: Path, alone: None) -> None:
    """It cannot be executed: it waits, and keeps nobody from work. No event tells when it is
    whole, and no look is due: it is tried again all the same."""
    house = House(language, tmp_path, poll_interval="0")
    with house.daemon():
        with open(house.make("slow", "exit 0"), "ab"):
            (house.folder / "made" / "slow").rename(house.new / "slow")
            until(lambda: house.count("job_delayed"))
            house.drop("quick", "exit 0")
            until(lambda: "quick" in house.names("done"))
            assert house.names("cur") == ["slow"]
        until(house.idle)
    assert [(row["job"], row["code"]) for row in house.rows()] == [("quick", 0), ("slow", 0)]
    assert house.count("job_delayed") < 20, "it is tried without a pause"


@both
def test_a_name_that_cannot_be_claimed(language: str, tmp_path: Path, alone: None) -> None:
    """As many of these as there may be, whatever is behind them is found. They wait, and are tried
    again now and then."""
    house = House(language, tmp_path, poll_interval="0")
    good = house.make("good", "exit 0")
    with house.daemon() as daemon:
        for number in range(150):
            if number % 50 == 25:
                os.link(good, house.new / f"good{number}")  # no event tells of a link
            (house.spool / "cur" / f"stuck{number}").touch()
            os.link(good, house.new / f"stuck{number}")
        daemon.send_signal(signal.SIGHUP)
        until(lambda: len(house.names("done")) == 3)
        assert daemon.poll() is None
        assert len(house.names("new")) == 150
        (house.spool / "cur" / "stuck7").unlink()
        until(lambda: "stuck7" in house.names("done"))
    assert all("File exists" in str(event["error"]) for event in house.events("spool_failed"))


@both
def test_an_id_that_was_removed(language: str, tmp_path: Path, alone: None) -> None:
    """The result gets another: it is recorded all the same, each of them."""
    house = House(language, tmp_path)
    with house.daemon():
        for name in ("one", "two"):
            house.drop(name, f"rm {house.spool}/id/{name}")
        until(lambda: sorted(house.names("done")) == ["one", "two"] and house.idle())
    assert sorted(row["job"] for row in house.rows()) == ["one", "two"]
    assert all(len(row["id"]) == 32 for row in house.rows())
