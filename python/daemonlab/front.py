"""The door of the command line: what the command `daemonlab` begins with.

To import the command line takes a moment, in which Ctrl-C would end in a traceback of whatever was
being imported. Until that is done the signal does its default: it ends us, and nothing is said.
"""

import _signal as signal  # type: ignore[import-not-found]  # `signal` takes a moment itself


def main() -> None:
    """Import the command line, and go on there."""
    before = signal.getsignal(signal.SIGINT)
    heard = before is signal.default_int_handler  # else it is ignored, as in the background
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from daemonlab import cli

    if heard:
        signal.signal(signal.SIGINT, before)
    cli.main()
