"""The sources of the book site: which pages, in which order, where links lead, and what is said of faults.

Nothing here needs Sphinx or a browser; tests/test_site.py builds the site and looks at it.
"""

from __future__ import annotations

import importlib.util
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import load_script
from small_book import README, cell, live, put, put_notebook, small_book

ROOT = Path(__file__).resolve().parents[2]
book_links, book_pages, book_landing, book_source, build_book = (
    load_script(ROOT / "tools" / f"{name}.py")
    for name in ("book_links", "book_pages", "book_landing", "book_source", "build_book")
)
BookError = book_links.BookError


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return small_book(tmp_path / "repository")


def written(small: Path, folder: Path, language: str = "en", repository: str = "", **more: Any) -> Any:
    """Write the sources of an edition and return what wrote them."""
    source = book_source.Source(small, folder, language, repository)
    source.write(more.get("others", []), more.get("widgets"))
    return source


def texts(folder: Path, file: str) -> str:
    """Return the text cells of a notebook that was written."""
    cells = json.loads((folder / file).read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(cell["source"] for cell in cells)


# Which pages, and their order


def test_chapters_come_in_reading_order_and_others_after_them() -> None:
    names = ["10_fast.ipynb", "classroom.ipynb", "02_two.ipynb", "9_nine.ipynb"]
    ordered = sorted(map(Path, names), key=book_pages.reading_order)
    assert [path.stem for path in ordered] == ["02_two", "9_nine", "10_fast", "classroom"]


def test_every_notebook_and_text_of_the_repository_is_a_page() -> None:
    pages = {page.place for page in book_pages.list_pages(ROOT, "en")}
    globs = ("notebooks/*.ipynb", "exercises/*.ipynb", "docs/teaching/*.md")
    wanted = [path for pattern in globs for path in ROOT.glob(pattern)]
    wanted += [ROOT / name for name in ("notation.md", "references.md", "INSTRUCTORS.md")]
    assert pages == {path.relative_to(ROOT).as_posix() for path in wanted}
    assert not [place for place in pages if place.startswith("solutions")]


def test_a_page_without_a_title_is_named(small: Path) -> None:
    put_notebook(small, "notebooks/03_three.ipynb", cell("No title."))
    with pytest.raises(BookError, match=r"notebooks/03_three.ipynb: has no title.*'# Title'"):
        book_pages.list_pages(small, "en")


def test_a_file_that_is_no_notebook_is_named(small: Path) -> None:
    put(small, "notebooks/03_three.ipynb", "{}")
    with pytest.raises(BookError, match=r"notebooks/03_three.ipynb: cannot be read as a notebook"):
        book_pages.list_pages(small, "en")


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("# T\n\n**The one question:** where should *it* look?", "where should it look?"),
        ("# T\n\n**一个问题：** 为什么用 `exp`？", "为什么用 exp？"),
        ("# T\n\n**Ask**: is $a$ [known](x.md)?", "is a known?"),
        ("# T\n\nNo question.", ""),
    ],
)
def test_the_question_of_a_chapter_is_plain_text(text: str, question: str) -> None:
    assert book_pages.question_of({"cells": [cell(text)]}) == question


# Links


def links_of(root: Path, repository: str = "") -> tuple[Any, list[str]]:
    """Return the links of a small site, and the list of pictures they ask to keep."""
    kept: list[str] = []

    def keep(place: str) -> str:
        kept.append(place)
        return f"pictures/{place}"

    pages = {
        "notebooks/02_two.ipynb": ("notebooks/02_two.ipynb", "02 · Two"),
        "notation.md": ("notation.md", "Notation"),
        "docs/teaching/plans.md": ("teaching/plans.md", "Plans"),
        "exercises": ("exercises/index.md", ""),
    }
    return book_links.Links(root, pages, repository, keep), kept


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("[two](02_two.ipynb)", "[two](02_two.ipynb)"),
        ("[plan](../docs/teaching/plans.md#00--start)", "[plan](../teaching/plans.md#00--start)"),
        ("[notation.md](../notation.md)", "[Notation](../notation.md)"),
        ("[`02_two.ipynb`](02_two.ipynb)", "[02 · Two](02_two.ipynb)"),
        ('[`a[0]` and b](../notation.md "title")', '[`a[0]` and b](../notation.md "title")'),
        ("see [all](../exercises), [web](https://arxiv.org/abs/1) and [here](#x)",
         "see [all](../exercises/index.md), [web](https://arxiv.org/abs/1) and [here](#x)"),
        ("the [records](../results) and [`one`](../results/one.json)", "the records and `one`"),
        ("![a map](../docs/map.png)", "![a map](../pictures/docs/map.png)"),
        ("`[x](gone.md)` and $a[i](j)$ and\n\n```\n[y](gone.md)\n```\n", None),
        ("$$\n\\alpha[1](gone.md)\n$$", None),
    ],
)  # fmt: skip
def test_links_lead_to_pages_of_the_site(small: Path, text: str, result: str | None) -> None:
    links, _ = links_of(small)
    expected = text if result is None else result
    assert links.rewrite(text, "notebooks/00_start_here.ipynb", "notebooks/00_start_here.ipynb") == expected


