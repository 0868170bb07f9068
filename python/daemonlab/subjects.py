"""Subjects: the reference in C, the port in Python, the student's own modules within either.

A student's module takes the place of the reference's by the overlay: everything else is the
reference, so that an unfinished earlier lab blocks nobody. It is compiled or started as a program
of its own; nothing of it is ever imported here.
"""

import fcntl
import hashlib
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from daemonlab import skeleton
from daemonlab.course import Lab
from daemonlab.ending import ASKED, not_now
from daemonlab.house import BUILD, LABS, PORT, ROOT, C

_BUILD_TIME = 60
"""Seconds that a compiler is given."""
_GRACE = 2.0
"""Seconds that it is given to tidy up when it has to end."""
_BUILD_MEMORY = 1 << 30
"""Bytes of address space for each process of a build: a source may include /dev/zero."""
_MOST_OUTPUT = 20_000
"""Bytes of a compiler's output that are shown."""
_KEPT = 4
"""Builds of one name that stay, the last used: a run beside ours may be at an older one."""


class BuildError(Exception):
    """A module that does not compile; the text is what the compiler said."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A program to be looked at, that accepts --lab and -c."""

    name: str
    """c, python, mine-c or mine-python."""
    title: str
    program: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    """The student's files in it."""
    warnings: str = ""
    """What the compiler had to say."""
    through: int = 0
    """It does all steps up to this lab, also where an earlier one is looked at."""

    def command(self, lab: int, configuration: Path) -> Sequence[str]:
        """The command line for one lab."""
        steps = max(lab, self.through)
        return (*self.program, "--lab", str(steps), "-c", str(configuration))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a compiler and all that it started. Asked to, it removes its temporary files; who does
    not listen is killed. The leader is our child and not reaped yet: the number of the group is
    still its."""
    os.killpg(process.pid, signal.SIGTERM)
    _await_end(process)
    os.killpg(process.pid, signal.SIGKILL)
    _await_end(process)


def _await_end(process: "subprocess.Popen[bytes]") -> None:
    """Wait for them, for a while: gigabytes take a time to give back, also after SIGKILL. All of
    them hold the output: its end of file says that they are gone."""
    assert process.stdout is not None
    deadline = time.monotonic() + _GRACE
    while not process.stdout.closed and (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([process.stdout], [], [], left)
        if ready and not os.read(process.stdout.fileno(), _MOST_OUTPUT):
            break


def _start(command: Sequence[str], stack: ExitStack) -> "subprocess.Popen[bytes]":
    """Start a compiler, in a session of its own and with an end to its memory; what is left to be
    done when it has ended goes to the stack."""
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def prepare() -> None:
        # Before it runs anything: from outside, prlimit(2), it may come when make has started the
        # compiler already.
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = _BUILD_MEMORY if hard == resource.RLIM_INFINITY else min(_BUILD_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        signal.pthread_sigmask(signal.SIG_SETMASK, heard - set(ASKED))

    # gcc removes its files when it is ended, but for one that it has only just begun.
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="compiler-", dir=BUILD))
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": folder},
        preexec_fn=prepare,
    )
    return stack.enter_context(process)


def _run(command: Sequence[str], what: str) -> str:
    """Run a compiler with a time limit; return its output. Raises BuildError."""
    process = None
    with ExitStack() as stack:
        try:
            with not_now():  # between its birth and our knowing of it nobody would end it
                process = _start(command, stack)
            output, _ = process.communicate(timeout=_BUILD_TIME)
        except BaseException as problem:
            if process is not None and process.returncode is None:
                _end(process)
            if isinstance(problem, subprocess.TimeoutExpired):
                text = f"{what} took more than {_BUILD_TIME} s, and was ended"
                raise BuildError(text) from None
            raise
    text = output.decode(errors="backslashreplace")
    if len(text) > _MOST_OUTPUT:
        text = text[:_MOST_OUTPUT] + f"\n… {len(text) - _MOST_OUTPUT} more characters"
    if process.returncode != 0:
        raise BuildError(text.strip() or f"{what} failed without a word")
    return text.strip()


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Build what is named so, below build/, while nobody else does: `make watch` and `make lab-N`
    may run side by side. Who comes second waits; the kernel frees the lock however we end."""
    lock = BUILD / "locks" / name.replace("/", "-")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(build: Path, *settings: str) -> str:
    compiler = os.environ.get("CC", "cc").split() or ["cc"]
    for tool, package in (("make", "make"), (compiler[0], "gcc")):
        if shutil.which(tool) is None:
            raise BuildError(f"{tool}: no such program; the package is called {package}")
    return _run(
        ("make", "--silent", "--no-print-directory", "-C", str(C), f"BUILD={build}", *settings),
        "the compiler",
    )


def _contents(overlay: Sequence[Path]) -> str:
    """A short name for what the overlay holds. Times of change say too little: a file that is put
    back is older than what was made from its successor."""
    digest = hashlib.sha256()
    for file in sorted(
        file for folder in overlay for file in folder.glob("*.[ch]") if file.is_file()
    ):
        with open(file, "rb") as opened:
            content = hashlib.file_digest(opened, hashlib.sha256).digest()
        digest.update(file.name.encode() + b"\0" + content)
    return digest.hexdigest()[:12]


