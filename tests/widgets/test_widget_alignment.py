"""Alignment explorer: map, strings and numbers in the browser say what the Python twin says."""

import re
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from widget_page import Play, playing

from seq2seq_edu import metrics
from seq2seq_edu.decoding import Translation
from seq2seq_edu.plots.style import WEIGHTS as WEIGHT_COLOURS
from seq2seq_edu.widgets import AlignmentExplorer

TARGET, SOURCE = ["昨天", "她", "唱歌", "<eos>"], ["she", "sang", "yesterday", "<eos>"]
WEIGHTS = [[0.0, 0.04, 0.95, 0.01], [0.9, 0.1, 0.0, 0.0], [0.1, 0.6, 0.3, 0.0], [0.1, 0.2, 0.3, 0.4]]
GOLD, POSSIBLE = {(0, 2), (1, 0)}, {(0, 2), (1, 0), (2, 0), (2, 2)}


def explorer(**state: Any) -> AlignmentExplorer:
    """Return the explorer of the small sentence."""
    return AlignmentExplorer(WEIGHTS, TARGET, SOURCE, GOLD, POSSIBLE, **state)


def random_map(m: int, n: int) -> AlignmentExplorer:
    """Return an explorer of m x n random weights."""
    weights = np.random.default_rng(m).dirichlet(np.full(n, 0.2), m)
    return AlignmentExplorer(weights, [f"y{t}" for t in range(m)], [f"x{i}" for i in range(n)])


def cell(play: Play, t: int, i: int) -> Any:
    """Return an element of the map; -1 is a header."""
    return play.place().locator(f'[role="grid"] [data-t="{t}"][data-i="{i}"]')


def chosen(play: Play) -> tuple[int, int]:
    """Return what the state says is chosen."""
    state = play.state()
    return state["t"], state["i"]


def numbers(play: Play) -> dict[str, str]:
    """Read the panel: what stands before the colon, and what behind it."""
    texts = play.place().locator(".s2s-numbers > span").all_text_contents()
    return dict(text.split(": ", 1) for text in texts)


def first(text: str) -> float:
    """Return the first number of a text."""
    return float(re.findall(r"[\d.]+", text)[0])


def agrees(play: Play) -> AlignmentExplorer:
    """Assert that the numbers of the chosen row follow from the state, and return the Python widget."""
    twin: AlignmentExplorer = play.twin()
    shown = numbers(play)
    assert first(shown["entropy H"]) == pytest.approx(np.log(twin.effective_positions), abs=0.0051)
    assert first(shown["effective positions exp(H)"]) == pytest.approx(twin.effective_positions, abs=0.051)
    assert first(shown["largest weight"]) == pytest.approx(twin.weights.max(), abs=0.0051)
    assert shown["largest weight"].endswith(f"at {twin.source_tokens[int(twin.weights.argmax())]}")
    return twin


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 5), (7, 2), (5, 11), (60, 60)])
def test_every_cell_is_there_and_as_bright_as_its_weight(browser: Any, m: int, n: int) -> None:
    made = random_map(m, n)
    with playing(browser, made) as play:
        cells = play.place().get_by_role("gridcell")
        script = "all => all.map(e => [+e.dataset.t, +e.dataset.i, e.getAttribute('fill'), e.ariaLabel])"
        weights = np.array(made.alignment)
        read = cells.evaluate_all(script)
        assert [(t, i) for t, i, *_ in read] == [(t, i) for t in range(m) for i in range(n)]
        for t, i, _, label in read:
            assert label == f"α(x{i} → y{t}) = {weights[t, i]:.2f}"
        colours = np.array([to_rgb(fill) for *_, fill, _ in read])
        np.testing.assert_allclose(colours, WEIGHT_COLOURS(weights.ravel())[:, :3], atol=0.07)
        assert play.place().locator("[aria-hidden] text").count() == (m * n if m * n <= 200 else 0)
        play.place().get_by_role("button", name="next step").click()
        agrees(play)


def test_a_long_sentence_fits_a_laptop_and_scrolls_on_a_phone(browser: Any) -> None:
    with playing(browser, random_map(60, 60)) as play:
        panes = "[...document.querySelectorAll('.s2s-scroll')]"
        wide = panes + ".map((pane) => pane.scrollWidth > pane.clientWidth)"
        assert play.page.evaluate(wide) == [False, False]
        play.page.set_viewport_size({"width": 390, "height": 800})
        play.page.wait_for_function(f"JSON.stringify({wide}) === '[true,true]'")
        assert play.page.evaluate("document.documentElement.scrollWidth") == 390, "the page itself does not"
        cell(play, 59, -1).click()
        word = play.place().locator('.s2s-word[data-t="59"]')
        assert 0 < word.bounding_box()["x"] < 390, "the chosen word has come into sight"
        play.place().get_by_role("button", name="中文").click()
        assert 0 < word.bounding_box()["x"] < 390, "and stays there when all is drawn anew"


