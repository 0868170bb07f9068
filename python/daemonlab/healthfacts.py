"""Lab 9's facts: what a daemon answered over HTTP."""

import re
from collections.abc import Callable

from daemonlab.asking import Answer
from daemonlab.facts import Fact, register
from daemonlab.healthwork import SOCKET_PATH
from daemonlab.record import EARLY, Record

FAMILIES = (
    "labd_build_info gauge",
    "labd_uptime_seconds gauge",
    "labd_jobs_total counter",
    "labd_job_duration_seconds histogram",
    "labd_jobs_running gauge",
    "labd_queue_length gauge",
    "labd_reloads_total counter",
    "labd_children_reaped_total counter",
    "labd_log_lines_lost_total counter",
    "process_start_time_seconds gauge",
    "process_open_fds gauge",
    "process_resident_memory_bytes gauge",
)
"""What /metrics has to have, with its type."""
_SAMPLE = re.compile(
    r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="([^"\\\n]|\\.)*",?)*\})?'
    r" ([-+]?(\d+\.?\d*([eE][-+]?\d+)?|Inf)|NaN)"
)

_LONGEST = 400
"""Bytes of a line that are shown."""


def _answer(record: Record, action: str, step: str) -> Answer | None:
    reaction = record.reaction(action)
    return None if reaction is None or not reaction.answers else reaction.answers.get(step)


def _said(answer: Answer) -> str:
    """Status, and the first line of the body, with whole paths."""
    if answer.status == 0:
        return "no answer"
    line = answer.body.split(b"\n")[0][:_LONGEST].decode(errors="backslashreplace")
    return f"{answer.status} {line}".rstrip()


def _of_answer(
    name: str, action: str, step: str, meaning: str, derive: Callable[[Answer], object] = _said
) -> None:
    """A fact from the answer of one step."""

    def derived(record: Record) -> Fact:
        answer = _answer(record, action, step)
        if answer is None:
            return Fact(None, "not asked")
        after = f"{_said(answer)}, after {answer.seconds * 1000:.0f} ms"
        return Fact(derive(answer), f"{after}: {answer.refused}" if answer.refused else after)

    derived.__name__, derived.__doc__ = name, meaning
    register(derived)


def _status(answer: Answer) -> object:
    return answer.status


def _allowed(answer: Answer) -> object:
    return f"{answer.status} {answer.headers.get('allow', '')}".rstrip()


def _framed(answer: Answer) -> object:
    return (
        f"{answer.status}, {len(answer.body)} bytes of {answer.headers.get('content-length', '?')}"
    )


def _type(answer: Answer) -> object:
    return answer.headers.get("content-type", "none")


for _path in ("healthz", "readyz"):
    _of_answer(_path, "pages", _path, f"What /{_path} says while all is well.")
    _of_answer(f"{_path}_starting", EARLY, _path, f"What /{_path} says before it is ready.")
    _of_answer(
        f"{_path}_stopping",
        "ask and stop",
        _path,
        f"What /{_path} says once it was asked to stop.",
    )
    _of_answer(
        f"{_path}_unusable",
        "unusable",
        _path,
        f"What /{_path} says while a folder of the spool is gone.",
    )
    _of_answer(
        f"{_path}_again", "unusable", f"{_path} again", f"And /{_path} when it is there again."
    )
    _of_answer(
        f"{_path}_still", "still", _path, f"What /{_path} says after what was done to it before."
    )
_of_answer("healthz_hung", "hang", "healthz", "What /healthz said at last: one worker hangs.")
_of_answer("metrics_hung", "hang", "metrics", "The status of /metrics while it hangs.", _status)
_of_answer("healthz_crowd", "crowd", "crowded", "What /healthz says while many are connected.")
_of_answer("sockets_crowd", "crowd", "kept", "How many sockets it has open then.", _status)
_of_answer("query", "pages", "query", "What /healthz says to a request with a '?' in it.")
_of_answer("missing", "pages", "missing", "The status for a page that is none.", _status)
_of_answer("post", "pages", "post", "The status for POST, and what is allowed.", _allowed)
_of_answer("head", "pages", "head", "HEAD: how long is the body, and said to be?", _framed)
_of_answer("page_type", "pages", "page", "The media type of the page for people.", _type)
_of_answer("metrics_type", "pages", "metrics", "The media type of /metrics.", _type)
_of_answer("after_nonsense", "hostile", "after", "What /healthz says after nonsense.")


@register
def nonsense(record: Record) -> Fact:
    """The status for each request that is none, by kind; 0: closed without an answer."""
    reaction = record.reaction("hostile")
    if reaction is None or not reaction.answers:
        return Fact(None, "not asked")
    found = tuple(
        f"{name}: {answer.status}" for name, answer in reaction.answers.items() if name != "after"
    )
    return Fact(found, f"{len(found)} requests")


def _metrics(record: Record) -> str | None:
    answer = _answer(record, "pages", "metrics")
    return None if answer is None else answer.body.decode(errors="replace")


@register
def metrics_missing(record: Record) -> Fact:
    """The families that /metrics has to have, and has not, each with its type and a help text."""
    text = _metrics(record)
    if text is None:
        return Fact(None, "not asked")
    typed = set(re.findall(r"^# TYPE (\S+ \S+)$", text, re.MULTILINE))
    helped = set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    missing = [
        family for family in FAMILIES if family not in typed or family.split()[0] not in helped
    ]
    return Fact(tuple(missing), f"{len(typed)} families")


@register
def metrics_bad_lines(record: Record) -> Fact:
    """The lines of /metrics that are neither a comment nor NAME{LABELS} VALUE."""
    text = _metrics(record)
    if text is None:
        return Fact(None, "not asked")
    lines = text.split("\n")
    bad = [line[:60] for line in lines[:-1] if line[:1] != "#" and not _SAMPLE.fullmatch(line)]
    bad += ["no newline at the end"] if lines[-1] else []
    return Fact(tuple(bad), f"{len(lines)} lines")


@register
def jobs_counted(record: Record) -> Fact:
    """What /metrics counts of the two jobs, by result, and how many its histogram holds."""
    text = _metrics(record)
    if text is None:
        return Fact(None, "not asked")
    found = dict(re.findall(r'^labd_jobs_total\{result="(\w+)"\} (\S+)$', text, re.MULTILINE))
    found |= dict(re.findall(r"^labd_job_duration_seconds_(count) (\S+)$", text, re.MULTILINE))
    last = re.search(r'^labd_job_duration_seconds_bucket\{le="\+Inf"\} (\S+)$', text, re.MULTILINE)
    counts = (f"{name} {float(found.get(name, 'nan')):g}" for name in ("done", "failed", "count"))
    return Fact((*counts, f"+Inf {float(last[1]) if last else float('nan'):g}"), "of /metrics")


@register
def socket_mode(record: Record) -> Fact:
    """The permission bits of its socket's path, once it has settled."""
    file = record.files.get(SOCKET_PATH)
    if file is None:
        return Fact(None, "no such path")
    return Fact(f"{file.kind} {file.mode:03o}", f"stat {record.scratch}/{SOCKET_PATH}")


@register
def socket_after(record: Record) -> Fact:
    """What lies at its socket's path after all: socket, nothing, or another's file."""
    file = record.files_after.get(SOCKET_PATH)
    return Fact("nothing" if file is None else file.kind, f"stat {record.scratch}/{SOCKET_PATH}")
