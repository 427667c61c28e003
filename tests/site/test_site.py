"""The book site, built once and looked at in Chromium: each page on a laptop and a phone, light and dark."""

from __future__ import annotations

import html.parser
import importlib.util
import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from browser import missing, opened, served
from conftest import load_script
from small_book import cell, live, put_notebook, small_book

ROOT = Path(__file__).resolve().parents[2]
LOOK = (Path(__file__).parent / "site_look.js").read_text(encoding="utf-8")
PARTS = ("book_links", "book_pages", "book_landing", "book_source", "build_book")
build_book = [load_script(ROOT / "tools" / f"{part}.py") for part in PARTS][-1]
REPOSITORY = "ada/book"
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
EXERCISES = sorted(path.stem for path in (ROOT / "exercises").glob("*.ipynb"))
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
READY = "html[data-ready]"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as it stands; give its folder."""
    for module in ("sphinx", "myst_nb", "sphinx-mathjax-offline"):
        if importlib.util.find_spec(module) is None:
            missing(f"{module} is not installed")
    out = tmp_path_factory.mktemp("book")
    build_book.build(ROOT, out, REPOSITORY, build_book.widget_files())
    return out / "html"


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with served(site) as where:
        yield where


@pytest.fixture(scope="session")
def pages(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html") if path.parent != site)


@pytest.fixture(scope="session")
def seen(browser: Any, address: str, pages: list[str]) -> dict[str, dict[str, list[str]]]:
    """Open each page once; give, for each question asked of it, the faults by page."""
    found: dict[str, dict[str, list[str]]] = {}
    with opened(browser, viewport=LAPTOP, color_scheme="light") as watched:
        for place in pages:
            watched.errors.clear()
            watched.left.clear()
            watched.page.goto(f"{address}/{place}")
            watched.page.wait_for_selector(READY, state="attached")
            faults = look(watched.page) | {"left": [*watched.left], "errors": [*watched.errors]}
            for question, answers in faults.items():
                if answers:
                    found.setdefault(question, {})[place] = answers
    return found


def look(page: Any) -> dict[str, list[str]]:
    """Ask an open page everything, on a laptop first and then on a phone."""
    page.locator("main details").evaluate_all("(folds) => folds.forEach((fold) => { fold.open = true; })")
    page.evaluate(LOOK)
    questions = ("formulas", "pictures", "headings", "contrast", "overflow", "widgets")
    faults = {question: page.evaluate(f"look.{question}()") for question in questions}
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    faults["contrast in the dark"] = page.evaluate("look.contrast()")
    page.set_viewport_size(PHONE)
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    for question in ("overflow", "pictures"):
        faults[f"{question} on a phone"] = page.evaluate(f"look.{question}()")
    faults["scrolling"] = page.evaluate("look.scrolling()")
    page.evaluate("look.plain()")
    faults["rules"] = broken_rules(page)
    page.set_viewport_size(LAPTOP)
    return faults


def answers(page: Any, question: str) -> list[str]:
    """Ask an open page one question."""
    found: list[str] = broken_rules(page) if question == "rules" else page.evaluate(f"look.{question}()")
    return found


def broken_rules(page: Any) -> list[str]:
    """Return what axe-core objects to: WCAG A and AA, and good practice.

    Contrast is judged by `look.contrast`: axe gives up where a shadow lies behind a text, and takes half a
    minute for the code of one chapter.
    """
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"],
               "rules": {"color-contrast": {"enabled": False}}}  # fmt: skip
    faults = []
    for violation in Axe().run(page, options=options).response["violations"]:
        for node in violation["nodes"][:2]:
            faults.append(f"{violation['id']}: {node['html'][:160]} ({violation['help']})")
    return faults


@pytest.mark.parametrize(
    "question",
    [
        "errors", "left", "formulas", "pictures", "pictures on a phone", "headings", "contrast",
        "contrast in the dark", "overflow", "overflow on a phone", "scrolling", "widgets", "rules",
    ],
)  # fmt: skip
def test_no_page_has_a_fault(seen: dict[str, dict[str, list[str]]], question: str) -> None:
    faults = seen.get(question, {})
    listed = [f"{place}: {fault}" for place, answers in faults.items() for fault in answers[:4]]
    assert not listed, f"{question}: {len(faults)} pages\n" + "\n".join(listed)


def test_every_page_was_looked_at(pages: list[str]) -> None:
    wanted = [f"notebooks/{name}" for name in CHAPTERS] + [f"exercises/{name}" for name in EXERCISES]
    wanted += [f"teaching/{path.stem}" for path in (ROOT / "docs" / "teaching").glob("*.md")]
    wanted += ["index", "search", "notation", "references", "exercises/index", "teaching/index"]
    assert pages == sorted(f"en/{name}.html" for name in wanted)


PLANTED = {
    "formulas": ["<span class='math'>\\(x\\)</span>", "<p>\\(x\\)</p>", "<p>$x$</p>", "<p>an \\alpha</p>"],
    "pictures": [
        "<img src='_static/icon.svg'>",
        "<img alt='plot.png' src='_static/icon.svg'>",
        "<img alt='a' src='gone.png'>",
        "<img alt='a' src='_static/icon.svg' style='width:50px;height:90px'>",
    ],
    "headings": ["<h1>Two</h1>", "<h4>Jump</h4>"],
    "contrast": ["<p style='color:#999'>pale</p>", "<p style='opacity:.5'>pale</p>"],
    "overflow": ["<div style='width:1400px'>wide</div>"],
    "scrolling": ["<div style='overflow:auto;width:50px'><p style='width:90px'>far</p></div>"],
    "rules": ["<button></button>", "<table><tr><th></th></tr></table>", "<p lang='xx-nothing'>a</p>"],
    "widgets": ["<div class='s2s-widget' data-widget='x' data-state='{}'></div>"],
}


PLANT = "(fault) => document.querySelector('article').insertAdjacentHTML('beforeend', fault)"


@pytest.mark.parametrize("question", PLANTED)
def test_a_planted_fault_is_seen(browser: Any, address: str, question: str) -> None:
    with opened(browser, viewport=LAPTOP) as watched:
        for fault in PLANTED[question]:
            watched.page.goto(f"{address}/en/search.html")
            watched.page.wait_for_selector(READY, state="attached")
            watched.page.evaluate(LOOK)
            assert answers(watched.page, question) == []
            watched.page.evaluate(PLANT, fault)
            watched.page.wait_for_load_state("networkidle")
            assert answers(watched.page, question) != [], fault


# Links


class Anchors(html.parser.HTMLParser):
    """The addresses and the ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids |= {value for value in (named.get("id"), named.get("name")) if value}
        if tag == "a" and named.get("href"):
            self.links.append(str(named["href"]))
        loads = named.get("src") or (named.get("href") if tag == "link" else None) or named.get("data")
        if loads and tag not in ("a", "meta"):
            self.loads.append(loads)


