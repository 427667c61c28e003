"""Widgets in the real notebook programs: keys, the kernel behind them, restarts, saved files, dark theme."""

from __future__ import annotations

import ast
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import load_script
from lab_page import NotebookPage, noted, until
from lab_server import TOKEN, Server, jupyter  # noqa: F401  (a fixture)
from widget_page import playing

from seq2seq_edu.widgets import SoftmaxExplorer
from seq2seq_edu.widgets.base import WIDGETS

bench = load_script(Path(__file__).resolve().parents[2] / "tools" / "bench_widgets.py")
VIEW = "application/vnd.jupyter.widget-view+json"
SCORES = "SoftmaxExplorer([2.0, 0.0, 1.0], ['猫', '在', '哪里'])"
PLAY = [
    f"from seq2seq_edu.widgets import CostExplorer, SoftmaxExplorer\nwidget = {SCORES}\nwidget",
    "print([widget.scores, widget.temperature])",
    "widget.scores = [0.0, 3.0, 1.0]",
    "costs = CostExplorer()\ncosts",
    "print([costs.n, costs.view])",
]
ODD = """\
import numpy as np
from IPython.display import display
from seq2seq_edu.widgets import AlignmentExplorer, SoftmaxExplorer
odd = [SoftmaxExplorer([]), SoftmaxExplorer([0.5], ["Hi"]), SoftmaxExplorer(np.linspace(-2, 2, 60)),
       SoftmaxExplorer([1.0, float("nan")]), AlignmentExplorer([[0.5, 0.4]], ["唱歌"], ["she", "sang"])]
for one in odd:
    display(one)"""


@pytest.fixture(scope="module", params=["lab", "notebook"])
def played(request: Any, browser: Any, jupyter: Server) -> Iterator[NotebookPage]:  # noqa: F811
    """Give a notebook that was run in JupyterLab, and then in Notebook 7."""
    jupyter.write(f"play-{request.param}.ipynb", PLAY)
    with noted(browser, jupyter, request.param) as page:
        page.open(f"play-{request.param}.ipynb")
        page.run_all()
        yield page


def value(handle: Any) -> float:
    """Return what a slider says of itself."""
    return float(handle.get_attribute("aria-valuenow"))


def printed(page: NotebookPage, k: int) -> Any:
    """Run a cell and return what it printed, as Python."""
    return ast.literal_eval(page.run_cell(k))


def structure(page: NotebookPage) -> list[str]:
    """Return the types of all cells, and which one is chosen."""
    names = "/jp-(Code|Markdown|Raw)Cell|jp-mod-active/g"
    script = f"(cells) => cells.map((cell) => cell.className.match({names}).join())"
    found: list[str] = page.page.locator(".jp-Notebook .jp-Cell").evaluate_all(script)
    return found


def test_keys_belong_to_the_widget_while_it_has_the_focus(played: NotebookPage) -> None:
    keyboard, widget = played.page.keyboard, played.widget(0)
    score = widget.get_by_role("slider", name="score of 猫")
    score.click()
    before, at = structure(played), value(score)
    for key, by in (("ArrowUp", 0.1), ("ArrowRight", 0.1), ("ArrowDown", -0.1), ("PageDown", -1)):
        keyboard.press(key)
        at += by
        assert value(score) == pytest.approx(at)
    temperature = widget.get_by_label("temperature T")  # a slider of the browser's own
    temperature.focus()
    keyboard.press("Home")
    assert float(temperature.input_value()) == -1.7
    keyboard.press("ArrowRight")
    assert float(temperature.input_value()) == pytest.approx(-1.68)
    for letter in "xddabmryzc00":  # cut, delete, above, below, Markdown, raw, undo, copy, restart
        keyboard.press(letter)
    assert structure(played) == before and played.page.locator(".jp-Dialog").count() == 0
    radio = played.widget(3).get_by_role("radio", name="one decoder step")
    radio.focus()
    keyboard.press("ArrowDown")
    assert played.widget(3).get_by_role("radio", name="a whole translation").is_checked()


def test_the_keys_of_the_program_still_work(played: NotebookPage) -> None:
    score = played.widget(0).get_by_role("slider", name="score of 在")
    score.click()
    number = played.prompt(0)
    played.page.keyboard.press("Shift+Enter")
    until(played.page, lambda: played.prompt(0) not in (number, "[*]:"), "Shift+Enter runs the cell")
    last = played.widget(0).get_by_role("button", name="start again")
    last.focus()
    saved = played.save()
    assert VIEW in saved["cells"][0]["outputs"][0]["data"]
    inside = "(root) => root.contains(document.activeElement)"
    assert played.widget(0).evaluate(inside)
    played.page.keyboard.press("Tab")
    assert not played.widget(0).evaluate(inside), "Tab leaves the widget after its last part"


