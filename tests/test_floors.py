"""The floors of the package: a file imports only from lower floors, so that each can be read after the last.

The table is the map of the package. A new file gets its line here; 1.1 stands on 1, on the same floor.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "seq2seq_edu"
FLOORS = {
    # 1: NumPy, generated data, real data, figures; nothing of PyTorch
    "equations": 1, "gradients": 1.1,
    "special": 1, "examples": 1, "dates": 1.1, "tasks": 1.2,
    "grammar_lexicon": 1, "grammar_meaning": 1.1, "grammar": 1.2, "grammar_long": 1.3,
    "subwords": 1.1, "corpora": 1.2, "drawing": 1, "plots": 1.1, "tree_plot": 1.1, "records": 1,
    # 2 to 6: PyTorch, from one attention step to a score
    "modules": 2, "model": 3, "transformer": 3.1, "batching": 4, "checkpoints": 4.1,
    "parallel": 4.1, "cuda": 4.1, "keeper": 4.2, "training": 5,
    "search_tree": 6, "decoding": 6.1, "translator": 6.2, "evaluation": 6,
    # 7: what a class plays with; each module of `widgets` has its drawing beside it, in JavaScript
    "widgets.recording": 7, "widgets.forced": 7.05, "widgets.base": 7,
    "widgets.softmax": 7.1, "widgets.context": 7.1, "widgets.axis": 7.1, "widgets.alignment": 7.1,
    "widgets.stepper": 7.1, "widgets.attend": 7.1, "widgets.beam": 7.1, "widgets.cost": 7.1,
    # 7 to 9: what puts it together
    "recipes": 7, "runs": 7.1, "bench_machine": 7,
    "bench_styles": 7.1, "bench_decoding": 7.2, "bench_memory": 7.2, "bench": 7.3, "doctor": 9, "cli": 9.1,
    "__main__": 9.2,
    # 8: exercises, their checks, and the grading of strangers' notebooks; nothing of the floors below
    "grading.wire": 8, "grading.answering": 8.1, "checking": 8.2, "check": 8.3,
    "grading.worker": 8.2, "grading.sandbox": 8.2, "grading.watch": 8.2, "grading.judge": 8.4,
    "grading.handout": 8.4, "grading.intake": 8.45, "grading.gradebook": 8.5, "grading.report": 8.6,
    "grading.batch": 8.7, "grading.commands": 8.8,
}  # fmt: skip
ONLY = {"notebook": {"plots", "drawing"}}  # beside the floors: what these may import
FILES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
)


def imported(source: str) -> set[str]:
    """Return the dotted names that a source imports, also inside functions and by import_module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ("seq2seq_edu." * (node.level > 0) + (node.module or "")).strip(".")
            names.update(f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names.update(str(first.value) for first in node.args[:1] if isinstance(first, ast.Constant))
    return names


def own(names: set[str]) -> set[str]:
    """Keep the files of the package among the names: `seq2seq_edu.grading.wire.read` is `grading.wire`."""
    parts = [name.split(".") for name in names if name.startswith("seq2seq_edu.")]
    return {".".join(part[1:end]) for part in parts for end in (2, 3)} & {*FLOORS, *ONLY, *FILES}


def wrong_imports(name: str, source: str) -> set[str]:
    """Return the files of the package that this one imports though they are not below it."""
    used = own(imported(source))
    if name in ONLY:
        return used - ONLY[name]
    return {other for other in used if FLOORS.get(other, 99) >= FLOORS[name]}


def source_of(name: str) -> str:
    """Return the text of a file of the package."""
    return PACKAGE.joinpath(*name.split(".")).with_suffix(".py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_each_file_has_a_floor_and_imports_only_from_below(name: str) -> None:
    assert name in FLOORS or name in ONLY, f"{name}.py has no floor: add it to the table of this test"
    wrong = wrong_imports(name, source_of(name))
    assert not wrong, f"{name}.py imports {', '.join(sorted(wrong))}, not below floor {FLOORS.get(name)}"


@pytest.mark.parametrize("name", [name for name in FILES if FLOORS.get(name, 99) < 2])
def test_the_first_floor_needs_no_pytorch(name: str) -> None:
    names = imported(source_of(name))
    assert not [other for other in names if other.split(".")[0] == "torch"]


@pytest.mark.parametrize("name", FILES)
def test_no_star_imports(name: str) -> None:
    names = imported(source_of(name))
    assert not [other for other in names if other.endswith(".*")]


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("modules", "import seq2seq_edu.model", {"model"}),
        ("modules", "from seq2seq_edu import plots, training", {"training"}),
        ("equations", "from .gradients import softmax_backward", {"gradients"}),
        ("recipes", "def f():\n    from seq2seq_edu.bench import measure", {"bench"}),
        ("recipes", "importlib.import_module('seq2seq_edu.cli')", {"cli"}),
        ("notebook", "from seq2seq_edu.model import Seq2Seq\nfrom seq2seq_edu import plots", {"model"}),
        ("cli", "from seq2seq_edu import __version__, doctor, recipes", set()),
        ("model", "from . import modules", set()),
        ("checking", "from seq2seq_edu.grading import judge, wire", {"grading.judge"}),
        ("grading.wire", "from seq2seq_edu.checking import Student", {"checking"}),
    ],
)
def test_the_reader_of_imports_sees_every_form(name: str, source: str, wrong: set[str]) -> None:
    assert wrong_imports(name, source) == wrong
