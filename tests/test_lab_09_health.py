"""Lab 9: what chapter 9 claims about a daemon's answers, observed from outside."""

import contextlib
import errno
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from daemonlab import subjects
from daemonlab.asking import Answer, ask, connected, send
from daemonlab.healthwork import MOST_CONNECTIONS
from daemonlab.house import ROOT
from daemonlab.interfere import HOLDING_WAITS, waits
from daemonlab.logwork import events
from hanging import hanging
from labresults import LANGUAGES, explain, facts
from waiting import until

both = pytest.mark.parametrize("language", LANGUAGES)
PATIENCE = 5.0
"""Seconds that a connection has, as the contract says."""


@both
@pytest.mark.parametrize(
    ("scenario", "fact", "value"),
    [
        ("friendly", "readyz_starting", "503 starting"),
        ("friendly", "healthz_starting", "200 ok"),
        ("friendly", "healthz", "200 ok"),
        ("friendly", "readyz", "200 ok"),
        ("friendly", "query", "200 ok"),
        ("friendly", "missing", 404),
        ("friendly", "post", "405 GET, HEAD"),
        ("friendly", "head", "200, 0 bytes of 3"),
        ("friendly", "page_type", "text/html; charset=utf-8"),
        ("friendly", "metrics_type", "text/plain; version=0.0.4; charset=utf-8"),
        ("friendly", "metrics_missing", ()),
        ("friendly", "metrics_bad_lines", ()),
        ("friendly", "jobs_counted", ("done 1", "failed 1", "count 2", "+Inf 2")),
        ("friendly", "healthz_unusable", "200 ok"),
        ("friendly", "readyz_again", "200 ok"),
        ("friendly", "socket_mode", "socket 660"),
        ("friendly", "socket_after", "nothing"),
        ("friendly", "kept_over_exec", ()),
        ("stopping", "readyz_stopping", "503 stopping"),
        ("stopping", "healthz_stopping", "200 ok"),
        ("stopping", "socket_after", "nothing"),
        ("stale", "readyz_still", "200 ok"),
        ("stale", "socket_mode", "socket 660"),
        ("port", "after_nonsense", "200 ok"),
        ("crowd", "healthz_crowd", "200 ok"),
        ("taken", "again", (1, False)),
        ("taken", "healthz_still", "200 ok"),
        ("taken", "socket_after", "file"),
        ("occupied", "starter_status", 1),
        ("occupied", "socket_after", "file"),
        ("hung", "metrics_hung", 200),
    ],
)
def test_health(language: str, scenario: str, fact: str, value: object) -> None:
    """It answers as chapter 9 says, whatever happens to it."""
    assert facts(9, language, scenario)[fact].value == value, explain(9, language, scenario)


# --- a daemon of our own ---


@dataclass(frozen=True)
class Daemon:
    """A labd in the foreground, and where it answers."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    address: str

    def ask(self, path: str, method: str = "GET", seconds: float = 20) -> Answer:
        return ask(self.address, path, method, seconds)

    def status(self, name: str) -> int:
        """A number of /proc/PID/status."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
        assert found
        return int(found[1])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _command(language: str, folder: Path, listen: str, **settings: str) -> list[str]:
    (folder / "spool").mkdir(parents=True, exist_ok=True)
    given = {"log": folder / "log", "spool": folder / "spool", "listen": listen, **settings}
    lines = [f"{key} = {value}" for key, value in given.items()]
    (folder / "labd.ini").write_text("\n".join(["[labd]", *lines, ""]))
    subject = next(one for one in subjects.reference() if one.name == language)
    return [*subject.program, "--lab", "9", "-c", str(folder / "labd.ini")]


def _events(folder: Path) -> list[dict[str, object]]:
    return events((folder / "log").read_bytes()) if (folder / "log").exists() else []


def _logged(folder: Path, name: str) -> dict[str, object] | None:
    return next((event for event in _events(folder) if event.get("event") == name), None)


