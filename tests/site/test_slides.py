"""Slides: how a notebook is cut (each cell once, in order, as its author wished), and what cells become."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import load_script
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
slide_cells, slide_html, make_slides = (
    load_script(ROOT / "tools" / f"{name}.py") for name in ("slide_cells", "slide_html", "make_slides")
)
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
cut = slide_cells.cut


def text(source: str, kind: str = "") -> Any:
    """Make a text cell."""
    return typed(nbformat.v4.new_markdown_cell(source), kind)


def code(source: str, *outputs: Any, kind: str = "") -> Any:
    """Make a code cell."""
    return typed(nbformat.v4.new_code_cell(source, outputs=list(outputs)), kind)


def typed(cell: Any, kind: str) -> Any:
    """Give a cell the slide type that JupyterLab would give it."""
    if kind:
        cell.metadata["slideshow"] = {"slide_type": kind}
    return cell


def printed(words: str) -> Any:
    """Make the output of a print."""
    return nbformat.v4.new_output("stream", text=words)


def shown(**formats: str) -> Any:
    """Make an output in several formats: `text_html="..."`."""
    data = {name.replace("_", "/"): value for name, value in formats.items()}
    return nbformat.v4.new_output("display_data", data)


def sources(cells: list[Any]) -> list[list[str]]:
    """Return the sources of the cells of each slide."""
    return [[cell.source for cell in slide.cells] for slide in cut(cells)]


def pieces(*cells: Any, chapters: tuple[str, ...] = (), folder: Path = ROOT) -> dict[str, str]:
    """Return the HTML of one slide with these cells, by part."""
    return dict(slide_html.Html(chapters, folder).areas(slide_cells.Slide(True, list(cells))))


# cutting


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_cell_of_a_chapter_is_on_one_slide_in_order(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    slides = cut(cells)
    assert [cell.id for slide in slides for cell in slide.cells] == [cell.id for cell in cells]
    columns = make_slides.read(path, slide_html.Html()).columns
    slides_shown = [slide for column in columns for slide in column]
    made = "".join(inside for slide in slides_shown for _, inside in slide["areas"])
    assert re.findall(r'<div class="cell[^"]*" data-cell="([^"]+)">', made) == [cell.id for cell in cells]
    assert len({slide["id"] for slide in slides_shown}) == len(slides)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_heading_begins_a_slide_and_a_slide_is_one_beat(path: Path) -> None:
    for slide in cut(nbformat.read(path, as_version=4).cells):
        headings = [slide_cells.split_heading(cell.source)[0] for cell in slide.texts]
        assert not any(headings[1:]), "a heading stands within a slide"
        assert slide.first == (slide.heading[0] in (1, 2)) and slide.heading[0] == sum(headings)
        given_results = [cell for cell in slide.codes[:-1] if cell.outputs and not slide_cells.sets_up(cell)]
        assert not given_results, "a second cell follows the result of the first"


KINDS = ["", "", "", *slide_cells.TYPES]
ANSWER = "<details><summary>A</summary>b</details>"
TEXTS = ["# A", "## B", "### C\n\nwords", "words", "words " * 100, f"why?\n\n{ANSWER}"]
CODES = ["x = 1", "import re", "def f(ax):\n    ax.plot()", "%xmode Minimal", "x = 1\n" * 20, "for"]
cell_lists = st.lists(
    st.tuples(st.sampled_from(TEXTS + CODES), st.booleans(), st.sampled_from(KINDS)), max_size=12
)


@settings(deadline=None)  # a busy machine is no failure
@given(cell_lists)
def test_no_cell_is_lost_and_wishes_are_kept(drawn: list[tuple[str, bool, str]]) -> None:
    cells = [
        text(source, kind) if source in TEXTS else code(source, *[printed("1")] * output, kind=kind)
        for source, output, kind in drawn
    ]
    slides = cut(cells)
    wanted = [cell for cell, (_, _, kind) in zip(cells, drawn, strict=True) if kind != "skip"]
    assert [id(cell) for slide in slides for cell in slide.cells] == [id(cell) for cell in wanted]
    begins = {id(slide.cells[0]): slide.first for slide in slides}
    for cell in wanted[1:]:
        kind = slide_cells.asked(cell)
        assert begins.get(id(cell)) == {"slide": True, "subslide": False}.get(kind, begins.get(id(cell)))
        assert id(cell) not in begins or kind not in ("-", "fragment", "notes")
    assert not slides or slides[0].first, "the first column begins with the first slide"


def test_a_beat_is_a_text_its_code_the_result_and_what_to_see_in_it() -> None:
    beat = [text("idea"), code("print(1)", printed("1")), text("see")]
    assert sources([text("# T"), *beat, text("## N")]) == [["# T"], ["idea", "print(1)", "see"], ["## N"]]
    more = [text("idea"), code("print(1)", printed("1")), text("next idea"), code("print(2)", printed("2"))]
    assert sources(more) == [["idea", "print(1)"], ["next idea", "print(2)"]]
    long = "what to see " * 60
    assert sources([text("idea"), code("print(1)", printed("1")), text(long)])[1] == [long]


def test_further_code_stands_alone_unless_both_are_short() -> None:
    define, use = code("def f():\n    return 1"), code("f()", printed("1"))
    assert sources([text("idea"), define, use]) == [["idea", define.source, "f()"]]
    assert sources([text("idea"), use, define]) == [["idea", "f()"], [define.source]]
    long = code("x = 1\n" * 13)
    assert sources([text("idea"), define, long, use]) == [["idea", define.source], [long.source, "f()"]]


def test_the_answer_is_not_given_away_by_the_code_after_the_question() -> None:
    question = text("### Check yourself\n\nWhy?\n\n<details><summary>Answer</summary>\n\nSo.\n</details>")
    cells = [text("## B"), question, code("proof()", printed("so"))]
    assert sources(cells)[1:] == [[question.source], ["proof()"]]


def test_a_set_up_is_a_slide_of_its_own_below_a_full_one() -> None:
    imports, parameters = code("import re\n%xmode Minimal", printed("Minimal")), code("STEPS = 3")
    parameters.metadata["tags"] = ["parameters"]
    for glance, expected in ((text("## At a glance\n\n" + "aim " * 80), 2), (text("## Set-up\n\nShort."), 1)):
        slides = cut([glance, imports, parameters, text("next"), code("1", printed("1"))])
        assert len(slides) == expected + 1
        assert slides[expected - 1].cells[-2:] == [imports, parameters]
    assert slides[0].only_sets_up is False and cut([imports, parameters])[0].only_sets_up is True


def test_a_slide_type_that_does_not_exist_is_named() -> None:
    cell = text("words", "sub-slide")
    with pytest.raises(slide_cells.SlidesError, match=f"{cell.id} has slide_type 'sub-slide': choose from"):
        cut([cell])


# what a cell becomes


def test_formulas_are_marked_and_dollars_in_code_are_not() -> None:
    made = pieces(text("a $x_1 < y$ and `$5`\n\n$$\\frac{a}{b}$$\n\n| $u$ | v |\n|---|---|\n| 1 | 2 |"))["t"]
    assert r'<span class="math">\(x_1 &lt; y\)</span>' in made and "<code>$5</code>" in made
    assert r'<span class="math display">\[\frac{a}{b}\]</span>' in made
    assert '<div class="scroll"><table>' in made and made.count('class="math') == 3
    assert 'class="math' not in pieces(code("'$x$'", printed("$x$")))["o"]


def test_punctuation_stays_with_its_formula() -> None:
    made = pieces(text("so ($x_1$), $y$ and $z$."))["t"]
    tied = re.findall(r'<span class="tied">(.*?</span>[^<]*)</span>', made)
    assert tied == [r'(<span class="math">\(x_1\)</span>),', r'<span class="math">\(z\)</span>.']


def test_links_lead_to_slides_to_the_site_if_it_lies_beside_or_nowhere(tmp_path: Path) -> None:
    site = tmp_path / "html" / "en"
    for name in ("notation", "exercises/02_two", "notebooks/02_two"):
        (site / f"{name}.html").parent.mkdir(parents=True, exist_ok=True)
        (site / f"{name}.html").touch()
    (tmp_path / "slides").mkdir()
    source = (
        "[two](02_two.ipynb) [x](../notation.md#x) [its](../exercises/02_two.ipynb) [paper](https://arxiv.org)"
        " [gone](../INSTRUCTORS.md) [here](#here)"
    )
    made = pieces(text(source), chapters=("02_two",), folder=tmp_path / "slides")["t"]
    assert re.findall(r'href="([^"]+)"', made) == [
        "02_two.html", "../html/en/notation.html", "../html/en/exercises/02_two.html", "https://arxiv.org"
    ]  # fmt: skip
    assert made.rstrip().endswith("gone here</p>\n</div>")


def test_code_is_shown_as_it_is_but_for_what_speaks_to_tests() -> None:
    made = pieces(code("if a < b:\n    print('$')\n\n\n%time f()"))["c"]
    plain = html.unescape(re.sub(r"<[^>]+>", "", made))
    assert plain == "if a < b:\n    print('$')\n\n%time f()"
    assert "<details" not in made


def test_what_a_class_need_not_read_is_folded() -> None:
    for source, output, title in (
        ("import re\nnotebook.start(seed=0)", printed("quiet"), "Imports and settings"),
        ("Explorer()", shown(text_html='<div class="s2s-widget" data-widget="x"></div>'), "Its code"),
    ):
        made = pieces(code(source, output))
        assert f"<details><summary>{title}</summary><pre" in made["c"]
        assert ("o" in made) == (title == "Its code")
    assert "How it is drawn" in pieces(code("def f(ax):\n    ax.plot()"))["c"]
    assert "<details" not in pieces(code("import re\nre.sub('a', 'b', 'c')"))["c"]


def test_outputs_keep_their_words_and_pictures_their_text() -> None:
    figure = shown(text_html='<img alt="A map" src="data:,">', text_plain="x")
    made = pieces(code("1", printed("a < b\x1b[31mred\x1b[0m"), figure))
    assert "a &lt; b<span class=" in made["o"] and '<img alt="A map"' in made["o"] and ">x<" not in made["o"]
    picture = shown(image_png="iVBO", text_plain='Two "bars"')
    picture.metadata["image/png"] = {"width": 30, "height": 20}
    made = pieces(code("1", picture, shown(text_markdown="**bold** $x$"), shown(text_plain="3 < 4")))
    assert '<img alt="Two &quot;bars&quot;" width="30" height="20" src="data:image/png;' in made["o"]
    assert "<strong>bold</strong>" in made["o"] and 'class="math"' in made["o"] and "3 &lt; 4" in made["o"]


def test_a_long_error_shows_its_last_line_and_folds_the_rest() -> None:
    def failed(lines: int) -> str:
        trace = [*[f"line {k}" for k in range(lines - 1)], "ValueError: got <3>"]
        output = nbformat.v4.new_output("error", ename="E", evalue="v", traceback=trace)
        return pieces(code("f()", output))["o"]

    assert "<details" not in failed(3) and "line 1" in failed(3)
    before, _, folded = failed(30).partition("<details><summary>All 30 lines of the message</summary>")
    assert "ValueError: got &lt;3&gt;" in before and "line 1" not in before and "line 1" in folded


def test_parts_come_in_order_and_an_answer_one_key_later() -> None:
    beat = [text("## H\n\nidea"), code("1", printed("1")), text("see", "fragment"), text("told", "notes")]
    made = pieces(*beat)
    assert list(made) == ["t", "c", "o", "k"]
    assert "idea" in made["t"] and "H" not in made["t"]
    assert 'class="cell fragment"' in made["k"] and "told" not in made["k"]
    assert "<h2>" in pieces(text("a"), text("## H", "-"))["t"], "a heading within a slide is part of it"
    answer = pieces(text("<details><summary>A</summary>\n\nso\n</details>"))["t"].replace("\n", "")
    assert '<details class="fragment unfold"><summary>A</summary><p>so</p></details>' in answer


# the pages


def write(path: Path, *cells: Any) -> Path:
    """Write a notebook."""
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


def test_headings_stand_above_the_slides_below_them(tmp_path: Path) -> None:
    question = f"### Check yourself\n\nWhy?\n\n{ANSWER}"
    cells = ["# 07 · Look $x$", "## One", "a", "### Part", "b", question, "c" * 500, "## Two", "d"]
    cells_read = [text(cell) for cell in cells]
    cells_read.insert(6, code("proof()", printed("1")))
    deck = make_slides.read(write(tmp_path / "07_look.ipynb", *cells_read), slide_html.Html())
    assert (deck.number, deck.title) == ("07", r'Look <span class="math">\(x\)</span>')
    above = [[slide["above"] for slide in column] for column in deck.columns[1:]]
    first = [[], ["One"], ["One"], ["One", "Part"], ["One"], ["One", "Check yourself"], ["One"]]
    assert above == [first, [[], ["Two"]]]


def test_pages_ask_for_nothing_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("sphinx_revealjs")
    pytest.importorskip("sphinx-mathjax-offline")
    title = text("# 01 · One\n\n**The one question:** is $1 < 2$?")
    path = write(tmp_path / "01_one.ipynb", title, text("## A"), text("say this", "notes"))
    assert make_slides.main([str(path), "--out", str(tmp_path / "out")]) == 0
    for page in ("index.html", "01_one.html"):
        made = (tmp_path / "out" / page).read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|link|img)[^>]*?(?:src|href)="([^"]+)"', made)
        assert loaded and all(place == "data:," or (tmp_path / "out" / place).is_file() for place in loaded)
        assert r'<span class="math">\(1 &lt; 2\)</span>?</span>' in made
    assert '<aside class="notes"><p>say this</p>' in made and made.count("say this") == 1
    style = (tmp_path / "out" / "static" / "letters.css").read_text(encoding="utf-8")
    fonts = re.findall(r'url\("([^"]+)"\)', style)
    assert fonts and all((tmp_path / "out" / "static" / font).is_file() for font in fonts)
    assert "http" not in style


@pytest.mark.parametrize("cells", [(), (text("words"),), (code("# 01 · One"),), (text("## 01 · One"),)])
def test_a_notebook_without_a_title_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cells: tuple[Any, ...]
) -> None:
    path = write(tmp_path / "01_one.ipynb", *cells)
    assert make_slides.main([str(path), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "01_one.ipynb has no title" in error


def test_a_missing_package_is_told_with_its_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sphinx_revealjs", None)
    path = write(tmp_path / "01_one.ipynb", text("# 01 · One"))
    assert make_slides.main([str(path), "--out", str(tmp_path / "out")]) == 1
    assert "sphinx_revealjs is missing: `make slides` installs it" in capsys.readouterr().err
