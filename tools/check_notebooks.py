"""Run every notebook in a fresh kernel and compare what it prints with what it holds.

Usage: python tools/check_notebooks.py [--jobs N] [--timeout SECONDS] [--static | --form] [NOTEBOOK ...]

Each notebook (by default notebooks/*.ipynb) is first read: it must have been executed from top to bottom, be
small, and hold no error, no figure without a text, and no path of the machine it was made on. Then nbval runs
it, strictly: words must be equal, numbers close (see tests/nbval_plugin.py), figures are compared by their
text. One line a notebook; the last line is `notebooks: passed/all`, and the exit status is 1 unless all pass.

With --form it only says how the lesson is laid out: words of a text cell (what is folded away not counted),
lines of a code cell and of the set-up, and the share of code lines that is plumbing: imports, asserts and
`notebook.show` outside the last cell, the one tagged `promises`.

A notebook may say in its metadata which real text it reads: {"seq2seq_edu": {"needs": ["tatoeba-zh-en"]}}.
Where that is neither here nor to be downloaded, the notebook is read but not run, and the last line says so;
on a build server (CI is set) that counts as a failure.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq_edu.data import corpora

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
LARGEST = 500_000  # bytes
KERNEL = {"name": "python3", "display_name": "Python 3"}
IMAGES = ("image/png", "image/jpeg", "image/svg+xml")
IMG_TAG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
ALT = re.compile(r"\balt=([\"'])(?!\s*\1).+?\1", re.DOTALL)
MARKDOWN_IMAGE = re.compile(r"!\[\s*\]\(")
SKIP = re.compile(r"^\s*#\s*(?:NBVAL_SKIP|PYTEST_VALIDATE_IGNORE_OUTPUT)\b", re.MULTILINE)
LOCAL_PATH = re.compile(
    r"(?<![\w.:/~<])(?:/(?:home|Users|root|tmp|var|opt|mnt|private|usr)/[\w.~-]+|~/[\w.-]+|[A-Z]:\\\w+)[\w./\\-]*"
)


class Result(NamedTuple):
    """What was found out about one notebook."""

    path: Path
    cells: int
    seconds: float
    problems: list[str]
    missing: str = ""


def static_problems(path: Path) -> list[str]:
    """Return what can be seen to be wrong with a notebook without running it."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"cannot be read as a notebook: {error!r}"]
    problems = list(_file_problems(path, notebook))
    code = [cell for cell in cells if cell.get("cell_type") == "code"]
    if len(code) > 1 and all(cell.get("execution_count") is None for cell in code):
        return [
            *problems,
            f"was never executed, none of its {len(code)} code cells: run tools/refresh_notebooks.py",
        ]
    for number, cell in enumerate(cells):
        name = f"cell {number} ({cell.get('id', 'no id')})"
        found = _code_problems(cell) if cell.get("cell_type") == "code" else _text_problems(cell)
        problems += [f"{name}: {problem}" for problem in found]
    return problems