@contextmanager
def _running(
    language: str,
    folder: Path,
    listen: str = "127.0.0.1:0",
    through: tuple[str, ...] = (),
    variables: Mapping[str, str] | None = None,
    **settings: str,
) -> Iterator[Daemon]:
    command = [*through, *_command(language, folder, listen, **settings), "--foreground"]
    environment = {**os.environ, **(variables or {})}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, cwd=folder, env=environment
    ) as process:
        try:
            until(lambda: _logged(folder, "ready") is not None)
            listening = _logged(folder, "listening")
            assert listening
            yield Daemon(process, folder, str(listening["address"]))
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Daemon]]:
    """One of each language, on a port."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("twins")
        yield {
            language: stack.enter_context(_running(language, folder / language))
            for language in LANGUAGES
        }


def _needs(program: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed: make peers")
    return found


# --- both alike ---

REQUESTS = {
    "healthz": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/1.0": b"GET /healthz HTTP/1.0\r\n\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "lines that end with LF": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "empty lines first": b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "two spaces": b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "two requests": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2,
    "keep-alive": b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    "HEAD": b"HEAD /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
    "HEAD of nothing": b"HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    "query": b"GET /readyz?verbose=1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "query of the page": b"GET /?x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a body": b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "POST": b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "POST to nothing": b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "Expect": b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "chunks": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
    "small letters": b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "missing": b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    "below a page": b"GET /healthz/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "escaped": b"GET /%68ealthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "whole address": b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long line": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 7000 + b"\r\n\r\n",
    "a folded line": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
}
REFUSED = {
    "HTTP/2": (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 400),
    "a space at the end": (b"GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
    "no colon": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n", 400),
    "negative length": (b"GET /healthz HTTP/1.1\r\nContent-Length: -4\r\n\r\n", 400),
    "long path": (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "no newline": (b"a" * 40_000, 414),
    "zeros": (b"\0" * 40_000, 414),
    "long line": (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    "many lines": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", 431),
}
"""Requests that the libraries refuse, in words of their own; who still sends when the other has
closed may not get to see them, tcp(7)."""
CLOSED = {
    "one word": b"garbage\r\n\r\n",
    "a space first": b" GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "four words": b"GET /healthz x HTTP/1.1\r\nHost: x\r\n\r\n",
}
"""Requests to which libmicrohttpd says nothing."""
_CHANGING = re.compile(rb"\d+ d \d\d:\d\d:\d\d|in (C|Python)\b")


def _comparable(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    if b"<html" in answer.body:
        headers.pop("content-length")
    return answer.status, headers, _CHANGING.sub(b"", answer.body)


@pytest.mark.parametrize("name", REQUESTS)
def test_same_answer(daemons: dict[str, Daemon], name: str) -> None:
    """Status, headers and body are the same from both."""
    c, python = (send(daemons[each].address, REQUESTS[name], 20) for each in LANGUAGES)
    assert _comparable(c) == _comparable(python)
    assert c.status in (200, 404, 405) and "date" in c.headers and "date" in python.headers
    assert c.headers["connection"] == "close" and c.headers["cache-control"] == "no-store"


@both
@pytest.mark.parametrize("name", REFUSED)
def test_refused(daemons: dict[str, Daemon], language: str, name: str) -> None:
    """What is no request that it takes is refused, with the status that says why."""
    request, status = REFUSED[name]
    assert send(daemons[language].address, request, 20).status in (
        {status, 0} if len(request) > 16_384 else {status}
    )
    assert daemons[language].ask("/healthz").status == 200


@both
@pytest.mark.parametrize("name", CLOSED)
def test_nonsense(daemons: dict[str, Daemon], language: str, name: str) -> None:
    """What is no request at all gets 400, or nothing; and soon, not after PATIENCE."""
    answer = send(daemons[language].address, CLOSED[name], 20)
    assert answer.status in ((400, 0) if language == "python" else (400, 404, 0))
    assert daemons[language].ask("/healthz").status == 200


def _families(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("# ")]


def _samples(text: str) -> list[str]:
    return [line.rpartition(" ")[0] for line in text.splitlines() if line[:1] != "#"]


def _metrics(daemon: Daemon) -> str:
    return daemon.ask("/metrics").body.decode()


def test_same_metrics(daemons: dict[str, Daemon]) -> None:
    """The same families in the same order, with the same help and types, and the same samples."""
    c, python = (_metrics(daemons[each]) for each in LANGUAGES)
    assert _families(c) == _families(python) and len(_families(c)) == 24
    # A library may give the sum of a histogram before or after its count.
    assert sorted(_samples(c)[1:]) == sorted(_samples(python)[1:])
    assert _samples(c)[0].replace('"c"', '"python"') == _samples(python)[0]


@both
def test_numbers_of_the_process(daemons: dict[str, Daemon], language: str) -> None:
    """What it says of its process is what the kernel says."""
    daemon = daemons[language]
    said = dict(line.split(" ") for line in _metrics(daemon).splitlines() if line[:1] != "#")
    kilobytes = daemon.status("VmRSS")
    assert abs(float(said["process_resident_memory_bytes"]) / 1024 / kilobytes - 1) < 0.3
    # The connection of the question is one more than now.
    assert float(said["process_open_fds"]) == pytest.approx(daemon.descriptors() + 1, abs=2)
    started = float(said["process_start_time_seconds"])
    assert started + float(said["labd_uptime_seconds"]) == pytest.approx(time.time(), abs=20)
    folder = os.stat(f"/proc/{daemon.process.pid}").st_mtime
    assert started == pytest.approx(folder, abs=20)


@both
def test_the_start_is_always_the_same(daemons: dict[str, Daemon], language: str) -> None:
    """Prometheus' changes() of it counts restarts: no two answers may differ."""
    told = {
        line
        for _ in range(20)
        for line in _metrics(daemons[language]).splitlines()
        if line.startswith("process_start_time_seconds ")
    }
    assert len(told) == 1


