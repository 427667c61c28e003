"""Axis picker: browser and NumPy agree for every axis, mask and number of sentences, also where it breaks."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from widget_page import Play, playing

from seq2seq_edu import equations
from seq2seq_edu.widgets import AxisPicker

AXES, MASKINGS, SENTENCES = (0, 1, 2), ("right", "none", "inverted", "after"), ("all", "first")
EVERY = list(itertools.product(AXES, MASKINGS, SENTENCES))


SEEN = """place => {
  const tables = [...place.querySelectorAll("table")].filter((table) => table.offsetParent);
  const text = (cell) => cell.textContent || cell.ariaLabel;
  const cells = (row) => [...row.cells].slice(1).map(text);
  return {
    tables: tables.map((table) => [...table.tBodies[0].rows].map(cells)),
    probes: [...place.querySelectorAll(".s2s-probes b")].map((mark) => mark.textContent),
    verdict: place.querySelector(".s2s-verdict").textContent,
    text: place.textContent,
  };
}"""
MEANING = {"✓ passes": True, "✗ fails": False, "? cannot tell": None}


def agree(twin: AxisPicker, seen: dict[str, Any]) -> None:
    """Assert that what is seen follows from the state of the Python widget."""
    shown = np.array([[[float(text) for text in row[:-1]] for row in table] for table in seen["tables"]])
    ends = [row[-1].split(" ", 1) for table in seen["tables"] for row in table]
    sums, weights = twin.weights.sum(axis=2), twin.weights
    np.testing.assert_allclose(shown, weights, atol=0.0051)
    np.testing.assert_allclose([float(end[0]) for end in ends], sums.ravel(), atol=0.0051)
    assert [end[1] for end in ends] == [
        "✓ is 1" if good else "✗ not 1" for good in np.isclose(sums, 1).ravel()
    ]
    assert [MEANING[text] for text in seen["probes"]] == list(twin.probes.values())
    sign, broken = seen["verdict"][0], False in twin.probes.values()
    assert (sign == "✗") == broken, "say what is broken if a probe fails, and only then"
    assert (sign == "✓") == (twin.axis == 2 and twin.masking == "right")
    assert re.search("undefined|NaN", seen["text"]) is None


def agrees(play: Play) -> AxisPicker:
    """Assert that what is shown follows from the state, and return the Python widget in that state."""
    twin: AxisPicker = play.twin()
    agree(twin, play.read(SEEN))
    return twin


def verdict(play: Play) -> str:
    """Read the one sentence, with its sign."""
    return str(play.read(SEEN)["verdict"])


def naive(scores: np.ndarray, mask: np.ndarray, axis: int, masking: str) -> np.ndarray:
    """Do what a student's line of NumPy does, nan included."""
    real = np.broadcast_to(mask[:, None, :], scores.shape)
    kept = {"right": real, "inverted": ~real}.get(masking, np.ones_like(real))
    with np.errstate(invalid="ignore"):
        powers = np.exp(np.where(kept, scores, -np.inf))
        weights = powers / powers.sum(axis=axis, keepdims=True)
    return weights * real if masking == "after" else weights


def block(B: int, m: int, n: int, mask: Any = None) -> dict[str, Any]:
    """Return random scores, with words for them; all tokens are real if no mask is given."""
    scores = 2 * np.random.default_rng(B + m + n).normal(size=(B, m, n))
    rows, columns = [f"y{t}" for t in range(m)], [f"h{i}" for i in range(n)]
    words = {"target_tokens": [rows] * B, "source_tokens": [columns] * B}
    return {"scores": scores, "mask": np.ones((B, n), dtype=bool) if mask is None else mask, **words}


