"""The look at the machine: each thing that is missing is found, and is not when it is there."""

import ast
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from daemonlab import doctor, machine, native
from daemonlab.doctor import LIMITED, MISSING, OK, UNKNOWN, Finding
from daemonlab.house import ROOT
from daemonlab.observe import children
from daemonlab.scenarios import LABS as SCENARIOS

LAST_LAB = 13
TOOLS = "sh dirname mktemp rm uname id sed cat awk ls cc gcc as ld make apt-get"
LABS_HERE = doctor.labs_here(ROOT)


# --- what the distribution brings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder with what tools/doctor and tools/system call, to be the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS.split():
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    (folder / "python3").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    if not (folder / "apt-get").exists():
        write(folder / "apt-get", "exit 1")
    return folder


def write(program: Path, script: str) -> None:
    """A shell script in the place of a program."""
    program.unlink(missing_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def run(path: Path, *options: str, house: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """tools/doctor with that PATH alone."""
    variables = {key: value for key, value in os.environ.items() if key not in ("CC", "MAKEFLAGS")}
    return subprocess.run(
        [house / "tools" / "doctor", *options],
        env={**variables, "PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def findings(path: Path) -> dict[str, dict[str, object]]:
    """What it found, by name."""
    return {one["name"]: one for one in json.loads(run(path, "--json").stdout)["findings"]}


def without(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


def without_compiler(path: Path) -> None:
    for name in ("cc", "gcc"):
        (path / name).unlink(missing_ok=True)


def not_linking(word: str) -> Callable[[Path], None]:
    """A compiler that lacks a library; the C library is "stdio"."""
    check = 'grep -q "include <puts" /dev/null' if word == "stdio" else f'[ "$a" = {word} ]'
    real = shutil.which("cc")
    script = f'for a; do if {check}; then exit 1; fi; done; exec {real} "$@"'
    if word == "stdio":
        script = "exit 1"
    return lambda path: write(path / "cc", script)


def python_without(what: str) -> Callable[[Path], None]:
    """A Python whose module or header is not there, as Debian splits it."""

    def poison(path: Path) -> None:
        modules = path / "poison"
        modules.mkdir()
        if what == "venv":
            (modules / "ensurepip.py").write_text("raise ImportError('poison')\n")
        else:
            (modules / "sitecustomize.py").write_text(
                "import sysconfig\nsysconfig.get_path = lambda name: '/nonexistent'\n"
            )
        real = sys._base_executable  # type: ignore[attr-defined]
        mine = path / "python3"
        write(
            mine,
            f'case "$*" in *_base_executable*) echo {mine}; exit 0;; esac\n'
            f'PYTHONPATH={modules} exec {real} "$@"',
        )

    return poison


def old_python(path: Path) -> None:
    """A Python that is new enough for the doctor, and too old for the laboratory."""
    real = sys._base_executable  # type: ignore[attr-defined]
    refuse = 'case "$*" in *"(3, 11)"*) exit 1;; -V) echo Python 3.9.2; exit 0;; esac\n'
    write(path / "python3", f'{refuse}exec {real} "$@"')


PACKAGES = [
    ("make", without("make"), "make"),
    ("compiler", without_compiler, "gcc"),
    ("compiler", not_linking("stdio"), "libc6-dev"),
    ("libinih", not_linking("-linih"), "libinih-dev"),
    ("jansson", not_linking("-ljansson"), "libjansson-dev"),
    ("libmicrohttpd", not_linking("-lmicrohttpd"), "libmicrohttpd-dev"),
    ("SQLite", not_linking("-lsqlite3"), "libsqlite3-dev"),
    ("Python", old_python, ""),
    ("venv", python_without("venv"), ""),
    ("Python.h", python_without("header"), ""),
]


@pytest.mark.parametrize(("name", "break_it", "package"), PACKAGES)
def test_missing_package(
    name: str, break_it: Callable[[Path], None], package: str, path: Path
) -> None:
    """What is not there is found, with what it blocks and what brings it, and nothing else is."""
    well = findings(path)
    assert well[name]["state"] == OK and not well[name]["remedy"]
    break_it(path)
    ill = findings(path)
    assert ill[name]["state"] == MISSING and ill[name]["blocks"] == list(range(1, LAST_LAB + 1))
    assert ill[name]["remedy"]
    if package:
        assert str(ill[name]["remedy"]).endswith(f"apt-get install {package}")
    libraries = ("libinih", "jansson", "libmicrohttpd", "SQLite")
    others = [key for key, *_ in doctor.PACKAGES if key not in (name, *libraries)]
    assert [key for key in others if ill[key]["state"] != OK] == []
    again = run(path)
    assert again.returncode == 1 and "No lab can run here." in again.stdout
    assert f"for want of {name}" in again.stdout


def test_without_a_package_manager_that_we_know(path: Path) -> None:
    """No command is made up: the names are told."""
    without_compiler(path)
    (path / "apt-get").unlink()
    remedy = str(findings(path)["compiler"]["remedy"])
    assert "gcc" in remedy and "apt-get" not in remedy


def test_nothing_is_installed(path: Path) -> None:
    """Also as root, and also when something is missing, apt-get is not called."""
    write(path / "apt-get", f"touch {path}/called")
    without_compiler(path)
    run(path)
    assert not (path / "called").exists()


def test_without_any_python(path: Path) -> None:
    """Where no Python is, what the distribution should bring is told all the same."""
    (path / "python3").unlink()
    (path / "make").unlink()
    said = run(path)
    assert said.returncode == 1 and said.stderr == ""
    assert "No Python 3.8" in said.stdout
    names = [line.strip() for line in said.stdout.splitlines() if line.startswith("    ")]
    assert "make" in names and any(name.startswith("python3") for name in names)
    found = json.loads(run(path, "--json").stdout)["findings"]
    assert {"name": "package make", "state": "missing"} in found


def test_where_nothing_can_be_looked_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder for temporary files the compiler cannot be tried: unknown, not missing."""
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    found = findings(path)
    assert found["compiler"]["state"] == UNKNOWN
    assert "nonexistent" in str(found["compiler"]["observed"])


def test_make_doctor_needs_no_set_up(path: Path, tmp_path: Path) -> None:
    """Without venv, compiler or lock files: it neither makes .venv nor builds."""
    house = tmp_path / "house"
    for name in ("tools", "python/daemonlab", "labs"):
        shutil.copytree(ROOT / name, house / name)
    shutil.copy(ROOT / "Makefile", house)
    before = sorted(house.rglob("*"))
    without_compiler(path)
    make = subprocess.run(
        [str(path / "make"), "--no-print-directory", "doctor"],
        cwd=house,
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert make.returncode == 2 and "for want of compiler" in make.stdout, make
    assert sorted(house.rglob("*")) == before


@pytest.mark.parametrize("module", [doctor, machine])
def test_any_python_from_3_8_on(module: object) -> None:
    """The grammar of 3.8, and no package but our own: this runs where nothing is installed."""
    text = Path(str(module.__file__)).read_text("utf-8")  # type: ignore[attr-defined]
    tree = ast.parse(text, feature_version=(3, 8))
    assert "from __future__ import annotations" in text
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    ours = {"daemonlab"}
    assert {name.split(".")[0] for name in names} - ours <= sys.stdlib_module_names
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    newer = {"removeprefix", "removesuffix", "pidfd_open", "unshare", "setns", "pipe2_cloexec"}
    assert not used & newer


# --- the system: what it reads, below a root of our own

PROC = "30 1 0:5 / /proc rw - proc proc rw,hidepid={}"
NO_CAPABILITY = {"proc/self/status": "CapEff:\t0000000000000000"}
ALL_CAPABILITIES = {"proc/self/status": "CapEff:\t000001ffffffffff"}
YAMA = "proc/sys/kernel/yama/ptrace_scope"
CGROUP2 = {"sys/fs/cgroup/cgroup.controllers": "", "proc/self/cgroup": "0::/ours"}
Files = dict[str, str]
READ: list[tuple[Callable[[Path], Finding], Files, Files, str]] = [
    (
        doctor.kernel,
        {"proc/sys/kernel/osrelease": "5.9.0-1-amd64"},
        {"proc/sys/kernel/osrelease": "5.8.18"},
        "5.8.18",
    ),
    (doctor.kernel, {}, {"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft"}, "4.4.0"),
    (doctor.proc, {"proc/self/stat": ""}, {}, "not mounted"),
    (
        doctor.hidden,
        {"proc/self/mountinfo": PROC.format("0"), **NO_CAPABILITY},
        {"proc/self/mountinfo": PROC.format("2"), **NO_CAPABILITY},
        "hidepid=2: only your own",
    ),
    (
        doctor.hidden,
        {"proc/self/mountinfo": PROC.format("invisible"), **ALL_CAPABILITIES},
        {"proc/self/mountinfo": PROC.format("invisible"), **NO_CAPABILITY},
        "hidepid=invisible",
    ),
    (doctor.tracing, {YAMA: "0"}, {YAMA: "1", **NO_CAPABILITY}, "ptrace_scope 1"),
    (doctor.tracing, {}, {YAMA: "2", **NO_CAPABILITY}, "ptrace_scope 2"),
    (doctor.tracing, {YAMA: "2", **ALL_CAPABILITIES}, {YAMA: "3", **ALL_CAPABILITIES}, "scope 3"),
    (
        doctor.control_groups,
        {**CGROUP2, "sys/fs/cgroup/ours/cgroup.procs": ""},
        CGROUP2,
        "version 2, not delegated",
    ),
    (
        doctor.control_groups,
        {**CGROUP2, "sys/fs/cgroup/ours/cgroup.procs": ""},
        {"sys/fs/cgroup/memory/tasks": ""},
        "version 1",
    ),
    (
        doctor.service_manager,
        {"run/systemd/system/.there": ""},
        {"proc/1/comm": "tini\n"},
        "PID 1 is tini",
    ),
]


def files(root: Path, content: Files) -> Path:
    """A root with these files."""
    for name, text in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(("look", "well", "ill", "says"), READ)
def test_read(
    look: Callable[[Path], Finding], well: Files, ill: Files, says: str, tmp_path: Path
) -> None:
    """What the files say is found, with a remedy; with other files all is well."""
    assert look(files(tmp_path / "well", well)).state == OK
    found = look(files(tmp_path / "ill", ill))
    assert found.state in (MISSING, LIMITED) and says in found.observed and found.remedy


KINDS = [
    ({".dockerenv": ""}, "Docker"),
    ({"run/.containerenv": ""}, "Podman"),
    ({"run/systemd/container": "lxc"}, "lxc"),
    ({"proc/1/environ": "A=1\0container=systemd-nspawn\0"}, "systemd-nspawn"),
    ({"proc/sys/kernel/osrelease": "5.15.90.1-microsoft-standard-WSL2"}, "WSL 2"),
    ({"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft"}, "WSL 1"),
    ({"proc/cpuinfo": "flags\t\t: fpu hypervisor lm"}, "virtual machine"),
    (
        {"proc/cpuinfo": "flags\t: hypervisor", "sys/class/dmi/id/sys_vendor": "QEMU"},
        "virtual machine (QEMU)",
    ),
    ({"proc/cpuinfo": "flags\t\t: fpu lm"}, "nothing tells"),
]


@pytest.mark.parametrize(("content", "says"), KINDS)
def test_kind_of_machine(content: Files, says: str, tmp_path: Path) -> None:
    """What can be told is told, and nothing else."""
    assert says in doctor.kind(files(tmp_path, content)).observed
    assert "nothing tells" in doctor.kind(tmp_path / "another").observed


def test_systemd_on_wsl_has_its_own_remedy(tmp_path: Path) -> None:
    """There it is one line in a file."""
    release = {"proc/sys/kernel/osrelease": "5.15.90.1-microsoft-standard-WSL2"}
    assert "wsl.conf" in doctor.service_manager(files(tmp_path / "wsl", release)).remedy
    assert "wsl.conf" not in doctor.service_manager(tmp_path).remedy


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ({"proc/sys/user/max_user_namespaces": "0"}, "user.max_user_namespaces=10000"),
        ({"proc/sys/kernel/unprivileged_userns_clone": "0"}, "unprivileged_userns_clone=1"),
        (
            {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"},
            "apparmor_restrict_unprivileged_userns=0",
        ),
        ({}, "container"),
    ],
)
def test_user_namespaces(
    setting: Files, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is told with the setting that is behind it, if one is."""
    monkeypatch.setattr(machine, "user_namespaces", lambda: "Operation not permitted")
    found = doctor.namespaces(files(tmp_path, setting))
    assert found.state == LIMITED and remedy in found.remedy
    monkeypatch.setattr(machine, "user_namespaces", lambda: "")
    assert doctor.namespaces(tmp_path).state == OK


# --- the system: what it tries


def fails(error: int) -> Callable[..., object]:
    def call(*_: object, **__: object) -> object:
        raise OSError(error, os.strerror(error))

    return call


def test_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a pseudo-terminal is to be had is tried; none is kept."""
    before = os.listdir("/proc/self/fd")
    assert doctor.terminals(Path("/")).state == OK
    assert os.listdir("/proc/self/fd") == before
    monkeypatch.setattr(os, "openpty", fails(errno.ENOSPC))
    found = doctor.terminals(Path("/"))
    assert found.state == MISSING and "No space left" in found.observed


@pytest.mark.parametrize(
    ("free", "flags", "says"), [(1, 0, "fewer than"), (10**6, os.ST_NOEXEC, "noexec")]
)
def test_room(free: int, flags: int, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room, or a mount where nothing can be run, is found."""
    assert doctor.temporary(Path("/")).state == OK
    status = SimpleNamespace(f_bavail=free, f_frsize=1 << 20, f_flag=flags)
    monkeypatch.setattr(os, "statvfs", lambda folder: status)
    for found in (doctor.temporary(Path("/")), doctor.here(ROOT)):
        assert found.state == MISSING and says in found.observed


def test_room_that_may_not_be_written_to(tmp_path: Path) -> None:
    """A folder that is not there, or where no file can be made."""
    assert doctor.here(tmp_path).state == OK
    found = doctor.here(tmp_path / "none")
    assert found.state == MISSING and "No such file" in found.observed


def test_seccomp_by_trying(tmp_path: Path) -> None:
    """Whoever is watched by such a filter already cannot have another: EBUSY, seccomp(2)."""
    assert machine.call_notification(Path("/")) == ""

    def within() -> str:
        machine._hear_of_calls()
        return machine.call_notification(Path("/"))

    assert machine.in_child(within) == os.strerror(errno.EBUSY)


def test_seccomp_by_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine whose numbers we do not know the kernel's own list is read."""
    monkeypatch.setattr("platform.machine", lambda: "vax")
    listed = "proc/sys/kernel/seccomp/actions_avail"
    well = files(tmp_path / "well", {listed: "kill_process errno user_notif allow"})
    ill = files(tmp_path / "ill", {listed: "kill_process errno allow"})
    assert doctor.notification(well).state == OK
    found = doctor.notification(ill)
    assert found.state == MISSING and found.blocks == (4,)


def test_labs_that_need_seccomp() -> None:
    """The labs named are those whose scenarios come between a subject and the kernel."""
    named = doctor.notification(Path("/")).needed
    wanted = {lab for lab, those in SCENARIOS.items() for one in those if one.through}
    assert wanted == {2, 4} and all(f"lab {lab}" in named for lab in wanted)


@pytest.fixture
def subreaper() -> Iterator[None]:
    """We adopt what loses its parent, and take what is left of it at the end."""
    native.become_subreaper()
    before = set(children(os.getpid()))
    yield
    for child in set(children(os.getpid())) - before:
        os.waitpid(child.pid, os.WNOHANG)


def test_orphans_of_one_who_does_not_reap(subreaper: None) -> None:
    """Who adopts and does not wait, as we do here, leaves zombies: that is seen."""
    found = doctor.orphans(Path("/"))
    assert found.state == LIMITED and f"PID {os.getpid()} " in found.observed
    assert "zombies" in found.observed and "--init" in found.remedy


def test_orphans_of_one_who_reaps(subreaper: None) -> None:
    """Who waits for whatever ends leaves none."""
    script = (
        "import os, sys\nfrom daemonlab import machine, native\n"
        "native.become_subreaper()\nchild = os.fork()\n"
        "if child == 0:\n    parent, reaped = machine.orphan()\n"
        "    os._exit(0 if reaped and parent == os.getppid() else 1)\n"
        "while (ended := os.wait())[0] != child:\n    pass\n"
        "sys.exit(os.waitstatus_to_exitcode(ended[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == 0


def test_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """One core is few, and enough."""
    for count, state in ((1, LIMITED), (2, OK)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=count: set(range(n)))
        assert doctor.cores(Path("/")).state == state


def test_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old glibc, or another library, will not do."""
    assert doctor.c_library(Path("/")).state == OK
    for version in ("glibc 2.33", None):
        monkeypatch.setattr(os, "confstr", lambda name, v=version: v)
        assert doctor.c_library(Path("/")).state == MISSING


def test_a_try_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, nothing_left: None) -> None:
    """And one that ends without a word, or fails, is told; no child is left."""
    monkeypatch.setattr(machine, "_PATIENCE", 0.1)
    assert machine.in_child(lambda: str(signal.pause())) == machine.NO_ANSWER  # type: ignore[func-returns-value]
    monkeypatch.setattr(machine, "_PATIENCE", 20)
    assert machine.in_child(lambda: str(1 / 0)) == "division by zero"
    assert machine.in_child(lambda: "") == ""


# --- what follows, and how it is shown

GOOD = Finding("compiler", OK, "there", "all labs: x")
BAD = Finding("seccomp", MISSING, "calls cannot be held", "lab 4: y", "allow seccomp", (4,))
LATER = Finding("systemd", MISSING, "PID 1 is tini", "lab 12", "boot with systemd", (12,))


def test_what_blocks_which_lab() -> None:
    """Labs that cannot run here say so and why; what only labs to come need stops nobody."""
    labs = [1, 4, 6]
    assert doctor.blocked([GOOD], labs) == {}
    assert doctor.verdict([GOOD, LATER], labs) == ["Can run here: labs 1, 4, 6."]
    said = doctor.verdict([GOOD, BAD], labs)
    assert said == ["Can run here: labs 1, 6.", "Cannot: lab 4, for want of seccomp."]
    everything = Finding("/proc", MISSING, "", "", "", doctor.ALL)
    assert doctor.verdict([everything], labs)[0] == "No lab can run here."
    later = doctor._later(LATER, labs)
    assert later.state == LIMITED and "still to come" in later.needed
    assert doctor._later(LATER, [*labs, 12]) == LATER and doctor._later(BAD, labs) == BAD


@pytest.mark.parametrize("as_json", [False, True])
def test_exit_code(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """0 when all labs that are here can run, 1 when one cannot."""
    for found, code in (([GOOD, LATER], 0), ([GOOD, BAD], 1)):
        monkeypatch.setattr(doctor, "examine", lambda house, root, found=found: found)
        assert doctor.report(ROOT, as_json, False) == code


def test_as_json() -> None:
    """Which labs run, and for want of what others do not."""
    labs = doctor.data([GOOD, BAD], [3, 4])["labs"]
    assert labs == {
        "3": {"runs": True, "for_want_of": []},
        "4": {"runs": False, "for_want_of": ["seccomp"]},
    }


def test_shown_at_80_columns(path: Path) -> None:
    """A sign and a word for each; --plain has a line each, and no sign."""
    without_compiler(path)
    said = run(path)
    assert max(map(len, said.stdout.splitlines())) <= 80, said.stdout
    assert "✗ compiler" in said.stdout and "missing" in said.stdout and "\x1b" not in said.stdout
    plain = run(path, "--plain").stdout
    assert not set("✓✗!?\x1b") & set(plain)
    (line,) = (line for line in plain.splitlines() if line.startswith("compiler: "))
    assert "missing" in line and "needed for" in line and "to mend it" in line


def test_this_machine(path: Path) -> None:
    """What the tests themselves rely on is here; a locale without ✓ is no obstacle."""
    variables = {"PATH": str(path), "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    said = subprocess.run([ROOT / "tools" / "doctor"], env=variables, capture_output=True)
    assert said.stderr == b"" and said.returncode in (0, 1)
    assert "✓ compiler".encode() in said.stdout


def test_wrong_option(path: Path) -> None:
    """Usage: exit code 2."""
    assert run(path, "--jason").returncode == 2