def test_version() -> None:
    """Both say the version of the project."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f'#define VERSION "{version}"' in (ROOT / "c/src/exposition.c").read_text()
    assert f'VERSION = "{version}"' in (ROOT / "python/labd/exposition.py").read_text()


@both
def test_promtool(daemons: dict[str, Daemon], language: str) -> None:
    """Prometheus' own tool finds nothing wrong, neither in the format nor in the names."""
    promtool = _needs("promtool")
    text = daemons[language].ask("/metrics").body
    run = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
    assert (run.returncode, run.stdout + run.stderr) == (0, b"")
    broken = subprocess.run(
        [promtool, "check", "metrics"], input=text.rstrip() + b" x\n", capture_output=True
    )
    assert broken.returncode != 0  # the witness can fail


@both
def test_curl(daemons: dict[str, Daemon], language: str, tmp_path: Path) -> None:
    """curl reads it over TCP and over a Unix socket, and takes 503 for a failure."""
    curl = _needs("curl")
    url = f"http://{daemons[language].address}/readyz"
    assert subprocess.check_output([curl, "-sS", "--fail", url]) == b"ok\n"
    with _running(language, tmp_path, f"unix:{tmp_path}/s") as daemon:
        command = [curl, "-sS", "--fail", "--unix-socket", f"{tmp_path}/s", "http://x/readyz"]
        assert subprocess.check_output(command) == b"ok\n"
        (tmp_path / "spool" / "new").rename(tmp_path / "spool" / "aside")
        assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 22
        assert b"/spool/new): No such file" in daemon.ask("/readyz").body


@both
@pytest.mark.parametrize("name", ["new", "cur", "done", "failed", "id", "out", "pipe"])
def test_each_folder_of_the_spool_is_needed(
    daemons: dict[str, Daemon], language: str, name: str
) -> None:
    """It is not ready while one of them is away, and says which."""
    daemon = daemons[language]
    folder = daemon.folder / "spool" / name
    folder.rename(folder.with_name("aside"))
    try:
        answer = daemon.ask("/readyz")
    finally:
        folder.with_name("aside").rename(folder)
    assert answer.status == 503 and f"/spool/{name})".encode() in answer.body
    assert daemon.ask("/readyz").status == 200


@both
def test_a_reason_cannot_spoil_the_page(language: str, tmp_path: Path) -> None:
    """What comes from outside, such as a path, is text there, in both alike."""
    with _running(language, tmp_path / "it's \"<b>&") as daemon:
        (daemon.folder / "spool" / "new").rename(daemon.folder / "spool" / "aside")
        page = daemon.ask("/").body
    assert b"/it&#x27;s &quot;&lt;b&gt;&amp;/spool/new): No such file" in page


