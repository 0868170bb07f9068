"""pages - which pages there are, and what each of them says.

- /healthz: 200 "ok", or 503 and what is wrong: whoever asks may start us anew.
- /readyz: 200 "ok", or 503 and why not: whoever asks should not send us work now. To start us anew
  would not help.
- /metrics: 200, Prometheus' text format.
- /: 200, a page for people.

Twin of `c/src/pages.c`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from labd.answer import Answer, answer_plain
from labd.exposition import METRICS_TYPE, exposition_metrics, exposition_page
from labd.metrics import Metrics, metrics_read

PagesAsk = Callable[[], tuple[bool, str]]
"""Whether all is well, and the line that says so, "ok\\n", or that says what is not."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Who is asked. Each anew for each request; /healthz does not ask ready, nor /readyz alive."""

    alive: PagesAsk
    ready: PagesAsk
    metrics: Metrics


def _make_health(pages: Pages) -> Answer:
    alive, line = pages.alive()
    return answer_plain(200 if alive else 503, line)


def _make_readiness(pages: Pages) -> Answer:
    ready, line = pages.ready()
    return answer_plain(200 if ready else 503, line)


def _make_metrics(pages: Pages) -> Answer:
    text = exposition_metrics(metrics_read(pages.metrics))
    return Answer(200, text, METRICS_TYPE)


def _make_page(pages: Pages) -> Answer:
    counters = metrics_read(pages.metrics)
    page = exposition_page(counters, pages.alive()[1], pages.ready()[1])
    return Answer(200, page, "text/html; charset=utf-8")


_ALL = {
    "/healthz": _make_health,
    "/readyz": _make_readiness,
    "/metrics": _make_metrics,
    "/": _make_page,
}


def pages_find(pages: Pages, method: str, path: str) -> Answer:
    """The answer to a request.

    To each page come GET and HEAD, which get the same from us; other methods get 405. Other paths
    get 404. The path counts as it stands: nothing in it is decoded.
    """
    make = _ALL.get(path)
    if make is None:
        return answer_plain(404)
    if method not in ("GET", "HEAD"):
        return answer_plain(405)
    return make(pages)
