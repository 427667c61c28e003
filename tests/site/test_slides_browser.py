"""Slides in Chromium: every chapter is walked through once by the arrow key, and looked at on the way."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browser import Watched, missing, opened
from conftest import load_script

from seq2seq_edu.widgets import SoftmaxExplorer

ROOT = Path(__file__).resolve().parents[2]
make_slides = [
    load_script(ROOT / "tools" / f"{name}.py") for name in ("slide_cells", "slide_html", "make_slides")
][-1]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROJECTOR = {"width": 1280, "height": 720}
READY = "document.documentElement.dataset.ready === 'yes'"
LOOK = (Path(__file__).parent / "slides_look.js").read_text(encoding="utf-8")


def folder(out: Path, paths: list[Path]) -> Path:
    """Make the slides of some notebooks."""
    for module in ("sphinx_revealjs", "sphinx-mathjax-offline"):
        if importlib.util.find_spec(module) is None:
            missing(f"{module} is not installed")
    make_slides.build(paths, out)
    return out


@pytest.fixture(scope="session")
def decks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("slides"), CHAPTERS)


def start(watched: Watched, page: Path) -> Any:
    """Open slides, and wait until they are arranged."""
    watched.page.goto(page.as_uri())
    watched.page.wait_for_function(READY, timeout=60_000)
    return watched.page


@pytest.fixture(scope="session")
def seen(browser: Any, decks: Path) -> dict[str, dict[str, Any]]:
    """Walk through every chapter once; give what was seen in each."""
    found = {}
    for path in CHAPTERS:
        with opened(browser, viewport=PROJECTOR) as watched:
            faults = start(watched, decks / f"{path.stem}.html").evaluate(LOOK)
            found[path.stem] = faults | {"errors": watched.errors, "left": watched.left}
    return found


@pytest.mark.parametrize("chapter", [path.stem for path in CHAPTERS])
class TestChapters:
    """What must be so in every chapter."""

    def test_no_script_fails_nothing_is_fetched(self, seen: dict[str, Any], chapter: str) -> None:
        assert seen[chapter]["errors"] == [] and seen[chapter]["left"] == []

    def test_formulas_are_drawn_and_pictures_have_words(self, seen: dict[str, Any], chapter: str) -> None:
        assert seen[chapter]["formulas"] == [] and seen[chapter]["pictures"] == []

    def test_all_fits_or_scrolls(self, seen: dict[str, Any], chapter: str) -> None:
        assert seen[chapter]["cut"] == []

    def test_type_can_be_read_from_the_last_row(self, seen: dict[str, Any], chapter: str) -> None:
        assert seen[chapter]["small"] == []

    def test_the_arrow_key_shows_every_cell(self, seen: dict[str, Any], chapter: str) -> None:
        notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
        shown = list(dict.fromkeys(seen[chapter]["cells"]))
        assert shown == [cell.id for cell in notebook.cells], "each is seen, in the order of the notebook"
        assert seen[chapter]["hidden"] == [], "and what it gave"

    def test_the_arrow_key_comes_to_the_end(self, seen: dict[str, Any], chapter: str) -> None:
        places = seen[chapter]["places"]
        assert seen[chapter]["last"] and len(set(places)) == len(places) >= seen[chapter]["slides"] >= 20


# one page, key by key


def text(source: str, name: str) -> Any:
    """Make a text cell."""
    return nbformat.v4.new_markdown_cell(source, id=name)


def code(source: str, name: str, *outputs: Any) -> Any:
    """Make a code cell."""
    return nbformat.v4.new_code_cell(source, id=name, outputs=list(outputs))


def html(page: str) -> Any:
    """Make an output."""
    return nbformat.v4.new_output("display_data", {"text/html": page, "text/plain": "x"})


DRAWING = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='300' height='200'/%3E"
FIGURE = f'<img alt="A picture." width="300" height="200" src="{DRAWING}">'
WIDE_CODE = f"draw('{'x' * 88}')\n" * 15
QUESTION = "### Check yourself\n\nWhy?\n\n<details><summary>Answer</summary>\n\nSo.\n</details>"


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the slides of a little notebook that has one of everything."""
    out = tmp_path_factory.mktemp("small")
    widget = SoftmaxExplorer([2.0, 0.0, 1.0], ["猫", "在", "哪里"])
    printed = nbformat.v4.new_output("stream", text="3\n")
    cells = [
        text("# 01 · One\n\n**The one question:** why?", "title"),
        text("## Small", "small"),
        code("print(1 + 2)", "sum", printed),
        text("**Predict first:** how much?", "predict"),
        code("print(1 + 2)", "sum-again", printed),
        text("A figure.", "figure-text"),
        code(WIDE_CODE, "figure", html(FIGURE)),
        text(QUESTION, "question"),
        text("## Play", "play"),
        text("Drag it.", "widget-text"),
        code("explorer", "widget", html(widget.fallback()[0])),
        text("## Long", "long"),
        code("show()", "source", html(f"<pre>{'line<br>' * 60}</pre>")),
        text("## End", "end"),
    ]
    path = out / "01_one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return folder(out / "slides", [path]) / "01_one.html"


def now(page: Any) -> str:
    """Return the name of the slide that is seen."""
    return str(page.evaluate("Reveal.getCurrentSlide().id"))


def go(page: Any, name: str) -> None:
    """Turn to a slide."""
    place = page.evaluate("(name) => Reveal.getIndices(document.getElementById(name))", name)
    page.evaluate("({ h, v }) => Reveal.slide(h, v, -1)", place)
    assert now(page) == name


