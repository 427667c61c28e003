"""One notebook, open in JupyterLab or in Notebook 7, handled as a reader does: by mouse, keys and menus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import browser as browsing
from lab_server import PATIENCE, Server

READY = """() => {
  const here = window.jupyterapp?.shell.currentWidget;
  const kernel = here?.sessionContext?.session?.kernel;
  return here?.content?.widgets && kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
COMMAND = """([name, options]) => {
  window.done = undefined;
  const end = (what) => (window.done = String(what));
  window.jupyterapp.commands.execute(name, options).then(end, end);
}"""


class NotebookPage:
    """A page of a notebook program; `kind` is "lab" or "notebook"."""

    def __init__(self, watched: browsing.Watched, server: Server, kind: str) -> None:
        self.page, self.left, self.server, self.kind = watched.page, watched.left, server, kind
        self.path = Path()
        self.problems: list[str] = []  # of our own scripts: a notebook program has errors of its own
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("pageerror", lambda error: self._hear(f"{error} {error.stack}"))
        self.page.on("console", lambda m: m.type == "error" and self._hear(f"{m.text} {m.location}"))

    def _hear(self, text: str) -> None:
        """Note what comes from a widget: its module is a blob, drawn by anywidget."""
        if "blob:" in text or "anywidget" in text or "attribute" in text:
            self.problems.append(text)

    def open(self, name: str) -> None:
        """Open a notebook and wait until its cells are there and its kernel is idle."""
        self.path = self.server.folder / name
        self.page.goto(getattr(self.server, self.kind)(name))
        self.page.wait_for_function(READY)

    def command(self, name: str, **options: Any) -> None:
        """Give a command by its name, as the menus do, and wait until it is done."""
        self.page.evaluate(COMMAND, [name, options])
        self.page.wait_for_function("window.done !== undefined")

    def run_all(self) -> None:
        """Run all cells and wait for the last."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(READY)

    def restart(self, command: str = "kernelmenu:restart") -> None:
        """Restart the kernel and say yes to the question."""
        self.page.evaluate(COMMAND, [command, {}])
        self.page.locator(".jp-Dialog .jp-mod-warn").click()
        self.page.wait_for_function("window.done !== undefined")
        self.page.wait_for_function(READY)

    def restart_and_run_all(self) -> None:
        """Restart the kernel and run all cells."""
        self.restart("notebook:restart-run-all")

    def save(self) -> dict[str, Any]:
        """Save with Ctrl+S and return what lies in the file."""
        before = self.path.stat().st_mtime_ns
        self.page.keyboard.press("Control+s")
        until(self.page, lambda: self.path.stat().st_mtime_ns != before, "the file is written")
        self.page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
        saved: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return saved

    def cell(self, k: int) -> Any:
        """Return the element of a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(k)

    def widget(self, k: int) -> Any:
        """Return the live widget in the output of a cell, scrolled into view."""
        live = self.cell(k).locator(".s2s")
        live.first.wait_for()
        live.first.scroll_into_view_if_needed()
        return live

    def run_cell(self, k: int) -> str:
        """Click into a cell, run it by Shift+Enter, and return what it printed."""
        before = self.prompt(k)
        self.cell(k).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        until(self.page, lambda: self.prompt(k) not in (before, "[*]:"), f"cell {k} has run")
        self.page.wait_for_function(READY)
        return "".join(self.cell(k).locator(".jp-OutputArea-output").all_text_contents())

    def prompt(self, k: int) -> str:
        """Return the number beside a cell, such as [3]:"""
        return str(self.cell(k).locator(".jp-InputPrompt").text_content())


def until(page: Any, true: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Look again and again until something holds; the page goes on meanwhile."""
    for _ in range(int(patience * 20)):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not seen within {patience:g} s: {what}")


@contextmanager
def noted(browser: Any, server: Server, kind: str = "lab", **options: Any) -> Iterator[NotebookPage]:
    """Give a page of a notebook program; at the end no widget has failed, nothing was fetched elsewhere."""
    options.setdefault("viewport", {"width": 1280, "height": 800})
    with browsing.opened(browser, **options) as watched:
        notebook = NotebookPage(watched, server, kind)
        yield notebook
        assert notebook.problems == [] and notebook.left == []