@both
def test_a_worker_has_failed(language: str, tmp_path: Path) -> None:
    """It is not ready from then on, however long the others take to stop."""
    with waits(_made(tmp_path), ("queue", "reporter")) as holding:
        through = HOLDING_WAITS
        with _running(language, tmp_path, through=through, stop_timeout="60") as daemon:
            if not holding.fail("reporter", errno.ENOMEM, 20):
                pytest.skip("no calls can be held here")
            until(lambda: daemon.ask("/readyz").body == b"stopping\n")
            assert daemon.process.poll() is None
            daemon.process.kill()


@both
def test_a_disk_that_does_not_answer(language: str, tmp_path: Path) -> None:
    """Who asks whether it is ready waits for the disk. Who asks it to stop does not: it ends within
    stop_timeout, and names what has kept it."""
    (tmp_path / "hang").mkdir()
    variables = hanging(tmp_path / "hang")
    with _running(language, tmp_path, variables=variables, stop_timeout="1") as daemon:
        assert daemon.ask("/readyz").status == 200
        (tmp_path / "hang" / "access").touch()
        with connected(daemon.address, 20) as connection:
            connection.send(b"GET /readyz HTTP/1.1\r\n\r\n")
            until(lambda: send(daemon.address, REQUESTS["healthz"], 0.2).status == 0)
            daemon.process.terminate()
            assert daemon.process.wait(30) == 1
    last = _events(tmp_path)[-1]
    assert str(last["error"]).startswith("not undone within 1000 ms: health ")


@both
def test_reload(language: str, tmp_path: Path) -> None:
    """A reload is counted, a bad one apart; and readiness does not suffer from it."""
    with _running(language, tmp_path) as daemon:
        settings = (tmp_path / "labd.ini").read_text()
        os.kill(daemon.process.pid, signal.SIGHUP)
        until(lambda: 'labd_reloads_total{result="good"} 0' not in _metrics(daemon))
        (tmp_path / "labd.ini").write_text(settings + "nonsense = 1\n")
        os.kill(daemon.process.pid, signal.SIGHUP)
        until(
            lambda: not re.search(r'reloads_total{result="bad"} 0(\.0)?$', _metrics(daemon), re.M)
        )
        assert daemon.ask("/readyz").status == 200


