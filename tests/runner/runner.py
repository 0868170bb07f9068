"""A runner for tests: as much of the command line of podman as labd uses, without containers.

A container is a process in a session of its own, which outlives its client, and a file in the
folder `containers` beside this program, which says who it is. As with podman, killing the client
leaves both. The file `fault` beside it makes one of the verbs misbehave: "VERB hang", "VERB fail";
"created" is a verb, too: that of "run" when there is a container that does not run yet.
"""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(sys.argv[0]).resolve().parent
FOLDER = HERE / "containers"
FLAGS = {"--rm", "--all", "--force"}


class Refused(Exception):
    """What the runner itself complains of: exit code 125."""


def options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options before the first word that is none, and the rest."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("--"):
        name = rest.pop(0)
        found[name] = "" if name in FLAGS else rest.pop(0)
    return found, rest


@contextmanager
def locked() -> Iterator[None]:
    """Nobody else reads or changes the containers."""
    fd = os.open(HERE / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def started(pid: int) -> str:
    """When a process was started; empty for one that is gone, or a zombie."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] not in "ZX":
            return fields[19]
    return ""


def written(label: str, pid: int) -> Path:
    """What there is to know of a container, whole or not at all, in a file to be put in place."""
    new = HERE / f"new{os.getpid()}"
    new.write_text(json.dumps({"label": label, "pid": pid, "started": started(pid)}))
    return new


def enter(file: Path, label: str, job: str) -> None:
    """The container's own process: says who it is, and becomes the job. Until it has left the
    client's session, it dies with it."""
    with locked():
        if not file.exists():
            os._exit(125)
        os.setsid()
        written(label, os.getpid()).replace(file)
    with suppress(OSError):
        os.execv(job, ["/job"])
    os._exit(127)


def forward(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def run(words: list[str]) -> int:
    found, (image, command) = options(words)
    source, target, mode = found["--volume"].split(":")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as podman does
    misbehave("run")
    if (target, mode, command, found["--network"]) != ("/job", "ro", "/job", "none"):
        raise Refused(f"not as labd says it: {words}")
    if image != "image":
        raise Refused(f"{image}: no such image")
    file = FOLDER / found["--name"]
    try:
        with locked():
            file.hardlink_to(new := written(found["--label"], 0))
            new.unlink()
    except FileExistsError:
        raise Refused(f"the name {file.name} is in use") from None
    misbehave("created")
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        enter(file, found["--label"], source)
    signal.signal(signal.SIGTERM, lambda *_: forward(pid))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with locked():
        file.unlink(missing_ok=True)
    return code if code >= 0 else 128 - code


def ps(words: list[str]) -> int:
    found, _ = options(words)
    wanted = found.get("--filter", "").removeprefix("label=")
    with locked():
        for file in sorted(FOLDER.iterdir()):
            label = json.loads(file.read_text())["label"]
            if wanted in ("", label, label.partition("=")[0]):
                print(file.name)
    return 0


def end(name: str) -> bool:
    """Whether there was such a container that ran."""
    file = FOLDER / name
    if not file.exists():
        return False
    state = json.loads(file.read_text())
    runs = state["pid"] != 0 and started(state["pid"]) == state["started"]
    if runs:
        os.killpg(state["pid"], signal.SIGKILL)
    while runs and started(state["pid"]) == state["started"]:
        time.sleep(0.001)
    return runs


def kill(words: list[str]) -> int:
    _, names = options(words)
    with locked():
        ended = [end(name) for name in names]
    return 0 if all(ended) else 125


def rm(words: list[str]) -> int:
    _, names = options(words)
    with locked():
        for name in names:
            end(name)
            (FOLDER / name).unlink(missing_ok=True)
    return 0


def misbehave(verb: str) -> None:
    with suppress(FileNotFoundError):
        which, how = (HERE / "fault").read_text().split()
        if which == verb and how == "hang":
            signal.pause()
        if which == verb:
            raise Refused("as it was told to")


def main() -> int:
    verb, *words = sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    try:
        if verb != "run":
            misbehave(verb)
        return {"run": run, "ps": ps, "kill": kill, "rm": rm}[verb](words)
    except Refused as refused:
        print(f"Error: {refused}", file=sys.stderr)
        return 125


sys.exit(main())
