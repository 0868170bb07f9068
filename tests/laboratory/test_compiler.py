"""What is shown of a compiler's words: errors first, few lines, the caret where it was."""

import pytest
from daemonlab import compiler
from daemonlab.house import ROOT

FILE = f"{ROOT}/labs/01-detach/detach.c"
SAID = f"""\
{FILE}: In function ‘detach_fork’:
{FILE}:44:47: warning: unused parameter ‘why’ [-Wunused-parameter]
   44 | int detach_fork(int *verdict, struct failure *why) {{
      |                               ~~~~~~~~~~~~~~~~^~~
{FILE}:45:13: error: ‘flase’ undeclared
   45 |     int x = flase;  /* '\\n' */
      |             ^~~~~
      |             false
{FILE}:45:13: note: each undeclared identifier is reported only once
src/detach.h:46:18: error: expected ‘;’ before ‘return’
   46 |     (void)verdict
      |                  ^
make[1]: *** [Makefile:33: detach.o] Error 1
"""


def test_errors_first() -> None:
    """The first error with its source, the next in a line; no warning, no note, no path that is not
    typed; a backslash in the source moves nothing."""
    assert compiler.errors(SAID).splitlines() == [
        "labs/01-detach/detach.c:45:13: error: ‘flase’ undeclared",
        "   45 |     int x = flase;  /* '\\n' */",
        "      |             ^~~~~",
        "      |             false",
        "c/src/detach.h:46:18: error: expected ‘;’ before ‘return’",
    ]


def test_many_errors() -> None:
    """Of many errors the first ones are shown, and how many there are."""
    said = "".join(f"{FILE}:{n}:1: error: wrong\n   {n} | x\n     | ^\n" for n in range(10, 60))
    lines = compiler.errors(said).splitlines()
    assert len(lines) == 6 and lines[-1] == "… and 47 more errors", lines


@pytest.mark.parametrize("at", [0, 30, 70, 90, 500])
def test_caret_of_a_long_line(at: int) -> None:
    """A line that is longer than a terminal is cut so that the caret still points at its place."""
    source = "x" * at + "!" + "y" * 600
    said = f"{FILE}:7:1: error: wrong\n    7 | {source}\n      | {' ' * at}^~~\n"
    _, shown, below = compiler.errors(said).splitlines()
    assert shown[below.index("^")] == "!" and shown.startswith("    7 | ")
    assert max(len(shown), len(below)) <= compiler.WIDTH


def test_hostile_source() -> None:
    """What a terminal would obey is escaped; a tab stays one column."""
    said = f"{FILE}:7:1: error: wrong \x1b[2J\n    7 | \tx\n      |  ^\n"
    assert compiler.errors(said).splitlines()[1:] == ["    7 |  x", "      |  ^"]
    assert "\x1b" not in compiler.errors(said)


def test_linker() -> None:
    """Where the compiler has no error, what the linker says is shown, without our make's words."""
    said = (
        f"{FILE}:44:47: warning: unused variable\n   44 | int\n      | ^~~\n"
        f"/usr/bin/ld: {ROOT}/build/mine/detach.o: in function `bar':\n"
        f"{FILE}:91: undefined reference to `foo'\n"
        "collect2: error: ld returned 1 exit status\nmake[1]: *** [labd] Error 1"
    )
    assert compiler.errors(said).splitlines() == [
        "/usr/bin/ld: build/mine/detach.o: in function `bar':",
        "labs/01-detach/detach.c:91: undefined reference to `foo'",
    ]


def test_other_words() -> None:
    """What is no compiler's is shown as it is; of much of it a part."""
    assert compiler.errors("it took more than 60 s") == "it took more than 60 s"
    assert compiler.errors("\n".join("ab" * 30)).endswith("… and 48 more lines")


def test_warnings() -> None:
    """A parameter that is not used is no news in a module that is not written yet."""
    assert "unused parameter" in compiler.warnings(SAID, unfinished=False)
    assert compiler.warnings(SAID, unfinished=True) == ""
    other = SAID.replace("-Wunused-parameter", "-Wshadow")
    assert "-Wshadow" in compiler.warnings(other, unfinished=True)