def test_the_map_is_one_tab_stop_and_arrows_walk_over_it(browser: Any) -> None:
    with playing(browser, explorer()) as play:
        stops = play.place().locator('[role="grid"] [tabindex="0"]')
        assert stops.count() == 1
        stops.focus()
        walk = {
            "ArrowDown": (0, -1), "ArrowRight": (0, 0), "End": (0, 3), "PageDown": (3, 3), "ArrowUp": (2, 3),
            "Home": (2, 0), "ArrowLeft": (2, -1), "PageUp": (0, -1),
        }  # fmt: skip
        for key, place in walk.items():
            play.page.keyboard.press(key)
            assert chosen(play) == place, key
            assert stops.count() == 1
            focused = "document.activeElement.dataset.key"
            assert play.page.evaluate(focused) == f"{place[0]},{place[1]}", "the focus follows"
        play.page.keyboard.press("ArrowLeft")
        assert chosen(play) == (0, -1), "at the edge it stays"
        play.page.keyboard.press("Tab")
        assert not play.page.evaluate("document.activeElement.closest('[role=grid]')"), "Tab leaves the map"


def test_a_cell_tells_its_weight_and_what_kind_of_link_it_is(browser: Any) -> None:
    with playing(browser, explorer()) as play:
        for t, i, words in ((0, 2, "a true link"), (2, 2, "a possible link"), (2, 1, "no link")):
            cell(play, t, i).click()
            twin = agrees(play)
            said = f"α({SOURCE[i]} → {TARGET[t]}) = {twin.weight:.2f}, {words}"
            assert said in play.text() and twin.weight == WEIGHTS[t][i]
        play.page.wait_for_function("document.querySelector('.s2s-live').textContent.includes('= 0.60')")
        cell(play, 2, 1).click()
        assert chosen(play) == (-1, -1), "a second click lets go"


def test_weight_on_the_links_is_that_of_the_evaluation(browser: Any) -> None:
    masses, hits = [], []
    with playing(browser, explorer()) as play:
        for t in range(3):
            cell(play, t, -1).click()
            twin, shown = agrees(play), numbers(play)
            masses.append(sum(twin.weights[i] for step, i in POSSIBLE if step == t))
            hits.append(twin.hit)
            assert first(shown["weight on the links"]) == pytest.approx(masses[-1], abs=0.0051)
            assert shown["brightest cell"] == ("a link" if twin.hit else "no link")
        report = metrics.corpus_alignment([np.array(WEIGHTS)], [GOLD], [POSSIBLE])
        assert np.mean(masses) == pytest.approx(report.gold_mass)
        assert np.mean(hits) == pytest.approx(report.argmax_accuracy)
        cell(play, 3, -1).click()
        assert numbers(play)["weight on the links"] == "this step has no link"
        with pytest.raises(ValueError, match=r"step 4 \(<eos>\) has no gold link"):
            _ = play.twin().hit
        play.place().get_by_role("button", name="all").click()
        assert numbers(play)["brightest cell is a link"] == "in 2 of 3 steps"


def test_links_are_boxed_solid_and_dashed(browser: Any) -> None:
    with playing(browser, explorer()) as play:
        boxes = (
            play.place()
            .locator("rect[data-link]")
            .evaluate_all("all => all.map((box) => [box.dataset.link, box.hasAttribute('stroke-dasharray')])")
        )
        assert sorted(boxes) == [["possible", True]] * 2 + [["sure", False]] * 2


def lit(play: Play, line: str) -> list[float]:
    """Return how much each word of a line is lit: of the words read, or of those written."""
    chosen_by = '[data-t="-1"]' if line == "read" else '[data-i="-1"]'
    words = play.place().locator(f".s2s-word{chosen_by} .s2s-lit")
    return [float(opacity) for opacity in words.evaluate_all("all => all.map((e) => e.style.opacity)")]


