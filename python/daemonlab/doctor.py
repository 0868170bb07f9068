"""What this machine lacks: for each thing what it is needed for, and the command that brings it.

Runs before anything else does: with the standard library of Python 3.8, without .venv, started by
tools/doctor. Nothing is installed, mounted or changed. What is wanted from the distribution is
known to tools/system alone, which is asked.

Exit codes: 0 all labs that are here can run, 1 some cannot, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from daemonlab import machine

ALL = tuple(range(1, 14))
OK, MISSING, LIMITED, UNKNOWN = "ok", "missing", "limited", "unknown"
_SIGNS = {OK: "✓", MISSING: "✗", LIMITED: "!", UNKNOWN: "?"}
_LABS = "all labs"
_ROOM = 200
"""MiB that a run of the labs and their build may take."""
_SYS_PTRACE = 19
"""capabilities(7)"""
_TIME = 60
"""Seconds for tools/system, which compiles three lines a library."""


@dataclass(frozen=True)
class Finding:
    """One thing about this machine."""

    name: str
    state: str
    """OK; MISSING: labs cannot run without it; LIMITED: they can, something else cannot; UNKNOWN:
    it could not be found out."""
    observed: str
    needed: str
    """What it is needed for."""
    remedy: str = ""
    """The command that brings it, or what else one can do; empty when all is well."""
    blocks: tuple[int, ...] = ()
    """The labs that cannot run, of those that are and those to come."""


def _found(name: str, well: bool, observed: str, needed: str, **other: object) -> Finding:
    """OK, or what else it is: MISSING if it blocks labs, LIMITED if not."""
    if well:
        return Finding(name, OK, observed, needed)
    state = MISSING if other.get("blocks") else LIMITED
    return Finding(name, state, observed, needed, **other)  # type: ignore[arg-type]


# --- what the distribution brings

PACKAGES = (
    ("make", r"make", "the labs' front door"),
    ("compiler", r"gcc|libc6-dev|CC=.*", "the C daemon, the extensions of the Python side"),
    ("libinih", r"libinih-dev", "the C daemon: its configuration"),
    ("jansson", r"libjansson-dev", "the C daemon: its log"),
    ("libmicrohttpd", r"libmicrohttpd-dev", "the C daemon: its answers over HTTP"),
    ("SQLite", r"libsqlite3-dev", "the C daemon: the results of its jobs"),
    ("Python", r"python3[.\d]*|Python.*", "the laboratory, the Python daemon (3.11 or newer)"),
    ("venv", r"python3[.\d]*-venv|.* no ensurepip.*", "the Python packages, in this folder alone"),
    ("Python.h", r"python3[.\d]*-dev|.* no Python\.h.*", "the extensions of the Python side"),
)
"""What is looked for; the packages and complaints of tools/system that say it is not there; what it
is for."""


def _install(packages: list[str]) -> str:
    words = " ".join(packages)
    if not shutil.which("apt-get"):
        return f"install what Debian calls {words}"
    return ("" if os.geteuid() == 0 else "sudo ") + f"apt-get install {words}"


def _package(name: str, pattern: str, needed: str, said: list[str]) -> Finding:
    mine = [line for line in said if re.fullmatch(pattern, line.partition(" ")[2])]
    packages = [line.split()[1] for line in mine if line.startswith("package ")]
    complaints = [line.partition(" ")[2] for line in mine if line.startswith("complaint ")]
    return _found(
        name,
        not mine,
        "; ".join(complaints) or ("there" if not mine else "not there"),
        f"{_LABS}: {needed}",
        remedy=_install(packages) if packages else "see above: no package can mend that",
        blocks=ALL,
    )


def distribution(house: Path) -> list[Finding]:
    """What tools/system says of compiler, headers and Python; it is told to install nothing."""
    command = [str(house / "tools" / "system"), "--report", "build"]
    try:
        run = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIME,
            check=False,
        )
        said = run.stdout.decode(errors="replace").splitlines()
        trouble = run.stderr.decode(errors="replace").strip() if run.returncode and not said else ""
    except (OSError, subprocess.SubprocessError) as error:
        trouble = str(error)
    if trouble:
        known = "tools/system could not look: " + trouble.splitlines()[0]
        return [
            Finding(name, UNKNOWN, known, f"{_LABS}: {needed}", "mend that first", ALL)
            for name, _, needed in PACKAGES
        ]
    return [_package(name, pattern, needed, said) for name, pattern, needed in PACKAGES]


# --- the system


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def kernel(root: Path) -> Finding:
    """The calls of the daemon: close_range(2) came with Linux 5.9."""
    release = machine.read(root, "proc/sys/kernel/osrelease") or os.uname().release
    return _found(
        "Linux",
        os.uname().sysname == "Linux" and _version(release) >= (5, 9),
        f"{os.uname().sysname} {release}",
        f"{_LABS}: Linux 5.9 or newer",
        remedy="use a newer Linux, such as Debian 12 (WSL: wsl --set-version NAME 2)",
        blocks=ALL,
    )


def c_library(root: Path) -> Finding:
    """Its close_range and its posix_spawn: glibc 2.34."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (OSError, ValueError):  # not glibc
        version = ""
    return _found(
        "C library",
        version.startswith("glibc") and _version(version) >= (2, 34),
        version or "not glibc",
        f"{_LABS}: glibc 2.34 or newer",
        remedy="use a newer distribution with glibc, such as Debian 12",
        blocks=ALL,
    )


