"""The skeletons keep the contract of the reference and lose its answer."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from daemonlab.skeleton import (
    HASHES,
    SkeletonError,
    pristine,
    skeleton_c,
    skeleton_python,
    stale,
    started,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
LABS, C_SRC, PYTHON_SRC = ROOT / "labs", ROOT / "c" / "src", ROOT / "python" / "labd"
CC = os.environ.get("CC", "gcc")
STRICT = ["-std=gnu17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
C_PATH, PY_PATH = "labs/05-jobs/jobs.c", "labs/05-jobs/jobs.py"

HEADER = """\
/* The head of the header. */
#ifndef LABD_JOBS_H
#define LABD_JOBS_H

#include "failure.h"

#include <stdbool.h>
#include <sys/types.h>

struct job {
    int number;
};

/*
 * jobs_start - start one.
 *
 * Returns 0 or -errno.
 */
int jobs_start(const char *const words[], int (*choose)(int), struct failure *why);

// Whether one
// is running.
bool jobs_running(pid_t pid);

/* What there is. */
struct job jobs_first(void);
/* The name of one. */
const char *jobs_name(const struct job *job);
/* Forget them all. */
void jobs_forget(int *count);
/* How many. */
size_t jobs_count(void);

#endif
"""

SOURCE = """\
#define _GNU_SOURCE
#include "jobs.h"

#include <errno.h> /* for errno */
#include <stdio.h>
#include <string.h>

#define SECRET_LIMIT 77
#define SECRET_TWICE(x) ((x) * SECRET_LIMIT)
enum secret_kind { SECRET_ONE, SECRET_TWO };
typedef int secret_number;
struct secret_table {
    secret_number number;
};
_Static_assert(SECRET_LIMIT > 3, "the secret limit");
static struct secret_table secret_data;
static int secret_helper(int a);
extern char **environ;

/* A secret about how it is done. */
static int secret_helper(int a) {
    return SECRET_TWICE(a) + secret_data.number;
}

int jobs_start(const char *const words[], int (*choose)(int), struct failure *why) {
    if (words[0] == NULL || environ == NULL)
        return failure(why, EINVAL, "secret reason");
    return choose(secret_helper(SECRET_TWO));
}

/* A secret why. */
bool jobs_running(pid_t pid) {
    return secret_helper((int)pid) > 0;
}

struct job jobs_first(void) {
    return (struct job){.number = secret_helper(1)};
}

const char *jobs_name(const struct job *job) {
    return job->number ? "secret name" : strerror(0);
}

void jobs_forget(int *count) {
    *count = secret_data.number;
}

size_t jobs_count(void) {
    return (size_t)secret_helper(3);
}
"""

PORT = '''\
"""Jobs.

Twin of `c/src/jobs.c`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from labd.failure import failing

_SECRET_LIMIT = 77
"""How the secret is limited."""
_SECRET_A, _SECRET_B = 1, 2
LIMIT = 3  # seconds
"""The time that a job has."""
# In seconds, too.
GRACE: float = 2.0


class JobError(Exception):
    """A job that failed."""

    def __init__(self, number: int) -> None:
        super().__init__(f"job {number}")
        self._number = number


@dataclass(frozen=True)
class Job:
    """One job."""

    number: int
    _secret_field: int = 0
    # How long it may take: größer als null.
    deadline: float = field(default=0.0)  # of the monotonic clock

    @property
    def late(self) -> bool:
        """Whether its time is over."""
        return self._secret_method() > LIMIT

    def _secret_method(self) -> int:
        return self.number * _SECRET_LIMIT

    def __enter__(self) -> Job:
        """Begin."""
        return Job(self._secret_method())


class _SecretTable:
    """Where the secrets are."""


def _secret_helper(a: int) -> int:
    """Not for students."""
    return a + _SECRET_A


@contextmanager
def job_running(
    words: tuple[str, ...],  # never empty
    *,
    name: str = "größer",
) -> Iterator[Job]:
    """Run a job while the context lasts."""
    # A secret why.
    with failing(f"secret({name})"):
        yield Job(_secret_helper(os.getpid()), len(words))


