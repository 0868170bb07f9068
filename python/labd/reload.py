"""The configuration is read again: on SIGHUP, and when its file has changed.

One thread at a time: the loop of labs 1 to 7, or the worker "config". It waits for watch.way.fd
until watch.next_look, then calls reload_turn. Twin of `c/src/reload.c`.
"""

from labd.config import Change, config_get, config_reload, config_watch_next
from labd.failure import Failure
from labd.jobs import jobs_look
from labd.log import log_event, log_set_level, log_text
from labd.metrics import metrics_reload
from labd.state import Labd
from labd.wake import WAKE_LOOK, wake_send


def reload_look(labd: Labd) -> None:
    """Have the jobs looked at: by us, or by the worker that has them."""
    if labd.queue.fd >= 0:
        wake_send(labd.queue, WAKE_LOOK)
    else:
        jobs_look(labd.jobs)


def _log_change(labd: Labd, cause: str, change: Change) -> None:
    log_event(labd.log, "info", "reload", generation=change.generation, was=change.was, cause=cause)
    if change.restart:
        log_event(labd.log, "warning", "restart_needed", keys=change.restart)


def reload_now(labd: Labd, cause: str) -> None:
    """Read it again, and say in the log what came of it.

    cause is "HUP" or "file". The level of the log counts from now on; whoever gets the
    configuration gets the new one; the jobs are looked at, for the time of the next look may have
    come earlier. Counted by metrics_reload.
    """
    try:
        change = config_reload(labd.store)
    except Failure as failure:
        metrics_reload(labd.metrics, False)
        _, generation = config_get(labd.store)
        error = log_text(failure.text)
        log_event(
            labd.log, "error", "reload_failed", generation=generation, cause=cause, error=error
        )
        return
    metrics_reload(labd.metrics, True)
    config, _ = config_get(labd.store)
    log_set_level(labd.log, config.log_level)
    _log_change(labd, cause, change)
    reload_look(labd)


def reload_turn(labd: Labd) -> None:
    """Read it again, if the watch says so. Raises Failure."""
    if config_watch_next(labd.watch):
        reload_now(labd, "file")
