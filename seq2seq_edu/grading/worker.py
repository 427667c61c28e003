"""What runs inside the walls: runs a notebook, cell by cell, then answers what the judge asks of it.

Nothing here is trusted: a notebook can change all of it. So it decides nothing, and the judge believes
nothing but the values that it returns.
"""

import ast
import builtins
import json
import linecache
import os
import re
import site
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from seq2seq_edu.grading import wire
from seq2seq_edu.grading.answering import LONGEST, answer, describe

LIBRARY = {"scaled_dot_product_attention", "MultiheadAttention", "beam_search"}


def main() -> None:
    """Hear the task (the notebook and the limits) and do it, then answer until the judge has heard enough."""
    hear, tell = _channel()
    task = wire.read(hear)
    hides, skip, notebook = task["hides"], task["skip"], types.ModuleType("__main__")
    _limit({"DATA": task["memory"], "CORE": 0, "FSIZE": 2**28, "NPROC": task["processes"]})
    for module in hides:
        sys.modules[f"seq2seq_edu.{module}"] = None  # type: ignore[assignment]  # "import of ... halted"
    sys.modules["__main__"] = notebook
    _furnish(vars(notebook))
    try:
        cells = enumerate(json.loads(task["notebook"].tobytes())["cells"])
        sources = {i: "".join(cell["source"]) for i, cell in cells if cell.get("cell_type") == "code"}
    except Exception as error:
        return tell({"unreadable": f"{type(error).__name__}: {error}"[:LONGEST]})
    for index in (index for index in sources if index not in skip):
        tell({"cell": index})
        tell({"cell": index, **_run_cell(index, sources[index], vars(notebook), hides)})
    tell({"ready": True})
    objects: dict[int, Any] = {}
    with suppress(EOFError):
        while True:
            tell(answer(wire.read(hear, objects), vars(notebook), objects))


def _channel() -> tuple[BinaryIO, Callable[[dict[str, Any]], None]]:
    """Return the way from the judge and to it: neither `print` nor a process split off can use it."""
    hear, speak, owner = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"), os.getpid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)

    def tell(message: dict[str, Any]) -> None:
        if os.getpid() != owner:
            os._exit(0)
        wire.write(speak, message)

    return hear, tell


def _limit(limits: dict[str, int]) -> None:
    """Limit what this process and its children may take; no child can lift it."""
    import resource

    for name, limit in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        if limit >= 0 and not 0 <= hard < limit:
            with suppress(ValueError, OSError):  # macOS knows the names, not the thing
                resource.setrlimit(kind, (limit, limit))


def _run_cell(index: int, source: str, namespace: dict[str, Any], hides: tuple[str, ...]) -> dict[str, Any]:
    """Run a cell as IPython would; return advice to the instructor, and what it raised, if anything."""
    name = f"<cell {index}>"
    said: dict[str, Any] = {}
    try:
        try:
            tree = ast.parse(source, name)
        except SyntaxError:  # a magic, perhaps: only then is IPython worth its time
            from IPython.core.inputtransformer2 import TransformerManager

            source = TransformerManager().transform_cell(source)
            tree = ast.parse(source, name)
        said["notes"] = sorted({*_library(tree, hides)})[:10]
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(tree, name, "exec", dont_inherit=True), namespace)
    except BaseException as error:
        said.update(describe("raised", error))
    return said


def _library(tree: ast.AST, hides: tuple[str, ...]) -> Iterator[str]:
    """Yield the answers of a library that a cell uses: advice to the instructor, not a penalty."""
    for node in ast.walk(tree):
        name = getattr(node, "attr", getattr(node, "id", None))
        if name in LIBRARY:
            yield f"uses {name}"
        module = getattr(node, "module", None) or ""
        names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        for imported in (module, *names, *(f"{module}.{name}" for name in names)):
            if any(f"{imported}.".startswith(f"seq2seq_edu.{hidden}.") for hidden in hides):
                yield f"imports {imported}"


def _furnish(namespace: dict[str, Any]) -> None:
    """Put where a notebook expects it what a notebook expects: no keyboard, no screen, no shell."""

    def no_keyboard(prompt: object = "") -> str:
        raise EOFError("nobody is there to type: input() cannot be graded")

    shell = _Shell(namespace)
    site.setquit()
    site.sethelper()
    places = {"input": no_keyboard, "get_ipython": lambda: shell, "display": lambda *shown, **options: None}
    vars(builtins).update(places)


class _Shell:
    """What stands for IPython: code under a magic runs, the magic itself and the shell do nothing."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.user_ns = namespace

    def run_line_magic(self, name: str, line: str, *rest: Any) -> Any:
        """Run the code of %time and its like."""
        return self.run_cell_magic(name, "", re.sub(r"^(-\w+\s*\d*\s+)*", "", line))

    def run_cell_magic(self, name: str, line: str, cell: str) -> Any:
        """Run the code of %%time and its like."""
        if name not in ("time", "timeit", "capture", "prun"):
            return None
        try:
            code = compile(cell, f"<%{name}>", "eval", dont_inherit=True)
        except SyntaxError:
            code = compile(cell, f"<%{name}>", "exec", dont_inherit=True)
        return eval(code, self.user_ns)

    def getoutput(self, *command: Any, **options: Any) -> list[str]:
        """Return what `!command` prints: nothing."""
        return []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None
