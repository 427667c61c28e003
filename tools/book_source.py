"""The folder that Sphinx reads: the notebooks and texts of the repository as pages of one language."""

from __future__ import annotations

import io
import json
import posixpath
import re
import zipfile
from pathlib import Path
from typing import Any

from book_landing import exercise_list, landing
from book_links import Links, launch, write_if_new
from book_pages import WORDS, Page, list_pages, question_of, read_notebook, site_map

from seq2seq_edu.grading import handout

HEADING = re.compile(r"^(## \S+ [\d.]+ · .+) · (★+ \S+) · (\d+ \S+)$", re.MULTILINE)  # of an exercise
MARK = "".join(
    f'<rect x="{2 + 7 * column}" y="{2 + 7 * row}" width="6" height="6" rx="1.2"'
    + ("/>" if (row, column) in {(0, 2), (1, 0), (2, 1)} else ' opacity="0.28"/>')
    for row in range(3)
    for column in range(3)
)  # a small map of attention, beside the name of the site


class Source:
    """The pages of one language.

    Parameters
    ----------
    root, folder : Path
        The repository, and where to write.
    language : str
        A key of docs/words.json.
    repository : str
        ``owner/name`` on GitHub, or nothing.
    """

    def __init__(self, root: Path, folder: Path, language: str, repository: str) -> None:
        self.root, self.folder, self.language, self.repository = root, folder, language, repository
        self.pages = list_pages(root, language)
        self.words = WORDS[language]
        self.links = Links(root, site_map(self.pages), repository, self._keep_picture)
        self.written: set[Path] = set()

    def write(self, others: list[str], widgets: tuple[str, str] | None) -> None:
        """Write every page, and remove what an earlier build left there."""
        for page in self.pages:
            self._put(page.file, self._notebook(page) if page.is_notebook else self._text(page))
        self._put("exercises/index.md", exercise_list(self.root, self.pages, self.words))
        self._put("index.md", self._start(live=widgets is not None))
        script, style = widgets or ("", "")
        self._put("_static/widgets.js", script)
        self._put("_static/widgets.css", style)
        self._put("book.json", json.dumps(self._facts(others, widgets), ensure_ascii=False, indent=1))
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in self.written:
                path.unlink()

    def downloads(self, out: Path) -> None:
        """Put the notebooks into the site as they are, and the exercises together with their checks."""
        for page in self.pages:
            if page.is_notebook:
                write_if_new(out / "download" / page.file, (self.root / page.place).read_bytes())
            checks = self._checks(page)
            if checks:
                notebook = (self.root / page.place).read_bytes()
                visible = handout.student_checks(checks).encode()
                files = {page.original: notebook, f"exercises/checks/{checks.name}": visible}
                write_if_new(out / "download" / f"{page.name}.zip", zipped(files))

    def _put(self, file: str, content: str | bytes) -> None:
        path = self.folder / file
        write_if_new(path, content.encode() if isinstance(content, str) else content)
        self.written.add(path)

    def _keep_picture(self, place: str) -> str:
        self._put(f"pictures/{place}", (self.root / place).read_bytes())
        return f"pictures/{place}"

    def _foreign(self, page: Page) -> bool:
        """Return whether a page is shown in English, for want of a translation."""
        return self.language != "en" and page.place == page.original

    def _rewrite(self, text: str, page: Page) -> str:
        return self.links.rewrite(text, page.place, page.file, page.original)

    def _notebook(self, page: Page) -> str:
        notebook = read_notebook(self.root / page.place)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = HEADING.sub(split_heading, self._rewrite(cell["source"], page))
            for output in cell.get("outputs", []):
                markdown = output.get("data", {}).get("text/markdown")
                if markdown is not None:
                    output["data"]["text/markdown"] = self._rewrite("".join(markdown), page)
        if self._foreign(page):
            notebook["cells"].insert(1, markdown_cell("untranslated", self._notice()))
        beside = page.name.replace("notebooks/", "exercises/")
        if page.part == "chapters" and beside in {other.name for other in self.pages}:
            tree = toctree([f"{self.words['exercises']} </{beside}>"])
            notebook["cells"].append(markdown_cell("exercises-beside", tree))
        return json.dumps(notebook, ensure_ascii=False)

    def _text(self, page: Page) -> str:
        text = self._rewrite((self.root / page.place).read_text(encoding="utf-8"), page)
        if self._foreign(page):
            title, _, rest = text.partition("\n")
            text = f"{title}\n\n{self._notice()}\n{rest}"
        if page.name == "teaching/index":
            text += "\n" + toctree([f"/{p.name}" for p in self.pages if p.part == "teaching" and p != page])
        return text

    def _notice(self) -> str:
        return f'<p class="note" lang="{self.words["code"]}">{self.words["untranslated"]}</p>'

    def _start(self, live: bool) -> str:
        def part(name: str) -> list[str]:
            return [f"/{page.name}" for page in self.pages if page.part == name]

        trees = {
            "chapters_part": part("chapters"),
            "look_up_part": ["/exercises/index", *part("reference")],
            "teaching_part": ["/teaching/index"],
        }
        text = landing(self.root, self.pages, self.language, live, self.links)
        return "\n".join([text, *(toctree(entries, self.words[name]) for name, entries in trees.items())])

    def _checks(self, page: Page) -> Path | None:
        path = self.root / "solutions" / "checks" / f"{posixpath.basename(page.name)}.py"
        return path if page.part == "exercises" and path.is_file() else None

    def _facts(self, others: list[str], widgets: tuple[str, str] | None) -> dict[str, Any]:
        """Return what the templates are told about the book and each page."""
        editions = [
            {"folder": other, "code": WORDS[other]["code"], "name": WORDS[other]["name"]} for other in others
        ]
        book = {"title": "seq2seq-edu", "mark": MARK, "repository": self.repository, "others": editions}
        pages = {page.name: self._fact(page) for page in self.pages}
        return {**book, "widgets": widgets is not None, "pages": pages}

    def _fact(self, page: Page) -> dict[str, Any]:
        fact: dict[str, Any] = {"lang": "en"} if self._foreign(page) else {}
        if page.is_notebook:
            kind = "exercises_" if page.part == "exercises" else ""
            fact |= {"notebook": f"download/{page.file}", "saved_as": kind + posixpath.basename(page.file)}
            fact |= launch(self.repository, page.place)
            fact["description"] = question_of(read_notebook(self.root / page.place))
        if self._checks(page):
            fact["bundle"] = f"download/{page.name}.zip"
        return fact


def split_heading(match: re.Match[str]) -> str:
    """Return the heading of an exercise, with level, kind and minutes in a line below it."""
    return f'{match[1]}\n\n<p class="facts">{match[2]} · {match[3]}</p>\n'


def markdown_cell(name: str, source: str) -> dict[str, Any]:
    """Return a text cell that only the site has."""
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def toctree(entries: list[str], caption: str = "") -> str:
    """Return the directive that gives pages their place in the contents."""
    head = ["```{toctree}", ":hidden:"] + ([f":caption: {caption}"] if caption else [])
    return "\n".join([*head, "", *entries, "```", ""])


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip file of some files under the names given; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()
