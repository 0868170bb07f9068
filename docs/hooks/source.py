"""MkDocs hook: source code in a page, called by its name and never by its lines.

    {{ source PATH }}              a whole file
    {{ source PATH NAME }}         one function or table of it, with the comment above it
    {{ contract MODULE NAME }}     what c/src/MODULE.h and its twin in Python promise, in tabs
    {{ reference MODULE NAME }}    how the two do it, in tabs
    {{ example NAME }}             docs/examples/NAME.c and NAME.py, whole, in tabs

Paths start at the root of the repository. A file or a name that is not there fails the build.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import tree_sitter
import tree_sitter_c
from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parents[2]
_C = tree_sitter.Language(tree_sitter_c.language())
_DIRECTIVE = re.compile(r"^( *)\{\{ (source|contract|reference|example) (.+?) \}\}$", re.M)


def _top_level(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    for child in node.named_children:
        yield child
        if child.type.startswith("preproc_if"):
            yield from _top_level(child)


def _declared(node: tree_sitter.Node) -> str:
    inner = node.child_by_field_name("declarator")
    while inner is not None and inner.type != "identifier":
        inner = inner.child_by_field_name("declarator")
    return inner.text.decode() if inner is not None and inner.text is not None else ""


def cut_c(text: str, name: str) -> str | None:
    """What defines or declares a name at the top level, with the comment directly above it."""
    for node in _top_level(tree_sitter.Parser(_C).parse(text.encode()).root_node):
        if node.type in ("function_definition", "declaration") and _declared(node) == name:
            first, above = node.start_point.row, node.prev_named_sibling
            if above is not None and above.type == "comment" and above.end_point.row == first - 1:
                first = above.start_point.row
            return "\n".join(text.split("\n")[first : node.end_point.row + 1])
    return None


def cut_python(text: str, name: str, kind: str = "source") -> str | None:
    """What binds a name, or the private _name, at the top level, with the comment above it.

    Of a public function, kind "contract" keeps head and docstring, "reference" all but the latter.
    """
    lines = text.split("\n")
    for node in ast.parse(text).body:
        names = {getattr(node, "name", "")} | {
            target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)
        }
        if not names & {name, f"_{name}"}:
            continue
        first, end = node.lineno - 1, node.end_lineno or 0
        public = name in names and kind != "source"
        if isinstance(node, ast.FunctionDef) and public and ast.get_docstring(node):
            head, words = lines[first : node.body[0].lineno - 1], node.body[0].end_lineno or 0
            return "\n".join(lines[first:words] if kind == "contract" else head + lines[words:end])
        while first and lines[first - 1].startswith("#"):
            first -= 1
        return "\n".join(lines[first:end])
    return None


def fence(path: str, name: str = "", kind: str = "source") -> str:
    """A fenced block with that file, or with that part of it."""
    file = ROOT / path
    text: str | None = file.read_text("utf-8").rstrip() if file.is_file() else None
    if text is not None and name:
        text = cut_c(text, name) if file.suffix in (".c", ".h") else cut_python(text, name, kind)
    if text is None:
        raise PluginError(f"{path} {name}: there is no such thing to show")
    language = {".c": "c", ".h": "c", ".py": "python"}.get(file.suffix, "text")
    return f'```{language} title="{path}"\n{text}\n```\n'


def _expand(match: re.Match[str]) -> str:
    indent, kind, words = match[1], match[2], match[3].split()
    if kind == "source":
        return textwrap.indent(fence(*words), indent)
    head = "h" if kind == "contract" else "c"
    pair = (f"c/src/{words[0]}.{head}", f"python/labd/{words[0]}.py")
    if kind == "example":
        pair = (f"docs/examples/{words[0]}.c", f"docs/examples/{words[0]}.py")
    name = "" if kind == "example" else words[1]
    c, python = (textwrap.indent(fence(path, name, kind), "    ") for path in pair)
    return textwrap.indent(f'===! "C"\n\n{c}\n=== "Python"\n\n{python}', indent)


def on_page_markdown(markdown: str, **_: object) -> str:
    """MkDocs calls this for each page."""
    return _DIRECTIVE.sub(_expand, markdown)
