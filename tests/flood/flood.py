"""Log numbered lines as fast as asked, until SIGTERM; open the log again at SIGUSR1.

usage: flood.py LOG LINES-A-SECOND

Prints how many lines it logged, and how many were lost. Twin of flood.c.
"""

import signal
import sys
import time

from labd.clock import now_milliseconds
from labd.log import log_close, log_event, log_open, log_reopen


def arrived(number: signal.Signals) -> bool:
    """Whether a signal waits; takes it."""
    return signal.sigtimedwait({number}, 0) is not None


def main() -> None:
    """See above."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    log = log_open(sys.argv[1], "info")
    began, number, rate = now_milliseconds(), 0, int(sys.argv[2])
    while not arrived(signal.SIGTERM):
        if arrived(signal.SIGUSR1):
            log_reopen(log)
        due = (now_milliseconds() - began) * rate // 1000
        for _ in range(min(due - number, rate // 100)):  # then look for signals again
            log_event(log, "info", "flood", number=number)
            number += 1
        time.sleep(0.0002)
    print(number, log.lost)
    log_close(log)


main()
