"""The book site, built once and looked at in Chromium: each page on a laptop and a phone, light and dark."""

from __future__ import annotations

import html.parser
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from browser import missing, opened, served
from conftest import load_script
from small_book import cell, put_notebook, small_book

ROOT = Path(__file__).resolve().parents[2]
LOOK = (Path(__file__).parent / "site_look.js").read_text(encoding="utf-8")
build_book = [load_script(ROOT / "tools" / f"{name}.py") for name in ("book_pages", "build_book")][-1]
REPOSITORY = "ada/book"
LAPTOP, PHONE = {"width": 1366, "height": 800}, {"width": 390, "height": 844}
CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
EXERCISES = sorted(path.stem for path in (ROOT / "exercises").glob("*.ipynb"))
READY = "html[data-ready]"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RULED = ("index", "search", "notation", "notebooks/03_attention_weights", "exercises/03_attention_weights")
PAGE_QUESTIONS = ("formulas", "pictures", "headings", "contrast", "overflow", "widgets")
PHONE_QUESTIONS = ("overflow", "pictures", "scrolling")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as it stands; give its folder."""
    for module in ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx-mathjax-offline"):
        if importlib.util.find_spec(module) is None:
            missing(f"{module} is not installed")
    out = tmp_path_factory.mktemp("book")
    build_book.build(ROOT, out, REPOSITORY)
    return out / "html"


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with served(site) as where:
        yield f"{where}/en"


@pytest.fixture(scope="session")
def pages(site: Path) -> list[str]:
    return listed(site / "en")


def listed(folder: Path) -> list[str]:
    """Return the pages of an edition; the theme keeps pieces of pages among its files."""
    names = [path.relative_to(folder).as_posix()[:-5] for path in folder.rglob("*.html")]
    return sorted(name for name in names if not name.startswith("_static"))


@pytest.fixture(scope="session")
def seen(browser: Any, address: str, pages: list[str]) -> dict[str, dict[str, list[str]]]:
    """Open each page once; give, for each question asked of it, the faults by page."""
    found: dict[str, dict[str, list[str]]] = {}
    with opened(browser, viewport=LAPTOP, color_scheme="light") as watched:
        for name in pages:
            watched.errors.clear()
            watched.left.clear()
            go(watched.page, f"{address}/{name}.html")
            faults = look(watched.page, name in RULED)
            for question, answers in (
                faults | {"left": [*watched.left], "errors": [*watched.errors]}
            ).items():
                if answers:
                    found.setdefault(question, {})[name] = answers
    return found


def go(page: Any, address: str) -> None:
    """Open a page, wait until it is drawn, and bring the questions."""
    page.goto(address)
    page.wait_for_selector(READY, state="attached")
    page.evaluate(LOOK)


def look(page: Any, ruled: bool) -> dict[str, list[str]]:
    """Ask an open page everything, on a laptop first and then on a phone."""
    page.locator("article details").evaluate_all("(folds) => folds.forEach((fold) => { fold.open = true; })")
    faults = {question: page.evaluate(f"look.{question}()") for question in PAGE_QUESTIONS}
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    faults["contrast in the dark"] = page.evaluate("look.contrast()")
    page.set_viewport_size(PHONE)
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    for question in PHONE_QUESTIONS:
        faults[f"{question} on a phone"] = page.evaluate(f"look.{question}()")
    if ruled:
        page.evaluate("look.plain()")
        faults["rules"] = broken_rules(page)
    page.set_viewport_size(LAPTOP)
    return faults


def broken_rules(page: Any) -> list[str]:
    """Return what axe-core objects to: WCAG A and AA, good practice; not contrast, which `look` judges."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"], "preload": False,
               "rules": {"color-contrast": {"enabled": False}}}  # fmt: skip
    faults = []
    for violation in Axe().run(page, options=options).response["violations"]:
        for node in violation["nodes"][:2]:
            faults.append(f"{violation['id']}: {node['html'][:160]} ({violation['help']})")
    return faults


