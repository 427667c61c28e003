"""Cost explorer: counts equal those of the package and of PyTorch, curves those of the records."""

import itertools
import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from widget_page import Play, playing

from seq2seq_edu.bench import decoder_step_cost
from seq2seq_edu.bench.machine import training_flops
from seq2seq_edu.models import ATTENTIONS, ModelConfig
from seq2seq_edu.widgets import CostExplorer
from seq2seq_edu.widgets.cost import big, entered, products, read_lengths

RESULTS = Path(__file__).resolve().parents[2] / "results"
BINS = [
    {"low": 0, "high": 5, "count": 7, "length": 4.0},
    {"low": 6, "high": 10, "count": 9, "length": 8.5},
    {"low": 11, "high": None, "count": 3, "length": 12.5},
]
CURVES = {"none": [[60, 40, 10], [50, 44, 16]], "additive": [[61.5, 60, 55], [60, 58, 54], [63, 66, 50]]}
MADE = {"task": "tested", "measure": "bleu", "real": True, "bins": BINS, "curves": CURVES}
SIZES = [(1, 1, 8), (7, 3, 12), (64, 16, 256), (300, 41, 64), (16384, 4096, 4096)]


@pytest.mark.parametrize(("n", "m", "d"), SIZES)
@pytest.mark.parametrize("attention", list(ATTENTIONS))
def test_decoding_is_counted_as_in_the_package(attention: str, n: int, m: int, d: int) -> None:
    widths = {"d_e": d, "d_h": d, "d_s": d, "d_a": d, "readout": "wide", "bidirectional": False}
    config = ModelConfig(5, 5, attention, **widths)
    output = 5 * 3 * d  # to five words from [state; context; embedding]
    counts = products(n, m, d, entered(ATTENTIONS))
    assert counts["step"][attention] == decoder_step_cost(config, 1, n)[0] // 2 - output
    assert counts["sentence"][attention] == training_flops(config, [(n, m)]) // 6 - m * output


@pytest.mark.parametrize(("n", "d"), [(2, 4), (5, 8), (33, 16)])
def test_layers_are_counted_as_pytorch_counts_them(n: int, d: int) -> None:
    x, layer = torch.randn(1, n, d), torch.nn.TransformerEncoderLayer(d, 1, 4 * d, batch_first=True)
    weight = layer.self_attn.in_proj_weight.detach()
    with FlopCounterMode(display=False) as attention:
        q, k, v = (x @ weight.T).chunk(3, dim=-1)
        (torch.softmax(q @ k.transpose(1, 2), -1) @ v) @ layer.self_attn.out_proj.weight
    with FlopCounterMode(display=False) as feed_forward:
        layer.linear2(layer.linear1(x))
    cell = torch.nn.GRUCell(d, d)
    with FlopCounterMode(display=False) as gru:
        torch.nn.functional.linear(x, cell.weight_ih)
        torch.nn.functional.linear(x, cell.weight_hh)
    counted = products(n, 1, d, {})["layer"]
    assert 2 * counted["self_attention"] == attention.get_total_flops()
    assert 2 * (counted["transformer"] - counted["self_attention"]) == feed_forward.get_total_flops()
    assert 2 * counted["recurrent"] == gru.get_total_flops()


def test_the_claims_of_table_1() -> None:
    explorer = CostExplorer(n=256, d=256)
    assert explorer.crossing == 256
    assert explorer.costs["layer"]["self_attention"] == explorer.costs["layer"]["recurrent"]
    assert explorer.chain["layer"] == {"recurrent": 256, "self_attention": 1, "transformer": 1}
    assert explorer.growth["step"]["none"] == 1 and explorer.growth["layer"]["recurrent"] == 2
    explorer.n = 255
    assert explorer.costs["layer"]["self_attention"] < explorer.costs["layer"]["recurrent"]
    explorer.n = 500_000
    assert explorer.growth["layer"]["self_attention"] == pytest.approx(4, abs=0.01)
    assert explorer.growth["step"]["additive"] == pytest.approx(2, abs=0.01)


def number(text: str) -> float:
    """Read what `big` wrote."""
    digits, unit = re.fullmatch(r"([\d.,]+)( \w+)?", text.strip()).groups()
    factors = {None: 1, " million": 1e6, " billion": 1e9, " trillion": 1e12}
    factors |= {" 万": 1e4, " 亿": 1e8, " 万亿": 1e12}
    return float(digits.replace(",", "")) * factors[unit]


def rows(play: Play, table: int) -> list[list[str]]:
    """Return the cells of a table of the widget, without the head."""
    script = "(table) => [...table.tBodies[0].rows].map((row) => [...row.cells].map((c) => c.textContent))"
    cells: list[list[str]] = play.place().locator("table").nth(table).evaluate(script)
    return cells