def test_what_is_not_on_the_site_is_linked_in_the_repository(small: Path) -> None:
    links, kept = links_of(small, "ada/book")
    text = "[records](../results), [one](../results/one.json), ![m](../docs/map.png)"
    address = "https://github.com/ada/book"
    assert links.rewrite(text, "notebooks/00.ipynb", "notebooks/00.ipynb") == (
        f"[records]({address}/tree/main/results), [one]({address}/blob/main/results/one.json), "
        "![m](../pictures/docs/map.png)"
    )
    assert kept == ["docs/map.png"]


@pytest.mark.parametrize("target", ["gone.md", "../gone/", "../../outside.md"])
def test_a_dead_link_is_named_with_its_page(small: Path, target: str) -> None:
    (small.parent / "outside.md").write_text("# Not ours\n")
    links, _ = links_of(small)
    with pytest.raises(BookError, match=rf"notebooks/00.ipynb: the link to {target} leads nowhere"):
        links.rewrite(f"[x]({target})", "notebooks/00.ipynb", "notebooks/00.ipynb")


def test_a_translation_may_keep_the_links_of_its_original(small: Path) -> None:
    links, _ = links_of(small)
    rewrite: Callable[[str], str] = lambda text: links.rewrite(  # noqa: E731
        text, "notebooks/zh_CN/00.ipynb", "notebooks/00.ipynb", "notebooks/00.ipynb"
    )
    assert rewrite("[a](../notation.md) [b](../../notation.md)") == "[a](../notation.md) [b](../notation.md)"
    with pytest.raises(BookError, match="zh_CN/00.ipynb: the link to gone.md"):
        rewrite("[a](gone.md)")


# The public repository


@pytest.mark.parametrize(
    ("environment", "remote", "repository"),
    [
        ({"SEQ2SEQ_EDU_REPOSITORY": "a/b", "GITHUB_REPOSITORY": "x/y"}, "https://github.com/e/f", "a/b"),
        ({"GITHUB_REPOSITORY": "x/y"}, "https://github.com/e/f", "x/y"),
        ({}, "https://github.com/e/f.git", "e/f"),
        ({}, "https://name@github.com/e/f/", "e/f"),
        ({}, "git@github.com:e/f.js.git", "e/f.js"),
        ({}, "ssh://git@github.com/e/f", "e/f"),
        ({}, "https://example.org/e/f", ""),
        ({}, "/srv/git/book", ""),
        ({}, "https://github.com.example.org/e/f", ""),
        ({}, "", ""),
    ],
)  # fmt: skip
def test_the_address_of_the_repository(environment: dict[str, str], remote: str, repository: str) -> None:
    assert book_links.repository_of(environment, remote) == repository


@pytest.mark.parametrize("asked", ["book", "https://github.com/ada/book", "a/b/c", "ada/<book>"])
def test_an_address_of_another_form_is_refused(asked: str) -> None:
    with pytest.raises(BookError, match="expected owner/name"):
        book_links.repository_of({"SEQ2SEQ_EDU_REPOSITORY": asked}, "")


