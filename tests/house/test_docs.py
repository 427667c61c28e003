"""What a reader is told: described in full where a page names it, in small pieces, and no link is dead."""

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from links import dead_links

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = {path: ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "seq2seq_edu").rglob("*.py"))}
FUNCTION_LINES = 40  # of code: without docstring, comments and blank lines
FILE_LINES = 250
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


def cells(page: Path, kind: str) -> list[str]:
    """Return the text of the cells of one kind, "code" or "markdown"."""
    return [
        "".join(c["source"]) for c in json.loads(page.read_text("utf-8"))["cells"] if c["cell_type"] == kind
    ]


CHAPTERS = {
    path.stem.split("_", 1)[1]: "\n".join(cells(path, "code") + cells(path, "markdown"))
    for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")
}


def names_in_code(code: str) -> set[tuple[str, str]]:
    """Return (room, name) of what a page imports from the package, or takes from a room that it imports."""
    names, rooms = set(), {}
    for node in ast.walk(ast.parse(re.sub(r"^\s*[%!].*$", "", code, flags=re.MULTILINE))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("seq2seq_edu"):
            inside = node.module.split(".")[1:2]  # nothing for "from seq2seq_edu import data"
            for alias in node.names:
                room = (inside or [alias.name])[0]
                names.add((room, alias.name))
                rooms[alias.asname or alias.name] = room
    return names | {(rooms[a], b) for a, b in re.findall(r"\b(\w+)\.(\w+)", code) if a in rooms}


def named_on_pages() -> set[tuple[str, str]]:
    """Return (room, name) of what a chapter, an exercise or `notation.md` tells a reader of."""
    text, names = (ROOT / "notation.md").read_text("utf-8"), set()
    for page in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("solutions/*.ipynb")]:
        names |= names_in_code("\n".join(cells(page, "code")))
        text += "\n".join(cells(page, "markdown"))
    return names | set(re.findall(r"`(?:seq2seq_edu\.)?(\w+)\.(\w+)", text))


def room_of(path: Path) -> str:
    """Return the room that a file of the package belongs to."""
    return path.relative_to(ROOT / "seq2seq_edu").parts[0].removesuffix(".py")