def agrees(play: Play) -> CostExplorer:
    """Assert that tables and lines show what the Python widget says in the same state; return it."""
    twin: CostExplorer = play.twin()
    view, curves = twin.view, bool(twin.results)
    work = rows(play, 1 if curves else 0)
    assert [number(row[1]) for row in work] == pytest.approx(list(twin.costs[view].values()), rel=0.0051)
    assert [float(row[2][1:]) for row in work] == pytest.approx(list(twin.growth[view].values()), abs=0.0051)
    if view != "step":
        assert [number(row[3]) for row in work] == list(twin.chain[view].values())
    if curves:
        shown, quality = rows(play, 0), twin.quality
        digits = 1 if twin.shown["measure"] == "bleu" else 2
        values = [f"{value:.{digits}f}" for value, _, _ in quality.values()]
        assert [row[1] for row in shown] == (values or ["–"] * len(shown))
        for row, (_, low, high) in zip(shown, quality.values(), strict=False):
            assert row[2].endswith(f": {low:.{digits}f}–{high:.{digits}f}" if low < high else row[2])
    return twin


def test_the_browser_counts_as_python_does(browser: Any) -> None:
    with playing(browser, CostExplorer([MADE], scores=["none", "scaled", "general", "additive"])) as play:
        for view, (n, m, d) in itertools.product(
            ("step", "sentence", "layer"), [*SIZES, (9, 20, 300), (714_285, 1, 65_536)]
        ):
            play.put(view=view, n=n, m=m, d=d)
            agrees(play)


def test_points_lie_on_their_lines(browser: Any) -> None:
    with playing(browser, CostExplorer(n=128, d=64, view="layer")) as play:
        script = """(place) => {
          const [points] = [...place.querySelectorAll(".s2s > svg > g")].slice(-1);
          const lines = [...place.querySelectorAll(".s2s > svg > g > path")];
          const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
          return [...points.children].map((point, k) => {
            const [x, y] = middle(point.getBBox());
            const long = lines[k].getTotalLength();
            const at = (_, i) => lines[k].getPointAtLength((i / 2000) * long);
            const along = Array.from({ length: 2001 }, at);
            return Math.min(...along.map((p) => Math.hypot(p.x - x, p.y - y)));
          });
        }"""
        assert max(play.place().evaluate(script)) < 1


def test_keys_move_n_on_both_pictures_and_a_reader_hears_it(browser: Any) -> None:
    with playing(browser, CostExplorer([MADE], n=9)) as play:
        quality, work = play.place().locator("[data-key=quality]"), play.place().locator("[data-key=work]")
        quality.focus()
        moves = {"ArrowRight": 10, "ArrowUp": 11, "ArrowLeft": 10, "PageDown": 1, "End": 14, "Home": 1}
        for key, n in moves.items():
            play.page.keyboard.press(key)
            assert play.state()["n"] == n and quality.get_attribute("aria-valuetext") == str(n)
            agrees(play)
        work.focus()
        moves = {"ArrowRight": 2, "End": 16384, "ArrowDown": 15024, "PageDown": 7512, "Home": 1}
        for key, n in moves.items():
            play.page.keyboard.press(key)
            assert play.state()["n"] == n and work.get_attribute("aria-valuenow") == str(n)
            agrees(play)
        said = "no attention 55.0; additive attention 61.5"
        play.page.wait_for_function(f"document.querySelector('.s2s-live').textContent.includes('{said}')")


def test_lines_are_dragged(browser: Any) -> None:
    with playing(browser, CostExplorer([MADE], n=4)) as play:
        for name, at_least in (("quality", 6), ("work", 30)):
            box = play.place().locator(f"[data-key={name}]").bounding_box()
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            play.page.mouse.move(x, y)
            play.page.mouse.down()
            play.page.mouse.move(x + 150, y, steps=4)
            play.page.mouse.up()
            there = agrees(play).n
            assert there > at_least
            play.put(n=4)
            play.page.mouse.click(x + 150, y)  # beside the line
            assert play.state()["n"] == there


def test_sliders_move_all_three_sizes(browser: Any) -> None:
    with playing(browser, CostExplorer(view="sentence")) as play:
        for name, key, value in (("n", "ArrowRight", 17), ("m", "ArrowLeft", 15), ("d", "ArrowRight", 384)):
            play.place().locator(f"input[data-key={name}]").press(key)
            assert play.state()[name] == value
            agrees(play)
        play.place().get_by_role("radio", name="one layer").check()
        assert play.place().locator("input[data-key=m]").is_disabled(), "m plays no part in a layer"
        agrees(play)


def test_a_length_beyond_the_axes_is_said(browser: Any) -> None:
    with playing(browser, CostExplorer([MADE], n=15)) as play:
        assert "no test sentence is this long" in play.text() and agrees(play).quality == {}
        play.put(n=900_000)
        assert play.place().locator("[data-key=work]").get_attribute("aria-valuemax") == "900000"
        agrees(play)


