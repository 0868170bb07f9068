"""Do to the configuration of a daemon what happens to configurations: editors, Kubernetes, people.

Each action changes the file in one way after another, and gives what the daemon wrote into its log
at each step. After a change the daemon is given time to notice; after one that must not be noticed
it need only have come to rest: it was woken by then, if it is woken at all.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGHUP

from daemonlab.logwork import Writer, events, read
from daemonlab.patience import until

CONFIGURATION = "labd.ini"
"""Its name in the folder of a launch."""
DATA = "..data"
"""The link on the way to it that Kubernetes exchanges."""
NOTICE_TIME = 5.0
"""Seconds in which a change has to be noticed."""
JOB_TIME = 5.0
"""Seconds in which the jobs of the action "limits" have to come as far as they do."""

ANSWERS: Mapping[str, tuple[str, int]] = {
    "value": ("[labd]\njob_timeout = soon\n", 2),
    "unknown": ("[labd]\n\njob_timout = 5\n", 3),
    "twice": ("[labd]\ndrain = 1\n# more:\ndrain = 1\n", 4),
    "together": ("[labd]\nworkers = 2\ndatabase = /results.db\n", 3),
}
"""Files that are wrong, and the line that is: a value, an unknown key, a key that was there, a
database without a spool."""
WRONG: Mapping[str, str] = {
    "value": "a value that is none",
    "unknown": "a key that is none",
    "twice": "a key that stood there before",
    "together": "a database, and no spool",
}
"""What is wrong with each of them."""
ASKED = "asked.ini"
"""The name of such a file in the folder of the launch."""

Steps = dict[str, bytes]


def _file(writer: Writer) -> Path:
    return writer.scratch / CONFIGURATION


def _text(writer: Writer, **settings: str) -> str:
    """What the file says, with other values for these keys."""
    lines = _file(writer).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition(" = ")[0] not in settings]
    return "\n".join([*kept, *(f"{key} = {value}" for key, value in settings.items()), ""])


def _seen(writer: Writer, change: Callable[[], object], noticed: bool = True) -> bytes:
    """What the daemon logs when this is done."""
    before = len(read(writer.log))
    change()
    if noticed:
        until(lambda: len(read(writer.log)) > before, NOTICE_TIME)
    writer.rest()
    return read(writer.log)[before:]


def _rename_over(writer: Writer, text: str) -> None:
    """As most editors save: another file, and then its name."""
    new = writer.scratch / f"{CONFIGURATION}.new"
    new.write_text(text, encoding="utf-8")
    new.rename(_file(writer))


def hangup(writer: Writer) -> Steps:
    """SIGHUP, twice."""
    return {
        "hangup": _seen(writer, lambda: writer.send(SIGHUP)),
        "hangup again": _seen(writer, lambda: writer.send(SIGHUP)),
    }


def rename(writer: Writer) -> Steps:
    """Write a file beside it; rename one over it; take it away, and put it back."""
    path, aside = _file(writer), writer.scratch / f"{CONFIGURATION}~"
    text = _text(writer, drain="0.1")
    return {
        "beside": _seen(writer, lambda: aside.write_text(text, encoding="utf-8"), noticed=False),
        "renamed": _seen(writer, lambda: _rename_over(writer, text)),
        "away": _seen(writer, lambda: path.rename(aside), noticed=False),
        "back": _seen(writer, lambda: aside.rename(path)),
    }


def _in_two_parts(writer: Writer, path: Path, text: str, name: str) -> Steps:
    """Both parts are good configurations: only the end of the file tells that there is more."""
    half = text.index("\n", text.index("\n") + 1) + 1
    files: list[int] = []

    def begin() -> None:
        files.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644))
        os.write(files[0], text[:half].encode())

    def end() -> None:
        os.write(files[0], text[half:].encode())
        os.close(files[0])

    return {
        f"{name} begun": _seen(writer, begin, noticed=False),
        f"{name} closed": _seen(writer, end),
    }


def in_place(writer: Writer) -> Steps:
    """Cut it and write it again, in two parts; then make it anew, as vi and emacs do."""
    path = _file(writer)
    cut = _in_two_parts(writer, path, _text(writer, drain="0.1"), "cut")
    text = _text(writer, drain="0.2")
    path.rename(writer.scratch / f"{CONFIGURATION}~")
    return cut | _in_two_parts(writer, path, text, "made")


def mount(scratch: Path) -> None:
    """The folder of the launch as Kubernetes mounts a ConfigMap: the file is a link to a link."""
    (scratch / "..1").mkdir()
    (scratch / DATA).symlink_to("..1")
    (scratch / CONFIGURATION).symlink_to(f"{DATA}/{CONFIGURATION}")


def _publish(writer: Writer, version: str, text: str) -> None:
    """As kubelet does: a new folder, a new link to it, and then the link's name."""
    (writer.scratch / version).mkdir()
    (writer.scratch / version / CONFIGURATION).write_text(text, encoding="utf-8")
    (writer.scratch / f"{DATA}_tmp").symlink_to(version)
    (writer.scratch / f"{DATA}_tmp").rename(writer.scratch / DATA)


def swap(writer: Writer) -> Steps:
    """Exchange the link, twice."""
    texts = [_text(writer, drain=drain) for drain in ("0.1", "0.2")]
    return {
        "swapped": _seen(writer, lambda: _publish(writer, "..2", texts[0])),
        "swapped again": _seen(writer, lambda: _publish(writer, "..3", texts[1])),
    }


def restart(writer: Writer) -> Steps:
    """Change two keys that cannot change while it runs, and one that can; then change them back."""
    before = _text(writer)
    after = _text(writer, umask="077", drain="0.1", workers="9")
    return {
        "fixed": _seen(writer, lambda: _rename_over(writer, after)),
        "fixed again": _seen(writer, lambda: writer.send(SIGHUP)),
        "unfixed": _seen(writer, lambda: _rename_over(writer, before)),
    }


def _drop(writer: Writer, job: str) -> None:
    with suppress(OSError):  # it may not have made the folder
        (writer.scratch / "jobs" / job).rename(writer.scratch / "spool" / "new" / job)
    writer.send(SIGHUP)


def _happened(writer: Writer, event: str, job: str) -> bool:
    logged = events(read(writer.log))
    return any(line.get("event") == event and line.get("job") == job for line in logged)


def limits(writer: Writer) -> Steps:
    """A bad file with short limits, and a job that does not heed SIGTERM; a good one with the same
    limits, and another such job. Wait until that has ended."""
    short = {"job_timeout": "0.3", "job_grace": "0.2"}
    bad = _text(writer, **short, workers="none")
    good = _text(writer, **short)
    kept = _seen(writer, lambda: _rename_over(writer, bad))
    _drop(writer, "first")
    until(lambda: (writer.scratch / "first").exists(), JOB_TIME)
    changed = _seen(writer, lambda: _rename_over(writer, good))
    if not changed:  # who notices no file is told, lest it be chance by which limits a job runs
        _seen(writer, lambda: writer.send(SIGHUP))
    _drop(writer, "second")
    until(lambda: _happened(writer, "job_ended", "second"), JOB_TIME)
    return {"bad": kept, "good": changed}


ACTIONS: Mapping[str, Callable[[Writer], Steps]] = {
    "hangup": hangup,
    "rename": rename,
    "in-place": in_place,
    "swap": swap,
    "restart": restart,
    "limits": limits,
}