def test_pointing_at_a_word_lights_the_words_tied_to_it(browser: Any) -> None:
    with playing(browser, explorer(t=3)) as play:
        cell(play, 2, -1).hover()
        assert lit(play, "read") == WEIGHTS[2] and lit(play, "written") == [0, 0, 1, 0]
        cell(play, -1, 0).hover()
        assert lit(play, "written") == [row[0] for row in WEIGHTS] and lit(play, "read") == [1, 0, 0, 0]
        assert first(numbers(play)["sum of the column"]) == pytest.approx(1.1)
        assert "she is looked at most by 她: 0.90" in play.text()
        assert chosen(play) == (3, -1), "pointing is not choosing"
        play.page.mouse.move(2, 2)
        assert lit(play, "read") == WEIGHTS[3], "and then the chosen one is back"


@pytest.mark.parametrize("width", [900, 390])
def test_pointing_moves_nothing(browser: Any, width: int) -> None:
    long = [f"a_long_word_{k}" for k in range(4)]
    with playing(browser, AlignmentExplorer(WEIGHTS, TARGET, long, GOLD), width=width) as play:
        before = cell(play, 0, 0).bounding_box()
        for t, i in ((0, 0), (2, -1), (-1, 1), (3, 3)):
            cell(play, t, i).hover()
            assert cell(play, 0, 0).bounding_box() == before, "else the click goes to another cell"


def test_strings_are_as_thick_as_the_weights(browser: Any) -> None:
    with playing(browser, explorer()) as play:
        strings = play.place().locator(".s2s-string")
        shown = sorted(w for row in WEIGHTS for w in row if w >= 0.01)
        widths = strings.evaluate_all("all => all.map((s) => +s.getAttribute('stroke-width'))")
        np.testing.assert_allclose(sorted(widths), [0.8 + 5 * w for w in shown], atol=0.006)
        play.place().locator('.s2s-word[data-t="2"]').click()
        assert chosen(play) == (2, -1)
        assert play.place().locator(".s2s-on").count() == 3
        cell(play, 2, 1).click()
        assert play.place().locator(".s2s-this").count() == 1


def test_buttons_step_through_the_translation_and_round(browser: Any) -> None:
    with playing(browser, explorer(i=2)) as play:
        following = play.place().get_by_role("button", name="next step")
        seen = []
        for _ in range(5):
            following.click()
            seen.append(chosen(play)[0])
        assert seen == [0, 1, 2, 3, -1]
        play.place().get_by_role("button", name="previous step").click()
        assert chosen(play) == (3, -1)
        said = "document.querySelector('.s2s-live').textContent"
        play.page.wait_for_function(said + ".includes('Step 4 writes <eos>')")


def test_it_plays_only_when_asked_and_stops_at_the_end(browser: Any) -> None:
    with playing(browser, explorer(), fresh=True) as play:
        play.page.clock.install()
        play.page.clock.run_for(10_000)
        assert chosen(play) == (-1, -1), "nothing moves by itself"
        button = play.place().get_by_role("button", name="play")
        button.click()
        assert chosen(play) == (0, -1) and button.count() == 0
        play.page.clock.run_for(2_500)
        assert chosen(play) == (2, -1)
        play.place().get_by_role("button", name="stop").click()
        play.page.clock.run_for(10_000)
        assert chosen(play) == (2, -1)
        button.click()
        play.page.clock.run_for(10_000)
        assert chosen(play) == (-1, -1) and button.count() == 1, "everything again, and no second round"
        button.click()
        cell(play, 1, 1).click()
        play.page.clock.run_for(10_000)
        assert chosen(play) == (1, 1), "who chooses a cell wants to stay there"


def test_nothing_glides_for_those_who_do_not_want_it(browser: Any) -> None:
    with playing(browser, explorer(), fresh=True) as play:
        duration = "getComputedStyle(document.querySelector('.s2s-string')).transitionDuration"
        assert play.page.evaluate(duration) != "0s"
        play.page.emulate_media(reduced_motion="reduce")
        assert play.page.evaluate(duration) == "0s"


def test_weights_that_do_not_add_up_are_shown_with_a_warning(browser: Any) -> None:
    made = AlignmentExplorer([[0.5, 0.5], [0.5, 0.4], [0.9, 0.9]], ["我", "", "跑了"], ["I", "ran"], t=1)
    expected = "The weights of step 2 (∅) add up to 0.900, not to 1 (nor do those of 1 more): was"
    assert made.problem == "" and made.warning.startswith(expected) and made.warning in made.describe()
    with pytest.raises(ValueError, match="not to 1"):
        _ = made.effective_positions
    with playing(browser, made) as play:
        note = play.place().get_by_role("note")
        assert note.text_content() == made.warning
        assert play.place().get_by_role("gridcell").count() == 6
        assert numbers(play)["entropy H"] == "–"
        cell(play, 0, -1).click()
        assert agrees(play).effective_positions == pytest.approx(2)
        play.place().get_by_role("button", name="中文").click()
        assert note.text_content() == play.twin().warning != ""


