"""Derive the student's skeletons from the reference modules.

A skeleton keeps the contract and loses the answer. What is public stays as a signature with its
contract, what is private vanishes. Public is, in C, a function that is not `static`, and its
contract is the comment directly above its prototype in NAME.h; in Python, a name without a
leading underscore, and its contract is its docstring. The includes and imports of the reference
stay: most stand in the synopsis of a man page, and hunting for them would teach nothing.

labs/skeletons.sha256 holds the hash of every skeleton as it was written, in the format of
sha256sum(1): a file that was started is told from an untouched one without the reference.
"""

import ast
import hashlib
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import tree_sitter
import tree_sitter_c

HASHES = "skeletons.sha256"
MOST = 1 << 20
"""Bytes of a module: none is larger, and more of a file is not read."""

_C = tree_sitter.Language(tree_sitter_c.language())
_VANISHES = re.compile(  # expression_statement: at the top level only _Static_assert is one
    "comment|preproc_(function_)?def|(struct|union|enum)_specifier|type_definition|;|"
    "expression_statement"
)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Import = ast.Import | ast.ImportFrom
_FAILURE = re.compile(r"struct failure\s*\*\s*(const\s+)?\w+")
_PRIVATE = re.compile("_(?!_.*__$)")
_HEAD = """\
Lab {number}, {name}: your own module, yet to be written.

The contract of each function stands {contract}.
Write what is marked TODO, then run `make lab-{number}`: it shows yours beside the
reference. Functions of your own are welcome: {private}.
"""


class SkeletonError(Exception):
    """No skeleton can be made: the text names file, line (from 1), problem and remedy."""

    def __init__(self, file: str | Path, line: int, problem: str, remedy: str) -> None:
        super().__init__(f"{file}:{line}: {problem}; {remedy}")


def _lab(path_shown: str) -> tuple[int, str]:
    """The number and the module that a path such as labs/01-detach/detach.c tells."""
    if match := re.search(r"(?:^|/)(\d+)-[^/]+/(\w+)\.(?:c|py)$", path_shown):
        return int(match[1]), match[2]
    raise SkeletonError(path_shown, 1, "no lab's module", "it is labs/NN-slug/NAME.c or NAME.py")


def _normal(data: bytes) -> bytes:
    """Without what an editor changes unasked: line ends, trailing blanks, the last newline."""
    return b"\n".join(line.rstrip() for line in data.split(b"\n")).rstrip() + b"\n"


def _text(node: tree_sitter.Node | None) -> str:
    return node.text.decode() if node is not None and node.text is not None else ""


def _parse_c(source: str, file: str) -> tree_sitter.Node:
    root = node = tree_sitter.Parser(_C).parse(source.encode()).root_node
    while node.has_error and not (node.is_error or node.is_missing):
        node = next(child for child in node.children if child.has_error or child.is_missing)
    if node is root and not node.is_error:
        return root
    remedy = "mend it, or say it more plainly when gcc accepts it"
    raise SkeletonError(file, node.start_point.row + 1, "cannot be parsed as C", remedy)


def _declared(node: tree_sitter.Node) -> tuple[str, list[tree_sitter.Node]]:
    """The name that a declaration declares, and the declarators around it, outermost first."""
    around: list[tree_sitter.Node] = []
    inner = node.child_by_field_name("declarator")
    while inner is not None and inner.type != "identifier":
        around.append(inner)
        parts = [child for child in inner.named_children if child.type.endswith("declarator")]
        inner = inner.child_by_field_name("declarator") or (parts[0] if parts else None)
    return _text(inner), around