def test_browser_and_kernel_hold_the_same_state(played: NotebookPage) -> None:
    score = played.widget(0).get_by_role("slider", name="score of 哪里")
    score.focus()
    played.page.keyboard.press("End")
    played.page.keyboard.press("ArrowDown")
    scores, temperature = printed(played, 1)
    assert scores[2] == pytest.approx(value(score)) and temperature > 0
    played.run_cell(2)  # sets the scores from Python
    other = played.widget(0).get_by_role("slider", name="score of 在")
    until(played.page, lambda: value(other) == 3.0, "a change in the kernel moves the picture")
    assert printed(played, 1)[0] == [0.0, 3.0, 1.0]


def test_restarts_and_runs_give_one_live_widget_a_cell(played: NotebookPage) -> None:
    twice = [played.restart_and_run_all, played.run_all] if played.kind == "lab" else []
    for again in [played.restart_and_run_all, *twice]:
        again()
        for k, shown, handle in ((0, 1, "[data-key=score-0]"), (3, 4, "[data-key=work]")):
            widget = played.widget(k)
            assert widget.count() == 1, f"one live widget in the output of cell {k}"
            was = json.dumps(printed(played, shown))
            widget.locator(handle).focus()
            played.page.keyboard.press("ArrowRight")
            assert json.dumps(printed(played, shown)) != was, "it reaches its kernel"
    played.restart()  # and nothing is run
    shows_no_error(played.cell(0))
    played.widget(0).locator("[data-key=score-0]").press("Home")
    assert value(played.widget(0).locator("[data-key=score-0]")) == -5, "it still draws"


def shows_no_error(cell: Any) -> None:
    """Assert that a widget is there, live or as a picture, and none of the words of a failure."""
    cell.locator(".s2s, img[alt]").first.wait_for()
    words = cell.inner_text()
    assert "Error" not in words and "Loading widget" not in words and "not found" not in words


# Saved notebooks


def output(keep_view: bool) -> list[Any]:
    """Return what a cell holds after a run: with the link to a live widget, or as the project commits it."""
    data, metadata = SoftmaxExplorer([2.0, 0.0, 1.0], ["猫", "在", "哪里"])._repr_mimebundle_()
    kept = {kind: value for kind, value in data.items() if keep_view or kind != VIEW}
    return [nbformat.v4.new_output("execute_result", data=kept, metadata=metadata, execution_count=1)]


def test_a_notebook_that_was_not_run_here_shows_the_picture(played: NotebookPage) -> None:
    alt = SoftmaxExplorer([2.0, 0.0, 1.0], ["猫", "在", "哪里"]).describe()
    name = f"away-{played.kind}.ipynb"
    played.server.write(name, [PLAY[0], PLAY[0]], {0: output(keep_view=True), 1: output(keep_view=False)})
    played.open(name)
    for k in (0, 1):
        picture = played.cell(k).get_by_role("img", name=alt)
        picture.wait_for()
        assert picture.evaluate("(img) => img.naturalWidth") > 300
        assert played.cell(k).get_by_text("Run this cell to play with it.").is_visible()
        assert played.cell(k).locator(".s2s").count() == 0
    played.run_all()
    for k in (0, 1):
        assert played.widget(k).count() == 1
        assert played.cell(k).get_by_role("img", name=alt).count() == 0


def stop_kernels(server: Server) -> None:
    """End all kernels, as a closed laptop does."""
    for kernel in server.kernels():
        address = f"{server.address}/api/kernels/{kernel['id']}?token={TOKEN}"
        with urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=30):
            pass


def test_a_saved_notebook_is_opened_again(played: NotebookPage) -> None:
    name = f"saved-{played.kind}.ipynb"
    played.server.write(name, PLAY[:2])
    played.open(name)
    played.run_all()
    played.widget(0).get_by_role("slider", name="score of 猫").focus()
    played.page.keyboard.press("End")
    played.save()
    played.open(name)  # its kernel still runs
    assert value(played.widget(0).get_by_role("slider", name="score of 猫")) == 5.0
    assert printed(played, 1)[0] == [5.0, 0.0, 1.0]
    stop_kernels(played.server)
    played.open(name)  # with a new kernel that knows nothing
    shows_no_error(played.cell(0))
    played.run_all()
    assert played.widget(0).count() == 1


# All widgets, odd input, dark theme


