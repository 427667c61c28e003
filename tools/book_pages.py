"""Which pages the book site has, in which order, and what each is called."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any, NamedTuple

from book_links import BookError

ROOT = Path(__file__).resolve().parents[1]
WORDS: dict[str, dict[str, Any]] = json.loads((ROOT / "docs" / "words.json").read_text(encoding="utf-8"))


class Page(NamedTuple):
    """One page: its place in the repository, its name on the site, and what it is a translation of."""

    place: str
    name: str
    part: str  # chapters, exercises, reference, teaching
    title: str
    original: str

    @property
    def file(self) -> str:
        """The file that Sphinx reads."""
        return self.name + posixpath.splitext(self.place)[1]

    @property
    def is_notebook(self) -> bool:
        """Whether it can be downloaded and run."""
        return self.place.endswith(".ipynb")


def read_notebook(path: Path) -> dict[str, Any]:
    """Return a notebook, with the source of each cell as one string."""
    try:
        notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
    except (ValueError, KeyError, TypeError) as error:
        place = f"{path.parent.name}/{path.name}"
        raise BookError(f"{place}: cannot be read as a notebook ({error!r})") from error
    return notebook


def title_of(path: Path) -> str:
    """Return the title of a page: the first line of its first cell, or of the file."""
    if path.suffix == ".ipynb":
        cells = read_notebook(path)["cells"]
        text = cells[0]["source"] if cells and cells[0]["cell_type"] == "markdown" else ""
    else:
        text = path.read_text(encoding="utf-8")
    match = re.match(r"# +(\S.*)", text)
    if not match:
        raise BookError(f"{path.parent.name}/{path.name}: has no title; its first line should be '# Title'")
    return match[1].strip()


def question_of(notebook: dict[str, Any]) -> str:
    """Return the question in the title cell of a chapter as plain text; nothing if it asks none."""
    cells = notebook["cells"]
    form = r"^\*\*[^*\n]+(?:[:：]\*\*|\*\*[:：])\s*(.+)$"
    match = re.search(form, cells[0]["source"] if cells else "", re.MULTILINE)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]) if match else ""
    return re.sub(r"[*`$]", "", text).strip()


def reading_order(path: Path) -> tuple[bool, int, str]:
    """Sort by the number in front, as a number; what has none comes at the end."""
    number = re.match(r"\d+", path.name)
    return (number is None, int(number[0]) if number else 0, path.name)


def list_pages(root: Path, language: str) -> list[Page]:
    """Return all pages but the start page and the list of exercises, in reading order.

    Where the edition of another language lacks a page, the English one stands in.
    """
    wanted: list[tuple[Path, str, str]] = []
    for folder, part in (("notebooks", "chapters"), ("exercises", "exercises")):
        paths = sorted((root / folder).glob("*.ipynb"), key=reading_order)
        wanted += [(path, f"{folder}/{path.stem}", part) for path in paths]
    wanted += [(root / f"{name}.md", name, "reference") for name in ("notation", "references")]
    wanted.append((root / "INSTRUCTORS.md", "teaching/index", "teaching"))
    teaching = sorted((root / "docs" / "teaching").glob("*.md"))
    wanted += [(path, f"teaching/{path.stem}", "teaching") for path in teaching if path.stem.isidentifier()]
    pages = []
    for path, name, part in wanted:
        here = translation(path, language)
        place, original = (p.relative_to(root).as_posix() for p in (here, path))
        pages.append(Page(place, name, part, title_of(here), original))
    return pages


def translation(path: Path, language: str) -> Path:
    """Return a page in another language, if there is one: in a folder of that name, or `name.language.md`."""
    for other in (path.parent / language / path.name, path.with_suffix(f".{language}{path.suffix}")):
        if language != "en" and other.is_file():
            return other
    return path


def site_map(pages: list[Page]) -> dict[str, tuple[str, str]]:
    """Return which file of the site shows what of the repository, and its title."""
    shown = {place: (page.file, page.title) for page in pages for place in (page.original, page.place)}
    folders = {"exercises": "exercises/index.md", "docs/teaching": "teaching/index.md"}
    return shown | {place: (file, "") for place, file in {"README.md": "index.md", **folders}.items()}