def proc(root: Path) -> Finding:
    """Everything is observed there."""
    return _found(
        "/proc",
        (root / "proc/self/stat").exists(),
        "mounted" if (root / "proc/self/stat").exists() else "not mounted",
        f"{_LABS}: all that is observed",
        remedy="mount -t proc proc /proc (as root)",
        blocks=ALL,
    )


def hidden(root: Path) -> Finding:
    """Whether the processes of others can be seen; root sees them in any case."""
    value = machine.proc_options(root).get("hidepid", "0")
    visible = value in ("0", "off") or machine.capability(root, _SYS_PTRACE)
    observed = "all processes can be seen" if visible else f"hidepid={value}: only your own"
    needed = "make observe of processes that are not yours"
    return _found(
        "hidepid", visible, observed, needed, remedy="sudo mount -o remount,hidepid=0 /proc"
    )


def terminals(root: Path) -> Finding:
    """Subjects are started at a terminal of their own."""
    trouble = machine.terminal()
    return _found(
        "terminals",
        not trouble,
        trouble or "a pseudo-terminal can be had",
        f"{_LABS}: daemons are started at a terminal of their own",
        remedy="close some terminals, or: mount -t devpts devpts /dev/pts (as root)",
        blocks=ALL,
    )


def _space(name: str, folder: Path, needed: str, remedy: str) -> Finding:
    trouble, free, runs = machine.room(folder)
    observed = trouble or f"{folder}: {free} MiB free"
    if not trouble and not runs:
        observed += ", but mounted noexec: no program there can be run"
    well = not trouble and free >= _ROOM and runs
    if not trouble and free < _ROOM:
        observed += f", fewer than {_ROOM}"
    return _found(name, well, observed, needed, remedy=remedy, blocks=ALL)


def temporary(root: Path) -> Finding:
    """Each launch has a folder of its own there; jobs are programs in it."""
    try:
        folder = machine.temporary()
    except OSError:  # not one place where a file can be made
        folder = Path(os.environ.get("TMPDIR", "/tmp"))
    remedy = "make room, or: export TMPDIR=… (a folder with room where programs may run)"
    return _space("temporary files", folder, f"{_LABS}: a folder for each launch", remedy)


def here(house: Path) -> Finding:
    """Programs are built below the house."""
    remedy = "move this folder where there is room, where you may write and programs may run"
    return _space("this folder", house, f"{_LABS}: .venv/ and build/", remedy)


def notification(root: Path) -> Finding:
    """Races and hung workers are brought about by holding a call."""
    trouble = machine.call_notification(root)
    return _found(
        "seccomp",
        not trouble,
        f"calls cannot be held: {trouble}" if trouble else "calls can be denied, held and let go",
        "lab 2: a kernel without close_range; lab 4: the file exchanged before it is locked; "
        "lab 8 and lab 9: a worker that hangs; lab 10: a stop that hangs",
        remedy="allow seccomp (container: --security-opt seccomp=unconfined); no sandbox around it",
        blocks=(4, 8, 9, 10),
    )


def orphans(root: Path) -> Finding:
    """Observed: a process that lost its parent."""
    parent, reaped = machine.orphan()
    name = machine.read(Path("/"), f"proc/{parent}/comm") or "?"
    who = f"PID {parent} ({name})"
    return _found(
        "orphans",
        reaped,
        f"{who} adopts and reaps them" if reaped else f"{who} adopts, and leaves zombies",
        "what you start by hand; in the labs the laboratory adopts and reaps",
        remedy="start the container with an init: docker run --init, podman run --init",
    )