@pytest.fixture(scope="session")
def anchors(site: Path, pages: list[str]) -> dict[str, Anchors]:
    return {place: Anchors((site / place).read_text(encoding="utf-8")) for place in pages}


def dead(site: Path, anchors: dict[str, Anchors], place: str, link: str) -> bool:
    """Return whether an address within the site leads nowhere."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "data", "mailto"):
        return False
    target = (site / place).parent / unquote(parts.path) if parts.path else site / place
    if not target.is_file() or not target.resolve().is_relative_to(site.resolve()):
        return True
    there = target.resolve().relative_to(site.resolve()).as_posix()
    return bool(parts.fragment and there in anchors and unquote(parts.fragment) not in anchors[there].ids)


def test_no_link_is_dead(site: Path, anchors: dict[str, Anchors]) -> None:
    listed = [
        f"{place}: {link}"
        for place, found in anchors.items()
        for link in sorted({*found.links, *found.loads})
        if dead(site, anchors, place, link)
    ]
    assert not listed, "\n".join(listed)
    assert dead(site, anchors, "en/index.html", "gone.html") and dead(site, anchors, "en/index.html", "#gone")
    assert dead(site, anchors, "en/index.html", "../../outside.html")


def test_nothing_is_loaded_from_elsewhere(site: Path, anchors: dict[str, Anchors]) -> None:
    loads = {(place, link) for place, found in anchors.items() for link in found.loads}
    listed = [f"{place}: {link}" for place, link in loads if urlsplit(link).scheme not in ("", "data")]
    assert not listed, "\n".join(listed)
    for path in site.rglob("*.css"):
        assert not re.findall(r"url\(\s*['\"]?(?:https?:)?//|@import", path.read_text("utf-8")), path.name


def test_no_script_is_a_module(site: Path, pages: list[str]) -> None:
    assert not [place for place in pages if 'type="module"' in (site / place).read_text(encoding="utf-8")]


def test_every_notebook_can_be_launched_and_downloaded(site: Path, anchors: dict[str, Anchors]) -> None:
    for folder, names in (("notebooks", CHAPTERS), ("exercises", EXERCISES)):
        for name in names:
            links = anchors[f"en/{folder}/{name}.html"].links
            colab = [link for link in links if "colab" in link]
            binder = [link for link in links if "mybinder" in link]
            place = f"{folder}/{name}.ipynb"
            assert colab == [f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/{place}"]
            assert binder == [f"https://mybinder.org/v2/gh/{REPOSITORY}/main?urlpath=lab/tree/{place}"]
            assert f"../download/{place}" in links
            assert (site / "en" / "download" / place).read_bytes() == (ROOT / place).read_bytes()


def test_exercises_are_beside_their_chapter_and_answers_nowhere(
    site: Path, anchors: dict[str, Anchors]
) -> None:
    for name in EXERCISES:
        assert f"../exercises/{name}.html" in anchors[f"en/notebooks/{name}.html"].links
        with zipfile.ZipFile(site / "en" / "download" / "exercises" / f"{name}.zip") as bundle:
            assert bundle.namelist() == [f"exercises/{name}.ipynb", f"exercises/checks/{name}.py"]
            notebook, checks = map(bundle.read, bundle.namelist())
            assert notebook == (ROOT / "exercises" / f"{name}.ipynb").read_bytes()
            assert b"chapter.question(" in checks and b"HIDDEN TESTS" not in checks
    assert not list(site.rglob("*solution*"))
    for path in [*site.rglob("*.html"), *site.rglob("*.ipynb"), *site.rglob("*.js")]:
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8"), path.name


def test_previous_and_next_lead_through_the_whole_book(site: Path, anchors: dict[str, Anchors]) -> None:
    place, walked = "en/index.html", []
    while place:
        walked.append(place)
        text = (site / place).read_text(encoding="utf-8")
        match = re.search(r'<a class="next" href="([^"]+)"', text)
        there = ((site / place).parent / match[1]).resolve() if match else None
        place = there.relative_to(site.resolve()).as_posix() if there else ""
        assert place not in walked
    assert set(walked) == {*anchors} - {"en/search.html"}
    chapter = walked.index("en/notebooks/03_attention_weights.html")
    assert walked[chapter + 1] == "en/exercises/03_attention_weights.html"


# Search


def search(watched: Any, where: str, words: str) -> list[str]:
    """Type words into the field at the top of a page, and return the addresses found."""
    watched.page.goto(where)
    watched.page.fill("header input[type=search]", words)
    watched.page.press("header input[type=search]", "Enter")
    summary = "document.querySelector('.search-summary')"
    watched.page.wait_for_function(f"() => /found|match/.test({summary}?.textContent)")
    return [str(link.get_attribute("href")) for link in watched.page.query_selector_all("ul.search > li > a")]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("注意力", "notebooks/03_attention_weights.html"),
        ("权重", "notebooks/03_attention_weights.html"),
        ("加性注意力", "teaching/rubric.html"),
        ("softmax", "notebooks/03_attention_weights.html"),
        ("Jacobians", "notebooks/03_attention_weights.html"),
        ("束搜索 beam", "notebooks/09_decoding.html"),
        ("xyzzyq", None),
        ("力注意", None),
    ],
)
def test_search_finds_english_and_chinese(browser: Any, address: str, words: str, place: str | None) -> None:
    with opened(browser, viewport=LAPTOP) as watched:
        found = search(watched, f"{address}/en/notebooks/01_why_attention.html", words)
        pages = [link.partition("#")[0] for link in found]
        assert (place in pages) if place else not pages, found
        watched.page.wait_for_load_state("networkidle")
        assert not watched.errors and not watched.left


def test_the_summary_of_a_search_marks_the_words(browser: Any, address: str) -> None:
    with opened(browser, viewport=LAPTOP) as watched:
        search(watched, f"{address}/en/index.html", "softmax")
        watched.page.wait_for_selector("ul.search mark")
        assert watched.page.inner_text("ul.search mark").lower() == "softmax"


# Ways of reading


def test_it_works_from_a_disk(browser: Any, site: Path) -> None:
    with opened(browser, viewport=LAPTOP) as watched:
        for place in ("index.html", "notebooks/04_context_vector.html"):
            watched.page.goto((site / "en" / place).as_uri())
            watched.page.wait_for_selector(READY, state="attached")
            watched.page.evaluate(LOOK)
            assert watched.page.evaluate("look.formulas()") == []
        assert watched.page.evaluate("document.fonts.check('16px \"Book Sans\"')")
        found = search(watched, (site / "en" / "index.html").as_uri(), "注意力")
        assert "notebooks/03_attention_weights.html" in [link.partition("#")[0] for link in found]
        assert not watched.errors and not watched.left


def test_it_can_be_read_without_scripts(browser: Any, address: str) -> None:
    with opened(browser, viewport=PHONE, java_script_enabled=False, color_scheme="dark") as watched:
        watched.page.goto(f"{address}/en/notebooks/00_start_here.html")
        assert watched.page.is_visible("nav.contents a >> nth=1")
        assert watched.page.is_visible("nav.here a >> nth=1")
        assert not watched.page.is_visible("button.theme") and not watched.page.is_visible("button.menu")
        assert watched.page.is_visible("article img >> nth=0")
        assert ground(watched.page) == DARK
        box = watched.page.locator("html").bounding_box()
        assert box is not None and box["width"] <= PHONE["width"]


LIGHT, DARK = "rgb(255, 255, 255)", "rgb(21, 24, 27)"


def ground(page: Any) -> str:
    """Return the colour of the paper."""
    return str(page.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor"))


def test_colours_follow_the_system_until_they_are_chosen(browser: Any, address: str) -> None:
    with opened(browser, viewport=LAPTOP, color_scheme="light") as watched:
        page = watched.page
        page.goto(f"{address}/en/notation.html")
        assert ground(page) == LIGHT
        page.emulate_media(color_scheme="dark")
        page.wait_for_selector("html[data-theme=dark]")
        assert ground(page) == DARK
        page.click("button.theme")
        assert ground(page) == LIGHT and "light" in str(page.get_attribute("button.theme", "aria-label"))
        page.goto(f"{address}/en/references.html")
        assert ground(page) == LIGHT, "the choice is kept"
        page.click("button.theme")
        assert ground(page) == DARK and "dark" in str(page.get_attribute("button.theme", "aria-label"))
        page.emulate_media(color_scheme="light")
        assert ground(page) == DARK


FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return [at.textContent.trim() || at.getAttribute("aria-label"), ring && box.width > 0 && box.top >= -1];
}"""