# --- programs that ask ---


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return bytes(answer.read())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_prometheus(daemons: dict[str, Daemon], tmp_path: Path) -> None:
    """A real Prometheus scrapes both, and knows what they are."""
    prometheus, port = _needs("prometheus"), _free_port()
    targets = [daemons[each].address for each in LANGUAGES]
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: labd\n"
        f"    static_configs: [{{targets: {json.dumps(targets)}}}]\n"
    )
    command = [
        prometheus,
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def answers(query: str) -> list[dict[str, object]]:
        with contextlib.suppress(OSError):
            found = json.loads(_get(f"http://127.0.0.1:{port}/api/v1/query?query={query}"))
            return [result["metric"] for result in found["data"]["result"]]
        return []

    with (
        open(tmp_path / "output", "wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        try:
            until(lambda: len(answers("up==1")) == 2, 120)
            until(lambda: len(answers("labd_build_info")) == 2, 60)
            found = answers("labd_build_info")
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
    assert {one["language"] for one in found} == {*LANGUAGES}


@pytest.mark.slow
@pytest.mark.timeout(300)
@both
def test_monit(language: str, tmp_path: Path) -> None:
    """monit sees a daemon that is ready, one that is not, and one that is again."""
    monit = _needs("monit")
    with _running(language, tmp_path / "labd") as daemon:
        port = daemon.address.rpartition(":")[2]
        settings = tmp_path / "monitrc"
        settings.write_text(
            f"set daemon 1\nset log {tmp_path}/monit.log\nset pidfile {tmp_path}/monit.pid\n"
            f"set idfile {tmp_path}/monit.id\nset statefile {tmp_path}/monit.state\n"
            "check host labd with address 127.0.0.1\n"
            f"  if failed port {port} protocol http request /readyz status = 200 then alert\n"
        )
        settings.chmod(0o600)

        def told(text: str) -> bool:
            log = tmp_path / "monit.log"
            return log.exists() and text in log.read_text()

        new = tmp_path / "labd" / "spool" / "new"
        with (
            open(tmp_path / "output", "wb") as output,
            subprocess.Popen(
                [monit, "-I", "-c", settings], stdout=output, stderr=output
            ) as process,
        ):
            try:
                until(lambda: told("Monit 5") or told("Starting Monit"), 60)
                new.rename(new.with_name("aside"))
                until(lambda: told("503"), 60)
                new.with_name("aside").rename(new)
                until(lambda: told("connection succeeded"), 60)
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()


# --- clients that are slow, or worse ---


@both
def test_a_thousand_that_say_nothing(language: str, tmp_path: Path) -> None:
    """They keep nobody waiting, and take no more descriptors than the contract allows."""
    with _running(language, tmp_path) as daemon, ExitStack() as stack:
        before = daemon.descriptors()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1000):
            stack.enter_context(connected(daemon.address, 20))
        assert daemon.ask("/healthz").status == 200
        assert daemon.descriptors() <= before + MOST_CONNECTIONS
        assert daemon.ask("/metrics").status == 200


@pytest.mark.slow
@both
def test_slowloris(language: str, tmp_path: Path) -> None:
    """A byte now and then buys no time: each connection is over after PATIENCE."""
    with _running(language, tmp_path) as daemon, ExitStack() as stack:
        slow = [stack.enter_context(connected(daemon.address, 20)) for _ in range(20)]
        began, ended = time.monotonic(), 0
        for connection in slow:
            connection.setblocking(False)
        while slow and time.monotonic() < began + 60:
            for connection in list(slow):
                try:
                    connection.send(b"G")
                    if connection.recv(100) == b"":
                        raise ConnectionResetError
                except BlockingIOError:
                    continue
                except OSError:
                    slow.remove(connection)
                    ended += 1
                    assert time.monotonic() - began > PATIENCE - 0.5
            assert daemon.ask("/healthz").status == 200
            time.sleep(0.05)
        assert ended == 20
        assert time.monotonic() - began < PATIENCE + 20  # a busy machine


@both
def test_a_hundred_megabytes(language: str, tmp_path: Path) -> None:
    """A body is not read: it takes neither memory nor time from others."""
    with _running(language, tmp_path) as daemon:
        daemon.ask("/metrics")  # what is loaded for it is loaded now
        before = daemon.status("VmHWM")
        statuses = []

        def pour(path: bytes) -> None:
            head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n"
            statuses.append(send(daemon.address, head + bytes(100 << 20), 20).status)

        pouring = [threading.Thread(target=pour, args=(path,)) for path in (b"/", b"/metrics")]
        for one in pouring:
            one.start()
        while any(one.is_alive() for one in pouring):
            assert daemon.ask("/healthz").status == 200
        for one in pouring:
            one.join()
        assert {*statuses} <= {405, 0}
        assert daemon.status("VmHWM") - before < 10_000  # kilobytes


@both
def test_no_descriptor_left(language: str, tmp_path: Path) -> None:
    """With no descriptor left it neither ends nor spins, and answers when there is one again."""
    with _running(language, tmp_path, poll_interval="0") as daemon:
        daemon.ask("/metrics")
        _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir(f"/proc/{daemon.process.pid}/fd"))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (highest + 1, hard))
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connected(daemon.address, 20))
            before = _processor_time(daemon.process.pid)
            began = time.monotonic()
            assert send(daemon.address, b"GET /healthz HTTP/1.1\r\n\r\n", 1.5).status in (0, 200)
            used = _processor_time(daemon.process.pid) - before
            assert used < 0.5 * (time.monotonic() - began)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (256, hard))
        until(lambda: daemon.ask("/healthz").status == 200)


