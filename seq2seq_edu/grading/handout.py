"""What students get: the solutions without their answers, the checks without the hidden ones."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seq2seq_edu.files import write_whole
from seq2seq_edu.grading.questions import cut_hidden, edition_name, load

GIVEN = re.compile(r"# given, exercise (\d+\.\d+)\n")
STEPS = (  # the order of nbgrader's own command
    "LockCells ClearSolutions ClearOutput CheckCellMetadata ComputeChecksums "
    "ClearHiddenTests ClearMarkScheme ComputeChecksums"
).split()


def write(solutions: Path, out: Path, edition: str = "0") -> list[Path]:
    """Write what a class gets: the notebooks of its edition, and beside them their visible checks.

    Parameters
    ----------
    solutions : Path
        The folder `solutions`, with the notebooks and `checks/`.
    out : Path
        Where to; made if it is not there. Other files in it are left alone.
    edition : str
        Any text; another text prints other constants. "0" is the book's own.

    Returns
    -------
    written : list of Path
        The files, in order; the same bytes whenever the solutions are the same.
    """
    texts = notebooks(solutions, edition)
    checks = {f"checks/{path.stem}.py": solutions / "checks" / f"{path.stem}.py" for path in map(Path, texts)}
    texts |= {name: student_checks(path, edition) for name, path in checks.items()}
    for name, text in texts.items():
        write_whole(out / name, text.encode())
    return [out / name for name in texts]


def notebooks(solutions: Path, edition: str = "0") -> dict[str, str]:
    """Return the students' notebooks of all chapters, by file name."""
    texts = {}
    for path in sorted(solutions.glob("[0-9][0-9]_*.ipynb")):
        chapter = load(solutions / "checks" / f"{path.stem}.py")
        constants = {id: chapter.given(id, edition) for id in chapter.questions}
        texts[path.name] = student_notebook(path.read_text(encoding="utf-8"), constants, edition)
    if not texts:
        raise ValueError(f"no notebooks NN_slug.ipynb in {solutions.name}: name the project's `solutions`")
    return texts


def student_checks(path: Path, edition: str = "0") -> str:
    """Return a file of checks without the hidden ones; of an edition it has the constants, not the text."""
    chapter, left = load(path), load(path, hidden=False)
    text = re.sub(r"\n{4,}", "\n\n\n", cut_hidden(path.read_text(encoding="utf-8"))).rstrip()
    constants = {id: chapter.given(id, edition) for id in chapter.questions if chapter.given(id)}
    return f"{text}\n\nchapter.unseen = {_dict(left.unseen)}\nchapter.edition = {_dict(constants)}\n"


def student_notebook(text: str, constants: dict[str, dict[str, Any]], edition: str = "0") -> str:
    """Return a solution notebook without answers and outputs, with the constants of an edition."""
    import nbformat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries say to their authors
        notebook = nbformat.reads(text, as_version=4)
        missing = {id for id, values in constants.items() if values}
        for cell in notebook.cells:
            found = GIVEN.match(cell.source)
            if found:
                cell.source = given_cell(found[1], constants.get(found[1], {}))
                missing.discard(found[1])
        if missing:
            raise ValueError(f"no cell `# given, exercise ...` for {', '.join(sorted(missing))}")
        notebook = _cut(notebook)
        notebook.metadata["seq2seq_edu"] = {"edition": edition_name(edition)}
        return nbformat.writes(notebook).rstrip("\n") + "\n"


def _cut(notebook: Any) -> Any:
    """Apply nbgrader's steps in the order of its own command."""
    try:
        from nbconvert.exporters.exporter import ResourcesDict
        from nbgrader import preprocessors
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'writing exercises needs nbgrader: pip install "seq2seq-edu[instructor]"', name=error.name
        ) from error
    resources = ResourcesDict()
    for step in STEPS:
        notebook, resources = getattr(preprocessors, step)().preprocess(notebook, resources)
    return notebook


def _dict(values: Mapping[str, Any]) -> str:
    """Write a dict, an item a line."""
    return "{\n" + "".join(f"    {json.dumps(name)}: {value!r},\n" for name, value in values.items()) + "}"


def given_cell(id: str, constants: dict[str, Any]) -> str:
    """Return the source of a cell that prints a question's constants."""
    if not constants:
        raise ValueError(f"exercise {id} has a cell of given constants, and its question declares none")
    return "\n".join(
        [f"# given, exercise {id}", *(f"{name} = {value!r}" for name, value in constants.items())]
    )
