"""Beam explorer: the browser shows the search, and its winner is that of `decoding.beam`."""

import re
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from example_tree import NODES, TOKENS
from widget_page import Play, playing

from seq2seq_edu import decoding
from seq2seq_edu.data import EOS, Vocabulary
from seq2seq_edu.decoding import Translator
from seq2seq_edu.models import ModelConfig, Seq2Seq
from seq2seq_edu.widgets import BeamExplorer

WIDTHS, PENALTIES, LIMIT = (1, 2, 3, 4, 5), (0.0, 0.6, 1.0, 2.0), 7
SENTENCES = ("a b c", "g f e d")


def small(**state: Any) -> BeamExplorer:
    """Return an explorer of the tree above and of its greedy part."""
    greedy = [NODES[0], NODES[1], replace(NODES[5], id=2), replace(NODES[8], id=3, parent=2)]
    words = [TOKENS[k] for k in (0, 1, 5, 8)]
    return BeamExplorer({2: (NODES, TOKENS), 1: (greedy, words)}, **{"width": 2, **state})


def translator(seed: int = 3, end: float = 1.0) -> Translator:
    """Build a random translator from letters to words; `end` is how readily it says <eos>."""
    source, target = Vocabulary("abcdefgh"), Vocabulary(["猫", "狗", "鱼", "在", "哪里", "吃", "了"])
    torch.manual_seed(seed)
    sizes = {"d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5, "d_r": 4}
    model = Seq2Seq(ModelConfig(len(source), len(target), "additive", dropout=0.1, **sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.5)
        model.W_o.bias[EOS] = end
    return Translator(model.eval(), source, target)


def of(t: Translator, sentence: str, **options: Any) -> BeamExplorer:
    """Search a sentence with all widths."""
    texts = t.source_text, t.target_text
    return BeamExplorer.of(t.model, *texts, sentence, WIDTHS, max_length=LIMIT, **options)


def packaged(t: Translator, sentence: str, width: int, penalty: float) -> decoding.Hypothesis:
    """Return what `decoding.beam` says."""
    src = torch.tensor([[*t.source_text.encode(sentence), EOS]])
    settings: dict[str, Any] = {"width": width, "length_penalty": penalty, "max_length": LIMIT}
    return decoding.beam(t.model, src, src != 0, **settings)[0]


@pytest.mark.parametrize("end", [1.0, -1.0, -40.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_winner_is_that_of_decoding_for_any_width_and_penalty(seed: int, end: float) -> None:
    t = translator(seed, end)
    for sentence in SENTENCES:
        explorer = of(t, sentence)
        for width in WIDTHS:
            for penalty in PENALTIES:
                explorer.width, explorer.length_penalty = width, penalty
                expected = packaged(t, sentence, width, penalty)
                words = t.target_text.tokens(expected.ids)
                assert explorer.best == words, (sentence, width, penalty)
                assert explorer.finished[0].score == pytest.approx(expected.score, abs=1e-4)
                assert (explorer.best[-1] == "<eos>") == expected.finished


def test_a_tree_goes_on_until_as_many_have_finished_as_the_beam_is_wide() -> None:
    for seed in (1, 2):
        explorer = of(translator(seed, end=3.0), "a b c")
        for explorer.width in WIDTHS:
            assert len(explorer.finished) >= explorer.width or explorer.branches[-1].step == LIMIT


def test_a_model_is_left_in_the_mode_it_was_in() -> None:
    t = translator()
    t.model.train()
    again = [of(t, "a b c").trees for _ in range(2)]
    assert again[0] == again[1], "no dropout while searching"
    assert t.model.training


def rows(play: Play) -> list[list[str]]:
    """Read the table: sentence (with what is said of it), log p, m and score."""
    lines = play.place().locator("tbody tr").all()
    return [line.locator("th, td").all_text_contents() for line in lines]


def number(text: str) -> float:
    """Read a number with a typographic minus."""
    return float(text.replace("\N{MINUS SIGN}", "-"))


def agrees(play: Play) -> BeamExplorer:
    """Assert that the table and the boxes are those of the Python widget, and return it."""
    twin: BeamExplorer = play.twin()
    last = max(node.step for node in twin._nodes(twin.width))
    said = "winner" if twin.step in (-1, *range(last, 99)) and twin.judged else "best so far"
    expected = [" ".join(end.tokens) + said * (k == 0) for k, end in enumerate(twin.finished)]
    shown = rows(play)
    assert [row[0] for row in shown] == (expected or ["nothing yet"])
    for row, end in zip(shown, twin.finished, strict=False):
        assert number(row[1]) == pytest.approx(end.log_prob, abs=0.0051)
        assert int(row[2]) == len(end.tokens)
        assert number(row[3]) == pytest.approx(end.score, abs=0.00051)
    words = [[node.token, node.status] for node in twin.branches]
    assert [node for node in boxes(play) if node[1] != "waiting"] == words
    return twin


def boxes(play: Play) -> list[list[str]]:
    """Read the boxes that can be seen: the word, and what it looks like."""
    script = """(all) => all.filter((box) => box.style.display !== "none").map(
        (box) => [box.querySelector("text").textContent, box.classList[0].replace("s2s-node-", "")])"""
    found: list[list[str]] = play.place().get_by_role("treeitem", include_hidden=True).evaluate_all(script)
    return found


@pytest.mark.parametrize("end", [1.0, -40.0])
def test_browser_and_python_agree_for_every_width_and_penalty(browser: Any, end: float) -> None:
    with playing(browser, of(translator(seed=1, end=end), "a b c")) as play:
        for width in WIDTHS:
            for penalty in PENALTIES:
                play.put(width=width, length_penalty=penalty)
                agrees(play)
        if end < 0:
            assert f"Nothing has finished in {LIMIT} steps" in play.text()


def test_sliders_change_width_and_penalty(browser: Any) -> None:
    with playing(browser, small(length_penalty=0.0)) as play:
        assert agrees(play).best == ["me", "<eos>"]
        play.place().get_by_role("slider", name="length penalty α").focus()
        for _ in range(20):
            play.page.keyboard.press("ArrowRight")
        assert play.state()["length_penalty"] == 1.0
        assert agrees(play).best == ["我", "也是", "<eos>"], "a mean forgives length"
        won = play.place().locator(".s2s-won")
        assert won.count() == 3
        play.place().get_by_role("slider", name="width").focus()
        play.page.keyboard.press("ArrowLeft")
        assert play.state()["width"] == 1 and len(boxes(play)) == 4
        agrees(play)
        slider = play.place().get_by_role("slider", name="width")
        assert slider.get_attribute("aria-valuetext") == "1"
        assert slider.evaluate("element => element === document.activeElement"), "the focus stays"


def test_the_search_grows_step_by_step_and_back(browser: Any) -> None:
    with playing(browser, small()) as play:
        button = {name: play.place().get_by_role("button", name=name) for name in ("start again", "back")}
        button["start again"].click()
        assert boxes(play) == [["<bos>", "kept"]] and "Width 2: after each step 2 stay open" in play.text()
        seen = []
        for _ in range(3):
            play.place().get_by_role("button", name="expand").click()
            seen.append([kind for _, kind in boxes(play)])
            agrees(play)
            play.place().get_by_role("button", name="prune").click()
            agrees(play)
        assert [kinds.count("waiting") for kinds in seen] == [4, 3, 2]
        said = play.place().locator(".s2s-note").first.text_content()
        assert said == "Step 3: 2 finished, and the search ends."
        following = play.place().get_by_role("button", name="expand")
        assert following.get_attribute("aria-disabled") == "true"
        following.click(force=True)
        assert play.state()["step"] == 3 and play.state()["judged"], "there is nothing more to expand"
        steps = []
        for _ in range(7):
            button["back"].click(force=True)
            steps.append((play.state()["step"], play.state()["judged"]))
        assert steps == [(3, False), (2, True), (2, False), (1, True), (1, False), (0, True), (0, True)]
        play.place().get_by_role("button", name="whole search").click()
        assert agrees(play).best == ["我", "也是", "<eos>"]
        said = "document.querySelector('.s2s-live').textContent"
        play.page.wait_for_function(said + ".includes('我 也是 <eos>: score \N{MINUS SIGN}0.40')")


def test_each_step_tells_how_many_were_kept_and_pruned(browser: Any) -> None:
    with playing(browser, small(step=1)) as play:
        assert "Step 1: 2 kept, 0 finished, 2 pruned." in play.text()
        play.put(step=2, judged=False)
        assert "Step 2 is ranked. Which 2 stay open?" in play.text()
        play.put(judged=True)
        assert "Step 2: 2 kept, 1 finished, 0 pruned." in play.text()
        assert rows(play)[0][0] == "me <eos>best so far"


def test_the_tree_is_one_tab_stop_and_arrows_walk_over_it(browser: Any) -> None:
    with playing(browser, small()) as play:
        stops = play.place().locator('[role="tree"] [tabindex="0"]')
        assert stops.count() == 1
        stops.focus()
        walk = {"ArrowRight": 1, "ArrowDown": 2, "ArrowUp": 1, "End": 4, "ArrowLeft": 0, "Home": 0}
        for key, node in walk.items():
            play.page.keyboard.press(key)
            assert play.page.evaluate("document.activeElement.dataset.node") == str(node), key
            assert stops.count() == 1
        for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight"):
            play.page.keyboard.press(key)
        label = play.page.evaluate("document.activeElement.ariaLabel")
        p, total, score = re.findall(r"[\N{MINUS SIGN}\d]+\.\d+", label)
        assert label.startswith("<eos>, after “我 也是”: p = ") and label.endswith("; finished")
        assert (number(p), number(total), number(score)) == (0.82, -1.2, -0.4)  # exp(-0.2), and a third
        assert play.place().locator(".s2s-lit-branch").count() == 3
        play.put(step=1)
        assert stops.get_attribute("data-node") == "1", "of what is gone, the ancestor is chosen"


def test_pointing_tells_without_moving_the_focus(browser: Any) -> None:
    with playing(browser, small()) as play:
        play.place().locator('[data-node="3"]').hover()
        assert "so, the beginning: p = 0.14" in play.text()
        play.page.mouse.move(2, 2)
        assert "Point at a box" in play.text()
        play.place().locator("tbody tr").nth(1).hover()
        assert "<eos>, after “me”: p = 0.90" in play.text()


def test_boxes_never_touch_and_greedy_search_runs_along_the_top(browser: Any) -> None:
    explorer = of(translator(seed=2), SENTENCES[1], width=5)
    with playing(browser, explorer) as play:
        for width in WIDTHS:
            play.put(width=width)
            script = "all => all.map((r) => ['x', 'y', 'width', 'height'].map((a) => +r.getAttribute(a)))"
            found = play.place().locator('[role="treeitem"] rect').evaluate_all(script)
            for k, (x, y, w, h) in enumerate(found):
                for x2, y2, w2, h2 in found[:k]:
                    assert x >= x2 + w2 or x2 >= x + w or y >= y2 + h2 or y2 >= y + h
            nodes, line = play.twin().branches, [0]
            while below := [node for node in nodes if node.parent == line[-1]]:
                line.append(max(below, key=lambda node: node.log_prob).id)
            assert len({found[k][1] for k in line}) == 1
            assert found[0][1] == min(y for _, y, *_ in found)


def test_only_the_best_pruned_nodes_are_kept(browser: Any) -> None:
    explorer = small(pruned=1)
    assert [node.token for node in explorer.branches if node.status == "pruned"] == ["so", "<eos>"]
    assert explorer.best == small().best
    with playing(browser, explorer) as play:
        agrees(play)


def test_speaks_chinese(browser: Any) -> None:
    with playing(browser, small()) as play:
        play.place().get_by_role("button", name="中文").click()
        assert "胜者" in play.text() and "长度惩罚" in play.text()
        assert "winner" not in play.text() and "finished" not in play.text()
        twin = play.twin()
        assert twin.describe() == (
            "束宽 2 的搜索树，第 3 步：保留 0 个，结束 2 个；"
            "目前最好的是 我 也是 <eos>，得分 -0.40（α = 1.0）。"
        )


def test_nothing_finished_yet_is_said() -> None:
    explorer = small(step=1)
    assert explorer.finished == []
    with pytest.raises(ValueError, match="nothing has finished by step 1"):
        _ = explorer.best
    explorer.step, explorer.judged = 2, False
    with pytest.raises(ValueError, match="nothing has finished by step 2"):
        _ = explorer.best
    assert explorer.describe().endswith("after step 1: 2 kept, 0 finished; none is finished yet.")


def changed(k: int, **changes: Any) -> dict[int, Any]:
    """Return the small tree with one node changed."""
    nodes = list(NODES)
    nodes[k] = replace(nodes[k], **changes)
    return {2: (nodes, TOKENS)}


@pytest.mark.parametrize(
    ("trees", "state", "words"),
    [
        ({}, {}, "there is no tree of a search: is the sentence empty"),
        ([NODES], {}, "trees is no mapping of width to"),
        ({2: NODES}, {}, "trees is no mapping of width to"),
        ({2: ([], [])}, {}, "the tree has no root"),
        ({2: (NODES[1:], TOKENS[1:])}, {}, "has no root"),
        ({2: (NODES, TOKENS[1:])}, {}, "there are 10 nodes but 9 tokens"),
        (changed(5, id=6), {}, "node 5 has id 6"),
        (changed(5, parent=7), {}, "node 5 has parent 7"),
        (changed(5, parent=None), {}, "node 5 has parent None"),
        (changed(5, status="lost"), {}, "has status 'lost', expected one of kept"),
        (changed(5, log_prob=float("nan")), {}, "log-probability nan after -0.4"),
        (changed(5, log_prob=0.6), {}, "log-probability 0.6 after -0.4.*are these scores"),
        ({2: (NODES, TOKENS)}, {"width": 3}, "width is 3, choose from 2"),
        ({2: (NODES, TOKENS)}, {"length_penalty": -1.0}, "length_penalty is -1.0"),
        ({2: (NODES, TOKENS)}, {"length_penalty": float("nan")}, "length_penalty is nan"),
        ({2: (NODES, TOKENS)}, {"step": 4}, "step is 4, expected 0 to 3"),
    ],
)
def test_odd_input_is_explained_in_its_place(browser: Any, trees: Any, state: Any, words: str) -> None:
    explorer = BeamExplorer(trees, **state)
    assert re.search(words, explorer.problem)
    with pytest.raises(ValueError, match=words):
        _ = explorer.best
    with playing(browser, explorer) as play:
        assert re.search(words, play.place().get_by_role("alert").text_content())
        assert play.place().locator("svg").count() == 0


def test_an_empty_sentence_and_a_long_one(browser: Any) -> None:
    t = translator(end=-40.0)
    assert "is the sentence empty" in of(t, "").problem
    long = BeamExplorer.of(t.model, t.source_text, t.target_text, "a b", (5,), max_length=60)
    with playing(browser, long, width=390) as play:
        assert len(agrees(play).best) == 60
        ax = long.figure().axes[0]
        assert ax.get_xlim()[1] < 13 and "12 of 60 steps" in ax.get_title(loc="left") + ax.get_title()
        pane = play.place().locator(".s2s-scroll").first
        assert pane.evaluate("pane => pane.scrollWidth > pane.clientWidth && pane.scrollLeft === 0")
        assert play.page.evaluate("document.documentElement.scrollWidth") == 390, "the page itself does not"
        play.place().get_by_role("button", name="back").click()
        box = play.place().locator('[role="treeitem"][aria-level="61"]').first.bounding_box()
        assert 0 < box["x"] < 390, "the newest step has come into sight"


def test_the_picture_and_its_words() -> None:
    explorer = small(length_penalty=0.0)
    assert explorer.describe() == (
        "Search tree of width 2 after step 3: 0 kept, 2 finished; the best is me <eos>, score -1.00, α = 0.0."
    )
    ax = explorer.figure().axes[0]
    assert len(ax.texts) == len(NODES) - 1, "of the pruned ones the best of each step"
    explorer.step, explorer.judged = 2, False
    assert len(explorer.figure().axes[0].texts) == 4, "what waits has no fate to draw"
    plt.close("all")