def test_what_is_said_follows_the_numbers(browser: Any) -> None:
    with playing(browser, CostExplorer(n=100, m=10, d=128)) as play:
        twin = agrees(play)
        ratio = twin.costs["step"]["additive"] / twin.costs["step"]["none"]
        assert f"all 100 states: {ratio:.2f} times" in play.text()
        play.put(view="layer")
        twin = agrees(play)
        ratio = twin.costs["layer"]["self_attention"] / twin.costs["layer"]["recurrent"]
        assert f"n < d: self-attention multiplies {ratio:.2f} times" in play.text()
        assert "n = d = 128" in play.text() and "n² = 10,000 scores take 40 KB" in play.text()
        assert "Work is counted, not time" in play.text()
        play.put(n=1000)
        assert "n > d" in play.text()


def test_real_records_are_read_as_they_are(browser: Any) -> None:
    results = read_lengths(RESULTS)
    assert [(entry["task"], entry["real"]) for entry in results] == [
        ("multi30k", True),
        ("grammar-long", False),
        ("reversal", False),
    ]
    runs = [json.loads((RESULTS / f"multi30k-additive-{seed}.json").read_text("utf-8")) for seed in range(3)]
    explorer = CostExplorer(RESULTS, n=9)
    scores = [run["by_length"][1]["bleu"][0] for run in runs]
    assert explorer.quality["additive"] == pytest.approx(
        (statistics.median(scores), min(scores), max(scores)), abs=0.006
    )
    with playing(browser, explorer) as play:
        assert "real sentences" in play.text() and len(rows(play, 0)) == 3
        play.place().get_by_role("radio", name="grammar").check()
        assert play.state()["data"] == "grammar-long"
        assert "generated sentences" in play.text() and "exact match" in play.text()
        agrees(play)


def test_one_length_and_one_seed_are_enough(browser: Any) -> None:
    alone = {**MADE, "bins": BINS[:1], "curves": {"mine": [[30.0]]}}
    with playing(browser, CostExplorer([alone], n=3)) as play:
        assert rows(play, 0) == [["mine", "30.0", "one only"]]


def test_speaks_chinese(browser: Any) -> None:
    with playing(browser, CostExplorer([MADE], n=600, d=512)) as play:
        play.place().get_by_role("button", name="中文").click()
        assert "无注意力" in play.text() and "attention" not in play.text().replace("tested", "")
        agrees(play)


ODD = {
    "n is 0, expected a whole number from 1": {"n": 0},
    "'n' trait of a CostExplorer instance expected an int, not the float nan": {"n": float("nan")},
    "'m' trait of a CostExplorer instance expected an int, not the float 2.5": {"m": 2.5},
    "d is 1000000000, expected a whole number from 1 to 65536": {"d": 10**9},
    "data is 'none such', expected one of the results: none": {"data": "none such"},
    "no folder of records": {"results": "no/such/folder"},
}


def test_odd_input_is_explained_in_its_place(browser: Any) -> None:
    explorers = [CostExplorer(**arguments) for arguments in ODD.values()]
    with playing(browser, *explorers) as play:
        for k, words in enumerate(ODD):
            assert words in explorers[k].problem
            with pytest.raises(ValueError, match=re.escape(words)):
                _ = explorers[k].costs
            assert words in play.place(k).get_by_role("alert").text_content()


def test_an_empty_folder_is_explained(tmp_path: Path) -> None:
    assert "no record of multi30k" in CostExplorer(tmp_path).problem


def test_the_picture_and_its_words() -> None:
    explorer = CostExplorer([MADE], n=7, m=3, d=64)
    assert explorer.describe() == (
        "Multiplications of one decoder step at n = 7, m = 3, d = 64 (in brackets: the factor when n doubles)"
        ": no attention 36,864 (×1.00), additive attention 41,856 (×1.02), dot attention 25,472 (×1.04). "
        "Scores on tested at this length: no attention 42.0, additive attention 60.0."
    )
    explorer.language = "zh"
    assert "加性注意力 41,856（×1.02）" in explorer.describe() and "无注意力 42.0" in explorer.describe()
    quality, work = explorer.figure().axes
    assert quality.get_ylabel() == "BLEU" and work.get_ylabel() == "multiplications"
    assert set(work.lines[0].get_ydata()) == {36_864}, "flat: without attention n plays no part"


@pytest.mark.parametrize("count", [0, 7, 99_999, 999_999, 1_000_000, 1_234_567, 5.5e8, 1.5e10, 3.21e14])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_large_counts_in_words(count: float, language: str) -> None:
    assert number(big(count, language)) == pytest.approx(count, rel=0.005)