CONTRAST = """(root) => {
  const channels = (colour) => (colour.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, part, k) =>
    sum + part * (c[k] / 255 <= 0.04045 ? c[k] / 255 / 12.92 : ((c[k] / 255 + 0.055) / 1.055) ** 2.4), 0);
  const painted = (colour) => (([r, g, b, a = 1]) => (a > 0.5 ? [r, g, b] : null))(channels(colour));
  const behind = (element) => {
    const box = element.getBoundingClientRect();
    const under = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    for (const at of under.slice(Math.max(under.indexOf(element), 0))) {
      const style = getComputedStyle(at);
      const shape = ["rect", "circle", "polygon"].includes(at.tagName);
      const found = painted(shape ? style.fill : style.backgroundColor);
      if (found && style.opacity > 0.5 && style.fillOpacity > 0.5) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of root.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const style = getComputedStyle(element);
    const unseen = !element.checkVisibility({ visibilityProperty: true });
    if (!own || unseen || element.closest(".s2s-live, :has(> :disabled), :disabled")) continue;
    element.scrollIntoView({ block: "center", inline: "center" }); // nothing lies behind what is out of sight
    const ink = channels(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) faint.push(`${element.textContent}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""


def test_all_widgets_live_in_one_notebook(browser: Any, jupyter: Server) -> None:  # noqa: F811
    assert set(bench.EXAMPLES) == set(WIDGETS), "every widget has an example in tools/bench_widgets.py"
    names = list(bench.EXAMPLES)
    cells = [f"{bench.SETUP}made = []"]
    cells += [f"made.append({bench.EXAMPLES[name].make})\nmade[-1]" for name in names]
    cells += ["print([one.language for one in made])", ODD]
    jupyter.write("all.ipynb", cells)
    with noted(browser, jupyter, "lab") as page:
        page.open("all.ipynb")
        page.run_all()
        for k, name in enumerate(names):
            widget = page.widget(k + 1)
            assert widget.count() == 1 and widget.locator("[role=alert]").count() == 0, f"{name} is drawn"
            handle = widget.locator(bench.EXAMPLES[name].moves[0][0]).first
            handle.scroll_into_view_if_needed()
            handle.focus()
            assert handle.evaluate("(one) => one === document.activeElement"), f"{name} can have the focus"
            widget.get_by_role("button", name="中文").click()
        assert printed(page, len(names) + 1) == ["zh"] * len(names)
        look_at_odd_input(page, len(names) + 2)
        look_at_the_dark_theme(page, names)


def look_at_odd_input(page: NotebookPage, k: int) -> None:
    """Assert that odd input says in its place what is wrong."""
    odd = page.cell(k).locator(".s2s")
    until(page.page, lambda: odd.count() == 5, "five widgets in one output")
    empty, one, sixty, nan, unlike = odd.all()
    assert "there are no scores" in empty.get_by_role("alert").text_content()
    assert one.get_by_role("slider", name="score of Hi").count() == 1
    assert sixty.locator("[data-key^=score-]").count() == 60
    assert "scores holds nan at 1" in nan.get_by_role("alert").text_content()
    assert "add up to 0.900, not to 1" in unlike.text_content()


def look_at_the_dark_theme(page: NotebookPage, names: list[str]) -> None:
    """Assert that every widget turns dark with JupyterLab, and can be read."""
    page.command("apputils:change-theme", theme="JupyterLab Dark")
    dark = "[...document.querySelectorAll('.s2s')].every((one) => one.dataset.dark === '')"
    try:
        page.page.wait_for_function(f"document.querySelector('.s2s') && {dark}")
        for k, name in enumerate(names):
            assert page.widget(k + 1).evaluate(CONTRAST) == [], f"too little contrast in {name}"
    finally:
        page.command("apputils:change-theme", theme="JupyterLab Light")


def test_drawn_first_and_put_on_a_dark_page_later(browser: Any) -> None:
    with playing(browser, SoftmaxExplorer([2.0, 0.0, 1.0])) as play:
        script = """async (module) => {
          const el = document.createElement("div");
          const file = new Blob([module], { type: "text/javascript" });
          const { default: widget } = await import(URL.createObjectURL(file));
          widget.render({ el, model: document.querySelector("div.s2s-widget").model });
          const page = document.createElement("section");
          page.style = "width: 640px; background: #111111"; // as wide as it was drawn
          page.append(el);
          document.body.append(page);
        }"""
        play.page.evaluate(script, SoftmaxExplorer._esm)
        play.page.wait_for_function("document.querySelector('section .s2s').dataset.dark === ''")


def test_the_measure_of_contrast_finds_what_is_faint(browser: Any) -> None:
    page = browser.new_page()
    page.set_content(
        "<body style='background:#fff'><div><p style='color:#767676'>good</p><p style='color:#888'>faint</p>"
        "<b style='background:#000;color:#fff'>good</b>"
        "<svg width=90 height=30><rect width=90 height=30 fill='#111'></rect><text y=20>black</text></svg>"
    )
    assert page.locator("div").evaluate(CONTRAST) == ["faint: 3.54", "black: 1.11"]
    page.close()
