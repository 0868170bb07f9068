"""Run commands as a reader would, at a terminal, and print them with what they print.

The commands come from standard input, a line each, and run in one shell, in a folder that holds
the examples and goes away. A command that fails, fails the whole; one that begins with "! " must
fail, and its exit status is printed. The laboratory ends whatever they leave behind.

Usage in a page, by markdown-exec:  .venv/bin/python docs/examples/show.py <<'END'
"""

import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from daemonlab.environment import FRIENDLY
from daemonlab.launch import launch

EXAMPLES = Path(__file__).resolve().parent
_TIME = 10.0
"""Seconds that the commands of one block may take."""
_DONE = "all commands did as expected"


def _script(commands: list[str]) -> str:
    lines = ["set -m"]  # job control, as in the shell at which a person types
    for command in commands:
        shown = command.removeprefix("! ")
        lines += [f"printf '$ %s\\n' {shlex.quote(shown)}", f"{shown}", "status=$?"]
        if command == shown:
            lines += ["[ $status = 0 ] || exit 1"]
        else:
            lines += ["[ $status != 0 ] || exit 1", 'echo "(exit status $status)"']
    return "\n".join([*lines, f"echo {_DONE}"])


def show(commands: list[str]) -> str:
    """What a terminal would show. Raises RuntimeError if a command did not do as expected."""
    with tempfile.TemporaryDirectory(prefix="daemonlab-") as folder:
        scratch = Path(folder)
        shutil.copytree(EXAMPLES, scratch, dirs_exist_ok=True, ignore=lambda *_: ["show.py"])
        variables = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "100",
        }
        # script(1) makes bash the leader of a session at a terminal of its own, as a login does.
        (scratch / "commands").write_text(_script(commands))
        login = ["script", "--quiet", "--command", "exec bash commands", "/dev/null"]
        with launch(login, FRIENDLY, variables, scratch) as subject:
            ended = subject.wait_starter(_TIME)
            subject.log_out()  # only now everything that was printed has been read
            text = subject.output().decode(errors="replace").replace("\r\n", "\n")
    if ended is None or _DONE not in text:
        raise RuntimeError(f"a command did not do as expected: {ended}\n{text}")
    return re.sub(r"(?m)^commands: line \d+: ", "bash: ", text.replace(_DONE + "\n", "")) + "\n"


if __name__ == "__main__":
    print(show(sys.stdin.read().splitlines()), end="")