def tracing(root: Path) -> Finding:
    """Whether a running process of one's own can be traced: ptrace(2), Yama."""
    scope = machine.read(root, "proc/sys/kernel/yama/ptrace_scope") or "0"
    may = machine.capability(root, _SYS_PTRACE)
    words = {
        "0": "your own running processes can be traced",
        "1": "ptrace_scope 1: only what the tracer itself starts",
        "2": "ptrace_scope 2: only with CAP_SYS_PTRACE",
    }
    well = scope == "0" or (may and scope != "3")
    observed = words.get(scope, f"ptrace_scope {scope}: nothing can be traced")
    if well and scope != "0":
        observed = f"ptrace_scope {scope}, and we have CAP_SYS_PTRACE"
    remedy = "sudo strace -p PID, or: sudo sysctl kernel.yama.ptrace_scope=0"
    if scope == "3":
        remedy = "boot without kernel.yama.ptrace_scope=3: it cannot be lowered"
    return _found("ptrace", well, observed, "strace -p PID, gdb -p PID", remedy=remedy)


_NAMESPACES = (
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1",
     "kernel.apparmor_restrict_unprivileged_userns=0"),
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
)  # fmt: skip
"""Below /proc/sys what may forbid them, by which value, and what allows them."""


def namespaces(root: Path) -> Finding:
    """Tried: a user namespace, with a mount namespace in it."""
    trouble = machine.user_namespaces()
    settings = [
        allow
        for path, forbids, allow in _NAMESPACES
        if machine.read(root, f"proc/sys/{path}") == forbids
    ]
    remedy = f"sudo sysctl {' '.join(settings)}" if settings else "run as root, or outside of this"
    return _found(
        "user namespaces",
        not trouble,
        f"refused: {trouble}" if trouble else "can be made",
        "a sandbox for programs of others; some tests",
        remedy=remedy if settings else f"{remedy} container",
    )


def control_groups(root: Path) -> Finding:
    """Version, and whether ours may be divided."""
    version, ours = machine.cgroups(root)
    observed = {0: "none", 1: "version 1"}.get(version, "version 2")
    if version == 2:
        observed += ", delegated to us" if ours else ", not delegated to us"
    return _found(
        "cgroups",
        version == 2 and ours,
        observed,
        "limits and the whole end of a service: lab 12",
        remedy="systemd-run --user --scope -p Delegate=yes $SHELL"
        if version == 2
        else "boot with systemd.unified_cgroup_hierarchy=1",
        blocks=(12,),
    )


def service_manager(root: Path) -> Finding:
    """sd_booted(3): is systemd PID 1?"""
    booted = (root / "run/systemd/system").is_dir()
    first = machine.read(root, "proc/1/comm") or "?"
    wsl = any(kind.startswith("WSL") for kind in machine.kinds(root))
    return _found(
        "systemd",
        booted,
        "runs this machine" if booted else f"does not run this machine: PID 1 is {first}",
        "services under systemd: lab 12",
        remedy="/etc/wsl.conf: [boot] systemd=true, then wsl --shutdown"
        if wsl
        else "use a (virtual) machine that was booted by systemd",
        blocks=(12,),
    )


def kind(root: Path) -> Finding:
    """Explains the rest; nothing depends on it."""
    kinds = machine.kinds(root)
    observed = ", ".join(kinds) or "nothing tells of a container, WSL or virtual machine"
    return Finding("machine", OK, observed, "explains what is above")


def cores(root: Path) -> Finding:
    """How many processes can run at a time."""
    count = len(os.sched_getaffinity(0))
    shown = f"{count} core" + ("" if count == 1 else "s")
    return _found(
        "cores", count > 1, shown, "a lab in 2 s; with one core it takes longer",
        remedy="give the machine a second core",
    )  # fmt: skip


_SYSTEM = (
    kernel, c_library, proc, hidden, terminals, temporary, notification, orphans, tracing,
    namespaces, control_groups, service_manager, kind, cores,
)  # fmt: skip


def examine(house: Path, root: Path = Path("/")) -> list[Finding]:
    """Everything, in the order in which one would mend it."""
    labs = labs_here(house)
    found = [*distribution(house), here(house), *(look(root) for look in _SYSTEM)]
    return [_later(one, labs) for one in found]


