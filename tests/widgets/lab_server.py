"""A real Jupyter server for tests: JupyterLab and Notebook 7 of this environment, in a folder of their own.

Nothing of the person who runs the tests is read or changed: settings, workspaces, start-up files and kernels
lie in a temporary folder. The project's own settings (labconfig) are there, as `make lab` gives them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "only-for-a-test"  # the server listens on this machine alone, for the time of a test
PATIENCE = 180.0  # seconds until something counts as failed, on a machine however busy


class Server(NamedTuple):
    """Where a server is, and the folder that it shows."""

    address: str
    folder: Path

    def lab(self, name: str) -> str:
        """Return the address of a notebook in JupyterLab, with an empty workspace."""
        return f"{self.address}/lab/tree/{name}?reset&token={TOKEN}"

    def notebook(self, name: str) -> str:
        """Return the address of a notebook in Notebook 7."""
        return f"{self.address}/notebooks/{name}?token={TOKEN}"

    def write(self, name: str, cells: list[str], outputs: dict[int, list[Any]] | None = None) -> Path:
        """Write a notebook of code cells into the folder; `outputs` of some make it one that was run."""
        notebook = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        )
        for k, source in enumerate(cells):
            cell = nbformat.v4.new_code_cell(source, id=f"cell-{k}")
            if outputs and k in outputs:
                cell.outputs, cell.execution_count = outputs[k], k + 1
            notebook.cells.append(cell)
        path = self.folder / name
        nbformat.write(notebook, path)
        return path

    def kernels(self) -> list[dict[str, Any]]:
        """Return what the server says of the kernels that run."""
        found: list[dict[str, Any]] = ask(f"{self.address}/api/kernels?token={TOKEN}")
        return found


def ask(address: str) -> Any:
    """Return the JSON at an address."""
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def environment(scratch: Path) -> dict[str, str]:
    """Return the environment of the server: all it writes goes below `scratch`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    for name in ("MPLBACKEND", "PYTHONSTARTUP", "PYTHONWARNINGS"):
        clean.pop(name, None)
    places = {
        "HOME": "home",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    for folder in places.values():
        (scratch / folder).mkdir()
    return clean | {name: str(scratch / folder) for name, folder in places.items()} | {
        "JUPYTER_CONFIG_PATH": str(ROOT),  # as in the Makefile
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_TOKEN": TOKEN,
        "MPLCONFIGDIR": matplotlib.get_cachedir(),  # the list of fonts takes seconds to make
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip


def start(scratch: Path, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server and wait until it answers; return the process and the address."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"]
    command += ["--MappingKernelManager.cull_idle_timeout=600", "--MappingKernelManager.cull_interval=60"]
    command += ["--ServerApp.shutdown_no_activity_timeout=600"]  # if the tests are killed and nobody ends it
    with open(scratch / "server.log", "wb") as log:
        process = subprocess.Popen(
            command, env=environment(scratch), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    facts = scratch / "runtime" / f"jpserver-{process.pid}.json"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            address = json.loads(facts.read_text(encoding="utf-8"))["url"].rstrip("/")
            ask(f"{address}/api/status?token={TOKEN}")
            return process, address
        except (OSError, ValueError):
            time.sleep(0.1)  # until the next look
    stop(process)
    raise RuntimeError(f"the server did not start:\n{(scratch / 'server.log').read_text()[-3000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and its kernels: ask first, insist after a while."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def jupyter(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a running server with JupyterLab and Notebook 7 (`browser` first: without one nothing starts)."""
    scratch = tmp_path_factory.mktemp("jupyter")
    folder = tmp_path_factory.mktemp("notebooks")
    process, address = start(scratch, folder)
    yield Server(address, folder)
    stop(process)