def test_launch_links_name_branch_and_notebook() -> None:
    found = book_links.launch("ada/book", "exercises/02_two.ipynb")
    assert (
        found["colab"] == "https://colab.research.google.com/github/ada/book/blob/main/exercises/02_two.ipynb"
    )
    assert (
        found["binder"] == "https://mybinder.org/v2/gh/ada/book/main?urlpath=lab/tree/exercises/02_two.ipynb"
    )
    assert found["colab_cell"].splitlines() == [
        "!git clone -q --depth 1 https://github.com/ada/book",
        "%pip install -q ./book",
        "%cd book/exercises",
    ]
    assert book_links.launch("", "exercises/02_two.ipynb") == {}


# The sources


def test_a_chapter_keeps_its_cells_and_has_its_exercises_beside_it(small: Path, tmp_path: Path) -> None:
    written(small, tmp_path / "s")
    assert "[Notation](../notation.md), records, [all](../exercises/index.md)" in texts(
        tmp_path / "s", "notebooks/00_start_here.ipynb"
    )
    two = texts(tmp_path / "s", "notebooks/02_two.ipynb")
    assert "Exercises </exercises/02_two>" in two and "\nx = 1" in two
    assert "toctree" not in texts(tmp_path / "s", "notebooks/00_start_here.ipynb")
    task = texts(tmp_path / "s", "exercises/02_two.ipynb")
    assert '## Exercise 2.1 · Add\n\n<p class="facts">★★ build · 15 min</p>' in task


def test_the_contents_hold_every_page_once(small: Path, tmp_path: Path) -> None:
    source = written(small, tmp_path / "s")
    start = (tmp_path / "s" / "index.md").read_text(encoding="utf-8")
    assert [line for line in start.splitlines() if line.startswith("/")] == [
        "/notebooks/00_start_here", "/notebooks/02_two", "/notebooks/classroom",
        "/exercises/index", "/notation", "/references", "/teaching/index",
    ]  # fmt: skip
    assert "/teaching/plans" in (tmp_path / "s" / "teaching" / "index.md").read_text(encoding="utf-8")
    files = {path.relative_to(tmp_path / "s").as_posix() for path in (tmp_path / "s").rglob("*.*")}
    assert {page.file for page in source.pages} <= files
    assert not [file for file in files if "solutions" in file]


def test_the_start_page_has_the_chapters_of_the_readme(small: Path, tmp_path: Path) -> None:
    written(small, tmp_path / "s")
    start = (tmp_path / "s" / "index.md").read_text(encoding="utf-8")
    assert 'href="notebooks/02_two.html">Two</a><span class="question">Is 2 &lt; 3?</span>' in start
    assert '<span>50 min</span><span>2.3.2.2</span><span><a href="exercises/02_two.html">' in start
    assert '<b></b><a class="title" href="notebooks/classroom.html">Classroom · Play</a>' in start
    assert "about 1 hours" in start
    assert "[Open the class's page](notebooks/classroom.ipynb)" in start
    assert "![A map, told in words.](pictures/docs/map.png)" in start
    assert "[chapter 00](notebooks/00_start_here.ipynb)" in start, "README's way to start"
    assert "<!--" not in start


def test_the_start_page_goes_to_the_classroom_if_there_is_one(small: Path, tmp_path: Path) -> None:
    (small / "notebooks" / "classroom.ipynb").unlink()
    written(small, tmp_path / "s")
    assert "[See the exercises](exercises/index.md)" in (tmp_path / "s" / "index.md").read_text("utf-8")


