"""What the book site is made from: its pages, its start page, and what is said of faults.

Nothing here needs Sphinx or a browser; test_site.py builds the site and looks at it.
"""

from __future__ import annotations

import importlib.util
import json
import re
import zipfile
from pathlib import Path

import pytest
from conftest import load_script
from small_book import README, cell, put, put_notebook, small_book

ROOT = Path(__file__).resolve().parents[2]
book_pages, build_book = (load_script(ROOT / "tools" / f"{name}.py") for name in ("book_pages", "build_book"))
BookError = book_pages.BookError


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return small_book(tmp_path / "repository")


def start(root: Path, language: str = "en") -> str:
    """Copy the pages of a language, and return its start page."""
    build_book.copy_pages(root, root.parent / "pages", language)
    text: str = book_pages.start_page(root, root.parent / "pages", language)
    return text


def test_pages_keep_their_places_and_answers_stay_at_home(small: Path, tmp_path: Path) -> None:
    put(small, "pages/old.md", "# Old")
    build_book.copy_pages(small, small / "pages", "en")
    there = {path.relative_to(small / "pages").as_posix() for path in (small / "pages").rglob("*.*")}
    assert there == {
        "notebooks/00_start_here.ipynb", "notebooks/02_two.ipynb", "notebooks/classroom.ipynb",
        "exercises/02_two.ipynb", "notation.md", "references.md", "INSTRUCTORS.md", "docs/teaching/plans.md",
        "docs/map.png", "exercises/02_two.zip",
    }  # fmt: skip
    with zipfile.ZipFile(small / "pages/exercises/02_two.zip") as bundle:
        assert bundle.namelist() == ["exercises/02_two.ipynb", "exercises/checks/02_two.py"]
    assert (small / "pages/notation.md").read_bytes() == (small / "notation.md").read_bytes()


def test_the_start_page_has_the_chapters_of_the_readme(small: Path) -> None:
    page = start(small)
    assert "card} 02 · Two\n:link: notebooks/02_two\n:link-type: doc\nIs 2 < 3?\n" in page
    assert ":::{card-footer}\n50 min · 2.3.2.2\n" in page
    assert "card} Classroom · Play" in page and "about 1 hours" in page
    assert "![A map, told in words.](docs/map.png)" in page, "no chapter has a live alignment"
    assert "[chapter 00](notebooks/00_start_here.ipynb)" in page and "<!--" not in page
    entries = [line for line in page.splitlines() if re.fullmatch(r"[\w/]+", line)]
    assert entries == [
        "notebooks/00_start_here", "notebooks/02_two", "notebooks/classroom",
        "exercises/index", "notation", "references", "INSTRUCTORS", "docs/teaching/plans",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("| [", "| ", "README.md: no chapters"),
        ("## Start\n", "## Begin\n", "README.md: has no section 'Start'"),
        ("![A map", "[A map", "README.md: shows no picture"),
    ],
)
def test_what_the_readme_lacks_is_named(small: Path, old: str, new: str, said: str) -> None:
    put(small, "README.md", README.replace(old, new))
    with pytest.raises(BookError, match=said):
        start(small)


def test_a_chapter_that_the_readme_lacks_shows_its_own_question(small: Path) -> None:
    put(small, "README.md", README.replace("| [00 Start here]", "| 00 Start here]"))
    assert (
        "card} 00 · Start here\n:link: notebooks/00_start_here\n:link-type: doc\nwhat *is* it?\n::::"
        in start(small)
    )


@pytest.mark.parametrize(
    ("text", "said"), [("No title.", "has no title"), ("", "cannot be read as a notebook")]
)
def test_a_page_that_cannot_be_shown_is_named(small: Path, text: str, said: str) -> None:
    put_notebook(small, "notebooks/03_three.ipynb", *([cell(text)] if text else []))
    if not text:
        put(small, "notebooks/03_three.ipynb", "{}")
    with pytest.raises(BookError, match=rf"notebooks/03_three.ipynb: {said}"):
        start(small)


