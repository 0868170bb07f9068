"""The configuration: one language, read alike by both daemons, and refused with the same words."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daemonlab.house import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import answer

GOOD = {
    "empty": b"",
    "only the section": b"[labd]\n",
    "no newline at the end": b"[labd]\numask = 022",
    "every key": b"""[labd]
directory = /
log = /l
pidfile = /p
umask = 0
warmup = 1
drain = 2
log_level = debug
spool = /s
workers = 1
poll_interval = 0
job_timeout = 0
job_grace = 0
database = /d
output_limit = 0
runner = podman
image = docker.io/library/debian:12
listen = 127.0.0.1:1
report_interval = 0
stop_timeout = 0
worker_timeout = 0
""",
    "blanks around": b"[labd] \t\numask\t =\t022 \t\n",
    "no blanks": b"[labd]\numask=022\n",
    "empty lines": b"\n \n\t\n[labd]\n\n   \numask = 022\n\n",
    "comments": b"# one = 1\n; [two]\n[labd]\n#\xff\xa0\n;\n#umask = 888\n",
    "long comment": b"[labd]\n#" + b" " * 198 + b"umask = 888\n",
    "long blanks": b"[labd]\numask =" + b" " * 5000 + b"022\n",
    "longest path": b"[labd]\nlog = /" + b"x" * 4094 + b"\n",
    "largest file": b"[labd]\n#" + b"x" * (65536 - 9) + b"\n",
    "path with = and :": b"[labd]\nlog = /a=b:c=d\n",
    "path with ; and #": b"[labd]\nlog = /a;b#c\n",
    "path with blanks": b"[labd]\nlog = /a  b\tc\n",
    "path with quotes": b"[labd]\nlog = /\"a\"'b'\n",
    "path with percent": b"[labd]\nlog = /%(home)s%\n",
    "path of odd bytes": b"[labd]\nlog = /\xff\xfe\xc2\xa0\x85\n",
    "path in UTF-8": "[labd]\nlog = /größe/日本\n".encode(),
    "directory with / at its end": b"[labd]\ndirectory = /tmp/\n",
    "umask 777": b"[labd]\numask = 777\n",
    "umask with zeros": b"[labd]\numask = " + b"0" * 300 + b"22\n",
    "seconds .5": b"[labd]\nwarmup = .5\n",
    "seconds 5.": b"[labd]\nwarmup = 5.\n",
    "workers 10000": b"[labd]\nworkers = 10000\n",
    "bytes, most": b"[labd]\noutput_limit = 1073741824\n",
    "bytes with zeros": b"[labd]\noutput_limit = 0000000001\n",
    "listen on any port": b"[labd]\nlisten = [::1]:0\n",
    "listen on IPv6": b"[labd]\nlisten = [::1]:65535\n",
    "listen on a socket": b"[labd]\nlisten = unix:/run/labd.sock\n",
    "listen on the longest socket": b"[labd]\nlisten = unix:/" + b"x" * 106,
    "no runner": b"[labd]\nrunner = none\nimage = x\n",
    "runner with a path": b"[labd]\nspool = /s\nrunner = /opt/run\nimage = /srv/root\n",
    "docker": b"[labd]\nimage = a@sha256:0-_.\nspool = /s\nrunner = docker\n",
    "longest image": b"[labd]\nimage = " + b"x" * 255 + b"\n",
    "colon without a runner": b"[labd]\nspool = /s:t\nimage = x\n",
    "seconds a day": b"[labd]\nwarmup = 86400\ndrain = 86400.0\n",
}

SECTION = "the section [labd]"
LINE = '"[labd]", "key = value" or a comment'
CLEAN = r"no control characters, and lines that end with \n alone"
INDENT = "no space at the start of a line"
COMMENT = "a comment to have a line of its own"
KEYS = (
    "one of the keys directory, log, log_level, pidfile, umask, warmup, drain, spool, workers, "
    "poll_interval, job_timeout, job_grace, database, output_limit, runner, image, "
    "listen, report_interval, stop_timeout, worker_timeout"
)
UMASK = "an octal number from 0 to 777"
SECONDS = "seconds from 0 to 86400, such as 5 or 0.5"
ABSOLUTE = "an absolute path"
FILE = "the path of a file: no / at its end"
WORKERS = "a number from 1 to 10000"
BYTES = "a number of bytes from 0 to 1073741824"
RUNNER = "none, podman, docker or the absolute path of a program"
IMAGE = "the name of an image: at most 255 of A-Z a-z 0-9 - . _ / : @"
LISTEN = "127.0.0.1:PORT, [::1]:PORT or unix:/PATH of at most 107 bytes"

BAD = {
    # name: the file, the number of the line, how the line is shown, what was expected
    "byte order mark": (b"\xef\xbb\xbf[labd]\n", 1, b"\xef\xbb\xbf[labd]", LINE),
    "byte order mark later": (
        b"[labd]\n\xef\xbb\xbfumask = 0\n",
        2,
        b"\xef\xbb\xbfumask = 0",
        LINE,
    ),
    "Windows": (b"[labd]\r\numask = 022\r\n", 1, b"[labd]?", CLEAN),
    "Mac": (b"[labd]\rumask = 022\r", 1, b"[labd]?umask = 022?", CLEAN),
    "NUL": (b"[labd]\numask = 022\0\n", 2, b"umask = 022?", CLEAN),
    "NUL in a comment": (b"#\0\n", 1, b"#?", CLEAN),
    "NUL hides a line": (b"[labd]\n#\0\numask = 888\n", 2, b"#?", CLEAN),
    "form feed": (b"[labd]\n\x0cumask = 022\n", 2, b"?umask = 022", CLEAN),
    "escape": (b"[labd]\nlog = /\x1b[2J\n", 2, b"log = /?[2J", CLEAN),
    "separator": (b"[labd]\numask = 022\x1c\n", 2, b"umask = 022?", CLEAN),
    "delete": (b"[labd]\nlog = /\x7f\n", 2, b"log = /?", CLEAN),
    "UTF-16": ("[labd]\n".encode("utf-16"), 1, b"\xff\xfe[?l?a?b?d?]?", CLEAN),
    "indented key": (b"[labd]\n umask = 022\n", 2, b" umask = 022", INDENT),
    "indented by a tab": (b"[labd]\n\tumask = 022\n", 2, b"?umask = 022", INDENT),
    "continuation": (b"[labd]\nlog = /a\n  b\n", 3, b"  b", INDENT),
    "indented section": (b" [labd]\n", 1, b" [labd]", INDENT),
    "indented comment": (b" # x\n", 1, b" # x", INDENT),
    "no-break space first": (b"[labd]\n\xa0umask = 0\n", 2, b"\xa0umask = 0", LINE),
    "no-break space in UTF-8": (b"[labd]\n\xc2\xa0\n", 2, b"\xc2\xa0", LINE),
    "no-break space at the end": (b"[labd]\numask = 0\xa0\n", 2, b"umask = 0\xa0", UMASK),
    "another section": (b"[daemon]\n", 1, b"[daemon]", SECTION),
    "another section after": (b"[labd]\numask = 0\n[x]\n", 3, b"[x]", SECTION),
    "section in capitals": (b"[LABD]\n", 1, b"[LABD]", SECTION),
    "blanks in the section": (b"[ labd ]\n", 1, b"[ labd ]", SECTION),
    "open section": (b"[labd\n", 1, b"[labd", SECTION),
    "empty section": (b"[]\n", 1, b"[]", SECTION),
    "two brackets": (b"[labd]x]\n", 1, b"[labd]x]", "nothing after [labd]"),
    "key beside the section": (
        b"[labd] umask = 0\n",
        1,
        b"[labd] umask = 0",
        "nothing after [labd]",
    ),
    "comment beside the section": (b"[labd] ; x\n", 1, b"[labd] ; x", "nothing after [labd]"),
    "section twice": (b"[labd]\n[labd]\n", 2, b"[labd]", "[labd] once"),
    "no section": (b"umask = 022\n", 1, b"umask = 022", "[labd] before the first key"),
    "no key": (b"[labd]\n= 022\n", 2, b"= 022", LINE),
    "no value": (b"[labd]\numask\n", 2, b"umask", LINE),
    "colon": (b"[labd]\numask: 022\n", 2, b"umask: 022", LINE),
    "colon and =": (b"[labd]\numask:x = 022\n", 2, b"umask:x = 022", LINE),
    "blank in the key": (b"[labd]\nu mask = 022\n", 2, b"u mask = 022", LINE),
    "odd byte in the key": (b"[labd]\num\xe4sk = 022\n", 2, b"um\xe4sk = 022", LINE),
    "rubbish": (b"\xde\xad\xbe\xef", 1, b"\xde\xad\xbe\xef", LINE),
    "unknown key": (b"[labd]\nmask = 022\n", 2, b"mask = 022", KEYS),
    "key in capitals": (b"[labd]\nUmask = 022\n", 2, b"Umask = 022", KEYS),
    "long key": (b"[labd]\n" + b"k" * 300 + b" = 1\n", 2, b"k" * 100, KEYS),
    "key twice": (b"[labd]\numask = 0\numask = 0\n", 3, b"umask = 0", "each key once"),
    "bad then good": (b"[labd]\numask = 888\numask = 0\n", 2, b"umask = 888", UMASK),
    "two bad lines": (b"[labd]\numask = 9\nrubbish\n", 2, b"umask = 9", UMASK),
    "comment at the end": (b"[labd]\numask = 022 ; x\n", 2, b"umask = 022 ; x", COMMENT),
    "comment by #": (b"[labd]\nlog = /x\t# y\n", 2, b"log = /x?# y", COMMENT),
    "only a comment": (b"[labd]\nlog = ;x\n", 2, b"log = ;x", COMMENT),
    "umask beyond": (b"[labd]\numask = 1000\n", 2, b"umask = 1000", UMASK),
    "umask empty": (b"[labd]\numask =\n", 2, b"umask =", UMASK),
    "umask below": (b"[labd]\numask = -1\n", 2, b"umask = -1", UMASK),
    "umask with a sign": (b"[labd]\numask = +22\n", 2, b"umask = +22", UMASK),
    "umask as in Python": (b"[labd]\numask = 0o22\n", 2, b"umask = 0o22", UMASK),
    "umask of 300 digits": (b"[labd]\numask = " + b"7" * 300, 2, b"umask = " + b"7" * 92, UMASK),
    "umask of other digits": (
        "[labd]\numask = ٢٢\n".encode(),
        2,
        "umask = ٢٢".encode(),
        UMASK,
    ),
    "hidden umask": (
        b"[labd]\n#" + b" " * 198 + b"umask = 888\numask = 888\n",
        3,
        b"umask = 888",
        UMASK,
    ),
    "seconds below": (b"[labd]\ndrain = -1\n", 2, b"drain = -1", SECONDS),
    "seconds beyond": (b"[labd]\ndrain = 86400.1\n", 2, b"drain = 86400.1", SECONDS),
    "seconds of 400 digits": (
        b"[labd]\ndrain = " + b"9" * 400,
        2,
        b"drain = " + b"9" * 92,
        SECONDS,
    ),
    "seconds twice a point": (b"[labd]\ndrain = 1.2.3\n", 2, b"drain = 1.2.3", SECONDS),
    "seconds a point": (b"[labd]\ndrain = .\n", 2, b"drain = .", SECONDS),
    "seconds inf": (b"[labd]\ndrain = inf\n", 2, b"drain = inf", SECONDS),
    "seconds 1e3": (b"[labd]\ndrain = 1e3\n", 2, b"drain = 1e3", SECONDS),
    "seconds 1_0": (b"[labd]\ndrain = 1_0\n", 2, b"drain = 1_0", SECONDS),
    "seconds with a unit": (b"[labd]\ndrain = 5s\n", 2, b"drain = 5s", SECONDS),
    "relative path": (b"[labd]\ndirectory = tmp\n", 2, b"directory = tmp", ABSOLUTE),
    "empty path": (b"[labd]\nlog =\n", 2, b"log =", ABSOLUTE),
    "path in quotes": (b'[labd]\nlog = "/x"\n', 2, b'log = "/x"', ABSOLUTE),
    "relative with / at its end": (b"[labd]\nlog = x/\n", 2, b"log = x/", ABSOLUTE),
    "log is a folder": (b"[labd]\nlog = /tmp/\n", 2, b"log = /tmp/", FILE),
    "pidfile is a folder": (b"[labd]\npidfile = /run/x/\n", 2, b"pidfile = /run/x/", FILE),
    "no workers": (b"[labd]\nworkers = 0\n", 2, b"workers = 0", WORKERS),
    "workers beyond": (b"[labd]\nworkers = 10001\n", 2, b"workers = 10001", WORKERS),
    "workers as in Python": (b"[labd]\nworkers = 1_0\n", 2, b"workers = 1_0", WORKERS),
    "bytes beyond": (
        b"[labd]\noutput_limit = 1073741825\n",
        2,
        b"output_limit = 1073741825",
        BYTES,
    ),
    "bytes below": (b"[labd]\noutput_limit = -1\n", 2, b"output_limit = -1", BYTES),
    "bytes with a unit": (b"[labd]\noutput_limit = 1M\n", 2, b"output_limit = 1M", BYTES),
    "bytes of 30 digits": (
        b"[labd]\noutput_limit = " + b"0" * 30,
        2,
        b"output_limit = " + b"0" * 30,
        BYTES,
    ),
    "level": (
        b"[labd]\nlog_level = INFO\n",
        2,
        b"log_level = INFO",
        "debug, info, warning or error",
    ),
    "database without a spool": (
        b"[labd]\n\ndatabase = /d\nworkers = 1\n",
        3,
        b"database = /d",
        "the key spool beside it",
    ),
    "runner by name": (b"[labd]\nrunner = crun\n", 2, b"runner = crun", RUNNER),
    "runner in a folder": (b"[labd]\nrunner = bin/podman\n", 2, b"runner = bin/podman", RUNNER),
    "runner is a folder": (b"[labd]\nrunner = /bin/\n", 2, b"runner = /bin/", RUNNER),
    "runner without a spool": (
        b"[labd]\nrunner = podman\nimage = x\n",
        2,
        b"runner = podman",
        "the key spool beside it",
    ),
    "runner without an image": (
        b"[labd]\nrunner = podman\nspool = /s\n",
        2,
        b"runner = podman",
        "the key image beside it",
    ),
    "colon beside a runner": (
        b"[labd]\nrunner = podman\nimage = x\nspool = /s:t\n",
        4,
        b"spool = /s:t",
        "no colon, beside a runner",
    ),
    "image is an option": (b"[labd]\nimage = --privileged\n", 2, b"image = --privileged", IMAGE),
    "image of two words": (b"[labd]\nimage = a b\n", 2, b"image = a b", IMAGE),
    "image too long": (
        b"[labd]\nimage = " + b"x" * 256,
        2,
        b"image = " + b"x" * 92,
        IMAGE,
    ),
    "database is a folder": (b"[labd]\ndatabase = /x/\n", 2, b"database = /x/", FILE),
    "listen everywhere": (b"[labd]\nlisten = 0.0.0.0:80\n", 2, b"listen = 0.0.0.0:80", LISTEN),
    "listen by name": (b"[labd]\nlisten = localhost:80\n", 2, b"listen = localhost:80", LISTEN),
    "listen on no port": (b"[labd]\nlisten = 127.0.0.1:\n", 2, b"listen = 127.0.0.1:", LISTEN),
    "listen beyond": (b"[labd]\nlisten = [::1]:65536\n", 2, b"listen = [::1]:65536", LISTEN),
    "listen beside": (b"[labd]\nlisten = unix:x\n", 2, b"listen = unix:x", LISTEN),
    "listen in a folder": (b"[labd]\nlisten = unix:/x/\n", 2, b"listen = unix:/x/", LISTEN),
    "listen too long": (
        b"[labd]\nlisten = unix:/" + b"x" * 107,
        2,
        b"listen = unix:/" + b"x" * 85,
        LISTEN,
    ),
    "path too long": (
        b"[labd]\nlog = /" + b"x" * 4095,
        2,
        b"log = /" + b"x" * 93,
        "a path shorter than 4096 bytes",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_file(name: str, tmp_path: Path) -> None:
    """Both say that the file is good."""
    file = tmp_path / "labd.ini"
    file.write_bytes(GOOD[name])
    assert answer("--check", "-c", file) == (0, b"labd: the configuration is good\n", b"")


@pytest.mark.parametrize("name", BAD)
def test_bad_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both refuse the file with the same words: which line, what stands there, what is right."""
    text, line, shown, expected = BAD[name]
    monkeypatch.chdir(tmp_path)
    Path("labd.ini").write_bytes(text)
    says = b'labd: labd.ini, line %d: "%s": expected %s\n' % (line, shown, expected.encode())
    assert answer("--check", "-c", "labd.ini") == (78, b"", says)