def test_speaks_chinese_and_keeps_what_is_chosen(browser: Any) -> None:
    with playing(browser, explorer(t=0, i=2)) as play:
        play.place().get_by_role("button", name="中文").click()
        assert play.state()["language"] == "zh" and chosen(play) == (0, 2)
        assert "有效位置数" in play.text() and "effective" not in play.text() and "link" not in play.text()
        assert "确定的连接" in play.text()


def test_a_kernel_chooses(browser: Any) -> None:
    with playing(browser, explorer()) as play:
        play.put(t=2, i=1)
        assert "α(sang → 唱歌) = 0.60" in play.text()
        play.put(gold=[[2, 1]], possible=[])
        play.page.wait_for_function("document.querySelectorAll('rect[data-link]').length === 1")
        assert numbers(play)["weight on the links"] == "0.60" and agrees(play).hit


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], [], []), "there are no source tokens.*is the sentence empty"),
        (([[]], [], ["she"]), "there are no target tokens"),
        ((None, TARGET, SOURCE), "there are no weights: a model without attention"),
        (([[0.5, float("nan")]], ["她"], ["she", "sang"]), r"alignment holds nan at \(0, 1\)"),
        (([[2.0, -1.0]], ["她"], ["she", "sang"]), "expected weights in .* before the softmax"),
        (([WEIGHTS], TARGET, SOURCE), r"alignment has shape \(1, 4, 4\), expected shape \(m, n\)"),
        ((WEIGHTS, TARGET[:3], SOURCE), "there are 3 target tokens, expected 4"),
        ((np.array(WEIGHTS)[:3].T, TARGET[:3], SOURCE), "is the map transposed"),
        (([[1.0], [0.5, 0.5]], ["她", "唱"], ["she"]), "rows of unlike length"),
        ((WEIGHTS, TARGET, SOURCE, {(4, 0)}), r"gold has the link \(4, 0\) outside the 4 x 4 map"),
        ((WEIGHTS, TARGET, SOURCE, (), [(1, 2, 3)]), r"possible has shape \(1, 3\), expected shape"),
    ],
)
def test_odd_input_is_explained_in_its_place(browser: Any, arguments: tuple[Any, ...], words: str) -> None:
    made = AlignmentExplorer(*arguments)
    assert re.search(words, made.problem)
    with pytest.raises(ValueError, match=words):
        _ = made.weights
    with playing(browser, made) as play:
        assert re.search(words, play.place().get_by_role("alert").text_content())
        assert play.place().locator("svg").count() == 0


def test_a_choice_outside_the_map_is_refused() -> None:
    made = explorer()
    with pytest.raises(ValueError, match="no step is chosen"):
        _ = made.weights
    made.t = 1
    with pytest.raises(ValueError, match="no position is chosen"):
        _ = made.weight
    made.i = 4
    assert made.problem == "i is 4, expected 0 to 3, or -1 for none"
    made.i = 1
    assert made.problem == "" and made.weight == 0.1


def test_takes_a_translation() -> None:
    weights = np.array([[0.75, 0.25, 0.0], [0.25, 0.5, 0.25], [0.0, 0.0, 1.0]], dtype=np.float32)
    source, target = ["she", "sang", "<eos>"], ["她", "唱歌", "<eos>"]
    made = AlignmentExplorer.of(Translation(source, target, "她 唱歌", weights, -1.0, True, []), t=1)
    assert (made.source_tokens, made.target_tokens) == (source, target)
    assert made.weights.tolist() == [0.25, 0.5, 0.25]
    silent = AlignmentExplorer.of(Translation(source, target, "她 唱歌", None, -1.0, True, []))
    assert silent.problem.startswith("there are no weights: a model without attention")


def test_the_picture_and_its_words() -> None:
    made = explorer(t=1, title="a title")
    assert made.describe() == (
        "Map of attention weights, 4 words written (rows) by 4 read (columns). Largest: 昨天 at yesterday "
        "0.95, 她 at she 0.90, 唱歌 at sang 0.60, <eos> at <eos> 0.40."
    )
    ax = made.figure().axes[0]
    assert "a title" in (ax.get_title(), ax.get_title(loc="left"))
    assert [label.get_text() for label in ax.get_yticklabels()] == TARGET
    assert len({label.get_color() for label in ax.get_yticklabels()}) == 2, "the chosen one stands out"
    made.language = "zh"
    assert "唱歌 看 sang（0.60）" in made.describe()
    assert random_map(13, 3).describe().count(" at ") == 12