def public(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    """Yield (name, node) for everything public: functions, classes and their methods."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node.name, node
            for method in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(method, Function) and not method.name.startswith("_"):
                    yield f"{node.name}.{method.name}", method


def missing_sections(node: Definition) -> set[str]:
    """Return the sections that a function named on a page should have and has not."""
    if isinstance(node, ast.ClassDef):
        return set()
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    wanted = {"Parameters"} if arguments else set()
    if node.returns and ast.unparse(node.returns) not in ("None", "NoReturn"):
        wanted.add("Returns")
    found = set(re.findall(r"^(\w+)\n-{3,}$", ast.get_docstring(node) or "", flags=re.MULTILINE))
    return wanted - found - ({"Returns"} if "Yields" in found else set())


def wrong_chapters(name: str, docstring: str, chapters: dict[str, str]) -> list[str]:
    """Return the chapters that a docstring claims to be taught in, and that never name the thing."""
    claims = re.search(r"Taught\s+in:\s+([\w\s,]+)", docstring)
    slugs = re.split(r",\s*|\s+and\s+|\s+", claims.group(1).strip()) if claims else []
    return [slug for slug in slugs if not re.search(rf"\b{name.split('.')[-1]}\b", chapters.get(slug, ""))]


def docstring_lines(tree: ast.AST) -> set[int]:
    """Return the numbers of the lines that hold docstrings, and other strings that stand alone."""
    strings = [n for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
    return set().union(*map(lines_of, strings))


@cache
def code_lines(path: Path) -> set[int]:
    """Return the numbers of the lines that hold code: no docstring, comment or blank line."""
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    numbers: set[int] = set()
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type not in (*layout, tokenize.ENDMARKER):
                numbers.update(range(token.start[0], token.end[0] + 1))
    return numbers - docstring_lines(ast.parse(path.read_text("utf-8")))


def lines_of(node: ast.AST) -> set[int]:
    """Return the numbers of the lines of a piece of code."""
    return set(range(node.lineno, node.end_lineno + 1))  # type: ignore[attr-defined]


def test_public_things_are_described_and_in_full_where_a_page_names_them() -> None:
    named, wrong = named_on_pages(), []
    for path, tree in PACKAGE.items():
        for name, node in public(tree):
            first = (ast.get_docstring(node) or "nothing").splitlines()[0]
            if not first.endswith((".", ":", "?")):
                wrong.append(f"{path.name}: the first line of {name} is not one sentence: {first!r}")
            if (room_of(path), name) in named and missing_sections(node):
                wrong.append(
                    f"{path.name}: {name}, named on a page, lacks {', '.join(missing_sections(node))}"
                )
    assert not wrong, "\n".join(wrong)


def test_a_chapter_that_teaches_something_names_it() -> None:
    wrong = [
        f"{path.name}: {name} says that it is taught in {slug}, which does not name it"
        for path, tree in PACKAGE.items()
        for name, node in public(tree)
        for slug in wrong_chapters(name, ast.get_docstring(node) or "", CHAPTERS)
    ]
    assert not wrong, "\n".join(wrong)


def test_pieces_are_small_enough_to_read() -> None:
    for path, tree in PACKAGE.items():
        lines = code_lines(path)
        assert len(lines) <= FILE_LINES, f"{path.name} has {len(lines)} lines of code: split it"
        for node in ast.walk(tree):
            if isinstance(node, Function):
                size = len(lines & lines_of(node))
                assert size <= FUNCTION_LINES, f"{path.name}: {node.name} has {size} lines of code: split it"


def test_docstrings_are_at_most_half_as_long_as_the_code() -> None:
    code = sum(len(code_lines(path)) for path in PACKAGE)
    strings = sum(len(docstring_lines(tree)) for tree in PACKAGE.values())
    assert strings <= code / 2, f"{strings} lines of docstring for {code} of code"


def test_relative_links_lead_somewhere() -> None:
    wrong = []
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("*/*.ipynb")]):
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            notebook = path.suffix == ".ipynb"
            text = "\n\n".join(cells(path, "markdown")) if notebook else path.read_text("utf-8")
            wrong += [f"{path.name}: {link}" for link in dead_links(path, text)]
    assert not wrong, "\n".join(wrong)


def test_the_rules_above_catch_what_they_are_for(tmp_path: Path) -> None:
    tree = ast.parse('def f(x: int) -> int:\n    """Do it.\n\n    Parameters\n    ----------\n    """\n')
    assert missing_sections(tree.body[0]) == {"Returns"}  # type: ignore[arg-type]
    code = "%pip list\nfrom seq2seq_edu import data as d\nfrom os import path\nd.pad(1), path.join('a')\n"
    assert names_in_code(code) == {("data", "data"), ("data", "pad")}
    assert {("metrics", "bleu"), ("equations", "softmax"), ("data", "load")} < named_on_pages()
    assert ("metrics", "pad") not in named_on_pages()
    chapters = {"one": "use f(1)", "two": "fg"}
    assert wrong_chapters("C.f", "Do.\n\nTaught in: one, two and\nthree.", chapters) == ["two", "three"]
    (tmp_path / "page.md").write_text("# A b\n[x](gone.md) [y](#a-b) [z](#nowhere) `[code](gone2.md)`\n")
    assert dead_links(tmp_path / "page.md", (tmp_path / "page.md").read_text()) == ["gone.md", "#nowhere"]
    (tmp_path / "two.py").write_text('"""One.\n\nTwo."""\n\n# note\nx = (1,\n     2)\n')
    assert code_lines(tmp_path / "two.py") == {6, 7}