def test_a_result_that_is_to_be_predicted_comes_one_key_later(browser: Any, small: Path) -> None:
    with opened(browser, viewport=PROJECTOR) as watched:
        page = start(watched, small)
        go(page, "small")
        assert page.locator("#small .result").is_visible(), "small, and no question: all at once"
        go(page, "predict")
        result = page.locator("#predict .result")
        assert not result.is_visible() and page.locator("#predict pre.code").is_visible()
        page.keyboard.press("ArrowRight")
        assert result.is_visible() and now(page) == "predict"
        page.keyboard.press("ArrowLeft")
        assert not result.is_visible()
        assert watched.errors == []


def test_a_figure_takes_the_place_of_the_code_and_is_large(browser: Any, small: Path) -> None:
    with opened(browser, viewport=PROJECTOR) as watched:
        page = start(watched, small)
        go(page, "figure-text")
        figure, source = page.locator("#figure-text img"), page.locator("#figure-text pre.code")
        assert source.is_visible() and not figure.is_visible()
        page.keyboard.press("ArrowRight")
        assert figure.is_visible() and not source.is_visible() and page.get_by_text("A figure.").is_visible()
        box = figure.bounding_box()
        assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.02)
        assert box["height"] > 400, "twice the natural size, at least"


def test_an_answer_is_folded_until_the_next_key(browser: Any, small: Path) -> None:
    with opened(browser, viewport=PROJECTOR) as watched:
        page = start(watched, small)
        go(page, "question")
        answer = page.locator("#question details p")
        for key, there in (("ArrowRight", True), ("ArrowLeft", False), ("Space", True)):
            page.keyboard.press(key)
            answer.wait_for(state="visible" if there else "hidden")
            assert now(page) == "question"
        page.keyboard.press("PageDown")
        assert now(page) == "play"


def test_what_is_too_long_scrolls_by_key_and_then_goes_on(browser: Any, small: Path) -> None:
    with opened(browser, viewport=PROJECTOR) as watched:
        page = start(watched, small)
        go(page, "long")
        page.keyboard.press("ArrowRight")
        place = page.locator(".present .present .scrolls")
        assert place.evaluate("(p) => p.scrollHeight > p.clientHeight")
        tops = []
        while now(page) == "long" and len(tops) < 20:
            tops.append(place.evaluate("(p) => p.scrollTop"))
            page.keyboard.press("ArrowDown")
        assert 3 < len(tops) < 20 and tops == sorted(set(tops)), tops
        page.keyboard.press("ArrowUp")
        assert now(page) == "long"


def test_the_contents_of_the_title_lead_to_the_sections(browser: Any, small: Path) -> None:
    with opened(browser, viewport=PROJECTOR) as watched:
        page = start(watched, small)
        page.locator(".cover nav").get_by_text("Play").click()
        page.wait_for_function("Reveal.getCurrentSlide().id === 'play'")
        page.wait_for_function("location.hash === '#/play'")
        page.goto(f"{small.as_uri()}#/question")
        page.reload()
        page.wait_for_function(READY)
        assert now(page) == "question", "an address leads to its slide"


# widgets: the room is not 1280 pixels wide, so all is drawn at a scale


@pytest.mark.parametrize("width", [900, 1700])
def test_a_widget_is_dragged_to_where_the_mouse_is(browser: Any, small: Path, width: int) -> None:
    with opened(browser, viewport={"width": width, "height": 900}) as watched:
        page = start(watched, small)
        go(page, "widget-text")
        handle = page.get_by_role("slider", name="score of 在")
        knob = handle.locator("circle")
        box = knob.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 3, y - 30, steps=5)
        page.mouse.up()
        box = knob.bounding_box()
        assert box["y"] + box["height"] / 2 == pytest.approx(y - 30, abs=1.5)
        assert now(page) == "widget-text" and watched.errors == []


def test_keys_in_a_widget_move_it_and_not_the_slide(browser: Any, small: Path) -> None:
    with opened(browser, viewport=PROJECTOR) as watched:
        page = start(watched, small)
        go(page, "widget-text")
        score = page.get_by_role("slider", name="score of 在")
        score.focus()
        moves = {"ArrowRight": "0.1", "ArrowUp": "0.2", "ArrowLeft": "0.1", "ArrowDown": "0"}
        for key, value in moves.items():
            page.keyboard.press(key)
            assert score.get_attribute("aria-valuenow") == value and now(page) == "widget-text"
        page.get_by_role("button", name="add 1 to all scores").focus()
        page.keyboard.press("Space")
        assert score.get_attribute("aria-valuenow") == "1" and now(page) == "widget-text"
        page.keyboard.press("Escape")
        assert not page.evaluate("Reveal.isOverview()"), "out of the widget, no further"
        page.keyboard.press("ArrowLeft")
        assert now(page) == "play"
        page.keyboard.press("ArrowRight")
        score.focus()
        page.keyboard.press("PageDown")
        assert now(page) == "long", "a clicker turns the slide from inside a widget"
        assert watched.errors == []


def test_the_list_of_chapters_leads_to_each(browser: Any, decks: Path) -> None:
    with opened(browser, viewport={"width": 390, "height": 844}) as watched:
        watched.page.goto((decks / "index.html").as_uri())
        links = [link.get_attribute("href") for link in watched.page.locator("main ol a").all()]
        assert links == [f"{path.stem}.html" for path in CHAPTERS]
        assert all((decks / link).is_file() for link in links)
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert watched.errors == []