VALUES = {
    "plain": (b"log = /nowhere/x", b"/nowhere/x"),
    "blanks around": (b"log\t=  /nowhere/x \t ", b"/nowhere/x"),
    "blanks within": (b"log = /nowhere/x  y", b"/nowhere/x  y"),
    "other signs": (b"log=/nowhere/a=b:c;d#e%f\\", b"/nowhere/a=b:c;d#e%f\\"),
    "odd bytes": (b"log = /nowhere/\xff\xc2\xa0", b"/nowhere/\xff\xc2\xa0"),
    "no-break space": (b"log = /nowhere/\xa0", b"/nowhere/\xa0"),
    "300 bytes": (b"log = /nowhere/" + b"x" * 300, b"/nowhere/" + b"x" * 300),
}


@pytest.mark.parametrize("name", VALUES)
def test_value_that_is_read(name: str, tmp_path: Path) -> None:
    """Both read the same bytes: the failure to open the log shows them."""
    line, value = VALUES[name]
    file = tmp_path / "labd.ini"
    file.write_bytes(b"[labd]\n" + line)
    says = b"labd: open(%s): No such file or directory\n" % value
    assert answer("--foreground", "-c", file) == (1, b"", says)


def test_reason_is_kept_when_the_path_is_too_long_to_show(tmp_path: Path) -> None:
    """A failure is at most 511 bytes: the path is cut, not the reason."""
    file = tmp_path / "labd.ini"
    file.write_text("[labd]\nlog = /nowhere" + "/x" * 2000)
    for mode in ((), ("--foreground",)):
        code, _, errors = answer(*mode, "-c", file)
        assert code == 1
        assert len(errors) == len(b"labd: \n") + 511
        assert errors.startswith(b"labd: open(/nowhere/x")
        assert errors.endswith(b": No such file or directory\n")