QUESTIONS = [*PAGE_QUESTIONS, "contrast in the dark", *(f"{q} on a phone" for q in PHONE_QUESTIONS)]


@pytest.mark.parametrize("question", [*QUESTIONS, "errors", "left", "rules"])
def test_no_page_has_a_fault(seen: dict[str, dict[str, list[str]]], question: str) -> None:
    faults = seen.get(question, {})
    told = [f"{name}: {fault}" for name, answers in faults.items() for fault in answers[:4]]
    assert not told, f"{question}: {len(faults)} pages\n" + "\n".join(told)


def test_every_page_was_looked_at(pages: list[str]) -> None:
    wanted = [f"notebooks/{name}" for name in CHAPTERS] + [f"exercises/{name}" for name in EXERCISES]
    wanted += [f"docs/teaching/{path.stem}" for path in (ROOT / "docs" / "teaching").glob("*.md")]
    wanted += ["index", "search", "notation", "references", "exercises/index", "INSTRUCTORS"]
    assert pages == sorted(wanted)


PLANTED = {
    "formulas": ["<span class='math'>\\(x\\)</span>", "<p>\\(x\\)</p>", "<p>$x$</p>", "<p>an \\alpha</p>"],
    "pictures": [
        "<img src='_static/icon.svg'>",
        "<img alt='plot.png' src='_static/icon.svg'>",
        "<img alt='a' src='data:,'>",
        "<img alt='a' src='_static/icon.svg' style='width:50px;height:90px'>",
    ],
    "headings": ["<h1>Two</h1>", "<h4>Jump</h4>"],
    "contrast": ["<p style='color:#999'>pale</p>", "<p style='opacity:.5'>pale</p>"],
    "overflow": ["<div style='width:1500px'>wide</div>"],
    "scrolling": ["<div style='overflow:auto;width:50px'><p style='width:90px'>far</p></div>"],
    "widgets": ["<div class='s2s-widget' data-widget='x' data-state='{}'></div>"],
    "rules": ["<button></button>", "<table><tr><th></th></tr></table>", "<p lang='xx-nothing'>a</p>"],
}
PLANT = """(fault) => {
  document.querySelector('#planted')?.remove();
  document.querySelector('main').insertAdjacentHTML('beforeend', `<div id="planted">${fault}</div>`);
}"""


def test_planted_faults_are_seen(browser: Any, address: str) -> None:
    with opened(browser, viewport=LAPTOP) as watched:
        page = watched.page
        go(page, f"{address}/search.html")
        for question, faults in PLANTED.items():
            page.set_viewport_size(PHONE if question == "rules" else LAPTOP)
            for fault in ["", *faults]:
                page.evaluate(PLANT, fault)
                page.wait_for_function("[...document.images].every((image) => image.complete)")
                answers = broken_rules(page) if question == "rules" else page.evaluate(f"look.{question}()")
                assert bool(answers) == bool(fault), (question, fault, answers)


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
    return {f"{name}.html": Anchors((site / "en" / f"{name}.html").read_text("utf-8")) for name in pages}