def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser: Any, address: str) -> None:
    with opened(browser, viewport=LAPTOP) as watched:
        page = watched.page
        page.goto(f"{address}/en/notebooks/04_context_vector.html")
        page.wait_for_selector(READY, state="attached")
        stops = []
        for _ in range(60):
            page.keyboard.press("Tab")
            name, visible = page.evaluate(FOCUSED)
            assert visible, f"the focus does not show on {name}"
            stops.append(name)
        assert stops[0] == "Skip to the text"
        wanted = ["seq2seq-edu", "Search", "Colours: as the system", "00 · Start here", "Exercises"]
        wanted += ["Notation", "Teaching with these notebooks", "On this page", "Notebook", "Run it"]
        wanted += ["03 Attention weights", "Answer"]
        assert [name for name in wanted if name not in stops] == []
        page.focus("a.skip")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED)[0] == "Notebook", "the link at the top leads past the contents"


def test_what_is_folded_opens_by_the_keyboard(browser: Any, address: str) -> None:
    with opened(browser, viewport=LAPTOP) as watched:
        page = watched.page
        page.goto(f"{address}/en/notebooks/04_context_vector.html")
        page.wait_for_selector(READY, state="attached")
        for key, folded in (("nav.here button", "nav.here a"), ("details.run summary", "details.run a")):
            assert not page.is_visible(f"{folded} >> nth=1")
            page.focus(key)
            page.keyboard.press("Enter")
            assert page.is_visible(f"{folded} >> nth=1")
            page.keyboard.press("Enter")
            assert not page.is_visible(f"{folded} >> nth=1")
        page.focus("article summary >> nth=0")
        page.keyboard.press("Enter")
        assert page.is_visible("article details[open] p >> nth=0")


