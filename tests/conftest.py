"""For all tests: a witness that nothing is left behind, and a student's copy of the house."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from daemonlab import native
from daemonlab.observe import children
from student import Copy, copy_house, running

pytest_plugins = ("cpu",)

# Or each of the many commands that we start would compile the whole laboratory anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    # Under nohup(1), or in the background of a script, one is ignored, and in all that we start.
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than a few seconds; not in `make quick`")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let --dist loadgroup heed its groups. pytest-xdist writes the group into the name of a test
    where pytest 9.2 does not look for it any more: they are silently ignored, pytest-xdist#1386."""
    for item in items:
        named = getattr(item, "_nodeid", item.nodeid)
        if named != item.nodeid:
            item._id = type(item.id).parse(named)


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, here and in the programs that we start: a folder of our own. Not
    below tmp_path: named after the test, it may be too long for a socket, unix(7)."""
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _reaped(pid: int) -> bool:
    """Whether a child of ours was dead, and had only to be reaped: state Z is dead."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


@pytest.fixture
def nothing_left(temporary: Path) -> Iterator[None]:
    """The test leaves no process and no temporary file, at the moment it ends.

    We are a child subreaper: whatever outlives its parent becomes our child, however it forked.
    """
    native.become_subreaper()
    before = set(children(os.getpid()))
    yield
    left = [
        (child.pid, Path(f"/proc/{child.pid}/stat").read_text(errors="replace"))
        for child in children(os.getpid())
        if child not in before and not _reaped(child.pid)
    ]
    assert not left, "processes are left"
    assert not list(temporary.glob("daemonlab-*")), "folders are left"


@pytest.fixture
def alone() -> Iterator[None]:
    """What outlives a daemon that was killed comes to us, and is ended."""
    native.become_subreaper()
    before = set(children(os.getpid()))
    yield
    for child in children(os.getpid()):
        if child not in before:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)


@pytest.fixture(scope="session")
def pristine_house(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the house that nobody changes."""
    return copy_house(tmp_path_factory.mktemp("pristine") / "house")


@pytest.fixture
def house(pristine_house: Copy, tmp_path: Path, nothing_left: None) -> Iterator[Copy]:
    """A student's copy of the house, with nothing begun. No process of it outlives the test."""
    shutil.copytree(pristine_house.root, tmp_path / "house")
    yield Copy(tmp_path / "house")
    assert not running(tmp_path), "processes are left"