def test_exercises_are_listed_with_level_kind_and_minutes(small: Path) -> None:
    listed = book_pages.exercise_list(small, "en")
    assert "## [02 · Two](02_two.ipynb)" in listed and "| 2.1 | Add | ★★ | build | 15 |" in listed
    listed = book_pages.exercise_list(ROOT, "en")
    for path in ROOT.glob("exercises/*.ipynb"):
        sources = ["".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"]]
        headings = [source.splitlines()[0] for source in sources if source.startswith("## Exercise")]
        assert headings, path.name
        for heading in headings:
            assert f"| {heading.split()[2]} | " in listed, f"{path.name}: {heading} has another form"


def test_a_chinese_edition_is_filled_up_with_english_pages(small: Path) -> None:
    assert build_book.editions(small) == ["en"]
    put_notebook(small, "notebooks/zh_CN/02_two.ipynb", cell("# 02 · 二\n\n**一个问题：** 二是什么？"))
    put(small, "notation.zh_CN.md", "# 符号\n")
    assert build_book.editions(small) == ["en", "zh_CN"]
    page = start(small, "zh_CN")
    assert "card} 02 · 二\n:link: notebooks/02_two\n:link-type: doc\n二是什么？" in page
    assert "card} 00 · Start here" in page and "50 分钟" in page
    assert (small.parent / "pages/notation.md").read_text("utf-8") == "# 符号\n"
    assert not list(small.parent.glob("pages/**/*zh_CN*"))


def test_both_languages_have_the_same_words() -> None:
    english, chinese = (book_pages.WORDS[code] for code in ("en", "zh_CN"))
    assert english.keys() == chinese.keys() and all(chinese.values())
    pages = [(ROOT / "docs" / name).read_text("utf-8") for name in ("landing.md", "landing.zh_CN.md")]
    marks = [set(re.findall(r"<!-- \w+ -->|:link: \S+", page)) for page in pages]
    assert marks[0] ^ marks[1] == {"<!-- start -->"}, "README's way to start is in English"


def test_the_command_says_in_one_line_what_is_wrong(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build_book, "ROOT", small)
    monkeypatch.setattr(build_book, "run_sphinx", lambda *asked: None)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    out = ["--out", str(small / "_build")]
    (small / "_build" / "html").mkdir(parents=True)
    assert build_book.main(out) == 0
    assert capsys.readouterr().out.startswith("no launch links for Colab and Binder: --repository owner/name")
    assert build_book.main([*out, "--repository", "ada/book"]) == 0
    assert "launch links" not in capsys.readouterr().out
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/book")
    assert build_book.main(out) == 0 and "launch links" not in capsys.readouterr().out
    for wrong in ("book", "https://github.com/ada/book", "ada/<book>"):
        assert build_book.main([*out, "--repository", wrong]) == 1
        assert f"build_book: --repository is '{wrong}', expected owner/name" in capsys.readouterr().err
    put_notebook(small, "notebooks/03_three.ipynb", cell("No title."))
    assert build_book.main(out) == 1
    error = "build_book: notebooks/03_three.ipynb: has no title; its first line should be '# Title'\n"
    assert capsys.readouterr().err == error


def test_missing_sphinx_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_book.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BookError, match="sphinx-book-theme is not installed: make book"):
        build_book.run_sphinx(tmp_path, tmp_path, tmp_path, {})


def test_words_are_cut_into_stems_and_pairs_of_characters() -> None:
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("Sphinx is not installed: how it cuts words is not tested")
    search = load_script(ROOT / "docs" / "book_search.py").SearchBoth({})
    words = ["Softmax", "的", "权", "重", "的权", "权重", "d_h", "2", "词"]
    assert search.split("Softmax的权重, d_h=2 词") == words
    assert search.stem("weights") == search.stem("weight")