def _take_over(made: Path, build: Path) -> None:
    """Copy an object, and the rule that says what it was made from: with the copy as its target, or
    a header that changes would be overlooked."""
    rule = made.with_suffix(".d")
    if rule.exists():
        _, _, sources = rule.read_text(encoding="utf-8").partition(":")
        target = f"{build / made.name}:{sources}"
        (_unfinished(build) / rule.name).write_text(target, encoding="utf-8")
        shutil.copy2(made, _unfinished(build))


def _unfinished(build: Path) -> Path:
    """Where a build folder is filled, so that an interrupted copy is not taken for an object."""
    return build.with_name(build.name + ".new")


def build_c(overlay: Sequence[Path], name: str) -> tuple[Path, str]:
    """Compile labd with the sources in overlay before the reference's, in build/NAME-HASH.

    Returns the program and the compiler's warnings, which are shown: only errors stop this build.
    Objects of the reference are taken over where nothing stands before them. Raises BuildError.
    """
    build = BUILD / f"{name}-{_contents(overlay)}"
    with alone(name):
        if not build.exists():
            _prepare(build, overlay)
        os.utime(build)
        _forget_all_but_last(build)
        warnings = _make(build, f"OVERLAY={':'.join(map(str, overlay))}", "WERROR=")
    return build / "labd", warnings


def _prepare(build: Path, overlay: Sequence[Path]) -> None:
    shutil.rmtree(_unfinished(build), ignore_errors=True)
    _unfinished(build).mkdir(parents=True)
    replaced = {file.stem for folder in overlay for file in folder.glob("*.c")}
    with alone("c"):
        for made in (BUILD / "c").glob("*.o"):
            if made.stem not in replaced:
                _take_over(made, build)
    _unfinished(build).rename(build)


def _forget_all_but_last(build: Path) -> None:
    """Remove the builds of the same name that have not been used for longest."""
    builds = build.parent.glob(f"{build.name[:-12]}????????????")
    for old in sorted(builds, key=lambda one: one.stat().st_mtime_ns)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def reference() -> tuple[Subject, Subject]:
    """The two wings of the house. Raises BuildError."""
    with alone("c"):
        _make(BUILD / "c")
    _compile_python()
    program = (str(BUILD / "c" / "labd"),)
    return Subject("c", "C", program), Subject("python", "Python", python_program())


def python_program(overlay: bool = False) -> tuple[str, ...]:
    """-I: neither the environment nor the working directory decides what is imported.

    -B with an overlay: compiled code is told from its source by time in seconds and size, and a
    student may save twice in a second.
    """
    cache = ("-X", f"pycache_prefix={BUILD / 'pycache'}")
    return (sys.executable, "-I", *(("-B",) if overlay else ()), *cache, "-m", "labd")


def _compile_python() -> None:
    """Let what the port imports be compiled once, by a start that does nothing. A dozen daemons
    that start at once would each do it, and that takes five times as long as their start. If it
    fails, so will they, and say why."""
    done = BUILD / "pycache" / "done"
    if done.exists() and done.stat().st_mtime > max(
        source.stat().st_mtime for source in PORT.glob("*.py")
    ):
        return
    with suppress(BuildError):
        _run((*python_program(), "--help"), "the port's first start")
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()


def started(lab: Lab) -> tuple[Path, ...]:
    """The skeletons of a lab that the student has begun to fill in."""
    files = (lab.skeleton("c"), lab.skeleton("py"))
    return tuple(file for file in files if _not_a_file(file) or not skeleton.pristine(LABS, file))


def _not_a_file(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_file()


def _refuse(path: Path) -> None:
    """Refuse what no compiler should be given: a link to nowhere, a pipe, a file without end."""
    if _not_a_file(path):
        raise BuildError(f"{path.relative_to(ROOT)} is no regular file")
    if path.exists() and path.stat().st_size > skeleton.MOST:
        most = skeleton.MOST >> 20
        raise BuildError(f"{path.relative_to(ROOT)} is larger than {most} MiB: no module is")


def mine(labs: Sequence[Lab], suffix: str) -> Subject:
    """The student's modules of these labs, in one language ("c" or "py"), within the reference.

    Raises BuildError.
    """
    files = tuple(lab.skeleton(suffix) for lab in labs)
    for file in files:
        _refuse(file)
    name = "-".join(f"{lab.number:02}" for lab in labs)
    if suffix == "c":
        program, warnings = build_c([lab.folder for lab in labs], f"mine/{name}")
        return Subject("mine-c", "yours (C)", (str(program),), files=files, warnings=warnings)
    _compile_python()
    for file in files:
        _run((sys.executable, "-I", "-c", _COMPILE, str(file)), "Python's compiler")
    overlay = {"LABD_OVERLAY": ":".join(str(lab.folder) for lab in labs)}
    return Subject("mine-python", "yours (Python)", python_program(True), overlay, files)


_COMPILE = """
import sys
try:
    with open(sys.argv[1], "rb") as file:
        compile(file.read(), sys.argv[1], "exec")
except (SyntaxError, ValueError) as error:
    import traceback
    sys.exit("".join(traceback.format_exception_only(error)))
"""