def dead(site: Path, anchors: dict[str, Anchors], place: str, link: str) -> bool:
    """Return whether an address within the site leads nowhere."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "data", "mailto"):
        return False
    root = (site / "en").resolve()
    target = ((root / place).parent / unquote(parts.path) if parts.path else root / place).resolve()
    if not target.is_file() or not target.is_relative_to(root):
        return True
    there = target.relative_to(root).as_posix()
    return bool(parts.fragment and there in anchors and unquote(parts.fragment) not in anchors[there].ids)


def test_no_link_is_dead(site: Path, anchors: dict[str, Anchors]) -> None:
    gone = [
        f"{place}: {link}"
        for place, found in anchors.items()
        for link in sorted({*found.links, *found.loads} - {"#"})
        if dead(site, anchors, place, link)
    ]
    assert not gone, "\n".join(gone)
    for link in ("gone.html", "#gone", "../../outside.html"):
        assert dead(site, anchors, "index.html", link)
    outside = {
        link for found in anchors.values() for link in found.links if f"github.com/{REPOSITORY}/" in link
    }
    for link in outside - {link for link in outside if link.startswith("https://colab")}:
        place = re.sub(r"^.*/(?:tree|blob)/main/", "", link).partition("#")[0]
        assert (ROOT / place).exists(), link


def test_nothing_is_loaded_from_elsewhere(site: Path, anchors: dict[str, Anchors]) -> None:
    loads = {(place, link) for place, found in anchors.items() for link in found.loads}
    away = [f"{place}: {link}" for place, link in loads if urlsplit(link).scheme not in ("", "data")]
    assert not away, "\n".join(away)
    for path in site.rglob("*.css"):
        assert not re.findall(r"url\(\s*['\"]?(?:https?:)?//", path.read_text("utf-8")), path.name


def test_every_notebook_can_be_launched_and_downloaded(site: Path, anchors: dict[str, Anchors]) -> None:
    for place in [f"notebooks/{name}" for name in CHAPTERS] + [f"exercises/{name}" for name in EXERCISES]:
        links = anchors[f"{place}.html"].links
        assert f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/{place}.ipynb" in links
        assert f"https://mybinder.org/v2/gh/{REPOSITORY}/main?urlpath=lab/tree/{place}.ipynb" in links
        assert f"../_sources/{place}.ipynb" in links
        assert (site / f"en/_sources/{place}.ipynb").read_bytes() == (ROOT / f"{place}.ipynb").read_bytes()


def test_every_page_says_what_it_is_about(site: Path, pages: list[str]) -> None:
    said = {}
    for name in set(pages) - {"search"}:
        text = (site / "en" / f"{name}.html").read_text(encoding="utf-8")
        found = re.findall(r'<meta name="description" content="([^"]{20,240})">', text)
        assert len(found) == 1, name
        said[name] = found[0]
    assert "question" in said["notebooks/03_attention_weights"] and len({*said.values()}) > 20


def test_answers_are_nowhere(site: Path) -> None:
    assert not list(site.rglob("*solution*"))
    for path in [*site.rglob("*.html"), *site.rglob("*.ipynb"), *site.rglob("*.js")]:
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8"), path.name


def test_next_leads_through_the_whole_book_with_exercises_after_their_chapter(
    site: Path, anchors: dict[str, Anchors]
) -> None:
    place, walked = "index.html", []
    while place:
        walked.append(place)
        text = (site / "en" / place).read_text(encoding="utf-8")
        match = re.search(r'<a class="right-next"\s+href="([^"]+)"', text)
        there = ((site / "en" / place).parent / match[1]).resolve() if match else None
        place = there.relative_to((site / "en").resolve()).as_posix() if there else ""
        assert place not in walked
    assert {*walked} == {*anchors} - {"search.html"}
    for name in EXERCISES:
        chapter = walked.index(f"notebooks/{name}.html")
        assert walked[chapter + 1] == f"exercises/{name}.html"


# Search


def search(page: Any, where: str, words: str) -> list[str]:
    """Type words into the search of a page, and return the pages found."""
    page.goto(where)
    page.wait_for_selector(READY, state="attached")
    page.locator(".search-button-field, .search-button").locator("visible=true").first.click()
    page.fill("dialog input[type=search]", words)
    page.press("dialog input[type=search]", "Enter")
    return results(page)


def results(page: Any) -> list[str]:
    """Return the pages that an open search found."""
    page.wait_for_function(
        "() => /found|match|找到|结果/.test(document.querySelector('.search-summary')?.textContent)"
    )
    links = page.query_selector_all("ul.search > li > a")
    return [str(link.get_attribute("href")).partition("#")[0].partition("?")[0] for link in links]


FOUND = {
    "注意力": "notebooks/03_attention_weights.html",
    "权重": "notebooks/03_attention_weights.html",
    "加性注意力": "docs/teaching/rubric.html",
    "softmax": "notebooks/03_attention_weights.html",
    "Jacobians": "notebooks/03_attention_weights.html",
    "束搜索 beam": "notebooks/09_decoding.html",
}


def test_search_finds_english_and_chinese(browser: Any, address: str) -> None:
    with opened(browser, viewport=LAPTOP) as watched:
        assert FOUND["softmax"] in search(watched.page, f"{address}/references.html", "softmax")
        watched.page.wait_for_selector("ul.search .highlighted")
        for words, place in FOUND.items():
            watched.page.goto(f"{address}/search.html?q={words}")
            assert place in results(watched.page), words
        for words in ("xyzzyq", "力注意"):
            watched.page.goto(f"{address}/search.html?q={words}")
            assert results(watched.page) == []
        watched.page.wait_for_load_state("networkidle")
        assert not watched.errors and not watched.left


# Ways of reading


def test_it_works_from_a_disk(browser: Any, site: Path) -> None:
    with opened(browser, viewport=PHONE) as watched:
        where = (site / "en").as_uri()
        for place in ("index.html", "notebooks/04_context_vector.html"):
            go(watched.page, f"{where}/{place}")
            assert watched.page.evaluate("look.formulas()") == [] == watched.page.evaluate("look.widgets()")
        assert watched.page.evaluate("document.fonts.check('16px \"Book Sans\"')")
        assert "notebooks/03_attention_weights.html" in search(watched.page, f"{where}/index.html", "注意力")
        assert not watched.errors and not watched.left


def test_it_can_be_read_without_scripts(browser: Any, address: str) -> None:
    with opened(browser, viewport=PHONE, java_script_enabled=False) as watched:
        watched.page.goto(f"{address}/notebooks/00_start_here.html")
        assert watched.page.is_visible("article img >> nth=0") and watched.page.is_visible(".right-next")
        assert watched.page.is_visible("nav.bd-links a:has-text('09 · Decoding')"), "contents, below the page"
        box = watched.page.locator("html").bounding_box()
        assert box is not None and box["width"] <= PHONE["width"]


def test_colours_follow_the_system_until_they_are_chosen(browser: Any, address: str) -> None:
    with opened(browser, viewport=LAPTOP, color_scheme="light") as watched:
        page = watched.page
        ground = "() => getComputedStyle(document.body).backgroundColor"
        page.goto(f"{address}/notation.html")
        light = page.evaluate(ground)
        page.emulate_media(color_scheme="dark")
        page.wait_for_selector("html[data-theme=dark]", state="attached")
        dark = page.evaluate(ground)
        assert light == "rgb(255, 255, 255)" != dark
        page.locator(".theme-switch-button:visible").click()
        page.locator(".theme-change-button[data-mode=light]").click()
        assert page.get_attribute("html", "data-theme") == "light"
        page.goto(f"{address}/references.html")
        assert page.evaluate(ground) == light, "the choice is kept"


FOCUSED = """() => {
  const at = document.activeElement, box = at.getBoundingClientRect();
  return [at.textContent.trim() || at.getAttribute("aria-label") || "", box.width > 0 && box.top > -60];
}"""


def test_the_keyboard_reaches_everything(browser: Any, address: str) -> None:
    with opened(browser, viewport=LAPTOP) as watched:
        page = watched.page
        go(page, f"{address}/notebooks/04_context_vector.html")
        stops = []
        for _ in range(60):
            page.keyboard.press("Tab")
            name, visible = page.evaluate(FOCUSED)
            assert visible, f"the focus is not seen on {name}"
            stops.append(name)
        text = "\n".join(stops)
        for wanted in ("Skip to main content", "Search", "00 · Start here", "Notation", "Teaching with"):
            assert wanted in text, stops
        page.focus("article summary >> nth=0")
        page.keyboard.press("Enter")
        assert page.is_visible("article details[open] p >> nth=0")


def test_sections_are_a_click_away_on_a_laptop_and_a_phone(browser: Any, address: str) -> None:
    for viewport in (LAPTOP, PHONE):
        with opened(browser, viewport=viewport) as watched:
            go(watched.page, f"{address}/notebooks/04_context_vector.html")
            if viewport is PHONE:
                watched.page.locator(".secondary-toggle:visible").click()
            watched.page.get_by_role("link", name="Summary", exact=True).first.click()
            watched.page.wait_for_url("**#summary")


def test_on_a_phone_the_contents_open_and_lead_on(browser: Any, address: str) -> None:
    with opened(browser, viewport=PHONE) as watched:
        page = watched.page
        go(page, f"{address}/notebooks/04_context_vector.html")
        link = page.locator("nav.bd-links a", has_text="09 · Decoding")
        assert not link.first.is_visible()
        page.locator(".primary-toggle:visible").click()
        page.get_by_role("link", name="09 · Decoding").first.click()
        page.wait_for_url("**/09_decoding.html")


# Another language, on a small book


@pytest.fixture(scope="module")
def small_site(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Path:
    """Build a small book with a Chinese chapter, where the site could be built."""
    folder = tmp_path_factory.mktemp("small")
    root = small_book(folder / "repository")
    title = cell("# 00 · 从这里开始\n\n**一个问题：** 什么是注意力？")
    links = cell("见 [02](../02_two.ipynb)、[符号](../../notation.md)。")
    put_notebook(root, "notebooks/zh_CN/00_start_here.ipynb", title, links)
    build_book.build(root, folder / "out", "")
    return folder / "out" / "html"


def test_both_editions_link_to_each_other_on_every_page(small_site: Path) -> None:
    names = [listed(small_site / code) for code in ("en", "zh_CN")]
    assert names[0] == names[1]
    for code, other in (("en", "zh_CN"), ("zh_CN", "en")):
        for name in names[0]:
            place = f"{name}.html"
            links = Anchors((small_site / code / place).read_text(encoding="utf-8")).links
            up = "../" * (place.count("/") + 1)
            assert any(link.endswith(f"{up}{other}/{place}") for link in links), f"{code}/{place}"
            for link in links:
                if not urlsplit(link).scheme and link.partition("#")[0]:
                    assert ((small_site / code / place).parent / link.partition("#")[0]).is_file(), link
                assert "colab" not in link and "binder" not in link and "github.com" not in link


def test_the_chinese_edition_is_chinese(browser: Any, small_site: Path) -> None:
    with served(small_site) as where, opened(browser, viewport=LAPTOP) as watched:
        page = watched.page
        page.goto(f"{where}/zh_CN/notebooks/00_start_here.html")
        assert page.get_attribute("html", "lang") == "zh-CN" and page.inner_text("a.language") == "English"
        assert page.locator("article .note").count() == 0
        page.click("a.language")
        page.wait_for_url("**/en/notebooks/00_start_here.html")
        assert page.inner_text("a.language") == "中文"
        page.goto(f"{where}/zh_CN/notebooks/02_two.html")  # not translated
        assert "还没有中文版" in page.inner_text("article .note[lang=zh-CN]")
        assert page.locator("article div[lang=en] h1").count() == 1
        go(page, f"{where}/zh_CN/index.html")
        for question in ("headings", "contrast", "overflow", "formulas"):
            assert page.evaluate(f"look.{question}()") == []
        assert "notebooks/00_start_here.html" in search(page, f"{where}/zh_CN/index.html", "注意力")
        assert not watched.errors and not watched.left


@pytest.mark.parametrize(("fault", "said"), [("```{nothing}\n```", "nothing"), ("[x](gone.md)", "gone.md")])
def test_what_is_wrong_with_a_page_stops_the_build(
    small_site: Path, tmp_path: Path, fault: str, said: str
) -> None:
    root = small_book(tmp_path / "repository")
    put_notebook(root, "notebooks/02_two.ipynb", cell(f"# 02 · Two\n\n{fault}\n"))
    with pytest.raises(build_book.BookError, match=rf"(?s)Sphinx stopped:.*02_two.ipynb.*{said}"):
        build_book.build(root, tmp_path / "out", "")