def _declarations(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    for child in node.children:
        if child.type == "declaration":
            yield child
        elif child.type in ("preproc_ifdef", "preproc_if"):
            yield from _declarations(child)


def _contracts(header: str, file: str) -> dict[str, str]:
    """Each name that the header declares, with the comment directly above it ("" if none)."""
    found, lines = {}, header.encode().split(b"\n")
    for node in _declarations(_parse_c(header, file)):
        name, comments, top = _declared(node)[0], list[str](), node.start_point.row
        while (above := node.prev_named_sibling) is not None and above.type == "comment":
            row, column = above.start_point
            if above.end_point.row != top - 1 or lines[row][:column].strip():
                break
            comments.insert(0, _text(above))
            node, top = above, row
        found[name] = "\n".join(comments)
    return found


def _body_c(result: str, around: list[tree_sitter.Node]) -> list[str]:
    """The statements of a function that is yet to be written: its type, its declarators."""
    parameters = around[-1].child_by_field_name("parameters")
    listed = parameters.named_children if parameters is not None else []
    names = [name for name, _ in map(_declared, listed) if name]
    if any(node.type == "pointer_declarator" for node in around):
        value = "NULL"
    elif result == "int" and listed and _FAILURE.fullmatch(_text(listed[-1])):
        value = f"failure_todo({names.pop()}, __func__)"
    elif result.startswith(("struct ", "union ")):
        value = f"({result}){{0}}"
    else:
        value = {"bool": "false", "_Bool": "false", "void": ""}.get(result, "0")
    todo = "/* TODO: do what the contract above says. */"
    return [*(f"(void){name};" for name in names), todo, *([f"return {value};"] if value else [])]


def _public_c(node: tree_sitter.Node, contracts: dict[str, str], name: str) -> str:
    """What remains of one thing at the top level of NAME.c; "" if it vanishes."""
    words, (public, around) = [_text(child) for child in node.children], _declared(node)
    function = "function_declarator" in [declarator.type for declarator in around[-1:]]
    prototype = node.type == "declaration" and function
    if "static" in words or prototype or _VANISHES.fullmatch(node.type):
        return ""
    if node.type == "declaration" and "extern" in words:
        return _text(node)
    signature = _text(node).removesuffix(_text(node.child_by_field_name("body")))
    file, line = f"c/src/{name}.c", node.start_point.row + 1
    known = function and signature.rstrip().endswith(")") and "noreturn" not in signature.lower()
    if node.type != "function_definition" or not known:
        problem = f"a public {node.type.replace('_', ' ')} of a kind that no skeleton can have"
        raise SkeletonError(file, line, problem, "make it static, or move it to the header")
    if not contracts.get(public):
        remedy = f"write one directly above its prototype in c/src/{name}.h, or make it static"
        raise SkeletonError(file, line, f"{public} is public and has no contract", remedy)
    statements = _body_c(_text(node.child_by_field_name("type")), around)
    body = "".join(f"    {statement}\n" for statement in statements)
    return f"{contracts[public]}\n{signature}{{\n{body}}}"


def skeleton_c(source: str, header: str, path_shown: str) -> str:
    """The skeleton of a C module, from the text of NAME.c and of NAME.h.

    path_shown (labs/01-detach/detach.c) gives the number of the lab and NAME. Kept are the
    includes, feature test macros, `extern` declarations and public functions; types, macros
    and all that is static vanish. A function that returns int and takes a `struct failure *`
    last fails by failure_todo(); any other returns the zero of its type. Raises SkeletonError.
    """
    number, name = _lab(path_shown)
    contracts = _contracts(header, f"c/src/{name}.h")
    includes, parts, row = list[str](), list[str](), 0
    for node in _parse_c(source, f"c/src/{name}.c").children:
        feature = node.type == "preproc_def" and re.match(r"#define _\w+_SOURCE\b", _text(node))
        if node.type == "preproc_include" or feature:
            includes += [""] if includes and node.start_point.row > row + 1 else []
            path = _text(node.child_by_field_name("path"))
            includes.append(_text(node).strip() if feature else f"#include {path}")
            row = node.start_point.row
        else:
            parts.append(_public_c(node, contracts, name))
    if f'#include "{name}.h"' not in includes:
        includes[:0] = [f'#include "{name}.h"', *([""] if includes else [])]
    contract, private = f"above it, as in c/src/{name}.h", "make them static"
    head = _HEAD.format(number=number, name=name, contract=contract, private=private)
    comment = "/*\n" + "".join(f" * {line}\n" for line in head.splitlines()) + " */"
    text = "\n\n".join([comment, "\n".join(includes), *filter(None, parts)])
    return _normal(text.encode()).decode()


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement binds where it stands; none for a statement unknown here."""
    if isinstance(node, _Definition):
        return [node.name]
    if isinstance(node, _Import):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]


def _lines(lines: list[str], node: ast.stmt, end: ast.stmt) -> str:
    """From the comment directly above the node, and its decorators, to the last line of end."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    return "\n".join(lines[first - 1 : end.end_lineno])


def _public(lines: list[str], node: ast.stmt, owner: str, file: str) -> str:
    """What remains of one statement of a module or of a class; "" if it vanishes."""
    names = _bound(node)
    if not names:
        problem = f"{type(node).__name__} is unknown outside of functions"
        raise SkeletonError(file, node.lineno, problem, "move it into a function")
    if all(map(_PRIVATE.match, names)):
        return ""
    if not isinstance(node, _Definition):
        return _lines(lines, node, node)
    if ast.get_docstring(node) is None or node.body[0].lineno == node.lineno:
        problem = f"{node.name} is public and has no docstring on lines of its own"
        remedy = "write its contract there, or begin its name with an underscore"
        raise SkeletonError(file, node.lineno, problem, remedy)
    start = _lines(lines, node, node.body[0])
    if not isinstance(node, ast.ClassDef):
        indent = " " * (node.col_offset + 4)
        return f'{start}\n{indent}raise labd.failure.todo("{owner}{node.name}")'
    bases = map(ast.unparse, node.bases)
    if any(base.endswith(("Error", "Exception", "Failure")) for base in bases):
        return _lines(lines, node, node)
    return f"{start}\n\n{_block(lines, node.body[1:], owner + node.name + '.', file)}".rstrip()


def _block(lines: list[str], body: Sequence[ast.stmt], owner: str, file: str) -> str:
    """What remains of a module (owner "") or of a class, with blank lines as ruff sets them."""
    text, last = "", None
    for before, node in zip([None, *body], body, strict=False):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            kept = _lines(lines, node, node) if last is before else ""  # describes what is above
        else:
            kept = _public(lines, node, owner, file)
        if kept and last is not None:
            gap = (node.end_lineno or 0) - kept.count("\n") - (last.end_lineno or 0)
            defines = isinstance(node, _Definition) or isinstance(last, _Definition)
            text += "\n" * ((2 if owner else 3) if defines else min(gap, 2))
        text, last = text + kept, node if kept else last
    return text


def skeleton_python(source: str, path_shown: str) -> str:
    """The skeleton of a Python module, from its text.

    path_shown (labs/01-detach/detach.py) gives the number of the lab and NAME. Kept are the
    module's docstring, imports, public constants, and classes with docstring and public fields
    (exceptions whole). Public functions and methods, special ones too, keep decorators,
    signature and docstring, and raise labd.failure.todo(NAME). Raises SkeletonError.
    """
    number, name = _lab(path_shown)
    file, lines = f"python/labd/{name}.py", source.split("\n")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        problem = f"cannot be parsed as Python: {error.msg}"
        raise SkeletonError(file, error.lineno or 1, problem, "mend it") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and lines[node.lineno - 1][: node.col_offset].strip():
            remedy = "begin a new one, for what vanishes is cut by lines"
            raise SkeletonError(file, node.lineno, "a statement within a line", remedy)
    text = _block(lines, tree.body, "", file)
    if not re.search(r"(?m)^import labd\.failure$", text):
        text = re.sub("(?m)^from labd", "import labd.failure\n\\g<0>", text, count=1)
    nodes = list(ast.walk(ast.parse(text)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    bound = {n for node in nodes if isinstance(node, ast.stmt) for n in _bound(node)}
    imported = {n for node in nodes if isinstance(node, _Import) for n in _bound(node)}
    for lost in sorted(filter(_PRIVATE.match, used - bound)):
        line = next(number for number, line in enumerate(lines, 1) if lost in line)
        problem = f"{lost} vanishes, but what stays uses it"
        raise SkeletonError(file, line, problem, "give it a public name")
    if "labd" in used - bound:
        remedy = "its skeleton raises labd.failure.todo(): write `import labd.failure`"
        raise SkeletonError(file, 1, "imports nothing of labd", remedy)
    contract, private = "below its first line", "begin their names with _"
    head = _HEAD.format(number=number, name=name, contract=contract, private=private)
    if imported - used - {"annotations"}:
        head += "ruff: noqa: F401 - imports of the reference: drop what you have no use for"
    comment = "".join(f"# {line}\n" for line in head.splitlines())
    return _normal(f"{comment}\n{text}".encode()).decode()


def _derive(labs: Path, c_src: Path, python_src: Path) -> dict[str, bytes]:
    """Every skeleton by its path relative to labs, for each lab that has a lab.toml."""
    texts = {}
    for lab in sorted(labs.glob("*/lab.toml")):
        name = tomllib.loads(lab.read_text("utf-8")).get("module")
        if not isinstance(name, str):
            raise SkeletonError(lab, 1, "names no module", 'write `module = "NAME"`')
        c, python = f"{lab.parent.name}/{name}.c", f"{lab.parent.name}/{name}.py"
        files = [c_src / f"{name}.c", c_src / f"{name}.h", python_src / f"{name}.py"]
        source, header, port = (file.read_text("utf-8") for file in files)
        texts[c] = skeleton_c(source, header, f"labs/{c}").encode()
        texts[python] = skeleton_python(port, f"labs/{python}").encode()
    return texts


def text(path: Path, c_src: Path, python_src: Path) -> bytes:
    """The skeleton of one file, labs/NN-slug/NAME.c or .py. Raises SkeletonError, OSError."""
    name = _lab(path.as_posix())[1]
    shown = f"labs/{path.parent.name}/{path.name}"
    if path.suffix == ".py":
        return skeleton_python((python_src / f"{name}.py").read_text("utf-8"), shown).encode()
    source, header = ((c_src / f"{name}{suffix}").read_text("utf-8") for suffix in (".c", ".h"))
    return skeleton_c(source, header, shown).encode()


def _hash(data: bytes) -> str:
    return hashlib.sha256(_normal(data)).hexdigest()


def _recorded(labs: Path) -> dict[str, str]:
    """The recorded hashes by path relative to labs; empty when there is no list yet."""
    text = (labs / HASHES).read_text("utf-8") if (labs / HASHES).exists() else ""
    return {path: digest for digest, path in re.findall(r"(?m)^([0-9a-f]{64})  (.+)$", text)}


def _content(path: Path) -> bytes | None:
    """What is looked at of a student's file. None: it is not there, or just now not: an editor may
    be putting another one in its place."""
    try:
        with open(path, "rb") as file:
            return file.read(MOST + 1)
    except FileNotFoundError:
        return None


def started(path: Path, pristine: str) -> bool:
    """Whether the file is there and differs from the text of the pristine skeleton.

    Line ends, blanks at the end of lines and newlines at the end of the file do not count.
    """
    content = _content(path)
    return content is not None and _normal(content) != _normal(pristine.encode())


def pristine(labs: Path, path: Path) -> bool:
    """Whether the skeleton at path is untouched (or missing), by the recorded hashes alone. It is
    known by its name: it may be a link to where the student keeps it."""
    relative = f"{path.parent.name}/{path.name}"
    if (recorded := _recorded(labs).get(relative)) is None:
        raise SkeletonError(labs / HASHES, 1, f"no hash of {relative}", "derive the skeletons")
    content = _content(path)
    return content is None or _hash(content) == recorded


def write(labs: Path, c_src: Path, python_src: Path, *, force: bool = False) -> list[Path]:
    """Derive all skeletons into labs and record their hashes; returns the files that changed.

    python_src is the folder that holds NAME.py. What a student has started is not overwritten
    unless force is true: SkeletonError names those files, and nothing at all is written.
    """
    texts, recorded = _derive(labs, c_src, python_src), _recorded(labs)
    hashes = {path: _hash(text) for path, text in texts.items()}
    there = {path: (labs / path).read_bytes() for path in texts if (labs / path).exists()}
    theirs = [p for p, data in there.items() if _hash(data) not in (recorded.get(p), hashes[p])]
    if theirs and not force:
        remedy = "move the work aside, or force it to be overwritten"
        raise SkeletonError(labs / theirs[0], 1, f"started already: {', '.join(theirs)}", remedy)
    texts[HASHES] = "".join(f"{hashes[path]}  {path}\n" for path in sorted(hashes)).encode()
    files = {labs / path: text for path, text in texts.items()}
    changed = [f for f, text in files.items() if not f.exists() or f.read_bytes() != text]
    for file in changed:
        file.write_bytes(files[file])
    return changed


def stale(labs: Path, c_src: Path, python_src: Path) -> list[str]:
    """Where the recorded hashes and the reference disagree, a sentence each.

    The files themselves are not read: a student's edits do not make a skeleton stale.
    """
    texts, recorded = _derive(labs, c_src, python_src), _recorded(labs)
    changed = "the reference has changed since its skeleton was derived"
    found = {p: changed if p in recorded else "no hash is recorded" for p in texts}
    found = {p: why for p, why in found.items() if recorded.get(p) != _hash(texts[p])}
    found |= {p: "a hash is recorded, but no lab has it" for p in recorded if p not in texts}
    return [f"{path}: {why}" for path, why in found.items()]
