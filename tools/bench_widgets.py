"""Measure how long a widget takes to draw a move: from the event to the finished layout, and to a frame.

Usage: python tools/bench_widgets.py [--moves N] [--only NAME ...] [--record results/bench-widgets.json]

Each widget is opened on a page without a kernel, in Chromium, and moved N times (at least 60) by one of its
own handles; a move that changes nothing is an error. "move" is what the widget's script needs, layout
included; a reader waits for the next frame as well, which depends on the screen. The table says which
widgets stay under the 20 ms that we promise. EXAMPLES are also what the tests open in JupyterLab.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BOUND = 20.0  # milliseconds
LEAST = 60  # moves
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SETUP = f"""\
from seq2seq_edu import widgets
from seq2seq_edu.training.checkpoints import load_checkpoint
from seq2seq_edu.decoding.translator import Translator

translator = Translator.of(load_checkpoint({str(ROOT / "checkpoints" / "grammar-additive")!r}))
sentence = "they saw three birds in the garden last Sunday"
"""


class Example(NamedTuple):
    """How to make a widget after SETUP; and its moves, there and back: which part, and a key or "click"."""

    make: str
    moves: tuple[tuple[str, str], ...]


def keys(handle: str, *names: str) -> tuple[tuple[str, str], ...]:
    """Return moves of one part by several keys."""
    return tuple((handle, name) for name in names)


EXAMPLES = {  # by the name of the module
    "softmax": Example(
        'widgets.SoftmaxExplorer([2.0, 0.0, 1.0], ["猫", "在", "哪里"])',
        keys("[data-key=score-0]", "ArrowUp", "ArrowDown"),
    ),
    "context": Example("widgets.ContextExplorer()", keys("[data-key=query]", "ArrowUp", "ArrowDown")),
    "axis": Example("widgets.AxisPicker()", (("[data-key=axis-1]", "click"), ("[data-key=axis-2]", "click"))),
    "alignment": Example(
        "widgets.AlignmentExplorer.of(translator.translate([sentence])[0])",
        keys('svg [tabindex="0"]', "ArrowRight", "ArrowLeft"),
    ),
    "stepper": Example(
        "widgets.DecoderStepper.of(translator, sentence)",
        (("[data-key=on]", "click"), ("[data-key=back]", "click")),
    ),
    "attend": Example(
        "widgets.YouAreTheAttention.of(translator, sentence)",
        keys("[data-key=weight-0]", "ArrowUp", "ArrowDown"),
    ),
    "beam": Example(
        "widgets.BeamExplorer.of(translator.model, translator.source_text, translator.target_text, sentence)",
        keys("[data-key=penalty]", "ArrowLeft", "ArrowRight"),
    ),
    "cost": Example(
        f"widgets.CostExplorer({str(ROOT / 'results')!r}, n=12)",
        keys("[data-key=quality]", "ArrowRight", "ArrowLeft"),
    ),
}

MEASURE = """async ([place, moves, count]) => {
  let changes = 0;
  place.model.on("change", () => (changes += 1));
  const frame = () => new Promise((drawn) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = drawn;
    channel.port2.postMessage(0); // after the frame was painted
  }));
  const act = (element, move) => {
    if (move === "click") element.click();
    else if (element.type === "range") {
      element.value = Number(element.value) + (move === "ArrowRight" ? 1 : -1) * Number(element.step);
      element.dispatchEvent(new Event("input", { bubbles: true }));
    } else {
      element.dispatchEvent(new KeyboardEvent("keydown", { key: move, bubbles: true, cancelable: true }));
    }
  };
  const times = [], frames = [];
  for (let k = 0; k < count; k++) {
    await frame();
    const before = changes;
    const [handle, move] = moves[k % moves.length];
    const element = place.querySelector(handle);
    if (!element) throw new Error(`there is no ${handle}`);
    const began = performance.now();
    act(element, move);
    await null; // what waits for the end of the event: several changes are drawn once
    place.getBoundingClientRect();
    times.push(performance.now() - began);
    if (changes === before) throw new Error(`move ${k} (${move} of ${handle}) changed nothing`);
    await frame();
    frames.push(performance.now() - began);
  }
  return [times, frames];
}"""


@cache
def names() -> dict[str, Any]:
    """Return what SETUP defines, as in a notebook."""
    defined: dict[str, Any] = {}
    exec(SETUP, defined)
    return defined


def make(name: str) -> Any:
    """Return the widget of an example."""
    return eval(EXAMPLES[name].make, names())


def page(widget: Any) -> str:
    """Return a page on which one widget is live."""
    from seq2seq_edu import widgets

    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>bench</title>'
        f"<style>{widgets.page_style()}</style><body>{widget.element()}"
        f"<script>{widgets.page_script()}</script></body></html>"
    )


def measure(browser: Any, name: str, moves: int) -> dict[str, Any]:
    """Open one widget, move it, and return the times of a move in milliseconds."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        opened.set_content(page(make(name)))
        place = opened.locator("div.s2s-widget").element_handle()
        times, frames = opened.evaluate(MEASURE, [place, EXAMPLES[name].moves, moves + 10])
    finally:
        opened.close()
    row: dict[str, Any] = {"name": name, "moves": moves}
    for what, values in (("move", times[10:]), ("frame", frames[10:])):  # the first ten warm up
        row[f"{what}_ms"] = round(statistics.median(values), 2)
        row[f"{what}_ms_95"] = round(statistics.quantiles(values, n=20)[-1], 2)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Write the times as text."""
    heads = ("moves", "move, ms", "95 %", "frame, ms", "95 %", f"< {BOUND:g} ms")
    lines = [f"{'widget':<12}" + "".join(f"{head:>11}" for head in heads)]
    for row in rows:
        times = [f"{row[name]:.2f}" for name in ("move_ms", "move_ms_95", "frame_ms", "frame_ms_95")]
        cells = [str(row["moves"]), *times, "yes" if row["move_ms_95"] < BOUND else "NO"]
        lines.append(f"{row['name']:<12}" + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write the record; return the exit status (a slow widget is no failure)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--moves", type=int, default=120, help=f"of each widget, at least {LEAST}")
    parser.add_argument("--only", nargs="*", choices=list(EXAMPLES), default=list(EXAMPLES), metavar="NAME")
    parser.add_argument("--record", type=Path, help="write the table as JSON")
    options = parser.parse_args(arguments)
    if options.moves < LEAST:
        parser.error(f"--moves is {options.moves}, expected at least {LEAST}: fewer say little")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        parser.error("no Chromium is on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        rows = [measure(browser, name, options.moves) for name in options.only]
        version = browser.version
        browser.close()
    print(table(rows))
    if options.record:
        options.record.write_text(json.dumps(record(rows, version), indent=1) + "\n", encoding="utf-8")
    return 0


def record(rows: list[dict[str, Any]], browser: str) -> dict[str, Any]:
    """Put the table together with where it was measured."""
    import anywidget
    import torch

    from seq2seq_edu import __version__
    from seq2seq_edu.experiments.scoring import commit, machine

    versions = {"seq2seq_edu": __version__, "anywidget": anywidget.__version__, "chromium": browser}
    return {
        "task": "bench-widgets",
        "bound_ms": BOUND,
        "rows": rows,
        "device": machine(torch.device("cpu")),
        "versions": versions,
        "commit": commit(),
    }


if __name__ == "__main__":
    sys.exit(main())