def test_file_that_is_too_large(tmp_path: Path) -> None:
    """Also one without an end."""
    file = tmp_path / "labd.ini"
    file.write_bytes(b"#" * 65537)
    for path in (str(file), "/dev/zero"):
        says = f"labd: {path}: expected at most 65536 bytes\n".encode()
        assert answer("--check", "-c", path) == (78, b"", says)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/tmp", "read(/tmp): Is a directory"),
        ("/nowhere.ini", "open(/nowhere.ini): No such file or directory"),
        ("", "open(): No such file or directory"),
        ("/dev/null/x", "open(/dev/null/x): Not a directory"),
        (b"/\xff\xa0", b"open(/\xff\xa0): No such file or directory"),
        ("/a\nb\x1b[0m", "open(/a?b?[0m): No such file or directory"),
        ("/" + "x" * 5000, "open(/" + "x" * 485 + ": File name too long"),
    ],
)
def test_file_that_cannot_be_read(path: str | bytes, says: str | bytes) -> None:
    """Both name the call and the reason, whatever the name is."""
    assert answer("--check", "-c", path) == (78, b"", b"labd: " + os.fsencode(says) + b"\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    """The reason is told."""
    file = tmp_path / "labd.ini"
    file.touch(0)
    says = f"labd: open({file}): Permission denied\n".encode()
    assert answer("--check", "-c", file) == (78, b"", says)


def test_name_of_the_file_is_cut_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long name leaves room for the line and for what is right."""
    monkeypatch.chdir(tmp_path)
    path = "./" * 1000 + "labd.ini"
    Path(path).write_bytes(b"[labd]\nlog = " + b"\xff" * 1000)
    says = '{}, line 2: "log = {}": expected an absolute path\n'.format("./" * 100, "\udcff" * 94)
    assert answer("--check", "-c", path) == (78, b"", b"labd: " + os.fsencode(says))


def test_refused_start_leaves_nothing_behind(tmp_path: Path) -> None:
    """What is good in a bad file has no effect: no log, no PID file."""
    file = tmp_path / "labd.ini"
    file.write_text(f"[labd]\nlog = {tmp_path}/log\npidfile = {tmp_path}/pid\numask = 9\n")
    for mode in ((), ("--foreground",), ("--check",)):
        assert answer(*mode, "-c", file).code == 78
        assert os.listdir(tmp_path) == ["labd.ini"]


_GOOD = st.permutations([b"directory = /", b"log=/x", b"umask = 022", b"warmup = .5", b"", b"# x"])
_KEYS = KEYS.removeprefix("one of the keys ").encode().split(b", ")
_KEY = st.sampled_from([*_KEYS, b"x"])
_VALUE = st.one_of(
    st.sampled_from([b"/", b"/x", b"/x/", b"x", b"022", b"888", b"0.5", b"1.", b".", b"86401"]),
    st.sampled_from([b"docker", b"a:b", b"debug", b"0", b"1073741825", b"[::1]:80", b"unix:/x"]),
    st.binary(max_size=8).map(b"/".__add__),
    st.binary(max_size=8),
)
_BLANKS = st.sampled_from([b"", b" ", b"\t", b"  ", b"\xa0", b"\x0b"])
_LINE = st.one_of(
    st.tuples(_KEY, st.just(b" = "), _VALUE).map(b"".join),
    st.tuples(_KEY, _BLANKS, st.sampled_from([b"=", b":", b"=="]), _BLANKS, _VALUE).map(b"".join),
    st.tuples(_BLANKS, st.sampled_from([b"[labd]", b"#", b";", b"[x]"]), _BLANKS).map(b"".join),
    st.binary(max_size=12),
)


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    """A good file, with a line put into it or a byte changed, or not."""
    lines = [b"[labd]", *draw(_GOOD)]
    for line in draw(st.lists(_LINE, max_size=2)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    text = b"\n".join(lines)
    place = draw(st.integers(0, 4 * len(text)))
    return text[:place] + draw(st.binary(max_size=1)) + text[place + 1 :]


_PAIR = ROOT / "tests" / "pair"
_MODULES = ("config", "inifile", "value", "way", "failure")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], set[str]]]:
    """Both modules in programs that only load: what each says about a file, in one line."""
    program = tmp_path_factory.mktemp("pair") / "pair"
    sources = [_PAIR / "pair.c", *(ROOT / "c" / "src" / f"{name}.c" for name in _MODULES)]
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", f"-I{ROOT}/c/src"]
    command = [os.environ.get("CC", "cc"), *flags, "-o", program, *sources, "-linih"]
    subprocess.run(command, check=True)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([program], **pipes) as c,
        subprocess.Popen([sys.executable, _PAIR / "pair.py"], **pipes) as python,
    ):

        def say(file: Path) -> set[str]:
            for program in (c, python):
                print(file, file=program.stdin, flush=True)
            return {program.stdout.readline() for program in (c, python)}

        try:
            yield say
        finally:
            c.kill()
            python.kill()


def test_pair_says_what_is_there(pair: Callable[[Path], set[str]], tmp_path: Path) -> None:
    """Control: the line holds the values of the file, and the words of a failure."""
    file = tmp_path / "labd.ini"
    file.write_text("[labd]\numask = 027\nlog = /x\n")
    (said,) = pair(file)
    assert " umask=27 " in said
    assert " log=2f78 " in said
    file.write_text("[labd]\numask = 9\n")
    (said,) = pair(file)
    code, _, why = said.strip().partition(" why=")
    wrong = f'{file}, line 2: "umask = 9": expected {UMASK}'
    assert (code, bytes.fromhex(why).decode()) == ("78", wrong)


@given(text=_files())
@settings(max_examples=500, derandomize=True, deadline=None)
def test_any_file(pair: Callable[[Path], set[str]], text: bytes) -> None:
    """Whatever the file holds: both accept it, with the same values, or both refuse it, with the
    same line and the same words."""
    with tempfile.NamedTemporaryFile(prefix="daemonlab-") as file:
        file.write(text)
        file.flush()
        said = pair(Path(file.name))
        assert len(said) == 1
        assert said.pop().partition(" ")[0] in ("0", "78")
