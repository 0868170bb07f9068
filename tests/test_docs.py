"""The book: it builds, its links lead somewhere, its examples do the same in both languages."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urldefrag

import pytest
from daemonlab import course, coursecheck
from daemonlab.facts import documentation

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
PAGES = sorted(DOCS.rglob("*.md"))
LABS = sorted(ROOT.glob("labs/*/lab.toml"))
HINTS = sorted(ROOT.glob("labs/*/hints.toml"))

pytestmark = pytest.mark.xdist_group("docs")  # one build serves all


def _hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"hook_{name}", DOCS / "hooks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


source, show, tables = _hook("source"), _hook("show"), _hook("tables")


class Page(HTMLParser):
    """What a page defines (ids), refers to (links) and loads (resources)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        if tag == "a" and found.get("href"):
            self.links.append(found["href"] or "")
        elif found.get("rel") not in ("canonical", "next", "prev"):
            loaded = (found.get("src"), found.get("href") if tag == "link" else None)
            self.loads += filter(None, loaded)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """Every page of the book, built as `make docs` builds it, by its file."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {file: Page(file.read_text("utf-8")) for file in folder.rglob("*.html")}


def test_links_lead_somewhere(site: dict[Path, Page]) -> None:
    """Each link within the book names a file that is there, and an anchor that is in it."""
    for file, page in site.items():
        if file.name == "404.html":
            continue  # served at any depth, its links are absolute
        for link in page.links:
            address, anchor = urldefrag(unquote(link))
            if ":" in address:
                continue
            target = (file.parent / address).resolve() if address else file
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{file}: {link}"
            assert not anchor or anchor in site[target].ids, f"{file}: {link}"


def test_nothing_is_fetched_from_elsewhere(site: dict[Path, Page]) -> None:
    """The book can be read without a network."""
    for file, page in site.items():
        for resource in page.loads:
            assert not re.match(r"(\w+:)?//", resource), f"{file} loads {resource}"
    styles = next(iter(site)).parent.rglob("*.css")
    assert not [style for style in styles if re.search(r"url\(.?(https?:)?//", style.read_text())]


def test_sections_of_the_checks(site: dict[Path, Page]) -> None:
    """A check that fails, and its hints, name sections of chapters: they are there."""
    pages = {file.parent.name: page for file, page in site.items() if file.name == "index.html"}
    ids = {name: page.ids for name, page in pages.items()}
    for lab in course.labs():
        assert coursecheck.section_problems(lab, ids) == []
    read = coursecheck.anchors()
    for name in read.keys() & ids.keys():
        assert read[name] <= ids[name], "check-course takes for an anchor what is none"


def test_pages_of_the_manual() -> None:
    """`name(N)` is a page that `man N name` finds."""
    prose = [
        re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text("utf-8"))
        for page in (*PAGES, *HINTS, *LABS)
    ]
    names = {name for text in prose for name in coursecheck.PAGE.findall(text)}
    assert names
    if not coursecheck.manual_is_here():
        pytest.skip("the manual is not installed: apt install man-db manpages-dev")
    assert coursecheck.missing_pages(names) == []
    assert coursecheck.missing_pages(["fork(2)", "no-such-call(2)"]) == ["no-such-call(2)"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_directive_was_understood(page: Path) -> None:
    """What looks like a directive of a hook is one."""
    text = page.read_text("utf-8")
    expanded = tables.on_page_markdown(source.on_page_markdown(text))
    assert not re.search(r"\{\{ ?\w+( |\})", expanded)  # C has {{ too, but not like this
    assert len(re.findall("```show", text)) == len(re.findall(show._FENCE, text))


def test_tables_of_checks_and_facts() -> None:
    """Each check of each lab has its row, with its points, and so has each fact."""
    of_labs = re.split("(?m)^## ", tables.checks())[1:]
    for lab, text in zip(course.labs(), of_labs, strict=True):
        rows = re.findall(r"(?m)^\| \[.*<br>`([\w-]+)` \| (\d) \| \w", text)
        assert rows == [(check.id, str(check.points)) for check in lab.checks]
    assert re.findall(r"(?m)^\| `(\w+)` \| \w", tables.facts()) == list(documentation())


def test_a_fact_without_a_meaning_fails_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables cannot have holes."""
    monkeypatch.setattr(tables, "documentation", lambda: {"colour": ""})
    with pytest.raises(tables.PluginError, match="colour"):
        tables.on_page_markdown("{{ facts }}")