def _later(finding: Finding, labs: list[int]) -> Finding:
    """What only labs to come will need is no reason to stop."""
    if finding.state != MISSING or set(finding.blocks) & set(labs):
        return finding
    return replace(finding, state=LIMITED, needed=f"{finding.needed} (still to come)")


# --- what follows for the labs


def labs_here(house: Path) -> list[int]:
    """The numbers of the labs that exist."""
    return sorted(int(path.parent.name[:2]) for path in house.glob("labs/[0-9][0-9]-*/lab.toml"))


def blocked(findings: list[Finding], labs: list[int]) -> dict[int, list[Finding]]:
    """What keeps each lab from running, by lab; those that can run are not in it."""
    found = {
        lab: [one for one in findings if one.state in (MISSING, UNKNOWN) and lab in one.blocks]
        for lab in labs
    }
    return {lab: reasons for lab, reasons in found.items() if reasons}


def _numbers(labs: list[int]) -> str:
    return ("lab " if len(labs) == 1 else "labs ") + ", ".join(map(str, labs))


def verdict(findings: list[Finding], labs: list[int]) -> list[str]:
    """Which labs can run here, and which cannot, and why: a sentence each."""
    cannot = blocked(findings, labs)
    can = [lab for lab in labs if lab not in cannot]
    lines = [f"Can run here: {_numbers(can)}." if can else "No lab can run here."]
    by_reason: dict[tuple[str, ...], list[int]] = {}
    for lab, reasons in cannot.items():
        by_reason.setdefault(tuple(one.name for one in reasons), []).append(lab)
    for names, those in by_reason.items():
        lines.append(f"Cannot: {_numbers(those)}, for want of {', '.join(names)}.")
    return lines


# --- showing


def _wrapped(head: str, text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        79,
        initial_indent=head,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    ) or [head.rstrip()]


def _rows(finding: Finding) -> list[str]:
    lines = _wrapped(f"{_SIGNS[finding.state]} {finding.name:16} ", finding.observed, 19)
    if finding.state != OK:
        lines += _wrapped(f"    {finding.state:11} needed for ", finding.needed, 27)
        lines += _wrapped(f"    {'':11} to mend it ", finding.remedy, 27)
    return lines


def shown(findings: list[Finding], labs: list[int]) -> list[str]:
    """For people: 80 columns, a sign and a word for each state."""
    lines = [line for finding in findings for line in _rows(finding)]
    lines.append("")
    for sentence in verdict(findings, labs):
        lines += _wrapped("", sentence, 0)
    return lines


def plain(findings: list[Finding], labs: list[int]) -> list[str]:
    """For screen readers: one line a finding, words alone."""
    lines = []
    for one in findings:
        line = f"{one.name}: {one.state}; {one.observed}; needed for {one.needed}"
        lines.append(line + (f"; to mend it: {one.remedy}" if one.remedy else ""))
    return lines + verdict(findings, labs)


def data(findings: list[Finding], labs: list[int]) -> dict[str, object]:
    """For programs."""
    cannot = blocked(findings, labs)
    return {
        "findings": [asdict(finding) for finding in findings],
        "labs": {
            str(lab): {"runs": lab not in cannot, "for_want_of": [one.name for one in reasons]}
            for lab, reasons in ((lab, cannot.get(lab, [])) for lab in labs)
        },
    }


def report(house: Path, as_json: bool, as_plain: bool, root: Path = Path("/")) -> int:
    """Examine, print, and return the exit code."""
    findings, labs = examine(house, root), labs_here(house)
    if as_json:
        text = json.dumps(data(findings, labs), indent=2)
    else:
        text = "\n".join((plain if as_plain else shown)(findings, labs))
    # Where the locale has no ✓ this must not fail: it runs before anything was set up.
    sys.stdout.buffer.write(text.encode(errors="replace") + b"\n")
    sys.stdout.flush()
    return 1 if blocked(findings, labs) else 0


def main(house: str, arguments: list[str]) -> int:
    """The command line of tools/doctor."""
    parser = argparse.ArgumentParser(
        prog="make doctor", description="What this machine lacks, and how to bring it."
    )
    parser.add_argument("--json", action="store_true", help="print everything found, as JSON")
    parser.add_argument("--plain", action="store_true", help="one line each, for screen readers")
    chosen = parser.parse_args(arguments)
    return report(Path(house), chosen.json, chosen.plain)
