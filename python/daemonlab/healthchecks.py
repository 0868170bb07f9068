"""Lab 9's checks: what a daemon says of its health, to whom, and how soon."""

from daemonlab.checks import Verdict, equals, how_ended, register, show
from daemonlab.facts import Facts
from daemonlab.healthwork import MOST_CONNECTIONS

_SOCKETS = MOST_CONNECTIONS + 8
"""The daemon may have sockets besides those of its clients: it listens at one."""


def _all(facts: Facts, expected: str, **wanted: object) -> Verdict:
    """Whether each of these facts has its value; the first that has not is told."""
    verdict = Verdict(None, "", expected)
    for name, value in wanted.items():
        verdict = equals(facts, name, value, expected)
        if not verdict.passed:
            return verdict
    return verdict


@register("alive")
def alive(facts: Facts) -> Verdict:
    """It says that it lives: while it starts, works and stops, also when it is not ready."""
    expected = "200 ok at /healthz"
    for name in ("starting", "stopping", "unusable"):
        found = facts[f"healthz_{name}"]
        if found.value is not None and found.value != "200 ok":
            return Verdict(False, f"while {name}: {show(found.value)}", expected, found.evidence)
    name = "healthz_stopping" if facts["healthz"].value is None else "healthz"
    return _all(facts, expected, **{name: "200 ok"})


@register("readiness")
def readiness(facts: Facts) -> Verdict:
    """It says that it is ready when it is, and not while it starts or stops."""
    if facts["readyz"].value is None:
        return _all(facts, "503 stopping at /readyz", readyz_stopping="503 stopping")
    expected = "503 starting at /readyz, then 200 ok"
    return _all(facts, expected, readyz_starting="503 starting", readyz="200 ok")


@register("unusable")
def unusable(facts: Facts) -> Verdict:
    """It is not ready while what jobs need cannot be used, and is when it can again."""
    expected = "503 and the reason at /readyz while a folder is gone, then 200 ok"
    found = facts["readyz_unusable"]
    if found.value is None:
        return Verdict(None, found.evidence, expected)
    if not str(found.value).startswith("503 ") or "new" not in str(found.value):
        return Verdict(False, show(found.value), expected, found.evidence)
    return _all(facts, expected, readyz_again="200 ok")


@register("metrics")
def metrics(facts: Facts) -> Verdict:
    """Prometheus can read its numbers, and they are right."""
    expected = "text/plain; version=0.0.4; every family; the two jobs counted"
    found = facts["metrics_type"]
    if found.value is None:
        return Verdict(None, found.evidence, expected)
    if not str(found.value).startswith("text/plain; version=0.0.4"):
        return Verdict(False, show(found.value), expected, found.evidence)
    counted = ("done 1", "failed 1", "count 2", "+Inf 2")
    return _all(facts, expected, metrics_bad_lines=(), metrics_missing=(), jobs_counted=counted)


@register("requests")
def requests(facts: Facts) -> Verdict:
    """It keeps to HTTP: HEAD, 404, 405 with Allow, a path with a query."""
    expected = "200 for a query; 404; 405 with Allow: GET, HEAD; HEAD without a body"
    verdict = _all(
        facts, expected, query="200 ok", missing=404, post="405 GET, HEAD", page_type=_HTML
    )
    if verdict.passed:
        return _all(facts, expected, head="200, 0 bytes of 3")
    return verdict


_HTML = "text/html; charset=utf-8"


@register("nonsense")
def nonsense(facts: Facts) -> Verdict:
    """It refuses what is no request, and then answers the next."""
    expected = "400 or closed; 414; 431; 405; then 200 ok"
    found = facts["nonsense"]
    if not isinstance(found.value, tuple):
        return Verdict(None, found.evidence, expected)
    for line in found.value:
        kind, _, status = str(line).partition(": ")
        if status not in _REFUSALS[kind]:
            return Verdict(False, f"{kind}: {status}", expected, found.evidence)
    return _all(facts, expected, after_nonsense="200 ok")


_REFUSALS = {
    "nonsense": {"400", "0"},
    "no newline": {"414", "400", "0"},
    "long head": {"431", "0"},
    "long path": {"414", "0"},
    "large body": {"405", "0"},
}
"""0: who still sends when the other has closed may not get to see the answer, tcp(7)."""


@register("crowd")
def crowd(facts: Facts) -> Verdict:
    """Clients that say nothing keep nobody else waiting, and take but few descriptors."""
    expected = f"200 ok, with at most {MOST_CONNECTIONS} connections; 200 ok after it"
    verdict = _all(facts, expected, healthz_crowd="200 ok")
    sockets = facts["sockets_crowd"]
    if verdict.passed and isinstance(sockets.value, int) and sockets.value > _SOCKETS:
        return Verdict(False, f"{sockets.value} sockets", expected, sockets.evidence)
    return _all(facts, expected, healthz_still="200 ok") if verdict.passed else verdict


@register("hung")
def hung(facts: Facts) -> Verdict:
    """When a worker hangs it says so, and still answers."""
    expected = "503 at /healthz, with the name of the worker; 200 at /metrics"
    found = facts["healthz_hung"]
    if found.value is None:
        return Verdict(None, found.evidence, expected)
    if not str(found.value).startswith("503 ") or "queue" not in str(found.value):
        return Verdict(False, show(found.value), expected, found.evidence)
    verdict, threads = _all(facts, expected, metrics_hung=200), facts["threads"]
    if verdict.passed and isinstance(threads.value, tuple) and "health" not in threads.value:
        expected = "the thread that answers has a name: health"
        return Verdict(False, show(threads.value), expected, threads.evidence)
    return verdict


@register("taken")
def taken(facts: Facts) -> Verdict:
    """An address that is in use is left to its owner: the starter says so and exits with 1."""
    expected = "exit 1 and the reason; the other is left as it was"
    again = facts["again"]
    if again.value is not None:
        if again.value != (1, False):
            return Verdict(False, again.evidence, expected)
        return _all(facts, expected, healthz_still="200 ok")
    status, told = facts["starter_status"], facts["output"]
    if status.value != 1:
        return Verdict(False, how_ended(status.value), expected, status.evidence)
    if "bind(" not in str(told.value):
        return Verdict(False, show(told.value), expected, status.evidence)
    return _all(facts, expected, socket_after="file")


@register("stale-socket")
def stale_socket(facts: Facts) -> Verdict:
    """A path at which nobody listens any more is taken over."""
    expected = "it starts, and answers there; mode 660"
    status, still = facts["starter_status"], facts["readyz_still"]
    if status.value != 0:
        return Verdict(False, how_ended(status.value), expected, status.evidence)
    if still.value in (None, "no answer"):
        return Verdict(False, "no answer", expected, still.evidence)
    return _all(facts, expected, socket_mode="socket 660")


@register("socket-gone")
def socket_gone(facts: Facts) -> Verdict:
    """At its end the path goes, unless it is another's by then."""
    replaced = facts["again"].value is not None
    expected = "the other's file is still there" if replaced else "nothing at its path"
    ended = facts["at_TERM"]
    if ended.value is None and facts["healthz_stopping"].value is None:
        return Verdict(None, ended.evidence, expected)
    if ended.value not in ("exit 0", None):
        return Verdict(False, show(ended.value), expected, ended.evidence)
    return _all(facts, expected, socket_after="file" if replaced else "nothing")
