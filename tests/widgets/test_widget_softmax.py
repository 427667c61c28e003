"""Softmax explorer: the browser and `equations.softmax` agree, by mouse and by keys, in all limit cases."""

import re
from typing import Any

import numpy as np
import pytest
from widget_page import Play, playing

from seq2seq_edu.widgets import SoftmaxExplorer

LABELS = ["猫", "在", "哪里"]


def shown_weights(play: Play) -> list[float]:
    """Read the weights off the bars: their heights, in units of the axis."""
    bars = play.place().locator('rect[fill="var(--blue)"]').all()
    return [float(bar.get_attribute("height")) / 96 for bar in bars]


def numbers(play: Play) -> list[float]:
    """Read entropy, effective positions and the largest weight."""
    shown = play.place().locator(".s2s-numbers b").all_text_contents()
    return [float(re.findall(r"[\d.]+", text)[0]) for text in shown]


def agrees(play: Play) -> SoftmaxExplorer:
    """Assert that what is shown follows from the state, and return the Python widget in that state."""
    twin: SoftmaxExplorer = play.twin()
    np.testing.assert_allclose(shown_weights(play), twin.weights, atol=1e-6)
    expected = [np.log(twin.effective_positions), twin.effective_positions, twin.weights.max()]
    np.testing.assert_allclose(numbers(play), expected, atol=0.0051)
    return twin


@pytest.mark.parametrize("n", [1, 2, 3, 5, 11, 60])
def test_weights_agree_with_the_equation(browser: Any, n: int) -> None:
    scores = np.random.default_rng(n).normal(size=n) * 3
    with playing(browser, SoftmaxExplorer(scores, temperature=0.7)) as play:
        agrees(play)


def test_arrow_keys_move_a_score_and_a_reader_hears_it(browser: Any) -> None:
    with playing(browser, SoftmaxExplorer([2.0, 0.0, 1.0], LABELS)) as play:
        score = play.place().get_by_role("slider", name="score of 猫")
        score.focus()
        moves = {"ArrowUp": 2.1, "ArrowLeft": 2.0, "PageDown": 1.0, "Home": -5.0, "End": 5.0}
        for key, value in moves.items():
            play.page.keyboard.press(key)
            assert play.state()["scores"] == pytest.approx([value, 0.0, 1.0])
            assert score.get_attribute("aria-valuenow") == f"{value:g}"
        agrees(play)
        play.page.wait_for_function("document.querySelector('.s2s-live').textContent.includes('score 5.00')")


def test_a_bar_is_dragged(browser: Any) -> None:
    with playing(browser, SoftmaxExplorer([2.0, 0.0, 1.0], LABELS)) as play:
        box = play.place().get_by_role("slider", name="score of 在").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        play.page.mouse.move(x, y)
        play.page.mouse.down()
        play.page.mouse.move(x, y - 40, steps=5)
        play.page.mouse.up()
        play.page.mouse.move(x, y + 200)  # released: nothing follows any more
        first, second, third = play.state()["scores"]
        assert (first, third) == (2.0, 1.0) and 2.0 < second < 3.5
        agrees(play)


def test_the_limit_cases(browser: Any) -> None:
    with playing(browser, SoftmaxExplorer([2.0, 0.0, 1.0], LABELS)) as play:
        names = ("T → 0", "T → ∞", "equal scores", "add 1", "start again")
        button = {name: play.place().get_by_role("button", name=name) for name in names}
        before = shown_weights(play)
        button["add 1"].click()
        assert play.state()["scores"] == [3.0, 1.0, 2.0]
        assert shown_weights(play) == pytest.approx(before), "only differences of scores count"
        button["T → 0"].click()
        assert agrees(play).effective_positions == pytest.approx(1, abs=1e-6)
        button["T → ∞"].click()
        assert agrees(play).effective_positions == pytest.approx(3, abs=1e-3)
        button["start again"].click()
        assert play.state()["scores"] == [2.0, 0.0, 1.0] and play.state()["temperature"] == 1.0
        button["equal scores"].click()
        np.testing.assert_allclose(agrees(play).weights, 1 / 3)


def test_a_score_beyond_the_axis_makes_the_axis_longer(browser: Any) -> None:
    with playing(browser, SoftmaxExplorer([2.0, 0.0, 1.0], LABELS)) as play:
        play.put(scores=[2.0, -9.5, 1.0])
        low = play.place().get_by_role("slider", name="score of 在").get_attribute("aria-valuemin")
        assert low == "-10"
        agrees(play)


def test_speaks_chinese(browser: Any) -> None:
    with playing(browser, SoftmaxExplorer([2.0, 0.0, 1.0], LABELS)) as play:
        play.place().get_by_role("button", name="中文").click()
        assert play.state()["language"] == "zh"
        assert "有效位置数" in play.text() and "effective" not in play.text()
        assert play.place().locator(".s2s").get_attribute("lang") == "zh-CN"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"scores": []}, "there are no scores"),
        ({"scores": [1.0, float("nan")]}, "scores holds nan at 1"),
        ({"scores": [1.0, float("inf")]}, "scores holds inf at 1"),
        ({"scores": [[1.0, 2.0]]}, r"scores has shape \(1, 2\)"),
        ({"scores": [1.0, 2.0], "labels": ["one"]}, "1 labels for 2 scores"),
        ({"scores": [1.0, 2.0], "temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_odd_input_is_explained_in_its_place(browser: Any, state: dict[str, Any], words: str) -> None:
    explorer = SoftmaxExplorer(**state)
    assert re.search(words, explorer.problem)
    with pytest.raises(ValueError, match=words):
        _ = explorer.weights
    with playing(browser, explorer) as play:
        assert re.search(words, play.place().get_by_role("alert").text_content())
        assert play.place().locator("svg").count() == 0


def test_the_picture_and_its_words() -> None:
    explorer = SoftmaxExplorer([2.0, 0.0, 1.0], LABELS)
    assert explorer.describe() == (
        "Bars of scores and of their weights at temperature 1.00: 猫 has the largest weight, 0.67; "
        "2.3 effective positions."
    )
    explorer.language = "zh"
    assert "猫 的权重最大，为 0.67" in explorer.describe()
    assert [ax.get_ylabel() for ax in explorer.figure().axes] == ["score", "weight"]
