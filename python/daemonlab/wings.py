"""The reference, c/src and python/labd, when something is wrong with it: which file was changed,
and how it comes back. It is not the student's to change, but nothing keeps them from it."""

import subprocess
from collections.abc import Sequence

from daemonlab.explain import relative
from daemonlab.house import PORT, ROOT, C
from daemonlab.judge import Result
from daemonlab.loop import language_of

_FOLDERS = (relative(C / "src"), relative(PORT))
_MOST = 5
"""Files that are named."""


def changed() -> list[str]:
    """The files of the reference that are not as they were committed; none where git(1) cannot
    tell."""
    try:
        told = subprocess.run(
            ["git", "diff", "--name-only", "--relative", "-z", "HEAD", "--", *_FOLDERS],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [name for name in told.stdout.decode(errors="replace").split("\0") if name]


def remedy() -> list[str]:
    """What to do about a reference that is broken, in lines."""
    files = changed()
    if not files:
        return [f"git status shows what is not as you got it, in {' and '.join(_FOLDERS)}."]
    named = " ".join(files[:_MOST])
    more = f" and {len(files) - _MOST} more" if len(files) > _MOST else ""
    return [
        f"Not as you got it: {named.replace(' ', ', ')}{more}.",
        f"git restore {named}",
        "brings back what you got; what you have written there is lost, so copy it first.",
    ]


def fault(results: Sequence[Result]) -> list[str]:
    """What to say where the reference itself fails its lab; nothing where it does not."""
    failed = [result for result in results if not language_of(result) and not result.passed]
    if not failed:
        return []
    titles = " and ".join(result.subject.title for result in failed)
    return [
        f"The reference itself fails ({titles}): do not trust the rest before it is mended.",
        *remedy(),
    ]