async def job_wait(number: int) -> None:
    """Wait for one."""

    def secret_nested() -> int:
        return _SECRET_B

    raise JobError(number + secret_nested())
'''


def compiled(text: str, *includes: Path) -> str:
    """What gcc complains about; "" when the text is clean."""
    folders = [f"-I{folder}" for folder in (*includes, C_SRC)]
    run = subprocess.run(
        [CC, *STRICT, *folders, "-fsyntax-only", "-x", "c", "-"],
        input=text,
        capture_output=True,
        text=True,
    )
    assert (run.returncode == 0) == (run.stderr == "")
    return run.stderr


def leaks(removed: Iterable[str], skeleton: str) -> list[str]:
    """The lines of 20 characters and more that should have gone and are there."""
    long = {line.strip() for line in removed if len(line.strip()) >= 20}
    return sorted(line for line in long if line in skeleton)


def bodies_c(source: str) -> list[str]:
    """The lines within functions, as clang-format lays them out; found without the parser."""
    blocks = re.findall(r"(?ms)^[^\s#/}].*?\) \{\n(.*?)^\}", source)
    return [line for block in blocks for line in block.split("\n")]


def public_functions(source: str) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public functions and methods by their qualified names."""
    found = {}

    def visit(body: list[ast.stmt], owner: str) -> None:
        for node in body:
            name = getattr(node, "name", "_")
            if name.startswith("_") and not name.endswith("__"):
                continue
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{owner}{name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[owner + name] = node

    visit(ast.parse(source).body, "")
    return found


def bodies_python(source: str) -> list[str]:
    """The lines of the bodies of all functions but exceptions', without docstrings."""
    lines, found = source.split("\n"), list[str]()
    tree = ast.parse(source)
    whole = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name.endswith("Error")]
    exempt = {inner for node in whole for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node not in exempt:
            documented = ast.get_docstring(node) is not None
            first = (node.body[0].end_lineno or 0) if documented else node.body[0].lineno - 1
            found += lines[first : node.end_lineno]
    return found


def signatures(source: str) -> dict[str, tuple[str, ...]]:
    """All of a public function but its body: kind, decorators, parameters, result, docstring."""
    return {
        name: (
            type(node).__name__,
            *map(ast.dump, node.decorator_list),
            ast.dump(node.args),
            ast.dump(node.returns) if node.returns else "",
            ast.get_docstring(node) or "",
        )
        for name, node in public_functions(source).items()
    }


# C: one rule after the other


def test_c_keeps_contract_and_signature() -> None:
    """The comment of the header stands above the signature of the source."""
    text = skeleton_c(SOURCE, HEADER, C_PATH)
    assert (
        textwrap.dedent("""\
        /*
         * jobs_start - start one.
         *
         * Returns 0 or -errno.
         */
        int jobs_start(const char *const words[], int (*choose)(int), struct failure *why) {
            (void)words;
            (void)choose;
            /* TODO: do what the contract above says. */
            return failure_todo(why, __func__);
        }

        // Whether one
        // is running.
        bool jobs_running(pid_t pid) {
            (void)pid;
            /* TODO: do what the contract above says. */
            return false;
        }
        """)
        in text
    )
    order = [text.index(f"jobs_{name}(") for name in ("start", "running", "first", "count")]
    assert order == sorted(order)


def test_c_head_tells_how_to_begin() -> None:
    """The head names the lab, the header that holds the contract and the command to run."""
    head = skeleton_c(SOURCE, HEADER, C_PATH).split("*/")[0]
    assert "Lab 5, jobs" in head and "c/src/jobs.h" in head and "`make lab-5`" in head


def test_c_keeps_includes_and_what_they_need() -> None:
    """Includes in their groups, feature test macros, extern; a missing NAME.h is added."""
    text = skeleton_c(SOURCE, HEADER, C_PATH)
    assert (
        '\n\n#define _GNU_SOURCE\n#include "jobs.h"\n\n#include <errno.h>\n#include <stdio.h>\n'
        "#include <string.h>\n\nextern char **environ;\n\n"
    ) in text
    assert '\n\n#include "jobs.h"\n\n/* How many. */\nsize_t' in skeleton_c(
        "size_t jobs_count(void) { return 1; }", HEADER, C_PATH
    )


def test_c_private_things_vanish() -> None:
    """Nothing static, no macro, no type and no comment of the source remains."""
    assert "secret" in SOURCE
    assert "secret" not in skeleton_c(SOURCE, HEADER, C_PATH).lower()


@pytest.mark.parametrize(
    ("signature", "last"),
    [
        ("int jobs_f(struct failure *why)", "return failure_todo(why, __func__);"),
        ("int jobs_f(struct failure *const why)", "return failure_todo(why, __func__);"),
        ("int jobs_f(const struct failure *why)", "return 0;"),
        ("int jobs_f(struct failure *why, int a)", "return 0;"),
        ("long jobs_f(struct failure *why)", "return 0;"),
        ("int *jobs_f(struct failure *why)", "return NULL;"),
        ("int (*jobs_f(int a))(int)", "return NULL;"),
        ("const char *jobs_f(void)", "return NULL;"),
        ("_Bool jobs_f(void)", "return false;"),
        ("pid_t jobs_f(void)", "return 0;"),
        ("enum kind { A } jobs_f(void)", "return 0;"),
        ("struct job jobs_f(char a[static 3])", "return (struct job){0};"),
        ("void jobs_f(int a, ...)", "/* TODO: do what the contract above says. */"),
    ],
)
def test_c_body_by_type(signature: str, last: str, tmp_path: Path) -> None:
    """The body ends by what the type of the function asks for, and compiles."""
    declared = signature.replace("{ A } ", "")
    extra = "enum kind { A };\n" if "enum" in signature else ""
    header = HEADER.replace("/* How many. */", f"{extra}/* F. */\n{declared};\n/* How many. */")
    (tmp_path / "jobs.h").write_text(header)
    source = f'#include "jobs.h"\n#include <stddef.h>\n{declared} {{\n    abort();\n}}\n'
    text = skeleton_c(source, header, C_PATH)
    assert text.rstrip("}\n").split("\n")[-1].strip() == last
    assert compiled(text, tmp_path) == ""


@pytest.mark.parametrize(
    ("source", "header", "line", "problem"),
    [
        ("int jobs_f(void) {", "", 1, "c/src/jobs.c:1: cannot be parsed as C"),
        ("\nint jobs_f(void) { return 0 }", "", 2, "c/src/jobs.c:2: cannot be parsed"),
        ("", "\n\nint jobs_f(void", 3, "c/src/jobs.h:3: cannot be parsed"),
        ("int jobs_f(void) { return 0; }", "", 1, "jobs_f is public and has no contract"),
        ("\nint jobs_f(void) {}", "int jobs_f(void);", 2, "has no contract; write one directly"),
        ("int jobs_f(void) {}", "/* F. */\n\nint jobs_f(void);", 1, "no contract"),
        ("int jobs_f(void) {}", "int a; /* A. */\nint jobs_f(void);", 1, "no contract"),
        ("int jobs_f(a) int a; {}", "/* F. */\nint jobs_f(int a);", 1, "no skeleton can have"),
        ("_Noreturn void jobs_f(void) {}", "/* F. */\nint jobs_f(void);", 1, "no skeleton"),
        ("int a;\nint jobs_data = 3;", "", 1, "a public declaration of a kind"),
        ("#if 1\nint a(void) {}\n#endif", "", 1, "a public preproc if of a kind"),
    ],
)
def test_c_refuses(source: str, header: str, line: int, problem: str) -> None:
    """What no skeleton can be made of is refused, by file, line, problem and remedy."""
    with pytest.raises(SkeletonError, match=rf"^c/src/jobs\.[ch]:{line}: .*; \w+") as raised:
        skeleton_c(source, header, C_PATH)
    assert problem in str(raised.value)


@pytest.mark.parametrize("path", ["jobs.c", "labs/jobs/jobs.c", "labs/05-jobs/jobs.h"])
def test_path_must_be_a_labs_module(path: str) -> None:
    """The number of the lab comes from the path: one without it is refused."""
    with pytest.raises(SkeletonError, match="no lab's module"):
        skeleton_c(SOURCE, HEADER, path)
    with pytest.raises(SkeletonError, match="no lab's module"):
        skeleton_python(PORT, path)


def test_c_compiles_and_the_compiler_would_complain(tmp_path: Path) -> None:
    """The skeleton is clean; without one of its marks it is not."""
    (tmp_path / "jobs.h").write_text(HEADER)
    assert compiled(SOURCE, tmp_path) == ""
    text = skeleton_c(SOURCE, HEADER, C_PATH)
    assert compiled(text, tmp_path) == ""
    assert "unused parameter" in compiled(text.replace("    (void)pid;\n", ""), tmp_path)


# Python: one rule after the other


def test_python_whole() -> None:
    """Everything public in its place, everything private gone, spaced as ruff sets it."""
    text = skeleton_python(PORT, PY_PATH)
    head, _, rest = text.partition('\n\n"""Jobs.')
    assert "Lab 5, jobs" in head and "`make lab-5`" in head
    assert head.split("\n")[-1].startswith("# ruff: noqa: F401 - ")
    assert rest == textwrap.dedent('''\


        Twin of `c/src/jobs.c`.
        """

        from __future__ import annotations

        import os
        from collections.abc import Iterator
        from contextlib import contextmanager
        from dataclasses import dataclass, field

        import labd.failure
        from labd.failure import failing

        LIMIT = 3  # seconds
        """The time that a job has."""
        # In seconds, too.
        GRACE: float = 2.0


        class JobError(Exception):
            """A job that failed."""

            def __init__(self, number: int) -> None:
                super().__init__(f"job {number}")
                self._number = number


        @dataclass(frozen=True)
        class Job:
            """One job."""

            number: int

            # How long it may take: größer als null.
            deadline: float = field(default=0.0)  # of the monotonic clock

            @property
            def late(self) -> bool:
                """Whether its time is over."""
                raise labd.failure.todo("Job.late")

            def __enter__(self) -> Job:
                """Begin."""
                raise labd.failure.todo("Job.__enter__")


        @contextmanager
        def job_running(
            words: tuple[str, ...],  # never empty
            *,
            name: str = "größer",
        ) -> Iterator[Job]:
            """Run a job while the context lasts."""
            raise labd.failure.todo("job_running")


        async def job_wait(number: int) -> None:
            """Wait for one."""
            raise labd.failure.todo("job_wait")
        ''')


def test_python_unused_imports_are_excused_only_if_there_are_any() -> None:
    """No ruff line where nothing has to be excused; `import labd.failure` is not doubled."""
    source = 'import labd.failure\n\n\ndef job_f() -> None:\n    """F."""\n    return None\n'
    text = skeleton_python(source, PY_PATH)
    assert "noqa" not in text
    assert text.count("import labd.failure\n") == 1
    assert "noqa" in skeleton_python(f"import os\n\n{source}", PY_PATH)


def test_python_private_class_vanishes_and_empty_public_one_stays() -> None:
    """A public class of which only the docstring is public is that docstring."""
    source = 'class _A:\n    """A."""\n\n\nclass B:\n    """B."""\n\n    def _f(self) -> int:\n'
    text = skeleton_python(source + "        return 1\n", PY_PATH)
    assert text.endswith('\n\nclass B:\n    """B."""\n')


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("def f(:", 1, "cannot be parsed as Python"),
        ("X = 1\n\ndef f():\n    return 1", 3, "f is public and has no docstring"),
        ("class A:\n    pass", 1, "A is public and has no docstring"),
        ('class A:\n    """A."""\n    def f(self): \n        return 1', 3, "f is public and has"),
        ('def f(): """F."""', 1, "a statement within a line"),
        ('def f():\n    """F."""; return 1', 2, "a statement within a line"),
        ("X = 1; _Y = 2", 1, "a statement within a line"),
        ("X = 1\nif X:\n    Y = 2", 2, "If is unknown outside of functions"),
        ("X = 1\nX += 1", 2, "AugAssign is unknown"),
        ("print(3)", 1, "Expr is unknown"),
        ("try:\n    import os\nexcept ImportError:\n    os = None", 1, "Try is unknown"),
        ("import os\n_A = 1\nB = _A", 2, "_A vanishes, but what stays uses it; give it a public"),
        ('_A = 1\ndef f(a=_A):\n    """F."""', 1, "_A vanishes"),
        ('def f():\n    """F."""\n    return 1', 1, "imports nothing of labd"),
    ],
)
def test_python_refuses(source: str, line: int, problem: str) -> None:
    """What no skeleton can be made of is refused, by file, line, problem and remedy."""
    with pytest.raises(SkeletonError, match=rf"^python/labd/jobs\.py:{line}: .*; \w+") as raised:
        skeleton_python(source, PY_PATH)
    assert problem in str(raised.value)


# Properties

_names = st.lists(st.from_regex("[a-z]{3,9}", fullmatch=True), min_size=1, max_size=5, unique=True)
_types = st.sampled_from(["int ", "void ", "bool ", "const char *", "size_t ", "struct job "])
_statements = st.lists(
    st.from_regex(r"answer_[a-z]{12,20}\(\);", fullmatch=True), min_size=1, max_size=4
)


@st.composite
def c_modules(draw: st.DrawFn) -> tuple[str, str]:
    """A source and its header, functions in any order and of any kind."""
    source, header = ['#include "made.h"', "#include <stddef.h>"], ["struct job { int number; };"]
    for name in draw(_names):
        result, static = draw(_types), draw(st.booleans())
        parameters = [f"int {p}_" for p in draw(_names)] if draw(st.booleans()) else []
        parameters += ["struct failure *why"] if draw(st.booleans()) else []
        signature = f"{result}made_{name}({', '.join(parameters) or 'void'})"
        if not static:
            header.append(f"/*\n * {name}: what made_{name} does.\n */\n{signature};")
        body = "\n".join(f"    {line}" for line in draw(_statements))
        source.append(f"{'static ' * static}{signature} {{\n{body}\n}}")
    includes = '#include "failure.h"\n#include <stdbool.h>\n#include <stddef.h>\n'
    return "\n\n".join(source) + "\n", includes + "\n".join(header) + "\n"


@st.composite
def python_modules(draw: st.DrawFn) -> str:
    """A module of functions and classes, public and private."""
    parts = ["import os\n\nfrom labd.failure import failing"]

    def function(name: str, indent: str, first: str) -> str:
        arguments = ", ".join([first] * bool(first) + [f"{a}_: int = 3" for a in draw(_names)])
        body = "".join(f"\n{indent}    {line[:-1]}" for line in draw(_statements))
        kind = draw(st.sampled_from(["def", "async def"]))
        doc = f'{indent}    """What {name} does.\n\n{indent}    And why.\n{indent}    """'
        return f"{indent}{kind} {name}({arguments}) -> int:\n{doc}{body}"

    for name in draw(_names):
        shown = draw(st.sampled_from(["made_", "_made_"])) + name
        match draw(st.sampled_from(["function", "class", "constant"])):
            case "function":
                parts.append(function(shown, "", ""))
            case "class":
                methods = [function(f"do_{m}", "    ", "self") for m in draw(_names)]
                hidden = function("_hidden", "    ", "self")
                parts.append(
                    "\n\n".join(
                        [f'class {shown}:\n    """C."""\n\n    size: int', *methods, hidden]
                    )
                )
            case _:
                parts.append(f"{shown.upper()} = 3  # of something\n# about the next\nNEXT = 4")
    return "\n\n\n".join(parts) + "\n"


@settings(max_examples=40, deadline=None)
@given(c_modules())
def test_c_properties(tmp_path_factory: pytest.TempPathFactory, made: tuple[str, str]) -> None:
    """Whatever the module: no answer in it, the same when derived twice, and it compiles."""
    source, header = made
    text = skeleton_c(source, header, "labs/07-made/made.c")
    assert leaks(bodies_c(source), text) == []
    assert leaks(bodies_c(source), source) != []
    assert "static" not in text.split("*/", 1)[1]
    assert skeleton_c(text, header, "labs/07-made/made.c") == text
    folder = tmp_path_factory.mktemp("made")
    (folder / "made.h").write_text(header)
    assert compiled(text, folder) == ""


@settings(max_examples=100, deadline=None)
@given(python_modules())
def test_python_properties(source: str) -> None:
    """Whatever the module: no answer, the same when derived twice, and the same signatures."""
    text = skeleton_python(source, "labs/07-made/made.py")
    assert leaks(bodies_python(source), text) == []
    assert "_made_" not in re.sub(r'"""What.*', "", text) and "_hidden" not in text
    assert skeleton_python(text, "labs/07-made/made.py") == text
    assert signatures(text) == signatures(source)


