"""Jobs that run in a container each, by podman(1) or docker(1).

What runs is the program "podman run", in the place of the job: a child of ours, which writes what
the job writes, passes SIGTERM on, and ends with its exit code. But the container itself is no child
of it, and outlives it: SIGKILL ends the one and not the other, and so does the end of a daemon that
was killed. So each container carries two marks, by which it is found and removed:

- the label labd.instance, the same for all of a daemon's life and for the next one on the same
  spool, and for nobody else;
- the name labd-INODE-ID, with the number of the instance and the id of the job. Names are unique:
  while one is there, the same job cannot run a second time. A name is taken before the label is
  written: a runner that is killed in between leaves what no list shows.

Both must fit: an image that was made of such a container (podman-commit(1)) has its labels, too.
Twin of `c/src/container.c`.
"""

import errno
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from labd.clock import now_milliseconds
from labd.failure import Failure, failing, failure
from labd.runner import runner_call, runner_find
from labd.spool import SPOOL_ID, spool_new_id

CONTAINER_OWN = 125
"""Exit code of a runner that could not run the job: podman-run(1)."""

_ROUNDS = 3
_PATH_MAX = 4096
_ID = f"[0-9a-f]{{{SPOOL_ID}}}"


@dataclass(slots=True)
class Container:
    """How jobs are run, and which containers may be there."""

    runner: str = ""
    """The program; empty: jobs run without one."""
    image: str = ""
    label: str = ""
    """labd.instance=…"""
    prefix: str = ""
    """Of all its names: labd-INODE-"""
    limit: int = 0
    """Milliseconds that finding and removing may take."""
    removed: int = 0
    """Containers that a daemon had left which was killed."""
    left: list[str] = field(default_factory=list)
    """Containers that may be there though their runner ended."""


# --- who we are ---


def _identify(container: Container, spool: str) -> None:
    """symlink(2) makes the link with what it says at once: two that start find the same one."""
    path = f"{spool}/instance"
    if len(os.fsencode(path)) >= _PATH_MAX:
        raise failure(f"symlink({path})", errno.ENAMETOOLONG)
    new = spool_new_id()
    with failing(f"symlink({path})"), suppress(FileExistsError):
        os.symlink(new, path)
    with failing(f"readlink({path})"):
        found = os.readlink(path)
        inode = os.lstat(path).st_ino
    if not re.fullmatch(_ID, found):
        raise failure(f"readlink({path})", errno.EINVAL)
    container.label = f"labd.instance={found}.{inode}"
    container.prefix = f"labd-{inode}-"


# --- what is there ---


def _keep_in_mind(container: Container, identity: str) -> None:
    container.left.append(container.prefix + identity)


def _keep_claimed(container: Container, spool: str) -> None:
    """Those of jobs that were claimed: each has its id until it is over. Of who was killed while he
    made one there may be no more than the name."""
    path = f"{spool}/id"
    with failing(f"opendir({path})"), suppress(FileNotFoundError), os.scandir(path) as names:
        for entry in names:
            with suppress(OSError):
                found = os.readlink(entry.path)
                if re.fullmatch(_ID, found):
                    _keep_in_mind(container, found)


def _is_meant(container: Container, name: str, everything: bool) -> bool:
    ours = re.fullmatch(container.prefix + _ID, name) is not None
    return ours and (everything or name in container.left)


def _last_line(said: str) -> str:
    """Where the reason stands."""
    return said.rstrip("\n").rpartition("\n")[2]


def _list(container: Container, everything: bool, until: int) -> list[str]:
    """The names of those that are meant."""
    code, said = runner_call(
        [
            *(container.runner, "ps", "--all"),
            *("--filter", f"label={container.label}", "--format", "{{.Names}}"),
        ],
        until - now_milliseconds(),
    )
    if code != 0:
        raise Failure(f"{container.runner} ps: exit code {code}: {_last_line(said)}")
    return [name for name in said.split("\n") if _is_meant(container, name, everything)]


# --- removing ---