def test_on_a_phone_the_contents_open_and_close(browser: Any, address: str) -> None:
    with opened(browser, viewport=PHONE) as watched:
        page = watched.page
        page.goto(f"{address}/en/notebooks/04_context_vector.html")
        page.wait_for_selector(READY, state="attached")
        assert not page.is_visible("nav.contents a >> nth=0")
        page.focus("button.menu")
        page.keyboard.press("Enter")
        assert page.is_visible("nav.contents a >> nth=0")
        assert page.evaluate(FOCUSED)[0].startswith("04"), "the focus goes to this page's line"
        page.keyboard.press("Escape")
        assert not page.is_visible("nav.contents a >> nth=0")
        assert page.evaluate("document.activeElement.className") == "icon menu"
        page.click("button.menu")
        page.click("nav.contents a:has-text('Decoding')")
        page.wait_for_url("**/09_decoding.html")


# Another language, and widgets, on a small book


@pytest.fixture(scope="module")
def small_site(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Path:
    """Build a small book with a Chinese chapter and a live alignment, where the site could be built."""
    folder = tmp_path_factory.mktemp("small")
    root = small_book(folder / "repository")
    title = cell("# 00 · 从这里开始\n\n**一个问题：** 什么是注意力？\n\n见 [02](02_two.ipynb)。")
    shown = cell("show()", "code", outputs=[live("alignment", "{&quot;n&quot;: 3}")])
    put_notebook(root, "notebooks/zh_CN/00_start_here.ipynb", title, shown)
    put_notebook(root, "notebooks/00_start_here.ipynb", cell("# 00 · Start here"), shown)
    script = """addEventListener("DOMContentLoaded", () => {
      for (const place of document.querySelectorAll(".s2s-widget")) {
        place.textContent = `live ${JSON.parse(place.dataset.state).n}`;
      }
    });"""
    build_book.build(root, folder / "out", "", (script, ".s2s-widget { color: rgb(1, 2, 3); }"))
    return folder / "out" / "html"


def test_both_editions_link_to_each_other_on_every_page(small_site: Path) -> None:
    names = {}
    for folder in ("en", "zh_CN"):
        top = small_site / folder
        places = names[folder] = {path.relative_to(top).as_posix() for path in top.rglob("*.html")}
        for place in places:
            page = Anchors((top / place).read_text(encoding="utf-8"))
            other = "zh_CN" if folder == "en" else "en"
            up = "../" * (place.count("/") + 1)
            links = [posixpath.normpath(link) for link in page.links]
            assert links.count(f"{up}{other}/{place}") == 1, f"{folder}/{place}"
            for link in page.links:
                found = (top / place).parent / link.partition("#")[0]
                assert urlsplit(link).scheme or not link.partition("#")[0] or found.is_file(), link
    assert names["en"] == names["zh_CN"]


def test_the_chinese_edition_is_chinese(browser: Any, small_site: Path) -> None:
    with served(small_site) as where, opened(browser, viewport=PHONE) as watched:
        page = watched.page
        page.goto(f"{where}/zh_CN/notebooks/00_start_here.html")
        page.wait_for_selector(READY, state="attached")
        assert page.get_attribute("html", "lang") == "zh-CN" and page.get_attribute("article", "lang") is None
        assert page.inner_text("a.language") == "English" and "运行" in page.inner_text(".tools")
        page.click("a.language")
        page.wait_for_url("**/en/notebooks/00_start_here.html")
        assert page.inner_text("a.language") == "中文"
        page.goto(f"{where}/zh_CN/notebooks/02_two.html")  # not translated
        assert page.get_attribute("article", "lang") == "en"
        assert "还没有中文版" in page.inner_text("article .note[lang=zh-CN]")
        page.goto(f"{where}/zh_CN/index.html")
        page.wait_for_selector(READY, state="attached")
        page.evaluate(LOOK)
        for question in ("headings", "contrast", "overflow", "formulas"):
            assert page.evaluate(f"look.{question}()") == []
        page.fill("header input[type=search]", "注意力")
        page.press("header input[type=search]", "Enter")
        page.wait_for_selector("ul.search a[href^='notebooks/00_start_here.html']")
        assert not watched.errors and not watched.left


def test_widgets_are_live_on_their_page_and_on_the_start_page(browser: Any, small_site: Path) -> None:
    with served(small_site) as where, opened(browser, viewport=LAPTOP) as watched:
        for place in ("en/index.html", "zh_CN/index.html", "en/notebooks/00_start_here.html"):
            watched.page.goto(f"{where}/{place}")
            assert watched.page.inner_text(".s2s-widget") == "live 3"
            colour = "(all) => getComputedStyle(all[0]).color"
            assert watched.page.locator(".s2s-widget").evaluate_all(colour) == "rgb(1, 2, 3)"
        assert not watched.errors


def test_without_an_address_there_are_no_launch_links(small_site: Path) -> None:
    for path in small_site.rglob("*.html"):
        links = Anchors(path.read_text(encoding="utf-8")).links
        assert not [link for link in links if "colab" in link or "binder" in link or "github.com" in link]


def test_what_sphinx_complains_of_stops_the_build(tmp_path: Path, site: Path) -> None:
    root = small_book(tmp_path / "repository")
    put_notebook(root, "notebooks/02_two.ipynb", cell("# 02 · Two\n\n```{nothing}\n```\n"))
    with pytest.raises(build_book.BookError, match=r"(?s)Sphinx stopped:.*02_two.ipynb.*nothing"):
        build_book.build(root, tmp_path / "out", "", None)