def _processor_time(pid: int) -> float:
    """Seconds that a process has computed: proc_pid_stat(5), utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@both
def test_stops_at_once_in_spite_of_clients(language: str, tmp_path: Path) -> None:
    """Who is connected when it stops does not hold it up."""
    with _running(language, tmp_path) as daemon, ExitStack() as stack:
        for _ in range(30):
            connection = stack.enter_context(connected(daemon.address, 20))
            connection.send(b"GET /hea")
        assert daemon.ask("/healthz").status == 200
        began = time.monotonic()
        daemon.process.terminate()
        assert daemon.process.wait(20) == 0
        assert time.monotonic() - began < PATIENCE  # it does not wait for them


# --- where it listens ---


@both
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_busy_port(language: str, host: str, tmp_path: Path) -> None:
    """A port in use: the starter says so and exits with 1, and nothing is left."""
    family = socket.AF_INET6 if host == "[::1]" else socket.AF_INET
    try:
        server = socket.create_server((host.strip("[]"), 0), family=family)
    except OSError as error:
        pytest.skip(f"no {host} here: {error}")
    with server:
        address = f"{host}:{server.getsockname()[1]}"
        command = _command(language, tmp_path, address)
        run = subprocess.run(command, capture_output=True, timeout=60)
    assert run.returncode == 1
    assert run.stderr == f"labd: bind({address}): Address already in use\n".encode()
    assert _events(tmp_path)[-1]["event"] == "failed"
    with _running(language, tmp_path / "again", address):  # and it can be used at once after that
        assert ask(address, "/healthz", seconds=20).status == 200


@both
def test_restart_at_once(language: str, tmp_path: Path) -> None:
    """The port is free for the next one, though the kernel still remembers connections."""
    with _running(language, tmp_path / "first") as daemon:
        address = daemon.address
        assert daemon.ask("/healthz").status == 200  # we closed last: TIME_WAIT is on its side
    with _running(language, tmp_path / "second", address) as daemon:
        assert daemon.ask("/healthz").status == 200


@both
def test_many_start_at_one_path(language: str, tmp_path: Path) -> None:
    """Eight start at once where one was killed: one has the path, the others leave it alone."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    commands = [_command(language, tmp_path / str(n), f"unix:{path}") for n in range(8)]
    started = [
        subprocess.Popen([*command, "--foreground"], stderr=subprocess.PIPE) for command in commands
    ]
    try:
        until(lambda: sum(one.poll() is None for one in started) <= 1, 60)
        (winner,) = [one for one in started if one.poll() is None]
        until(lambda: ask(f"unix:{path}", "/readyz").status == 200)
        losers = [one for one in started if one is not winner]
        assert [one.returncode for one in losers] == [1] * 7
        assert all(b"Address already in use" in one.communicate()[1] for one in losers)
        winner.terminate()
        assert winner.wait(20) == 0 and not path.exists()
    finally:
        for one in started:
            one.kill()
            one.wait()
            if one.stderr is not None:
                one.stderr.close()


@both
def test_another_binds_in_the_same_folder(language: str, tmp_path: Path) -> None:
    """At another path, perhaps: it is soon done, and no reason to give up."""
    folder = tmp_path / "run"
    folder.mkdir()
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_EX)

    def release() -> None:
        with suppress(AssertionError):
            until((tmp_path / "log").exists)
        time.sleep(0.3)  # for it to come to the lock; if it does not, it has it at once
        os.close(held)

    other = threading.Thread(target=release)
    other.start()
    try:
        with _running(language, tmp_path, f"unix:{folder}/socket") as daemon:
            assert daemon.ask("/readyz").status == 200
    finally:
        other.join()


@both
def test_a_folder_that_stays_locked(language: str, tmp_path: Path) -> None:
    """It does not wait for ever, and says for what it has waited."""
    folder = tmp_path / "run"
    folder.mkdir()
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_EX)
    command = _command(language, tmp_path, f"unix:{folder}/socket")
    run = subprocess.run(command, capture_output=True, timeout=60)
    os.close(held)
    assert (run.returncode, run.stderr) == (
        1,
        f"labd: flock({folder}): Address already in use\n".encode(),
    )


@both
@pytest.mark.parametrize("kind", ["link", "folder", "open folder", "no folder"])
def test_path_that_cannot_be_taken(language: str, kind: str, tmp_path: Path) -> None:
    """What is in the way and no dead socket is refused, named, and left as it was."""
    folder = tmp_path / "run"
    path = folder / "socket"
    if kind != "no folder":
        folder.mkdir()
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    if kind == "folder":
        path.mkdir()
    if kind == "open folder":
        folder.chmod(0o777)
    run = subprocess.run(
        _command(language, tmp_path, f"unix:{path}"), capture_output=True, timeout=60
    )
    assert run.returncode == 1
    assert os.fsencode(folder) in run.stderr
    assert path.is_symlink() == (kind == "link") and path.is_dir() == (kind == "folder")