def _end(container: Container, names: Sequence[str], until: int) -> Failure:
    """ "rm --force" alone would do with docker; podman asks first, and waits. That a container is
    not there, or does not run, is no failure: the next list will tell."""
    kill = [container.runner, "kill", "--signal", "KILL", *names]
    runner_call(kill, until - now_milliseconds())
    rm = [container.runner, "rm", "--force", *names]
    code, said = runner_call(rm, until - now_milliseconds())
    return Failure(f"{container.runner} rm: exit code {code}: {_last_line(said)}")


def _sweep(container: Container, everything: bool) -> int:
    """Returns how many were found in lists. Those that are kept in mind are ended once whether they
    are in one or not."""
    until = now_milliseconds() + container.limit
    names = _list(container, everything, until)
    found = len(names)
    if container.left:
        _end(container, container.left, until)
        names = _list(container, everything, until)
    for _ in range(_ROUNDS):
        if not names:
            return found
        why = _end(container, names, until)
        names = _list(container, everything, until)
    if names:
        raise why
    return found


# --- all together ---


def container_open(runner: str, image: str, spool: str, limit: int) -> Container:
    """Get ready to run jobs of the spool by the runner, and remove what was left.

    Does nothing if runner is empty: container.runner is empty then. The runner is looked for by
    runner_find. The instance is the symbolic link `instance` in the spool, made here if it is not
    there: 128 random bits, and the number of its inode, so that a copy of a spool is another
    instance. Then removes all containers of the instance, and of the jobs that have an id in the
    spool: container_remove says how. Those who waited for them must be ended by now: capture_open.
    Raises Failure.
    """
    if not runner:
        return Container()
    container = Container(runner_find(runner), image, limit=limit)
    _identify(container, spool)
    _keep_claimed(container, spool)
    container.removed = _sweep(container, True)
    container.left.clear()
    return container


def container_run(container: Container, identity: str, path: str) -> list[str]:
    """The arguments that run the job with this id, whose file is at path.

        RUNNER run --rm --label LABEL --name labd-INODE-ID --network none --log-driver none
            --volume PATH:/job:ro IMAGE /job

    The runner would keep all output of the job in a log of its own, without a limit: hence the log
    driver. Raises Failure for a path with a colon, which ends a path there, or one that is no
    UTF-8, which the runner cannot pass on.
    """
    try:
        path.encode()
        told = ":" not in path
    except UnicodeEncodeError:
        told = False
    if not told:
        raise Failure(f"no container can get {path}: a colon, or no UTF-8")
    return [
        *(container.runner, "run", "--rm", "--label", container.label),
        *("--name", container.prefix + identity, "--network", "none", "--log-driver", "none"),
        *("--volume", f"{path}:/job:ro", container.image, "/job"),
    ]


def container_ended(container: Container, identity: str, code: int, asked: bool) -> bool:
    """Tell how the runner of a job has ended; code is -1 if by a signal. asked is whether it was
    sent one before.

    Returns whether its container may be there still, and keeps it in mind: after a signal, and
    after 125, 126 and 127, which may have come half-way; and always when it was asked. Then 0 does
    not say that the job has run: asked while it still makes the container, podman ends with 0, and
    leaves that.
    """
    finished = code >= 0 and not CONTAINER_OWN <= code <= 127
    if not container.runner or (finished and not asked):
        return False
    _keep_in_mind(container, identity)
    return True


def container_remove(container: Container) -> None:
    """Remove those that are kept in mind, as far as they are there.

    "ps" lists the containers of the instance; those that are meant get "kill" and "rm --force", the
    first time whether they are in the list or not; and again, until the list has none of them: one
    that removes itself just then is no failure. All that may take limit. Keeps none in mind then.
    Raises Failure.
    """
    try:
        if container.left:
            _sweep(container, False)
    finally:
        container.left.clear()


def container_close(container: Container) -> None:
    """Remove all of the instance. Called when no runner runs any more. Does nothing without a
    runner. Raises Failure."""
    if container.runner:
        _sweep(container, True)