# The real reference


def modules() -> list[tuple[str, str]]:
    """Lab folder and module of each lab; of the first three while none is laid out."""
    labs = [
        (lab.parent.name, str(tomllib.loads(lab.read_text())["module"]))
        for lab in sorted(LABS.glob("*/lab.toml"))
    ]
    three = [("01-detach", "detach"), ("02-descriptors", "descriptors"), ("03-signals", "signals")]
    return labs or three


def real_c(slug: str, name: str) -> tuple[str, str]:
    source, header = ((C_SRC / f"{name}.{end}").read_text("utf-8") for end in "ch")
    return source, skeleton_c(source, header, f"labs/{slug}/{name}.c")


def real_python(slug: str, name: str) -> tuple[str, str]:
    source = (PYTHON_SRC / f"{name}.py").read_text("utf-8")
    return source, skeleton_python(source, f"labs/{slug}/{name}.py")


@pytest.mark.parametrize(("slug", "name"), modules())
def test_real_c_skeleton(slug: str, name: str) -> None:
    """It compiles, holds no line of the answer, and is the same when derived twice."""
    source, text = real_c(slug, name)
    header = (C_SRC / f"{name}.h").read_text("utf-8")
    assert leaks(bodies_c(source), text) == []
    assert leaks(bodies_c(source), source) != []
    assert compiled(text) == ""
    assert skeleton_c(text, header, f"labs/{slug}/{name}.c") == text