def _file_problems(path: Path, notebook: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the notebook as a whole: size, kernel, ids, order of execution."""
    if path.stat().st_size > LARGEST:
        size = path.stat().st_size / 1e3
        yield f"is {size:.0f} kB, expected at most {LARGEST / 1e3:.0f}: fewer or smaller figures help"
    kernel = notebook.get("metadata", {}).get("kernelspec", {})
    if {key: kernel.get(key) for key in KERNEL} != KERNEL:
        yield f"has the kernel {kernel or 'none'}, expected {KERNEL}: run tools/refresh_notebooks.py"
    ids = [cell.get("id") for cell in notebook["cells"]]
    if None in ids:
        yield f"has {ids.count(None)} cells without an id"
    yield from (f"has the cell id {name!r} {k} times" for name, k in Counter(ids).items() if name and k > 1)
    code = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    counts = [cell["execution_count"] for cell in code if cell.get("execution_count") is not None]
    if counts != sorted(set(counts)):
        yield f"was not executed from top to bottom in one go: the counts are {counts}"


def _code_problems(cell: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a code cell and its outputs."""
    tags = cell.get("metadata", {}).get("tags", [])
    source = _join(cell.get("source", ""))
    if cell.get("execution_count") is None:
        yield "was never executed" if source.strip() else "is an empty code cell"
    if SKIP.search(source) or "nbval-skip" in tags:
        yield "is skipped by the check: use the tag nbval-ignore-output and assert a bound"
    raises = "raises-exception" in tags
    for output in cell.get("outputs", []):
        if output.get("output_type") == "error" and not raises:
            yield f"holds the error {output.get('ename')}, and has no tag raises-exception"
        yield from _output_problems(output)


def _output_problems(output: dict[str, Any]) -> Iterator[str]:
    """Yield images without a text, and paths of one machine."""
    data = {kind: _join(value) for kind, value in output.get("data", {}).items() if not kind.endswith("json")}
    page = data.get("text/html", "")
    tags = IMG_TAG.findall(page)
    if any(kind in data for kind in IMAGES) and not tags:
        yield "holds an image without a text for those who cannot see it: use notebook.show(figure, alt)"
    if any(not ALT.search(tag) for tag in tags):
        yield "holds an <img> whose alt is missing or empty"
    words = [value for kind, value in data.items() if kind not in IMAGES]
    words += [_join(output.get("text", "")), *output.get("traceback", []), str(output.get("evalue", ""))]
    for text in words:
        bare = re.sub(r"\x1b\[[\d;]*m", "", re.sub(r"data:image/[^\"']*", "", text))
        places = [match[0] for match in LOCAL_PATH.finditer(bare)]
        folders = [folder for folder in (ROOT, Path.home()) if len(folder.parts) > 1]
        places += [str(folder) for folder in folders if str(folder) in bare]
        if places:
            yield f"holds a path of the machine it ran on: {places[0]}"


def _text_problems(cell: dict[str, Any]) -> Iterator[str]:
    """Yield images in a text cell that have no text of their own."""
    source = _join(cell.get("source", ""))
    if MARKDOWN_IMAGE.search(source) or any(not ALT.search(tag) for tag in IMG_TAG.findall(source)):
        yield "shows an image without alternative text"


class Form(NamedTuple):
    """How a chapter is laid out: medians and largest numbers of words and lines, and its plumbing."""

    words: float
    most_words: int
    lines: float
    most_lines: int
    setup: int
    plumbing: float

    def problems(self) -> list[str]:
        """Return what is longer than it should be."""
        limits = {"words": 40, "most_lines": 12, "setup": 8, "plumbing": 0.08}
        over = {name: limit for name, limit in limits.items() if getattr(self, name) > limit}
        return [
            f"{name} {getattr(self, name):.3g}, expected at most {limit:g}" for name, limit in over.items()
        ]


def form(path: Path) -> Form:
    """Measure a chapter."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = [_join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    folded = re.compile(r"<details>.*?</details>|\$\$.*?\$\$|!\[.*?\]\(", re.DOTALL)
    words = [len(folded.sub("", text).split()) for text in texts]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    promises = [cell for cell in code if "promises" in cell["metadata"].get("tags", [])]
    sources = [_join(cell["source"]) for cell in code if cell not in promises]
    lines = [len(re.findall(r".*\S", source)) for source in sources]
    setup = max(
        (n for n, source in zip(lines, sources, strict=True) if "notebook.start" in source), default=0
    )
    share = sum(map(plumbing_lines, sources)) / sum(lines)
    return Form(statistics.median(words), max(words), statistics.median(lines), max(lines), setup, share)


def plumbing_lines(source: str) -> int:
    """Return how many lines of a cell import, assert, or give a figure its text."""
    tree = ast.parse(re.sub(r"^[ \t]*[%!].*$", "pass", source, flags=re.MULTILINE))
    calls = ("notebook.start(", "np.testing.", "torch.testing.", "plt.rcParams")
    count = len(re.findall(r"^# NBVAL", source, flags=re.MULTILINE))
    for node in ast.walk(tree):
        kind = isinstance(node, ast.Import | ast.ImportFrom | ast.Assert)
        if kind or (
            isinstance(node, ast.Expr | ast.Assign) and (ast.unparse(node).startswith(calls) or _bare(node))
        ):
            count += (node.end_lineno or node.lineno) - node.lineno + 1
    return count


def _bare(node: ast.Expr | ast.Assign) -> bool:
    """Tell whether a statement shows a figure that is there already; one that draws as well is lesson."""
    call = node.value
    shows = isinstance(call, ast.Call) and ast.unparse(call.func) == "notebook.show"
    return shows and not isinstance(call.args[0], ast.Call)  # type: ignore[attr-defined]


def _join(text: str | list[str]) -> str:
    """Return text that a notebook keeps as one string or as a list of lines."""
    return text if isinstance(text, str) else "".join(text)


def count_cells(path: Path) -> int:
    """Return the number of code cells (0 where the file cannot be read)."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return sum(cell.get("cell_type") == "code" for cell in cells)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0


def kernel_environment(scratch: str) -> dict[str, str]:
    """Return the environment of pytest and its kernel: this checkout, one thread, no personal settings."""
    environment = dict(os.environ)
    paths = [str(ROOT), str(TESTS), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    environment |= {
        "IPYTHONDIR": scratch,  # no start-up files of the person who runs this
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    environment.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # the same sums everywhere; small models gain nothing by more
    environment.pop("MPLBACKEND", None)
    environment.pop("PYTEST_ADDOPTS", None)
    return environment


def run(path: Path, *, timeout: float) -> list[str]:
    """Run one notebook under nbval and return what went wrong."""
    command = [
        sys.executable,
        *"-m pytest -q --no-header --color=no -rN --noconftest --nbval --nbval-current-env".split(),
    ]
    command += ["-p", "nbval.plugin", "-p", "nbval_plugin", "-p", "no:cacheprovider", "-o", "addopts="]
    command += ["-o", "filterwarnings=default", f"--nbval-cell-timeout={timeout}", f"--rootdir={ROOT}"]
    command += [f"--nbval-sanitize-with={TESTS / 'sanitize.cfg'}", str(path)]
    with tempfile.TemporaryDirectory() as scratch:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=kernel_environment(scratch),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    said = re.sub(r"\x1b\[[\d;]*m", "", ended.stdout + ended.stderr)
    return [] if ended.returncode == 0 else [said.strip()]


def check(path: Path, *, timeout: float, static: bool) -> Result:
    """Read one notebook, and run it if nothing is wrong with it so far."""
    began = time.perf_counter()
    problems, cells = static_problems(path), count_cells(path)
    missing = "" if problems or static else missing_data(path)
    if missing and os.environ.get("CI"):
        problems = [f"its data are missing: {missing}"]
    elif not problems and not static and not missing and cells:
        problems = run(path, timeout=timeout)
    return Result(path, cells, time.perf_counter() - began, problems, missing)


def missing_data(path: Path) -> str:
    """Return why the real text that a notebook says it needs cannot be had, or nothing if all is there."""
    names = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("seq2seq_edu", {}).get("needs", [])
    try:
        for name in names:
            corpora.load(name)
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def report(result: Result) -> None:
    """Print one line about a notebook, and below it what went wrong."""
    verdict = "FAILED" if result.problems else "no data" if result.missing else "passed"
    print(
        f"{verdict}  {result.path.name:<32} {result.cells:3d} code cells  {result.seconds:6.1f} s", flush=True
    )
    for problem in result.problems:
        print("\n".join("    " + line for line in problem.splitlines()), flush=True)
    if result.missing and not result.problems:
        print(f"    not run: {result.missing}", flush=True)


def report_form(paths: list[Path]) -> int:
    """Print a line about the form of each notebook; return the exit status."""
    print(f"{'':<28} words (most)   lines (most)   set-up   plumbing")
    measured = {path.stem: form(path) for path in paths}
    for name, f in measured.items():
        sizes = f"{f.words:5.0f} ({f.most_words:4d})  {f.lines:6.0f} ({f.most_lines:4d})  {f.setup:7d}"
        print(f"{name:<28} {sizes}  {f.plumbing:9.1%}   {'; '.join(f.problems())}")
    return int(any(f.problems() for f in measured.values()))


def main(arguments: list[str] | None = None) -> int:
    """Check the notebooks named on the command line, or all of them; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebooks", type=Path, nargs="*", help="default: notebooks/*.ipynb")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds that one cell may take")
    parser.add_argument("--static", action="store_true", help="read only, run nothing")
    parser.add_argument("--form", action="store_true", help="say how long cells are, and what is plumbing")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}, expected 1 or more")
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not paths:
        print("no notebooks found in notebooks/")
    if options.form:
        return report_form(paths)
    with ThreadPoolExecutor(options.jobs) as pool:
        settings = {"timeout": options.timeout, "static": options.static}
        work = [pool.submit(check, path.resolve(), **settings) for path in paths]
        results = []
        for task in work:
            results.append(task.result())
            report(results[-1])
    failed = sum(bool(result.problems) for result in results)
    unread = sum(bool(result.missing) and not result.problems for result in results)
    note = f" ({unread} not run for want of data: make data)" if unread else ""
    print(f"notebooks: {len(results) - failed - unread}/{len(results)}{note}")
    return 0 if results and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
