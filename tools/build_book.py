"""Build the book site from the committed notebooks: HTML, one folder for each language, without network.

Usage: python tools/build_book.py [--out _build] [--repository OWNER/NAME]

The pages are copied to OUT/source, where they have the places they have in the repository, with a start page
and a list of exercises (tools/book_pages.py). Sphinx turns them into OUT/html; nothing is executed. A page in
another language lies in a folder of that name beside the English one, or as `name.language.md`.

Launch links for Colab and Binder need the public address of the project: --repository, or the variable
SEQ2SEQ_EDU_REPOSITORY, or GITHUB_REPOSITORY on GitHub's own servers, or a remote `origin` on GitHub.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from book_pages import WORDS, BookError, exercise_list, start_page

from seq2seq_edu import widgets
from seq2seq_edu.grading import handout

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("notebooks/*.ipynb", "exercises/*.ipynb", "*.md", "docs/teaching/[a-z]*.md")
PICTURES = ("docs/*.png", "notebooks/figures/*")
LEFT_OUT = {"README.md", "CONTRIBUTING.md"}
FRONT = '<!DOCTYPE html><title>seq2seq-edu</title><meta http-equiv="refresh" content="0; url=en/index.html">'


def repository_of(environment: Mapping[str, str], remote: str) -> str:
    """Return ``owner/name`` of the public repository; nothing if neither a variable nor the remote tells."""
    form = re.compile(r"[\w.-]+/[\w.-]+")
    asked = environment.get("SEQ2SEQ_EDU_REPOSITORY", "").strip()
    if asked and not form.fullmatch(asked):
        raise BookError(f"SEQ2SEQ_EDU_REPOSITORY is {asked!r}, expected owner/name, such as ada/seq2seq-edu")
    host = r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[/:]"
    found = re.fullmatch(rf"{host}([\w.-]+/[\w.-]+?)(?:\.git)?/?", remote.strip())
    actions = environment.get("GITHUB_REPOSITORY", "")
    return asked or (actions if form.fullmatch(actions) else "") or (found[1] if found else "")


def editions(root: Path) -> list[str]:
    """Return the languages there are: English, and each with a notebook of its own."""
    return [code for code in WORDS if code == "en" or any((root / "notebooks" / code).glob("*.ipynb"))]


def copy_pages(root: Path, folder: Path, language: str) -> None:
    """Put the pages of one language into a folder; the English page stands in for a missing translation."""
    shutil.rmtree(folder, ignore_errors=True)
    for page in (path for pattern in PAGES + PICTURES for path in root.glob(pattern)):
        place = page.relative_to(root)
        if place.as_posix() in LEFT_OUT or page.suffixes[:-1]:
            continue
        there = (page.parent / language / page.name, page.with_suffix(f".{language}{page.suffix}"), page)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(next(path for path in there if path.is_file()), folder / place)
    for path in (folder / "exercises").glob("*.ipynb"):
        checks = root / "solutions" / "checks" / f"{path.stem}.py"
        with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.write(path, f"exercises/{path.name}")
            bundle.writestr(f"exercises/checks/{checks.name}", handout.student_checks(checks))


def build(root: Path, out: Path, repository: str) -> list[Path]:
    """Build all editions; return their start pages, or raise BookError if a page has a fault."""
    languages = editions(root)
    for language in languages:
        source, html = out / "source" / language, out / "html" / language
        copy_pages(root, source, language)
        for name, text in (("js", widgets.page_script()), ("css", widgets.page_style())):
            (source / "_static").mkdir(exist_ok=True)
            (source / "_static" / f"widgets.{name}").write_text(text, encoding="utf-8")
        (source / "index.md").write_text(start_page(root, source, language), encoding="utf-8")
        (source / "exercises" / "index.md").write_text(exercise_list(source, language), encoding="utf-8")
        others = ",".join(other for other in languages if other != language)
        settings = {
            "language": language,
            "book_root": root,
            "book_repository": repository,
            "book_others": others,
        }
        run_sphinx(source, html, out / "doctrees" / language, settings)
    (out / "html" / "index.html").write_text(FRONT, encoding="utf-8")
    return [out / "html" / language / "index.html" for language in languages]


def run_sphinx(source: Path, html: Path, doctrees: Path, settings: Mapping[str, object]) -> None:
    """Turn a folder of pages into HTML; a warning counts as an error."""
    if importlib.util.find_spec("sphinx_book_theme") is None:
        raise BookError("sphinx-book-theme is not installed: make book with Python 3.11 or newer")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        "html",
        "-q",
        "-aEW",
        "--keep-going",
        "-c",
        str(ROOT / "docs"),
    ]
    command += [
        "-d",
        str(doctrees),
        *(f"-D{name}={value}" for name, value in settings.items()),
        str(source),
        str(html),
    ]
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
    asked = {"SEQ2SEQ_EDU_REPOSITORY": options.repository} if options.repository else {}
    try:
        repository = repository_of({**os.environ, **asked}, origin(ROOT))
        pages = build(ROOT, options.out.resolve(), repository)
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