@pytest.mark.parametrize(("slug", "name"), modules())
def test_real_python_skeleton(slug: str, name: str, tmp_path: Path) -> None:
    """No line of the answer, the same signatures, the same when derived twice, ruff is content."""
    source, text = real_python(slug, name)
    assert leaks(bodies_python(source), text) == []
    assert leaks(bodies_python(source), source) != []
    assert signatures(text) == signatures(source)
    assert skeleton_python(text, f"labs/{slug}/{name}.py") == text
    pytest.importorskip("ruff")
    (tmp_path / f"{name}.py").write_text(text)
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--no-cache", f"--config={ROOT / 'pyproject.toml'}", str(tmp_path)]
    for command in (["check"], ["format", "--diff"]):
        run = subprocess.run([*ruff, *command, *config], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(("slug", "name"), modules())
def test_real_c_skeleton_fails_clearly(slug: str, name: str, tmp_path: Path) -> None:
    """Called, a function that can fail returns -ENOSYS and names itself."""
    _, text = real_c(slug, name)
    first = re.search(r"^int (\w+)\((.*)struct failure \*why\) \{$", text, re.MULTILINE)
    if first is None:
        pytest.skip("no function of this module can fail")
    zeros = "0, " * first[2].count(",")
    (tmp_path / f"{name}.c").write_text(text)
    (tmp_path / "main.c").write_text(
        f'#include "{name}.h"\n#include <stdio.h>\nint main(void) {{\n    struct failure why;\n'
        f'    printf("%d ", {first[1]}({zeros}&why));\n    puts(why.text);\n}}\n'
    )
    program = tmp_path / "program"
    files = [tmp_path / f"{name}.c", tmp_path / "main.c", C_SRC / "failure.c"]
    command = [CC, "-std=gnu17", "-D_GNU_SOURCE", f"-I{C_SRC}", "-o", str(program)]
    subprocess.run([*command, *map(str, files)], check=True)
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"-38 TODO: {first[1]}() is not written yet")


