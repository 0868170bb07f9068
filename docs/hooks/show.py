"""MkDocs hook: run commands while the book is built, and show them with what they printed.

    ```show
    cc -o buffer buffer.c && ./buffer
    ! false
    ```

The lines run one after the other in a shell at a terminal, in a folder that holds docs/examples
and goes away; the laboratory ends whatever they leave behind. A command that fails, fails the
build; one that begins with "! " must fail, and its exit status is shown.
"""

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from daemonlab.environment import FRIENDLY
from daemonlab.launch import launch
from mkdocs.exceptions import PluginError

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
BUILT = Path(__file__).resolve().parents[2] / "build" / "c"
"""Where `make c` puts labd."""
_FENCE = re.compile(r"^( *)```show\n(.*?)^ *```$", re.M | re.S)
_TIME = 10.0
"""Seconds that the commands of one block may take."""
_DONE = "all commands did as expected"


def _script(commands: list[str]) -> str:
    lines = ["set -m"]  # job control, as in the shell at which a person types
    for command in commands:
        shown = command.removeprefix("! ")
        lines += [f"printf '$ %s\\n' {shlex.quote(shown)}", shown, "status=$?"]
        if command == shown:
            lines += ["[ $status = 0 ] || exit 1"]
        else:
            lines += ["[ $status != 0 ] || exit 1", 'echo "(exit status $status)"']
    return "\n".join([*lines, f"echo {_DONE}"])


def show(commands: list[str]) -> str:
    """What the terminal shows. Raises RuntimeError if a command did not do as expected."""
    with tempfile.TemporaryDirectory(prefix="daemonlab-") as folder:
        scratch = Path(folder)
        shutil.copytree(EXAMPLES, scratch, dirs_exist_ok=True)
        (scratch / ".commands").write_text(_script(commands))
        path = f"{Path(sys.executable).parent}:{BUILT}:{os.environ['PATH']}"
        variables = {"PATH": path, "LC_ALL": "C.UTF-8", "COLUMNS": "100", "TZ": "UTC"}
        # script(1) makes bash the leader of a session at a terminal of its own, as a login does.
        login = ["script", "--quiet", "--command", "exec bash .commands", "/dev/null"]
        with launch(login, FRIENDLY, variables, scratch) as subject:
            ended = subject.wait_starter(_TIME)
            subject.log_out()  # only now everything that was printed has been read
            text = subject.output().decode(errors="replace").replace("\r\n", "\n")
    if ended is None or _DONE not in text:
        raise RuntimeError(f"a command did not do as expected: {ended}\n{text}")
    return re.sub(r"(?m)^\.commands: line \d+: ", "bash: ", text[: text.index(_DONE)]).strip()


@functools.cache  # `mkdocs serve` builds a page again and again
def _shown(commands: str) -> str:
    # In a process of its own: the laboratory forks, and MkDocs has threads when it serves.
    run = subprocess.run([sys.executable, __file__], input=commands, capture_output=True, text=True)
    if run.returncode != 0:
        raise PluginError(f"in a block of commands: {run.stderr}")
    return run.stdout


def on_page_markdown(markdown: str, **_: object) -> str:
    """MkDocs calls this for each page. Its blocks know nothing of each other: they run at once."""
    blocks = list(_FENCE.finditer(markdown))
    with ThreadPoolExecutor() as pool:
        outputs = pool.map(_shown, [textwrap.dedent(block[2]) for block in blocks])
    fences = (f"```console\n{output}\n```" for output in outputs)
    return _FENCE.sub(lambda block: textwrap.indent(next(fences), block[1]), markdown)


if __name__ == "__main__":
    print(show(sys.stdin.read().splitlines()))