def test_the_start_page_has_the_first_live_alignment_of_chapter_00(small: Path, tmp_path: Path) -> None:
    outputs = [live("softmax", "third"), live("alignment", "first"), live("alignment", "fourth")]
    shown = cell("show()", "code", outputs=outputs)
    put_notebook(small, "notebooks/00_start_here.ipynb", cell("# 00 · Start"), shown)
    written(small, tmp_path / "live", widgets=("script", "style"))
    start = (tmp_path / "live" / "index.md").read_text(encoding="utf-8")
    assert re.findall('data-state="([^"]*)"', start) == ["first"]
    assert "arrow keys" in start and "pictures/" not in start
    assert (tmp_path / "live" / "_static" / "widgets.js").read_text() == "script"
    written(small, tmp_path / "still")  # no script: the picture
    start = (tmp_path / "still" / "index.md").read_text(encoding="utf-8")
    assert "data-state" not in start and "arrow keys" not in start and "pictures/docs/map.png" in start


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("| [", "| "), "README.md: no chapters"),
        (("## Start\n", "## Begin\n"), "README.md: has no section 'Start'"),
        (("![A map", "[A map"), "README.md: shows no picture"),
    ],
)
def test_what_the_readme_lacks_is_named(
    small: Path, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    put(small, "README.md", README.replace(*change))
    with pytest.raises(BookError, match=said):
        written(small, tmp_path / "s")


def test_a_chapter_that_the_readme_lacks_shows_its_own_question(small: Path, tmp_path: Path) -> None:
    put(small, "README.md", README.replace("| [00 Start here]", "| 00 Start here]"))
    written(small, tmp_path / "s")
    start = (tmp_path / "s" / "index.md").read_text(encoding="utf-8")
    assert '>Start here</a><span class="question">what is it?</span><span class="facts"></span>' in start


def test_exercises_are_listed_with_level_kind_and_minutes(small: Path, tmp_path: Path) -> None:
    written(small, tmp_path / "s")
    listed = (tmp_path / "s" / "exercises" / "index.md").read_text(encoding="utf-8")
    assert "## [02 · Two](/exercises/02_two.ipynb)" in listed
    assert "| 2.1 | Add | ★★ | build | 15 |" in listed


def test_every_exercise_of_the_repository_is_listed() -> None:
    pages = book_pages.list_pages(ROOT, "en")
    listed = book_landing.exercise_list(ROOT, pages, book_pages.WORDS["en"])
    for path in ROOT.glob("exercises/*.ipynb"):
        sources = [cell["source"] for cell in book_pages.read_notebook(path)["cells"]]
        headings = [source.splitlines()[0] for source in sources if source.startswith("## Exercise")]
        assert headings
        for heading in headings:
            assert f"| {heading.split()[2]} | " in listed, f"{path.name}: {heading} has another form"


def test_a_second_build_removes_what_is_gone_and_keeps_the_rest(small: Path, tmp_path: Path) -> None:
    written(small, tmp_path / "s")
    kept = tmp_path / "s" / "notation.md"
    before = kept.stat().st_mtime_ns
    (small / "notebooks" / "classroom.ipynb").unlink()
    written(small, tmp_path / "s")
    assert not (tmp_path / "s" / "notebooks" / "classroom.ipynb").exists()
    assert kept.stat().st_mtime_ns == before, "Sphinx reads again what is written anew"


def test_downloads_are_the_notebooks_as_they_are_and_the_checks(small: Path, tmp_path: Path) -> None:
    source = written(small, tmp_path / "s")
    source.downloads(tmp_path / "out")
    download = tmp_path / "out" / "download"
    for place in ("notebooks/02_two.ipynb", "exercises/02_two.ipynb"):
        assert (download / place).read_bytes() == (small / place).read_bytes()
    with zipfile.ZipFile(download / "exercises" / "02_two.zip") as bundle:
        assert bundle.namelist() == ["exercises/02_two.ipynb", "exercises/checks/02_two.py"]
        files = {name: bundle.read(name) for name in bundle.namelist()}
    before = (download / "exercises" / "02_two.zip").read_bytes()
    assert before == book_source.zipped(files), "the same files give the same bytes"


# Another language


def test_editions_are_those_with_a_notebook(small: Path) -> None:
    assert build_book.languages(small) == ["en"]
    put_notebook(small, "notebooks/zh_CN/02_two.ipynb", cell("# 02 · 二"))
    assert build_book.languages(small) == ["en", "zh_CN"]


def test_a_chinese_edition_is_filled_up_with_english_pages(small: Path, tmp_path: Path) -> None:
    question = "# 02 · 二\n\n**一个问题：** 二是什么？\n\n[符号](../notation.md)"
    put_notebook(small, "notebooks/zh_CN/02_two.ipynb", cell(question))
    put(small, "notation.zh_CN.md", "# 符号\n\n[二](notebooks/zh_CN/02_two.ipynb)\n")
    source = written(small, tmp_path / "zh", "zh_CN", others=["en"])
    assert {page.name for page in source.pages} == {page.name for page in book_pages.list_pages(small, "en")}
    assert "译" not in texts(tmp_path / "zh", "notebooks/02_two.ipynb")
    assert "还没有中文版" in texts(tmp_path / "zh", "notebooks/00_start_here.ipynb")
    assert "[二](notebooks/02_two.ipynb)" in (tmp_path / "zh" / "notation.md").read_text(encoding="utf-8")
    start = (tmp_path / "zh" / "index.md").read_text(encoding="utf-8")
    assert 'href="notebooks/02_two.html">二</a><span class="question">二是什么？</span>' in start
    facts = json.loads((tmp_path / "zh" / "book.json").read_text(encoding="utf-8"))
    assert facts["others"] == [{"folder": "en", "code": "en", "name": "English"}]
    assert facts["pages"]["notebooks/00_start_here"]["lang"] == "en"
    assert "lang" not in facts["pages"]["notebooks/02_two"]


def test_both_languages_have_the_same_words() -> None:
    english, chinese = (book_pages.WORDS[code] for code in ("en", "zh_CN"))
    assert english.keys() == chinese.keys()
    assert not [key for key in chinese if key != "untranslated" and not chinese[key]]
    pages = [(ROOT / "docs" / name).read_text("utf-8") for name in ("landing.md", "landing.zh_CN.md")]
    marks = [set(re.findall(r"<!-- [\w ]+ -->", page)) for page in pages]
    assert marks[0] ^ marks[1] == {"<!-- start -->"}, "README's way to start is in English"


# The command


def run_main(monkeypatch: pytest.MonkeyPatch, small: Path, *arguments: str) -> int:
    """Run the command on a small repository, without Sphinx."""
    monkeypatch.setattr(build_book, "ROOT", small)
    monkeypatch.setattr(build_book, "run_sphinx", lambda *asked: None)
    monkeypatch.setattr(build_book, "widget_files", lambda: None)
    for name in ("SEQ2SEQ_EDU_REPOSITORY", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    status: int = build_book.main(list(arguments))
    return status


def test_without_an_address_one_line_says_how_to_get_launch_links(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, small, "--out", str(tmp_path / "out")) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "no launch links for Colab and Binder: SEQ2SEQ_EDU_REPOSITORY=owner/name adds them"
    assert [line for line in said if line.startswith("built")] == said[1:]
    assert "url=en/index.html" in (tmp_path / "out" / "html" / "index.html").read_text()
    assert run_main(monkeypatch, small, "--out", str(tmp_path / "out"), "--repository", "ada/book") == 0
    assert "launch links" not in capsys.readouterr().out
    facts = json.loads((tmp_path / "out" / "source" / "en" / "book.json").read_text(encoding="utf-8"))
    assert facts["pages"]["notebooks/02_two"]["binder"].startswith("https://mybinder.org/v2/gh/ada/book/main")


def test_a_fault_is_one_line_and_status_1(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_notebook(small, "notebooks/03_three.ipynb", cell("# 03 · Three"), cell("[x](gone.md)"))
    assert run_main(monkeypatch, small, "--out", str(tmp_path / "out")) == 1
    said = "build_book: notebooks/03_three.ipynb: the link to gone.md leads nowhere\n"
    assert capsys.readouterr().err == said


def test_missing_sphinx_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_book.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BookError, match=r"Sphinx is not installed: make book"):
        build_book.run_sphinx(tmp_path, tmp_path, tmp_path, "en")
    assert build_book.widget_files() is None


def test_the_remote_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def play(command: list[str], **options: Any) -> SimpleNamespace:
        asked.append(command)
        return SimpleNamespace(stdout="git@github.com:ada/book.git\n")

    monkeypatch.setattr(build_book.subprocess, "run", play)
    assert build_book.origin(tmp_path) == "git@github.com:ada/book.git"
    assert asked == [["git", "-C", str(tmp_path), "config", "--get", "remote.origin.url"]]


# The search


def test_words_are_cut_into_stems_and_pairs_of_characters() -> None:
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("Sphinx is not installed: how it cuts words is not tested")
    search = load_script(ROOT / "docs" / "book_search.py").SearchBoth({})
    words = ["Softmax", "的", "权", "重", "的权", "权重", "d_h", "2", "词"]
    assert search.split("Softmax的权重, d_h=2 词") == words
    assert search.stem("weights") == search.stem("weight")
