"""Execute notebooks from top to bottom and save them with their outputs, ready to commit.

Usage: python tools/refresh_notebooks.py [NOTEBOOK ...]          (default: notebooks/*.ipynb)

Cell ids stay. Times, the models of widgets and the names of personal kernels are taken out, and so are the
folders of this machine in error messages. A notebook that raises an error (in a cell without its tag) is
left as it was, and so is one with timings that were taken on a busy machine: it says so itself, by a line
"noise of this run: a factor of 1.31". The exit status is 1 if one failed, or holds something that
tools/check_notebooks.py refuses.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from check_notebooks import KERNEL, LARGEST, ROOT, kernel_environment, static_problems
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from seq2seq_edu.files import write_whole

WIDGET = "application/vnd.jupyter.widget-view+json"
NOISE = re.compile(r"noise of this run: a factor of ([\d.]+)")
QUIET = 1.2  # the most that a program raced against itself may stray
KEPT = ("tags", "jupyter", "slideshow", "editable", "deletable", "nbgrader")  # of a cell's metadata


def execute(path: Path, timeout: float) -> Any:
    """Run a notebook in a fresh kernel, in its own folder, and return it with the new outputs."""
    notebook: Any = nbformat.read(path, as_version=4)
    notebook.metadata["kernelspec"] = {**KERNEL, "language": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name=KERNEL["name"],
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    return notebook


def tidy(notebook: Any) -> None:
    """Take out what belongs to this machine or to this run."""
    ours = {"seq2seq_edu": notebook.metadata["seq2seq_edu"]} if "seq2seq_edu" in notebook.metadata else {}
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {**KERNEL, "language": "python"}, "language_info": {"name": "python"}, **ours}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in KEPT and v})
        for output in cell.get("outputs", []):
            if "data" in output:  # the model of a widget is gone with its kernel: its picture stands for it
                output.data.pop(WIDGET, None)
            if "traceback" in output:
                output.traceback = [without_folders(line) for line in output.traceback]
            if output.output_type == "stream":
                output.text = without_folders(output.text)


def without_folders(text: str) -> str:
    """Shorten the paths of packages and of this checkout to what a reader recognises."""
    at_home = [f"~/{ROOT.relative_to(Path.home())}"] if ROOT.is_relative_to(Path.home()) else []
    for folder in (str(ROOT), *at_home):
        text = text.replace(folder + os.sep, "")
    text = re.sub(r"[^\s'\"]*(?:site|dist)-packages[/\\]", "", text)
    text = re.sub(r"[^\s'\"\x1b]*[/\\]lib[/\\]python3\.\d+[/\\]", "", text)
    return re.sub(r"[^\s'\"]*ipykernel_\d+[/\\]\d+\.py", "<cell>", text)


def refresh(path: Path, timeout: float) -> bool:
    """Execute, tidy and save one notebook; say how it went and return whether it is fit to commit."""
    began = time.perf_counter()
    try:
        notebook = execute(path, timeout)
    except (CellExecutionError, CellTimeoutError, DeadKernelError, OSError, ValueError) as error:
        print(f"FAILED   {path.name}: left as it was\n{error}", flush=True)
        return False
    tidy(notebook)
    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    noise = max(map(float, NOISE.findall(text)), default=1.0)
    if noise > QUIET:
        print(f"FAILED   {path.name}: left as it was")
        print(f"The machine was busy: a program against itself strayed by {noise:.2f}; {QUIET} is the most")
        return False
    write_whole(path, text.encode("utf-8"))
    size = path.stat().st_size
    print(f"executed {path.name:<32} {size / 1e3:5.0f} kB  {time.perf_counter() - began:6.1f} s", flush=True)
    if size > 0.8 * LARGEST:
        print(f"    nearly too large: at most {LARGEST / 1e3:.0f} kB; fewer or smaller figures help")
    problems = static_problems(path)
    for problem in problems:
        print(f"    {problem}")
    return not problems


def main(arguments: list[str] | None = None) -> int:
    """Refresh the notebooks named on the command line, or all of them; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebooks", type=Path, nargs="*", help="default: notebooks/*.ipynb")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds that one cell may take")
    options = parser.parse_args(arguments)
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(kernel_environment(scratch))
        done = [refresh(path.resolve(), options.timeout) for path in paths]
    return 0 if done and all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