REFERENCE = {
    "configuration.md#keys": ("c/src/config.c", r'(?m)^    \{"(\w+)", value_'),
    "subject.md#exit-codes": ("c/src/failure.h", r"(?m)^    EXIT_\w+ = (\d+)"),
    "log.md#events": (
        "c/src/*.c",
        r'(?:log_event\([^;]*?"\w+"|log_failure\(jobs, "\w+"|new_line\("\w+"), "(\w+)"',
    ),
}


@pytest.mark.parametrize("section", REFERENCE)
def test_reference_names_what_the_source_has(section: str) -> None:
    """Each key, exit code and event has its row in the table, and no row is left over."""
    page, anchor = section.split("#")
    files, pattern = REFERENCE[section]
    sources = "".join(file.read_text("utf-8") for file in sorted(ROOT.glob(files)))
    text = (
        (DOCS / "reference" / page).read_text("utf-8").split(f"{{#{anchor}}}")[1].split("\n## ")[0]
    )
    rows = re.findall(r"(?m)^\| `?(\w+)`? \|", text)[1:]
    assert sorted(rows) == sorted(set(re.findall(pattern, sources)))


C = """\
/* About f. */
static int *f(void) {
    return 0;
}

/* Not about g. */

const int g[] = {1};
"""
PYTHON = '''\
# About _f.
def _f() -> None:
    """Private."""


G = (1,)


def h() -> int:
    """The contract."""
    return 1
'''


def test_cutting() -> None:
    """A function or a table is found by its name, with the comment directly above it."""
    assert source.cut_c(C, "f") == "\n".join(C.split("\n")[:4])
    assert source.cut_c(C, "g") == "const int g[] = {1};"
    assert source.cut_python(PYTHON, "f", "reference") == "\n".join(PYTHON.split("\n")[:3])
    assert source.cut_python(PYTHON, "G") == "G = (1,)"
    assert source.cut_python(PYTHON, "h", "contract").endswith('contract."""')
    assert source.cut_python(PYTHON, "h", "reference") == "def h() -> int:\n    return 1"


@pytest.mark.parametrize(
    "directive",
    ["reference detach nope", "contract nope nope", "source c/src/nope.c", "example nope"],
)
def test_a_name_that_is_gone_fails_the_build(directive: str) -> None:
    """Source that was renamed or removed cannot vanish from the book unseen."""
    with pytest.raises(source.PluginError, match="nope"):
        source.on_page_markdown(f"{{{{ {directive} }}}}")


@pytest.mark.parametrize("command", ["false", "! true", "no-such-command", "exit 0"])
def test_a_command_that_misbehaves_fails_the_build(command: str) -> None:
    """Output is shown only of commands that did what the text says."""
    with pytest.raises(show.PluginError, match="did not do as expected"):
        show.on_page_markdown(f"```show\n{command}\n```")


def test_commands_leave_nothing_behind() -> None:
    """Even a process that left the session is ended with its block."""
    commands = ["mkfifo f", "setsid sh -c 'echo $$ > f; exec sleep 1000' &", "cat f"]
    pid = int(show.show(commands).split()[-1])
    assert not Path(f"/proc/{pid}").exists()


ALIKE = """zombie, buffer, session, terminal, promise ready, promise silent, port, lowered, dup,
exec, closed, deaf, sigpipe ignore, sigpipe, records, eight, eight lock, lost, owners,
burst, taken, threads, append, append append, full, watched . >$$"""


@pytest.mark.parametrize("command", re.split(r",\s+", ALIKE))
def test_examples_agree(command: str, tmp_path: Path) -> None:
    """An example prints the same, and ends alike, in C and in Python; numbers may differ."""
    name, *arguments = command.split()
    program = tmp_path / name
    build = ["cc", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(EXAMPLES / f"{name}.c")]
    subprocess.run(build, check=True)
    python = [sys.executable, str(EXAMPLES / f"{name}.py")]
    results = []
    for start in ([str(program)], python):
        run = subprocess.run(
            [*start, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=20,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )
        comm = re.sub(r"python[\d.]*", name, run.stdout)
        results.append((run.returncode, re.sub(r"\d+", "N", comm), run.stderr))
    assert results[0] == results[1]
