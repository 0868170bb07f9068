"""Runners for the tests of containers: one that only behaves like podman, and podman itself.

The first runs everywhere (tests/runner/runner.py). The second needs root and a few programs, and is
kept in a box: a cgroup of its own, and mounts of its own. podman is never let near the cgroups of
the machine; where the box cannot be made, the test is skipped and says why.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from daemonlab.house import ROOT

_READY = 20.0
"""Seconds."""

_BOX = """
set -eu
echo $$ >"$0/cgroup.procs"
exec unshare --mount --cgroup --uts --ipc --propagation private sh -euc '
    umount -l /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    # The root of all cgroups has no such file: then it is not ours.
    [ -e /sys/fs/cgroup/cgroup.type ] || { echo "still the cgroup of the machine"; exit 97; }
    mount -t tmpfs tmpfs /run
    echo ready
    exec sleep infinity'
"""

_RUNNER = """#!/bin/sh
# podman in its box, with what this machine needs of options.
verb=$1
shift
[ "$verb" != run ] ||
    set -- --cgroups=disabled --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --rootfs "$@"
echo $$ >{cgroup}/cgroup.procs || exit 125
exec nsenter --mount=/proc/{box}/ns/mnt --cgroup=/proc/{box}/ns/cgroup --uts=/proc/{box}/ns/uts \\
    --ipc=/proc/{box}/ns/ipc podman --root {folder}/store --runroot /run/containers \\
    --cgroup-manager cgroupfs --log-level error "$verb" "$@"
"""


@dataclass(frozen=True)
class Runner:
    """A program to be named in the configuration, and the image that it has."""

    program: Path
    image: str

    def call(self, *words: str) -> str:
        """What it says."""
        run = subprocess.run(
            [self.program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def names(self) -> list[str]:
        """Of all containers that are there, running or not."""
        return sorted(self.call("ps", "--all", "--format", "{{.Names}}").split())

    def settings(self) -> str:
        return f"runner = {self.program}\nimage = {self.image}\nstop_timeout = 60\n"


def fake(folder: Path) -> Runner:
    """One that keeps its containers in this folder."""
    folder.mkdir()
    program = folder / "runner"
    source = (ROOT / "tests" / "runner" / "runner.py").read_text()
    program.write_text(f"#!{sys.executable} -IS\n{source}")
    program.chmod(0o755)
    return Runner(program, "image")


def _missing() -> str:
    """Why podman cannot be put into a box here; empty when it can be tried."""
    if os.geteuid() != 0:
        return "podman in a box needs root"
    for program in ("podman", "crun", "busybox", "nsenter", "unshare"):
        if shutil.which(program) is None:
            return f"{program} is not installed: make peers"
    return "" if _cgroup2() else "no cgroup2 is mounted"


def _cgroup2() -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(target, os.W_OK):
            return Path(target)
    return None


def _rootfs(folder: Path) -> Path:
    """All that a job of the tests needs."""
    rootfs = folder / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", rootfs / "bin" / "busybox")
    for name in ("cat", "echo", "sh", "sleep", "true"):
        (rootfs / "bin" / name).symlink_to("busybox")
    return rootfs


@contextmanager
def _cgroup() -> Iterator[Path]:
    """A cgroup of our own; all that is in it at the end is killed."""
    top = _cgroup2()
    assert top is not None
    cgroup = top / f"labd-test-{os.getpid()}"
    cgroup.mkdir()
    try:
        yield cgroup
    finally:
        (cgroup / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + _READY
        while "populated 1" in (cgroup / "cgroup.events").read_text():
            assert time.monotonic() < deadline, "the box is not empty"
            time.sleep(0.01)
        for path in sorted(cgroup.rglob("*/"), reverse=True):
            if path.is_dir():
                path.rmdir()
        cgroup.rmdir()


@contextmanager
def podman(folder: Path) -> Iterator[Runner]:
    """podman in its box, which is gone afterwards with all that runs in it."""
    if why := _missing():
        pytest.skip(why)
    with _cgroup() as cgroup:
        box = subprocess.Popen(
            ["sh", "-c", _BOX, cgroup], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert box.stdout is not None
        try:
            if (said := box.stdout.readline()) != "ready\n":
                pytest.skip(f"no box for podman: {said}")
            program = folder / "podman"
            program.write_text(_RUNNER.format(cgroup=cgroup, box=box.pid, folder=folder))
            program.chmod(0o755)
            runner = Runner(program, str(_rootfs(folder)))
            try:
                runner.call("run", "--rm", "--network", "none", runner.image, "/bin/true")
            except AssertionError as error:
                pytest.skip(f"podman cannot run a container here: {error}")
            yield runner
        finally:
            box.kill()
            box.wait()
            box.stdout.close()
