"""What students get: the solutions without their answers, the checks without the hidden ones."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

from seq2seq_edu.files import write_whole
from seq2seq_edu.grading.questions import edition_name, load

HIDDEN = re.compile(r"\n*^### BEGIN HIDDEN TESTS$.*?^### END HIDDEN TESTS$\n*", re.MULTILINE | re.DOTALL)
GIVEN = re.compile(r"# given, exercise (\d+\.\d+)\n")
STEPS = (
    "LockCells",
    "ClearSolutions",
    "ClearOutput",
    "CheckCellMetadata",
    "ComputeChecksums",
    "ClearHiddenTests",
    "ClearMarkScheme",
    "ComputeChecksums",
)  # the order of nbgrader's own command


def write(solutions: Path, out: Path, edition: str = "0") -> list[Path]:
    """Write the students' notebooks and checks of all chapters, or of one edition for a class.

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

    Raises
    ------
    ValueError
        If there are no solutions, or a notebook and its checks do not fit.
    ModuleNotFoundError
        If nbgrader is not installed.
    """
    notebooks = sorted(solutions.glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise ValueError(
            f"no notebooks NN_slug.ipynb in {solutions.name}: name the folder `solutions` of the project"
        )
    texts: dict[Path, str] = {}
    for path in notebooks:
        source = solutions / "checks" / f"{path.stem}.py"
        chapter = load(source)
        constants = {id: chapter.given(id, edition) for id in chapter.questions}
        texts[out / path.name] = student_notebook(path.read_text(encoding="utf-8"), constants, edition)
        checks = student_checks(source.read_text(encoding="utf-8"), constants, edition)
        unseen = {id: sum(check.hidden for check in q.checks) for id, q in chapter.questions.items()}
        texts[out / "checks" / source.name] = f"{checks}\nchapter.unseen = {{{_items(unseen)}}}\n"
    for path, text in texts.items():
        write_whole(path, text.encode())
    return [*texts]


def student_notebook(text: str, constants: dict[str, dict[str, Any]], edition: str = "0") -> str:
    """Return a solution notebook without answers and outputs, with the constants of an edition.

    Parameters
    ----------
    text : str
        The solution notebook, as JSON.
    constants : dict from question to dict from name to value
        What the cells `# given, exercise 3.2` print.
    edition : str
        Its fingerprint goes into the notebook's metadata.

    Returns
    -------
    text : str
        The student's notebook, as JSON.

    Raises
    ------
    ValueError
        If constants have no cell, or a cell no constants.
    ModuleNotFoundError
        If nbgrader is not installed.
    """
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


def _items(values: dict[str, Any]) -> str:
    """Write the items of a dict, a line each."""
    lines = [f"    {json.dumps(name)}: {value!r},\n" for name, value in values.items()]
    return "\n" + "".join(lines) if lines else ""


def given_cell(id: str, constants: dict[str, Any]) -> str:
    """Return the source of a cell that prints a question's constants.

    Parameters
    ----------
    id : str
        Number of the question.
    constants : dict from name to value
        Plain Python values.

    Returns
    -------
    source : str

    Raises
    ------
    ValueError
        If there are none.

    Examples
    --------
    >>> print(given_cell("3.2", {"scores": [1.0, -2.0], "T": 0.5}))
    # given, exercise 3.2
    scores = [1.0, -2.0]
    T = 0.5
    """
    if not constants:
        raise ValueError(f"exercise {id} has a cell of given constants, and its question declares none")
    return "\n".join(
        [f"# given, exercise {id}", *(f"{name} = {value!r}" for name, value in constants.items())]
    )


def student_checks(source: str, constants: dict[str, dict[str, Any]], edition: str = "0") -> str:
    """Return a file of checks without the hidden ones; a class edition carries its constants.

    Parameters
    ----------
    source : str
        The Python source of all checks.
    constants : dict from question to dict from name to value
        Those of the edition.
    edition : str
        "0" computes the constants from the questions; for others they are written down, and the text of the
        edition, from which hidden inputs might be guessed, is not.

    Returns
    -------
    source : str

    Raises
    ------
    ValueError
        If a mark of a hidden part has no partner: half of it would reach the students.

    Examples
    --------
    >>> student_checks("a = 1\\n\\n\\n### BEGIN HIDDEN TESTS\\nb = 2\\n\\n\\n### END HIDDEN TESTS\\n", {})
    'a = 1\\n'
    """
    text = HIDDEN.sub("\n\n\n", source).rstrip("\n") + "\n"
    if "HIDDEN TESTS" in text:
        raise ValueError("### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS go in pairs: one stands alone")
    if edition == "0":
        return text
    printed = {id: values for id, values in constants.items() if values}
    return f"{text}\nchapter.edition = {{{_items(printed)}}}\n"