CASES: dict[str, dict[str, Any]] = {
    "two sentences, one padded": {},
    "all padded": block(3, 2, 5, np.arange(5) < np.array([[3], [4], [3]])),
    "no padding": block(2, 7, 3),
    "one sentence": block(1, 3, 2, [[True, False]]),
    "one token": block(1, 1, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_every_choice_agrees_with_python(browser: Any, case: str) -> None:
    picker = AxisPicker(**CASES[case])
    states = [dict(zip(("axis", "masking", "sentences"), choice, strict=True)) for choice in EVERY]
    with playing(browser, picker) as play:
        for state, seen in zip(states, play.tour(states, SEEN), strict=True):
            for name, value in state.items():
                setattr(picker, name, value)
            agree(picker, seen)
            scores, mask = np.array(picker.scores)[: picker.shown], np.array(picker.mask)[: picker.shown]
            expected = naive(scores, mask, picker.axis, picker.masking)
            np.testing.assert_allclose(picker.weights, expected, atol=1e-12)


def test_the_right_choice_is_the_equation() -> None:
    picker = AxisPicker()
    real = np.broadcast_to(np.array(picker.mask)[:, None], (2, 4, 5))
    np.testing.assert_allclose(picker.weights, equations.masked_softmax(np.array(picker.scores), real))
    assert list(picker.probes.values()) == [True] * 4


def test_the_probes_have_these_blind_spots() -> None:
    failing = {}
    for axis, masking, sentences in EVERY:
        picker = AxisPicker(axis=axis, masking=masking, sentences=sentences)
        names = [name for name, passed in picker.probes.items() if passed is False]
        failing[axis, masking, sentences] = names
    assert failing[2, "none", "all"] == ["padding_is_0"]
    assert failing[2, "after", "all"] == ["rows_sum_to_1"]
    assert failing[2, "none", "first"] == failing[2, "after", "first"] == [], "one sentence hides both bugs"
    assert failing[0, "right", "first"] == ["rows_sum_to_1", "same_alone"]
    assert failing[2, "inverted", "all"] == ["rows_sum_to_1", "padding_is_0", "finite"]
    fine = [choice for choice, names in failing.items() if not names and choice[2] == "all"]
    assert fine == [(2, "right", "all")], "in the whole batch only the right choice passes"


SAID = [
    ((2, "right", "all"), "✓Right: every row shares 1 among the words of its own sentence"),
    ((2, "none", "all"), "✗Padding gets 0.56 of the weight of “are”: without a mask its score 0 beats"),
    ((2, "after", "all"), "✗The row “are” sums to 0.44: what padding got was thrown away"),
    ((2, "inverted", "all"), "✗Sentence 1 has no padding, so the inverted mask leaves its rows nothing"),
    ((2, "none", "first"), "?Nothing breaks, but only because there is no padding here"),
    ((1, "none", "all"), "✗Rows sum to 0.70 to 1.49, not to 1: you normalised over the target"),
    ((1, "right", "all"), "✗In the column “<pad>” of sentence 2 every score is masked"),
    ((0, "none", "all"), "✗Rows sum to 1.77 to 3.23, not to 1: you normalised over the batch"),
    ((0, "none", "first"), "✗Rows sum to 5.00: over the batch a single sentence has nobody"),
    ((0, "inverted", "all"), "✗Source position 1 is masked in every sentence"),
]


def test_one_sentence_says_what_breaks(browser: Any) -> None:
    states = [dict(zip(("axis", "masking", "sentences"), choice, strict=True)) for choice, _ in SAID]
    with playing(browser, AxisPicker()) as play:
        for (_, words), seen in zip(SAID, play.tour(states, SEEN), strict=True):
            assert seen["verdict"].startswith(words), seen["verdict"]


def test_other_sentences(browser: Any) -> None:
    with playing(browser, AxisPicker(**CASES["all padded"], masking="inverted")) as play:
        assert verdict(play).startswith("✗Padding gets all the weight and the words get 0")
        play.put(masking="none")
        assert "nothing told the softmax to leave it out" in verdict(play), "these scores are not 0 there"
        play.put(scores=[[[0.0, -1.0, 1.0, -999.0, -999.0]] * 2] * 3, mask=[[True] * 3 + [False] * 2] * 3)
        assert verdict(play).startswith("?Nothing breaks, but only by luck"), "padding underflows to 0"
        agrees(play)


def test_chosen_by_keys_and_a_reader_hears_it(browser: Any) -> None:
    with playing(browser, AxisPicker()) as play:
        play.place().get_by_role("radio", name="axis 2, source").focus()
        play.page.keyboard.press("ArrowRight")
        assert play.state()["axis"] == 1 and type(play.state()["axis"]) is int
        play.place().get_by_role("radio", name="none").check()
        play.place().get_by_role("radio", name="only the first").check()
        assert (play.state()["masking"], play.state()["sentences"]) == ("none", "first")
        agrees(play)
        code = play.place().locator("code").text_content()
        assert code == "softmax(e, axis=1)"
        heard = "document.querySelector('.s2s-live').textContent.includes('over the target')"
        play.page.wait_for_function(heard)


def outlined(play: Play) -> list[str]:
    """Return the keys of the outlined cells."""
    cells = play.place().locator("td.s2s-shared:visible").all()
    return [str(cell.get_attribute("data-key")) for cell in cells]


def test_the_outlined_cells_share_1(browser: Any) -> None:
    with playing(browser, AxisPicker(axis=1, masking="none")) as play:
        play.place().locator('[data-key="cell-1-2-3"]').click()
        assert play.state()["cell"] == [1, 2, 3]
        assert outlined(play) == [f"cell-1-{t}-3" for t in range(4)]
        for axis in AXES:
            play.put(axis=axis)
            cells = [tuple(map(int, key.split("-")[1:])) for key in outlined(play)]
            assert (1, 2, 3) in cells and len(cells) == (2, 4, 5)[axis]
            assert sum(play.twin().weights[cell] for cell in cells) == pytest.approx(1)
        play.put(masking="inverted", cell=[0, 1, 1])  # nan, and so it stays: only the outline moves
        assert outlined(play) == [f"cell-0-1-{i}" for i in range(5)]
        play.put(masking="none", cell=[1, 2, 3])
        play.put(sentences="first")  # the chosen cell is gone with its sentence
        assert outlined(play) == [f"cell-0-2-{i}" for i in range(5)]
        agrees(play)


def test_cells_are_reached_by_keys(browser: Any) -> None:
    with playing(browser, AxisPicker()) as play:
        stops = play.place().locator('td[tabindex="0"]')
        assert stops.count() == 2, "one stop for Tab in each map"
        stops.first.focus()
        moves = {"ArrowDown": [0, 1, 0], "End": [0, 1, 4], "ArrowRight": [1, 1, 0], "ArrowUp": [1, 0, 0]}
        moves |= {"ArrowLeft": [0, 0, 4], "Home": [0, 0, 0]}
        for key, cell in moves.items():
            play.page.keyboard.press(key)
            assert play.state()["cell"] == cell, key
            focused = play.page.evaluate("document.activeElement.dataset.key")
            assert focused == "cell-" + "-".join(map(str, cell))
        for key in ("ArrowLeft", "ArrowUp"):  # nothing lies there
            play.page.keyboard.press(key)
        assert play.state()["cell"] == [0, 0, 0]
        play.page.keyboard.press("ArrowRight")
        colour = "at => getComputedStyle(at).outlineColor"
        chosen = play.place().locator('td[aria-selected="true"]').evaluate(colour)
        assert chosen != play.place().locator("td.s2s-shared").first.evaluate(colour), "focus must be seen"
        assert "“where → 的” of sentence 1 (score −0.60, weight 0.04)" in play.text()


def test_padding_and_nan_are_marked_without_colour(browser: Any) -> None:
    with playing(browser, AxisPicker(masking="inverted")) as play:
        heads = play.place().locator("th.s2s-pad").all()
        assert [head.get_attribute("aria-label") for head in heads] == ["<pad>, padding"] * 2
        assert play.place().locator("td.s2s-nan").all_text_contents() == ["nan"] * 20
        assert "sentence 2: 3 words and 2 of padding" in play.text()


def test_speaks_chinese(browser: Any) -> None:
    with playing(browser, AxisPicker()) as play:
        play.place().get_by_role("button", name="中文").click()
        for axis, masking, sentences in EVERY:
            play.put(axis=axis, masking=masking, sentences=sentences)
            said = play.text()
            for name in ("English", "softmax", "np.where", "mask", "axis", "where", "your", "nan"):
                said = said.replace(name, "")
            assert re.search(r"[a-z]{4}", said) is None, said
        play.put(axis=2, masking="none", sentences="all")
        assert verdict(play).startswith("✗填充拿走了“are”的 0.56 的权重")


def test_sixty_tokens(browser: Any) -> None:
    mask = np.arange(60) < np.array([[60], [41]])
    with playing(browser, AxisPicker(**block(2, 60, 60, mask), masking="after")) as play:
        agrees(play)
        scrolls = "at => at.scrollWidth > at.clientWidth"
        assert play.place().locator(".s2s-scroll").first.evaluate(scrolls), "the map scrolls, not the page"
        assert play.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


ODD: list[tuple[dict[str, Any], str]] = [
    ({"scores": []}, "there are no scores"),
    ({"scores": [[[1.0, float("nan")]]]}, r"scores holds nan at \(0, 0, 1\)"),
    ({"scores": [[1.0, 2.0]]}, r"scores has shape \(1, 2\), expected shape \(B, m, n\)"),
    ({"scores": [[[1.0, 2.0], [1.0]]]}, "scores holds something that is no number"),
    (block(1, 2, 61), r"scores has shape \(1, 2, 61\), expected at most"),
    (block(3, 60, 60), r"scores has shape \(3, 60, 60\), expected at most 60 words"),
    (block(1, 2, 3, [[True, True]]), r"mask has rows of \[2\], expected 1 rows of 3"),
    (block(1, 2, 3, [True, True, True]), r"mask has shape \(3,\)"),
    (block(2, 1, 2, [[True, True], [False, False]]), "sentence 2 has no real token"),
    ({"target_tokens": [["a", "b"]] * 2}, r"target_tokens has rows of \[2, 2\], expected 2 rows of 4"),
    ({"source_tokens": [["a", "b"]]}, r"source_tokens has rows of \[2\], expected 2 rows of 5"),
    ({"axis": 3}, "axis"),
    ({"masking": "before"}, "before"),
    ({"cell": [2, 0, 0]}, r"cell is \[2, 0, 0\]"),
]


def test_odd_input_is_explained_in_its_place(browser: Any) -> None:
    pickers = [AxisPicker(**state) for state, _ in ODD]
    with playing(browser, *pickers) as play:
        for k, (picker, (_, words)) in enumerate(zip(pickers, ODD, strict=True)):
            assert re.search(words, picker.problem), picker.problem
            with pytest.raises(ValueError, match=words):
                _ = picker.probes
            assert re.search(words, play.place(k).get_by_role("alert").text_content())
            assert play.place(k).locator("table").count() == 0


def test_the_picture_and_its_words() -> None:
    picker = AxisPicker(axis=1, masking="none")
    assert picker.describe() == (
        "2 heat maps of weights, softmax over the target (axis 1), no mask. Sums of the rows: 0.70–1.49. "
        "Broken: rows sum to 1; padding gets exactly 0."
    )
    first, second = picker.figure().axes
    written = {text.get_text() for text in first.texts}
    assert {"= 1.16 ✗", "= 1.15 ✗", "= 1.43 ✗", "= 1.26 ✗"} <= written
    assert [patch.get_hatch() for patch in second.patches] == ["//"] * 8 and not first.patches
    picker.masking, picker.axis, picker.language = "inverted", 2, "zh"
    assert "各行之和 nan。不成立：每行之和为 1；填充的权重恰好为 0；没有 nan。" in picker.describe()
    first, second = picker.figure().axes
    assert [text.get_text() for text in first.texts[:20]] == ["nan"] * 20
    assert (first.get_title(loc="left") or first.get_title()) == "第 1 句"
    assert [patch.get_hatch() for patch in first.patches] == ["//"] * 20
    assert len(AxisPicker(**block(5, 2, 3)).figure().axes) == 5
    assert AxisPicker(sentences="first").describe().startswith("One heat map of weights")
