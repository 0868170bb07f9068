"""The children and descendants of a process are found, all of them and nobody else."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from daemonlab import kinship
from daemonlab.observe import (
    ProcessGone,
    alive,
    children,
    descendants,
    identity,
    snapshot,
)
from observed import end, running, sleeping

FAMILY = """
    r, w = os.pipe()
    if (child := os.fork()) == 0:
        grandchild = os.fork()
        if grandchild: os.write(w, struct.pack("ii", os.getpid(), grandchild))
        signal.pause()
    zombie = os.fork()
    if not zombie: os._exit(0)
    os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
    of_thread = []
    def work(): of_thread.append(os.posix_spawn("/bin/sleep", ["sleep", "600"], {})); signal.pause()
    pid, grandchild = struct.unpack("ii", os.read(r, 8))
    threading.Thread(target=work, daemon=True).start()
    while not of_thread: pass
    ready([child, zombie, of_thread[0], grandchild])
"""


@contextmanager
def family() -> Iterator[tuple[int, list[int], int]]:
    """Yields a process, its children (one a zombie, one of a thread), and a grandchild."""
    with running(FAMILY) as (pid, (*below, grandchild)):
        try:
            yield pid, sorted(below), grandchild
        finally:
            for process in descendants(pid):
                os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("kernel", ["with children files", "without"])
def test_children_and_descendants(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All children, of any thread and zombies too, then theirs; also if the kernel lists none."""
    if kernel == "without":

        def missing(*_: object) -> Mapping[str, list[int]]:
            raise FileNotFoundError

        monkeypatch.setattr(kinship, "_listed_children", missing)
    with family() as (pid, below, grandchild):
        found = children(pid)
        assert [process.pid for process in found] == below
        assert [process.pid for process in descendants(pid)] == [*below, grandchild]
        assert snapshot(pid, ["children"]).children == tuple(below)
        assert found == [identity(child) for child in below]
        assert sum(map(alive, found)) == 2  # the zombie is not


def test_child_missed_in_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that missed a child, as the manual warns, is not believed."""
    readings = iter([{"1": [5, 7]}, {"1": [6, 7]}, {"1": [6, 7]}])
    monkeypatch.setattr(kinship, "_listed_children", lambda *_: next(readings))
    assert kinship.child_numbers(-1, 1) == (6, 7)


def test_kin_of_nobody() -> None:
    """Asking for the kin of a process that is gone raises ProcessGone."""
    with sleeping() as pid:
        end(pid, reap=True)
        for ask in (children, descendants):
            with pytest.raises(ProcessGone):
                ask(pid)
