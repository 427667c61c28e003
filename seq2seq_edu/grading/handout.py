"""What students get: the solutions without their answers, the checks without the hidden ones."""

import hashlib
import re
import warnings
from pathlib import Path
from pprint import pformat
from typing import Any

from seq2seq_edu.files import write_whole
from seq2seq_edu.grading.questions import cut_hidden, load

GIVEN = re.compile(r"# given, exercise (\d+\.\d+)\n")
STEPS = (  # the order of nbgrader's own command
    "LockCells ClearSolutions ClearOutput CheckCellMetadata ComputeChecksums "
    "ClearHiddenTests ClearMarkScheme ComputeChecksums"
).split()


def write(solutions: Path, out: Path, edition: str) -> list[Path]:
    """Write what a class gets, the notebooks of its edition and their visible checks; return the files.

    Another edition, any text, prints other constants ("0" is the book's own). The same solutions give the
    same bytes. Other files in the folder are left alone.
    """
    texts = notebooks(solutions, edition)
    for path in [solutions / "checks" / f"{Path(name).stem}.py" for name in texts]:
        texts[f"checks/{path.name}"] = student_checks(path, edition)
    for name, text in texts.items():
        write_whole(out / name, text.encode())
    return [out / name for name in texts]


def notebooks(solutions: Path, edition: str = "0") -> dict[str, str]:
    """Return the students' notebooks of all chapters, by file name."""
    texts = {}
    for path in sorted(solutions.glob("[0-9][0-9]_*.ipynb")):
        chapter = load(solutions / "checks" / f"{path.stem}.py")
        constants = {id: chapter.given(id, edition) for id in chapter.questions}
        texts[path.name] = _student_notebook(path.read_text(encoding="utf-8"), constants, edition)
    if not texts:
        raise ValueError(f"no notebooks NN_slug.ipynb in {solutions.name}: name the project's `solutions`")
    return texts


def student_checks(path: Path, edition: str = "0") -> str:
    """Return a file of checks without the hidden ones; of an edition it has the constants, not the text."""
    chapter, unseen = load(path), load(path, hidden=False).unseen
    text = re.sub(r"\n{4,}", "\n\n\n", cut_hidden(path.read_text(encoding="utf-8"))).rstrip()
    constants = {id: chapter.given(id, edition) for id in chapter.questions if chapter.given(id)}
    return f"{text}\n\nchapter.unseen = {pformat(unseen)}\nchapter.edition = {pformat(constants)}\n"


def _student_notebook(text: str, constants: dict[str, dict[str, Any]], edition: str) -> str:
    """Return a solution notebook without answers and outputs, with the constants of an edition."""
    import nbformat

    name = "book" if edition == "0" else hashlib.sha256(f"edition\n{edition}".encode()).hexdigest()[:8]
    missing = {id for id, values in constants.items() if values}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries say to their authors
        notebook = nbformat.reads(text, as_version=4)
        for cell in notebook.cells:
            if found := GIVEN.match(cell.source):
                cell.source = given_cell(found[1], constants.get(found[1], {}))
                missing.discard(found[1])
        if missing:
            raise ValueError(f"no cell `# given, exercise ...` for {', '.join(sorted(missing))}")
        notebook = _cut(notebook)
        notebook.metadata["seq2seq_edu"] = {"edition": name}
        return nbformat.writes(notebook).rstrip("\n") + "\n"


def given_cell(id: str, constants: dict[str, Any]) -> str:
    """Return the source of a cell that prints a question's constants."""
    if not constants:
        raise ValueError(f"exercise {id} has a cell of given constants, and its question declares none")
    lines = [f"{name} = {value!r}" for name, value in constants.items()]
    return "\n".join([f"# given, exercise {id}", *lines])


def _cut(notebook: Any) -> Any:
    """Apply nbgrader's steps in the order of its own command."""
    try:
        from nbconvert.exporters.exporter import ResourcesDict
        from nbgrader import preprocessors
    except ModuleNotFoundError:
        raise ValueError('writing exercises needs nbgrader: pip install "seq2seq-edu[instructor]"') from None
    resources = ResourcesDict()
    for step in STEPS:
        notebook, resources = getattr(preprocessors, step)().preprocess(notebook, resources)
    return notebook