@pytest.mark.parametrize(("slug", "name"), modules())
def test_real_python_skeleton_fails_clearly(slug: str, name: str, tmp_path: Path) -> None:
    """Laid over labd, each public function raises a Failure that names it."""
    _, text = real_python(slug, name)
    (tmp_path / f"{name}.py").write_text(text)
    function = next(n for n in signatures(text) if "." not in n)
    code = (
        f"import inspect, labd.{name} as module\n"
        "from labd.failure import Failure\n"
        f"assert module.__file__.startswith({str(tmp_path)!r})\n"
        f"function = module.{function}\n"
        "wanted = inspect.signature(function).parameters\n"
        "try:\n    function(*[0] * len(wanted))\n"
        "except Failure as failure:\n    print(failure.text)\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(PYTHON_SRC.parent),
        "LABD_OVERLAY": str(tmp_path),
    }
    command = [sys.executable, "-B", "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if "No module named '_cffi_backend'" in run.stderr or "labd._syscalls" in run.stderr:
        pytest.skip("labd is not built")
    assert run.stdout.startswith(f"TODO: {function}() is not written yet"), run.stderr


def test_committed_skeletons_are_not_stale() -> None:
    """Whoever changes the reference derives the skeletons anew."""
    if not list(LABS.glob("*/lab.toml")):
        pytest.skip("no lab is laid out")
    assert stale(LABS, C_SRC, PYTHON_SRC) == []


# The files


@pytest.fixture
def house(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A small house: labs with one lab, a C reference and its port."""
    labs, c_src, python_src = tmp_path / "labs", tmp_path / "c", tmp_path / "python"
    for folder in (labs / "05-jobs", labs / "06-without-toml", c_src, python_src):
        folder.mkdir(parents=True)
    (labs / "05-jobs" / "lab.toml").write_text('title = "Jobs"\nmodule = "jobs"\n')
    (c_src / "jobs.c").write_text(SOURCE)
    (c_src / "jobs.h").write_text(HEADER)
    (python_src / "jobs.py").write_text(PORT, encoding="utf-8")
    return labs, c_src, python_src


House = tuple[Path, Path, Path]


def test_write_makes_the_files_and_the_list(house: House) -> None:
    """Both skeletons and their hashes are written, once; sha256sum(1) agrees."""
    labs = house[0]
    c, python, hashes = labs / "05-jobs/jobs.c", labs / "05-jobs/jobs.py", labs / HASHES
    assert write(*house) == [c, python, hashes]
    assert c.read_text() == skeleton_c(SOURCE, HEADER, C_PATH)
    assert python.read_text("utf-8") == skeleton_python(PORT, PY_PATH)
    assert write(*house) == []
    assert not list((labs / "06-without-toml").iterdir())
    if shutil.which("sha256sum"):
        run = subprocess.run(["sha256sum", "-c", "--strict", HASHES], cwd=labs, capture_output=True)
        assert run.stdout == b"05-jobs/jobs.c: OK\n05-jobs/jobs.py: OK\n"


EDITS = [
    (lambda data: data, False),
    (lambda data: data.replace(b"\n", b"\r\n"), False),
    (lambda data: data.rstrip(b"\n"), False),
    (lambda data: data.replace(b";\n", b"; \t\n") + b"\n\n  \n", False),
    (lambda data: data + b"int mine;\n", True),
    (lambda data: data.replace(b"    (void)", b"  (void)"), True),
    (lambda data: b"", True),
    (lambda data: data + b"\xff\x00", True),
]


@pytest.mark.parametrize(("edit", "begun"), EDITS, ids=range(len(EDITS)))
def test_started(house: House, edit, begun: bool) -> None:  # type: ignore[no-untyped-def]
    """What an editor changes unasked is not a start; all else is. Both ways of asking agree."""
    write(*house)
    path = house[0] / "05-jobs" / "jobs.c"
    text = path.read_text()
    path.write_bytes(edit(path.read_bytes()))
    assert started(path, text) is begun
    assert pristine(house[0], path) is not begun


def test_a_missing_file_is_not_started(house: House) -> None:
    """A student who works in one language may throw the other file away; write brings it back."""
    write(*house)
    path = house[0] / "05-jobs" / "jobs.py"
    text = path.read_text("utf-8")
    path.unlink()
    assert not started(path, text) and pristine(house[0], path)
    assert write(*house) == [path]


def test_pristine_needs_no_reference_but_a_hash(house: House) -> None:
    """It works when the reference is gone, and says so when there is no hash to go by."""
    write(*house)
    for folder in house[1:]:
        shutil.rmtree(folder)
    assert pristine(house[0], house[0] / "05-jobs" / "jobs.c")
    with pytest.raises(SkeletonError, match=r"no hash of 05-jobs/lab\.toml"):
        pristine(house[0], house[0] / "05-jobs" / "lab.toml")


def test_write_spares_what_was_started(house: House) -> None:
    """A started file is named and nothing is written, until it is forced."""
    write(*house)
    labs, c_src, _ = house
    mine, other = labs / "05-jobs" / "jobs.py", labs / "05-jobs" / "jobs.c"
    mine.write_text("# my work\n")
    (c_src / "jobs.h").write_text(HEADER.replace("How many.", "How many there are."))
    before = other.read_bytes(), (labs / HASHES).read_bytes()
    with pytest.raises(SkeletonError, match=r"started already: 05-jobs/jobs\.py; move"):
        write(*house)
    assert mine.read_text() == "# my work\n"
    assert (other.read_bytes(), (labs / HASHES).read_bytes()) == before
    assert write(*house, force=True) == [other, mine, labs / HASHES]
    assert pristine(labs, mine)


def test_write_spares_a_file_without_a_recorded_hash(house: House) -> None:
    """Without a hash a file may be anybody's work, unless it is what would be written."""
    write(*house)
    (house[0] / HASHES).unlink()
    assert write(*house) == [house[0] / HASHES]
    (house[0] / HASHES).unlink()
    (house[0] / "05-jobs" / "jobs.c").write_text("int mine;\n")
    with pytest.raises(SkeletonError, match=r"jobs\.c"):
        write(*house)


def test_stale(house: House) -> None:
    """A change of the contract is noticed; a student's edit and a change of a body are not."""
    labs, c_src, python_src = house
    missing = [f"05-jobs/jobs.{end}: no hash is recorded" for end in ("c", "py")]
    assert stale(*house) == missing
    write(*house)
    (labs / "05-jobs" / "jobs.c").write_text("int mine;\n")
    (c_src / "jobs.c").write_text(SOURCE.replace("secret reason", "another reason"))
    assert stale(*house) == []
    (c_src / "jobs.h").write_text(HEADER.replace("How many.", "How many there are."))
    changed = "the reference has changed since its skeleton was derived"
    assert stale(*house) == [f"05-jobs/jobs.c: {changed}"]
    (python_src / "jobs.py").write_text(PORT.replace("LIMIT = 3", "LIMIT = 4"), encoding="utf-8")
    assert stale(*house) == [f"05-jobs/jobs.{end}: {changed}" for end in ("c", "py")]
    with (labs / HASHES).open("a") as list_of_hashes:
        list_of_hashes.write(f"{'0' * 64}  04-gone/gone.c\n<<<<<<< not a hash\n")
    assert stale(*house)[-1] == "04-gone/gone.c: a hash is recorded, but no lab has it"


def test_a_lab_must_name_its_module(house: House) -> None:
    """A lab.toml without `module` is refused by name."""
    (house[0] / "05-jobs" / "lab.toml").write_text('title = "Jobs"\n')
    with pytest.raises(SkeletonError, match=r"05-jobs/lab\.toml:1: names no module; write"):
        write(*house)
