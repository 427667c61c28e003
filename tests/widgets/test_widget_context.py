"""Context explorer: browser and equations agree on scores, weights and c_t; the star stays in the hull."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from widget_page import Play, playing

from seq2seq_edu import equations, plots
from seq2seq_edu.widgets import ContextExplorer

KINDS = ("dot", "scaled", "additive")


def cells(play: Play, column: int) -> list[float]:
    """Read one column of the table; the heading of a row is column 0."""
    texts = play.place().locator(f".s2s-states tbody tr > :nth-child({column + 1})").all_text_contents()
    return [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]


def numbers(play: Play) -> list[float]:
    """Read query (2), length, context (2), entropy, effective positions."""
    text = " ; ".join(play.place().locator(".s2s-numbers b").all_text_contents())
    return [float(x) for x in re.findall(r"-?[\d.]+", text.replace("\N{MINUS SIGN}", "-"))[:7]]


def attributes(play: Play, selector: str, *names: str) -> np.ndarray:
    """Read numbers from the parts of the drawing, shape (parts, names)."""
    parts = play.place().locator(f"svg {selector}").all()
    return np.array([[float(part.get_attribute(name)) for name in names] for part in parts])


def points(play: Play) -> np.ndarray:
    """Return where the states are drawn, shape (n, 2)."""
    return attributes(play, 'circle[fill="var(--blue)"]', "cx", "cy")


def star(play: Play) -> np.ndarray:
    """Return where the context is drawn, shape (2,)."""
    moved = play.place().locator('svg path[fill="var(--orange)"]').get_attribute("transform")
    return np.array([float(x) for x in re.findall(r"-?\d[\d.e-]*", moved)])


def agrees(play: Play) -> ContextExplorer:
    """Assert that what is shown follows from the state, and return the Python widget in that state."""
    twin: ContextExplorer = play.twin()
    strings = attributes(play, 'line[stroke="var(--blue)"]', "stroke-width")[:, 0]
    np.testing.assert_allclose((strings - 0.6) / 5, twin.weights, atol=1e-9)
    np.testing.assert_allclose(cells(play, 1), twin.scores, atol=0.0051)
    np.testing.assert_allclose(cells(play, 2), twin.weights, atol=0.0051)
    np.testing.assert_allclose(star(play), twin.weights @ points(play), atol=1e-6)
    length = np.linalg.norm(twin.query)
    effective = twin.effective_positions
    expected = [*twin.query, length, *twin.context, np.log(effective), effective]
    np.testing.assert_allclose(numbers(play), expected, atol=0.0051)
    return twin


def in_hull(point: np.ndarray, states: Any, slack: float = 1e-9) -> bool:
    """Say whether a point lies in the convex hull, by the definition of its sides."""
    corners = plots.convex_hull(np.asarray(states, dtype=float))
    sides, there = np.roll(corners, -1, axis=0) - corners, point - corners
    turns = sides[:, 0] * there[:, 1] - sides[:, 1] * there[:, 0]
    low, high = corners.min(0) - slack, corners.max(0) + slack
    return bool((turns >= -slack).all() and (low <= point).all() and (point <= high).all())


def plane(play: Play, pixels: np.ndarray) -> np.ndarray:
    """Turn places of the drawing into points of the plane, by the three states."""
    states = np.array(play.state()["encoder_states"])
    columns = np.column_stack([points(play), np.ones(len(states))])
    return np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.solve(columns, states)


def press(play: Play, key: str, times: int = 1, name: str = "query s") -> None:
    """Focus a point and press a key."""
    play.place().get_by_role("slider", name=name, exact=True).focus()
    for _ in range(times):
        play.page.keyboard.press(key)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 11, 60])
def test_all_scores_agree_with_the_equations(browser: Any, n: int) -> None:
    rng = np.random.default_rng(n)
    with playing(browser, ContextExplorer(rng.normal(size=2), 2 * rng.normal(size=(n, 2)))) as play:
        for kind in KINDS:
            play.put(score=kind)
            twin = agrees(play)
            assert twin.score == kind and in_hull(twin.context, twin.encoder_states)


def test_the_numbers_of_the_chapters_come_back(browser: Any) -> None:
    explorer = ContextExplorer()
    np.testing.assert_allclose(explorer.scores, [-0.6, -1.4, 2.0])
    np.testing.assert_allclose(explorer.weights, [0.067, 0.030, 0.903], atol=5e-4)
    np.testing.assert_allclose(explorer.context, [0.074, 1.708], atol=5e-4)
    explorer.score = "scaled"
    np.testing.assert_allclose(explorer.scores, np.array([-0.6, -1.4, 2.0]) / np.sqrt(2))
    given = {"W_a": np.eye(2), "U_a": 2 * np.eye(2), "v_a": [1.0, -3.0]}
    explorer = ContextExplorer([0.5, -1.0], [[1.0, 2.0]], score="additive", **given)
    np.testing.assert_allclose(explorer.scores, [np.tanh(2.5) - 3 * np.tanh(3.0)])
    with playing(browser, explorer) as play:
        agrees(play)


def test_the_query_moves_by_keys_and_a_reader_hears_it(browser: Any) -> None:
    with playing(browser, ContextExplorer()) as play:
        moves = {"ArrowUp": [0.2, 1.1], "ArrowLeft": [0.1, 1.1], "Shift+ArrowRight": [0.6, 1.1]}
        moves |= {"ArrowDown": [0.6, 1.0], "PageUp": [0.75, 1.25], "PageDown": [0.6, 1.0], "Home": [0.0, 0.0]}
        for key, query in moves.items():
            press(play, key)
            assert play.state()["query"] == pytest.approx(query), key
            agrees(play)
        assert "the plain mean" in play.place().locator(".s2s-note").text_content()
        place = play.place().get_by_role("slider", name="query s", exact=True)
        assert place.get_attribute("aria-valuetext") == "(0.00, 0.00), length |s| 0.00"
        heard = "document.querySelector('.s2s-live').textContent.includes('3.0 effective')"
        play.page.wait_for_function(heard)


def test_a_state_moves_by_keys_and_keeps_the_others(browser: Any) -> None:
    with playing(browser, ContextExplorer()) as play:
        press(play, "ArrowRight", 3, name="在")
        np.testing.assert_allclose(play.state()["encoder_states"], [[2, -1], [-1.7, -1], [0, 2]])
        slider = play.place().get_by_role("slider", name="在")
        assert slider.get_attribute("aria-valuetext") == "在 at (−1.70, −1.00): score −1.34, weight 0.03"
        assert slider.evaluate("at => getComputedStyle(at).outlineStyle") == "solid", "focus must be seen"
        agrees(play)


def test_query_and_state_are_dragged(browser: Any) -> None:
    with playing(browser, ContextExplorer()) as play:
        per_unit = (points(play)[0] - points(play)[1])[0] / 4  # 猫 and 在 are 4 apart
        shown = play.place().locator("svg").bounding_box()["width"]
        drawn = float(play.place().locator("svg").get_attribute("viewBox").split()[2])
        for name, before in (("query s", [0.2, 1.0]), ("哪里", [0.0, 2.0])):
            slider = play.place().get_by_role("slider", name=name, exact=True)
            box = slider.locator("circle").first.bounding_box()
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            play.page.mouse.move(x, y)
            play.page.mouse.down()
            play.page.mouse.move(x + per_unit * shown / drawn, y + 0.5 * per_unit * shown / drawn, steps=4)
            play.page.mouse.up()
            play.page.mouse.move(x, y)  # released: nothing follows any more
            now = play.state()["query"] if name == "query s" else play.state()["encoder_states"][2]
            assert now == pytest.approx([before[0] + 1, before[1] - 0.5], abs=0.02)
            agrees(play)


def test_the_star_never_leaves_the_hull(browser: Any) -> None:
    rng = np.random.default_rng(5)
    with playing(browser, ContextExplorer()) as play:
        for kind in KINDS:
            play.place().get_by_role("radio", name={"scaled": "dot / √d"}.get(kind, kind), exact=True).check()
            assert play.state()["score"] == kind
            for length in (0.1, 1, 5, 400):
                play.put(query=(length * rng.normal(size=2)).tolist())
                twin = agrees(play)
                assert in_hull(twin.context, twin.encoder_states)
                assert in_hull(star(play), points(play), slack=1e-4)


def test_length_sharpens_dot_less_scaled_and_not_additive(browser: Any) -> None:
    effective = {}
    with playing(browser, ContextExplorer([0.4, -0.4])) as play:
        for kind in KINDS:
            play.put(score=kind, query=[0.4, -0.4])
            effective[kind] = [agrees(play).effective_positions]
            for _ in range(6):
                play.place().get_by_role("button", name="twice as long").click()
            np.testing.assert_allclose(play.state()["query"], [25.6, -25.6])
            effective[kind].append(agrees(play).effective_positions)
    assert effective["dot"][0] < effective["scaled"][0]
    assert effective["dot"][1] == pytest.approx(1, abs=1e-6)
    assert effective["additive"][1] > 2.9, "a long query saturates every tanh: all scores become equal"


def test_dot_is_not_nearness_and_the_widget_says_so(browser: Any) -> None:
    with playing(browser, ContextExplorer()) as play:
        note = play.place().locator(".s2s-note")
        assert note.text_content() == "哪里 gets most, 0.90; the others keep c at a distance of 0.30 from it."
        play.place().get_by_role("button", name="put 在 at the tip").click()
        twin = agrees(play)
        assert twin.encoder_states[1] == twin.query and twin.weights.argmax() == 2
        assert "哪里 gets most, though 在 is nearest to the tip" in note.text_content()
        play.place().get_by_role("button", name="turn round").click()
        assert agrees(play).query == [-0.2, -1.0]
        play.place().get_by_role("button", name="start again").click()
        assert play.state()["query"] == [0.2, 1.0] and play.state()["encoder_states"][1] == [-2.0, -1.0]


def test_lines_of_equal_score(browser: Any) -> None:
    with playing(browser, ContextExplorer([0.7, 0.4])) as play:
        lines = play.place().locator('svg path[fill="none"]').all()
        assert [line.get_attribute("d") for line in lines] == ["", "", ""]
        play.place().get_by_role("button", name="lines of equal score").click()
        assert play.state()["lines"] is True
        for kind in KINDS:
            play.put(score=kind)
            for sign, line in zip((-1, 0, 1), lines, strict=True):
                pixels = re.findall(r"(-?[\d.]+),(-?[\d.]+)", line.get_attribute("d"))
                places = plane(play, np.array(pixels, dtype=float))
                scores = ContextExplorer([0.7, 0.4], places, score=kind).scores
                if sign == 0:
                    np.testing.assert_allclose(scores, 0, atol=0.05)
                else:
                    assert (np.sign(scores) == sign).all() and len(np.unique(scores.round(1))) >= 2


def test_collinear_coinciding_and_far_states(browser: Any) -> None:
    collinear, coinciding = [[1, 1], [0, 0], [-2, -2]], [[1, 1]] * 4
    for states in (collinear, coinciding, [[0, 0], [0, 0]], [[3e4, -2e4], [1e4, 1e4]], [[1e-3, 0]]):
        with playing(browser, ContextExplorer([0.3, -0.2], states)) as play:
            assert in_hull(agrees(play).context, states, slack=1e-6)
            assert re.search("NaN|undefined", play.place().inner_html()) is None


def test_states_beyond_the_plane_make_it_larger(browser: Any) -> None:
    with playing(browser, ContextExplorer()) as play:
        play.put(encoder_states=[[9.0, 4.0], [-2.0, -1.0], [0.0, -7.0]])
        agrees(play)
        _, _, width, height = play.place().locator("svg").get_attribute("viewBox").split()
        assert (points(play) > 0).all() and (points(play) < [float(width), float(height)]).all()


def test_speaks_chinese(browser: Any) -> None:
    with playing(browser, ContextExplorer()) as play:
        play.place().get_by_role("button", name="中文").click()
        assert "有效位置数" in play.text() and "哪里 的权重最大" in play.text()
        assert re.search(r"[a-z]{4}", play.text().replace("English", "").replace("Shift", "")) is None
        press(play, "ArrowUp", name="查询 s")
        assert play.state()["query"] == [0.2, 1.1]


ODD: list[tuple[Any, Any, str]] = [
    (([1, 0], []), {}, "there are no encoder states"),
    (([1, 0, 0], [[1, 0]]), {}, r"query has shape \(3,\), expected shape \(2,\)"),
    (([1, 0], [[1.0, 0, 0]]), {}, r"encoder_states has shape \(1, 3\), expected shape \(n, 2\)"),
    (([1, 0], [1.0, 0]), {}, r"encoder_states has shape \(2,\)"),
    (([1, 0], [[1, 0], [1]]), {}, "encoder_states holds something that is no number"),
    (([1, float("nan")], [[1, 0]]), {}, "query holds nan at 1"),
    (([1, 0], [[1, 0], [float("inf"), 0]]), {}, r"encoder_states holds inf at \(1, 0\)"),
    (([1, 0], [[1e200, 0]]), {}, "a coordinate is 1e[+]200"),
    (([1, 0], [[1, 0]], ["a", "b"]), {}, "2 labels for 1 encoder states"),
    (([1, 0], [[1, 0]]), {"score": "cosine"}, "cosine"),
    (([1, 0], [[1, 0]]), {"v_a": [1.0]}, "7, 7 and 1 rows"),
    (([1, 0], [[1, 0]]), {"W_a": np.ones((2, 7))}, r"W_a has shape \(2, 7\), expected shape \(d_a, 2\)"),
]


def test_odd_input_is_explained_in_its_place(browser: Any) -> None:
    explorers = [ContextExplorer(*arguments, **state) for arguments, state, _ in ODD]
    with playing(browser, *explorers) as play:
        for k, (explorer, (_, _, words)) in enumerate(zip(explorers, ODD, strict=True)):
            assert re.search(words, explorer.problem), explorer.problem
            with pytest.raises(ValueError, match=words):
                _ = explorer.context
            assert re.search(words, play.place(k).get_by_role("alert").text_content())
            assert play.place(k).locator("svg").count() == 0


def test_every_explorer_has_the_same_parameters() -> None:
    first, again = ContextExplorer(score="additive"), ContextExplorer([1.0, 0.0])
    shapes = [np.shape(getattr(first, name)) for name in ("W_a", "U_a", "v_a")]
    assert shapes == [(7, 2), (7, 2), (7,)] and first.W_a == again.W_a
    parameters = (np.array(getattr(first, name)) for name in ("W_a", "U_a", "v_a"))
    expected = equations.additive_score(np.array([[0.2, 1.0]]), np.array([first.encoder_states]), *parameters)
    np.testing.assert_allclose(first.scores, expected[0])


def test_the_picture_and_its_words() -> None:
    explorer = ContextExplorer()
    assert explorer.describe() == (
        "Encoder states in the plane with their convex hull, and the query s = (0.20, 1.00) with the "
        "dot score. Weights: 哪里 0.90, 猫 0.07, 在 0.03; the context vector c_t = (0.07, 1.71) lies inside "
        "the hull; 1.5 effective positions."
    )
    (ax,) = explorer.figure().axes
    assert {text.get_text() for text in ax.texts} >= {"猫  0.07", "在  0.03", "哪里  0.90", "$c_t$", "$s$"}
    explorer.language = "zh"
    assert "点积得分。权重：哪里 0.90" in explorer.describe()
    (ax,) = explorer.figure().axes
    assert (ax.get_title(loc="left") or ax.get_title(), ax.get_xlabel()) == ("得分：点积", "第一坐标")
    many = ContextExplorer([1.0, 0.0], np.random.default_rng(0).normal(size=(60, 2)))
    assert "and 56 more" in many.describe()
    (ax,) = many.figure().axes
    assert sum(text.get_visible() for text in ax.texts[:60]) == 3
