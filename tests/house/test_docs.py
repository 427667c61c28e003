"""What a reader is told: docstrings are complete, pieces are small, and no link or chapter name is dead."""

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from links import dead_links

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "seq2seq_edu").rglob("*.py"))
CHAPTERS = {path.stem.split("_", 1)[1] for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")}
FUNCTION_LINES = 40  # of code: without docstring, comments and blank lines
FILE_LINES = 300
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(tree: ast.Module) -> Iterator[tuple[str, Definition, bool]]:
    """Yield (name, node, is a method) for everything public: functions, classes and their methods."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node.name, node, False
            for method in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(method, Definition) and not method.name.startswith("_"):
                    yield f"{node.name}.{method.name}", method, True


def sections(docstring: str) -> set[str]:
    """Return the names of the numpydoc sections: a word underlined with dashes."""
    return set(re.findall(r"^(\w+)\n-{3,}$", docstring, flags=re.MULTILINE))


def missing_sections(node: Definition) -> set[str]:
    """Return the sections that a public function should have and has not."""
    if isinstance(node, ast.ClassDef):
        return set()
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    wanted = {"Parameters"} if [a for a in arguments if a.arg not in ("self", "cls")] else set()
    returns = ast.unparse(node.returns) if node.returns else "None"
    if returns not in ("None", "NoReturn"):
        wanted.add("Yields" if returns.startswith(("Iterator", "Generator")) else "Returns")
    found = sections(ast.get_docstring(node) or "")
    if found & {"Returns", "Yields"}:  # a function that returns an iterator may say either
        found |= {"Returns", "Yields"}
    return wanted - found


def code_lines(path: Path) -> set[int]:
    """Return the numbers of the lines that hold code: no docstring, comment or blank line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            strings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    numbers: set[int] = set()
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type not in (*layout, tokenize.ENDMARKER):
                numbers.update(range(token.start[0], token.end[0] + 1))
    return numbers - strings


DEFINITIONS = [
    pytest.param(node, method, id=f"{path.stem}.{name}")
    for path in FILES
    for name, node, method in public(ast.parse(path.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(("node", "method"), DEFINITIONS)
def test_public_things_are_described(node: Definition, method: bool) -> None:
    docstring = ast.get_docstring(node)
    assert docstring, f"{node.name} has no docstring"
    first = docstring.splitlines()[0]
    assert first.endswith((".", ":", "?")), f"the first line of {node.name} is not one sentence: {first!r}"
    if not method:
        assert not missing_sections(node), f"{node.name} lacks {', '.join(sorted(missing_sections(node)))}"


def test_chapters_named_in_docstrings_exist() -> None:
    wrong = []
    for path in FILES:
        for match in re.finditer(r"Taught\s+in:\s+([\w\s,]+?)\s*[.\n]", path.read_text(encoding="utf-8")):
            slugs = re.split(r",\s*|\s+and\s+", match.group(1))
            wrong += [f"{path.name}: {slug}" for slug in slugs if slug and slug not in CHAPTERS]
    assert not wrong, f"no such chapter: {'; '.join(wrong)} (chapters: {', '.join(sorted(CHAPTERS))})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pieces_are_small_enough_to_read(path: Path) -> None:
    lines = code_lines(path)
    assert len(lines) <= FILE_LINES, f"{path.name} has {len(lines)} lines of code: split it"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            size = len(lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1)))
            assert size <= FUNCTION_LINES, f"{path.name}: {node.name} has {size} lines of code: split it"


def texts() -> Iterator[tuple[Path, str]]:
    """Yield every page with links: the Markdown files, and the text of each notebook."""
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("*/*.ipynb")]):
        if any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
            text = "\n\n".join("".join(cell["source"]) for cell in cells)
        yield path, text


@pytest.mark.parametrize(("path", "text"), [pytest.param(*page, id=page[0].name) for page in texts()])
def test_relative_links_lead_somewhere(path: Path, text: str) -> None:
    assert not dead_links(path, text), f"{path.name}: {', '.join(dead_links(path, text))}"


def test_the_rules_above_catch_what_they_are_for(tmp_path: Path) -> None:
    tree = ast.parse('def f(x: int) -> int:\n    """Do it.\n\n    Parameters\n    ----------\n    """\n')
    assert missing_sections(tree.body[0]) == {"Returns"}  # type: ignore[arg-type]
    (tmp_path / "page.md").write_text("# A b\n[x](gone.md) [y](#a-b) [z](#nowhere) `[code](gone2.md)`\n")
    assert dead_links(tmp_path / "page.md", (tmp_path / "page.md").read_text()) == ["gone.md", "#nowhere"]
    (tmp_path / "two.py").write_text('"""One.\n\nTwo."""\n\n# note\nx = (1,\n     2)\n')
    assert code_lines(tmp_path / "two.py") == {6, 7}
