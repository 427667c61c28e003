"""Build the book site from the committed notebooks: HTML, one folder for each language, without network.

Usage: python tools/build_book.py [--out _build] [--repository OWNER/NAME]

The pages are copied to OUT/source, where they have the places they have in the repository, with a start page
and a list of exercises (tools/book_pages.py). Sphinx turns them into OUT/html; nothing is executed. A page in
another language lies in a folder of that name beside the English one, or as `name.language.md`.

Launch links for Colab and Binder need the public address of the project on GitHub: --repository; on GitHub's
own servers it is known.
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
        made = {
            "_static/widgets.js": widgets.page_script(),
            "_static/widgets.css": widgets.page_style(),
            "index.md": start_page(root, source, language),
            "exercises/index.md": exercise_list(source, language),
        }
        for place, text in made.items():
            (source / place).parent.mkdir(exist_ok=True)
            (source / place).write_text(text, encoding="utf-8")
        settings = {
            "language": language,
            "book_root": root,
            "book_repository": repository,
            "book_others": ",".join(other for other in languages if other != language),
        }
        run_sphinx(source, html, out / "doctrees" / language, settings)
    (out / "html" / "index.html").write_text(FRONT, encoding="utf-8")
    return [out / "html" / language / "index.html" for language in languages]


def run_sphinx(source: Path, html: Path, doctrees: Path, settings: Mapping[str, object]) -> None:
    """Turn a folder of pages into HTML; a warning counts as an error."""
    for module in ("sphinx_book_theme", "sphinx-mathjax-offline"):
        if importlib.util.find_spec(module) is None:
            name = module.replace("_", "-")
            raise BookError(f"{name} is not installed: make book with Python 3.11 or newer")
    command = [sys.executable, *"-m sphinx -b html -q -aEW --keep-going -c".split(), str(ROOT / "docs")]
    command += ["-d", str(doctrees), *(f"-D{name}={value}" for name, value in settings.items())]
    command += [str(source), str(html)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        raise BookError(f"Sphinx stopped:\n{(done.stdout + done.stderr).strip()}")


def main(arguments: list[str] | None = None) -> int:
    """Build the site; return the exit status, 1 with a line on stderr if something is wrong with a page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "_build")
    parser.add_argument("--repository", default=os.environ.get("GITHUB_REPOSITORY", ""), metavar="OWNER/NAME")
    options = parser.parse_args(arguments)
    try:
        if not re.fullmatch(r"([\w.-]+/[\w.-]+)?", options.repository):
            raise BookError(f"--repository is {options.repository!r}, expected owner/name, such as ada/book")
        pages = build(ROOT, options.out.resolve(), options.repository)
    except BookError as error:
        print(f"build_book: {error}", file=sys.stderr)
        return 1
    if not options.repository:
        print("no launch links for Colab and Binder: --repository owner/name adds them")
    for page in pages:
        print(f"built  {os.path.relpath(page)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
