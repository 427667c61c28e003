"""Fixtures for what must be seen in a real browser: Chromium, driven by Playwright, without a screen.

`make test` finds them where `pip install -e ".[browser]"` and a Chromium are there. Where one of
them is missing the tests are skipped and say so; with SEQ2SEQ_EDU_BROWSER=required, as on the build server,
they fail instead.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET = ["--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb"]


def missing(reason: str) -> None:
    """Skip the test, or fail it where a browser is required."""
    if os.environ.get("SEQ2SEQ_EDU_BROWSER") == "required":
        pytest.fail(f"{reason}, and SEQ2SEQ_EDU_BROWSER=required asks for it")
    pytest.skip(f"{reason}: not looked at in a browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Give a running Chromium; each test opens pages of its own."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed")
    if program is None:
        missing("no Chromium is on the PATH")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS + QUIET)
        yield running
        running.close()


class Watched:
    """A page, and all that went wrong on it: script errors, failed requests, requests elsewhere."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.left: list[str] = []  # addresses asked for elsewhere
        page.on("pageerror", lambda error: self.errors.append(f"error: {error}"))
        page.on("console", self._hear)
        page.on("request", self._see)
        page.on("requestfailed", self._miss)
        page.on("response", lambda r: r.status >= 400 and self.errors.append(f"{r.status}: {r.url}"))

    def _miss(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # that is one which the next page made needless
            self.errors.append(f"request failed: {request.url}, {request.failure}")

    def _hear(self, message: Any) -> None:
        if message.type == "error" and "favicon" not in message.text:
            self.errors.append(f"console: {message.text}")

    def _see(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1", "http://localhost", "file:", "data:", "blob:")):
            self.left.append(request.url)


@contextmanager
def opened(browser: Any, **options: Any) -> Iterator[Watched]:
    """Open a page in a context of its own (`viewport`, `color_scheme`, `java_script_enabled`, ...)."""
    context = browser.new_context(**options)
    try:
        yield Watched(context.new_page())
    finally:
        context.close()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine alone; give its address, without a slash at the end."""
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
