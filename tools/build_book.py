"""Build the book site from the committed notebooks: HTML, one folder for each language, without network.

Usage: python tools/build_book.py [--out _build] [--repository OWNER/NAME]

The pages are put together in OUT/source, and Sphinx turns them into OUT/html. Nothing is executed.

Launch links for Colab and Binder need the public address of the project: --repository, or the variable
SEQ2SEQ_EDU_REPOSITORY, or GITHUB_REPOSITORY on GitHub's own servers, or a remote `origin` on GitHub.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from book_links import BookError, repository_of, write_if_new
from book_pages import WORDS
from book_source import Source

ROOT = Path(__file__).resolve().parents[1]
FRONT = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>seq2seq-edu</title>
<meta http-equiv="refresh" content="0; url=en/index.html">
<p><a href="en/index.html">seq2seq-edu</a></p>
</html>
"""


def languages(root: Path) -> list[str]:
    """Return the editions there are: English, and each with a notebook of its own."""
    return [code for code in WORDS if code == "en" or any((root / "notebooks" / code).glob("*.ipynb"))]


def widget_files() -> tuple[str, str] | None:
    """Return the script and the style that make the widgets of a page live, or None if there are none."""
    if importlib.util.find_spec("seq2seq_edu.widgets") is None:
        return None
    from seq2seq_edu import widgets

    return widgets.page_script(), widgets.page_style()


def build(root: Path, out: Path, repository: str, widgets: tuple[str, str] | None) -> list[Path]:
    """Build all editions; return their start pages.

    Raises
    ------
    BookError
        If a page has no title, a link leads nowhere, or Sphinx has anything to complain of.
    """
    editions = languages(root)
    for language in editions:
        source = Source(root, out / "source" / language, language, repository)
        source.write([other for other in editions if other != language], widgets)
        html = out / "html" / language
        run_sphinx(source.folder, html, out / "doctrees" / language, language)
        source.downloads(html)
    write_if_new(out / "html" / "index.html", FRONT.encode())
    return [out / "html" / language / "index.html" for language in editions]


def run_sphinx(source: Path, html: Path, doctrees: Path, language: str) -> None:
    """Turn a folder of pages into HTML; a warning counts as an error."""
    if importlib.util.find_spec("sphinx") is None:
        raise BookError("Sphinx is not installed: make book, or pip install -e '.[book]'")
    shape = [*sorted((ROOT / "docs").glob("*.*")), *sorted((ROOT / "docs" / "theme").glob("*.html"))]
    parts = [path.read_bytes() for path in [source / "book.json", *shape]]
    signature = hashlib.sha256(b"".join(parts)).hexdigest()  # a change in any of them renders all pages anew
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going"]
    command += ["-c", str(ROOT / "docs"), "-d", str(doctrees)]
    command += ["-D", f"language={language}", "-D", f"book_signature={signature}", str(source), str(html)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        raise BookError(f"Sphinx stopped:\n{(done.stdout + done.stderr).strip()}")


def origin(root: Path) -> str:
    """Return the address of git's remote `origin`, or nothing."""
    command = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def main(arguments: list[str] | None = None) -> int:
    """Build the site; return the exit status, 1 with a line on stderr if something is wrong with a page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "_build")
    parser.add_argument("--repository", default="", metavar="OWNER/NAME", help="the project on GitHub")
    options = parser.parse_args(arguments)
    environment = dict(os.environ)
    if options.repository:
        environment["SEQ2SEQ_EDU_REPOSITORY"] = options.repository
    try:
        repository = repository_of(environment, origin(ROOT))
        pages = build(ROOT, options.out.resolve(), repository, widget_files())
    except BookError as error:
        print(f"build_book: {error}", file=sys.stderr)
        return 1
    if not repository:
        print("no launch links for Colab and Binder: SEQ2SEQ_EDU_REPOSITORY=owner/name adds them")
    for page in pages:
        print(f"built  {os.path.relpath(page)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
