"""Plots: what is on the axes, where, and in which colours; nothing is compared pixel by pixel."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib import font_manager  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

from seq2seq_edu import plots  # noqa: E402
from seq2seq_edu.plots import style as looks  # noqa: E402

PACKAGE = Path(plots.__file__).parent


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    """Use the style of the book, and leave neither figures nor settings behind."""
    with mpl.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def weights(m: int, n: int, seed: int = 0) -> np.ndarray:
    """Return m rows of n weights that sum to 1."""
    e = np.exp(np.random.default_rng(seed).normal(size=(m, n)))
    return np.asarray(e / e.sum(1, keepdims=True))


def tokens(n: int, name: str = "w") -> list[str]:
    """Return n different tokens."""
    return [f"{name}{i}" for i in range(n)]


def render(ax: Axes) -> bytes:
    """Draw the picture; a missing glyph is a warning, and warnings are errors here."""
    figure = ax.get_figure()
    assert figure is not None
    figure.savefig(png := io.BytesIO(), format="png")  # type: ignore[union-attr]
    return png.getvalue()


def boxes(ax: Axes) -> list[tuple[tuple[int, int], str]]:
    """Return ((t, i), line style) of every box; each lies in one cell, around its middle."""
    found = []
    for patch in ax.patches:
        if isinstance(patch, Rectangle) and patch.get_gid() != "halo":
            x, y = patch.get_x() + patch.get_width() / 2, patch.get_y() + patch.get_height() / 2
            assert abs(x - round(x)) < 1e-9 and abs(y - round(y)) < 1e-9
            assert 0.5 < patch.get_width() < 1 and 0.5 < patch.get_height() < 1
            style = "solid" if patch.get_linestyle() in ("-", "solid") else "dashed"
            found.append(((round(y), round(x)), style))
    return sorted(found)


# --- the style and its font -------------------------------------------------------------------------------


def test_the_style_can_be_used_twice() -> None:
    plots.use_style()
    fonts = [entry for entry in font_manager.fontManager.ttflist if entry.name == looks.FONT_FAMILY]
    assert len(fonts) == 1 and Path(fonts[0].fname) == looks.FONT_FILE


def test_a_missing_font_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(looks, "FONT_FILE", tmp_path / "none.otf")
    with pytest.raises(FileNotFoundError, match="none.otf: reinstall"):
        plots.use_style()


def test_the_font_holds_the_characters_of_the_package() -> None:
    """Every Chinese character in the sources (the grammar's too), and German and French letters."""
    text = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py"))
    wanted = set(re.findall(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uff5e]", text))
    wanted |= set("我昨天在图书馆看了两本书。，？！：；（）《》「」臺灣學習語言äöüßÄÖÜéèêëçàâîïôûùœÉ’“”—…")
    have = set(font_manager.get_font(str(looks.FONT_FILE)).get_charmap())
    assert {letter for letter in wanted if ord(letter) not in have} == set()
    assert looks.FONT_FILE.stat().st_size < 1_500_000
    assert "SIL OPEN FONT LICENSE" in (looks.FONT_FILE.parent / "OFL.txt").read_text(encoding="utf-8")


def test_chinese_is_drawn_without_a_missing_glyph() -> None:
    source = "我 昨天 在 图书馆 看 了 两本 书 。 <eos>".split()
    target = "I ▁read two books’ “titles” … at α_i → ü <eos>".split()
    assert render(plots.heatmap(weights(len(target), len(source)), target, source, title="注意力权重")) != b""


def test_another_script_would_be_noticed() -> None:
    """The test above can fail: a letter in neither font warns."""
    with pytest.warns(UserWarning, match="missing from font"):
        render(plots.heatmap([[1.0]], ["\U00012000"], ["x"]))


# --- heat maps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 7), (11, 1), (3, 5), (7, 2)])
def test_a_small_map_says_its_numbers(m: int, n: int) -> None:
    alignment = weights(m, n)
    ax = plots.heatmap(alignment, tokens(m, "t"), tokens(n, "s"))
    assert len(ax.texts) == m * n
    for text in ax.texts:
        i, t = (int(c) for c in text.get_position())
        assert text.get_text() == f"{alignment[t, i]:.2f}"
    assert [label.get_text() for label in ax.get_xticklabels()] == tokens(n, "s")
    assert [label.get_text() for label in ax.get_yticklabels()] == tokens(m, "t")
    assert ax.xaxis.get_ticks_position() == "top"
    assert ax.get_ylim() == (m - 0.5, -0.5)  # the first target step is the top row


def test_every_map_has_the_same_scale() -> None:
    image = plots.heatmap([[0.4, 0.6]], ["t"], tokens(2)).images[0]
    assert image.get_clim() == (0.0, 1.0) and image.get_cmap() is looks.WEIGHTS


def test_a_large_map_has_a_colour_bar_instead() -> None:
    ax = plots.heatmap(weights(60, 60), tokens(60), tokens(60))
    figure = ax.get_figure()
    assert not ax.texts and figure is not None and len(figure.axes) == 2
    assert len(render(ax)) < 250_000


def test_values_can_be_asked_for_or_not() -> None:
    assert len(plots.heatmap(weights(3, 17), tokens(3), tokens(17), values=True).texts) == 51
    assert len(plots.heatmap(weights(3, 5), tokens(3), tokens(5), values=False).texts) == 0


def test_zero_is_the_paper_and_more_weight_is_darker_in_even_steps() -> None:
    """So the map says the same in grey; the steps are measured in OKLab, where distances are seen."""
    colours = looks.WEIGHTS(np.linspace(0, 1, 101))[:, :3]
    assert to_hex(colours[0]) == to_hex(mpl.rcParams["savefig.facecolor"]) == "#ffffff"
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    to_cone = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    to_lab = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    lab = np.cbrt(linear @ np.transpose(to_cone)) @ np.transpose(to_lab)
    assert (np.diff(lab[:, 0]) < 0).all() and lab[0, 0] - lab[-1, 0] > 0.6
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps.min() > 0.5 * steps.max()


def test_numbers_can_be_read_on_every_colour() -> None:
    """Contrast of at least 4 to 1 for each weight; only cells that read 0.00 are meant to be pale."""
    levels = np.linspace(0.005, 1, 67)
    ax = plots.heatmap(levels[None], ["t"], tokens(67), values=True)
    for level, text in zip(levels, ax.texts, strict=True):
        ground = looks.luminance(looks.WEIGHTS(level))
        bright, dark = sorted((looks.luminance(text.get_color()), ground), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.0, level


def test_boxes_stand_on_their_cells() -> None:
    sure, possible = {(0, 4), (2, 1)}, {(1, 0), (2, 1)}  # what is sure is not drawn as possible again
    ax = plots.heatmap(weights(3, 5), tokens(3), tokens(5), gold=sure, possible=possible)
    assert boxes(ax) == [((0, 4), "solid"), ((1, 0), "dashed"), ((2, 1), "solid")]


def test_tokens_are_never_formulas() -> None:
    """Odd signs are shown as they are, and an empty token can be seen."""
    odd = ["$x_1$", "a_b^c", "\\frac", "100%", "", "two\nlines"]
    ax = plots.heatmap(weights(6, 6), odd, odd)
    render(ax)
    labels = [*ax.get_xticklabels(), *ax.get_yticklabels()]
    assert not any(label.get_parse_math() for label in labels)
    assert [label.get_text() for label in labels[:6]] == [*odd[:4], "∅", "two\\nlines"]


@pytest.mark.parametrize("long", [False, True])
def test_source_labels_do_not_overlap(long: bool) -> None:
    source = ["Universitätsbibliothek" if long and i % 2 else f"w{i}" for i in range(11)]
    ax = plots.heatmap(weights(5, 11), tokens(5), source)
    render(ax)
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {55.0 if long else 0.0}
    if not long:
        spans = [label.get_window_extent() for label in ax.get_xticklabels()]
        assert all(a.x1 < b.x0 for a, b in zip(spans, spans[1:], strict=False))


def test_a_map_can_be_drawn_on_given_axes() -> None:
    figure, pair = plt.subplots(1, 2)
    for ax in pair:
        assert plots.heatmap(weights(3, 2), tokens(3), tokens(2), ax=ax) is ax
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("alignment", "target", "source", "gold", "complaint"),
    [
        (np.ones((2, 3, 5)) / 5, 3, 5, None, "one row of the batch"),
        (np.zeros((0, 3)), 0, 3, None, "expected .m, n."),
        (weights(3, 5), 5, 3, None, "5 target tokens, expected 3.*transposed"),
        (weights(3, 5), 3, 6, None, "6 source tokens, expected 5"),
        (np.array([[np.nan, 1.0]]), 1, 2, None, "no real token"),
        (np.array([[-1.0, 2.0]]), 1, 2, None, "before the softmax"),
        (weights(3, 5), 3, 5, {(3, 0)}, "gold has the link .3, 0. outside the 3 x 5"),
        (weights(3, 5), 3, 5, {(0, -1)}, "outside"),
    ],
)
def test_bad_maps_are_refused(alignment: Any, target: int, source: int, gold: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        plots.heatmap(alignment, tokens(target), tokens(source), gold=gold)


def test_maps_side_by_side_have_cells_of_one_size() -> None:
    given = {
        "one": (weights(3, 2), tokens(3), tokens(2), {(0, 1)}),
        "two": (weights(5, 4), tokens(5), tokens(4)),
    }
    axes = plots.maps(given)
    render(axes[0])
    sides = [ax.get_window_extent().width / n for ax, n in zip(axes, (2, 4), strict=True)]
    assert sides[0] == pytest.approx(sides[1], rel=0.25)
    assert [ax.get_title(loc="left") for ax in axes] == ["one", "two"] and boxes(axes[0]) == [
        ((0, 1), "solid")
    ]
    with pytest.raises(ValueError, match="no map"):
        plots.maps({})


# --- what is said to those who cannot see it --------------------------------------------------------------


def said(ax: Axes) -> str:
    """Return the words of the figure on which axes lie."""
    return plots.alt_text(ax.figure)  # type: ignore[arg-type]


def test_a_map_says_where_each_row_looks_and_what_the_boxes_hold() -> None:
    ax = plots.heatmap([[0.9, 0.1], [0.5, 0.5]], ["I", ""], ["我", "跑了"], gold={(0, 0)}, title="Looks")
    assert said(ax) == (
        "Looks – a map of 2 rows by 2 columns; largest in each row: I – 我 0.90, ∅ – 我 and 跑了 0.50. "
        "The boxed cells hold 0.45 of it all."
    )
    assert ", the first 12 of 30: w0" in said(plots.heatmap(weights(30, 20), tokens(30), tokens(20)))
    assert "3 alike 0.33" in said(plots.heatmap([[1 / 3] * 3], ["t"], tokens(3)))


def test_curves_say_where_they_begin_turn_and_end() -> None:
    ax = plots.curves(
        {"up": [1.0, 2.0], "dip": [[3.0, 0.0, 2.9], [3.0, 0.02, 2.9]]}, x={"dip": [5, 6, 7]}, ylabel="loss"
    )
    assert said(ax) == (
        "loss against step; up goes from 1 at 1 to 2 at 2; dip goes from 3 at 5 to 0.01 at 6 to 2.9 at 7."
    )
    ax = plots.length_curve([5, 11], {"a": [0.914, 0.25]}, ylabel="match", xlabel="letters")
    assert said(ax) == "match by letters; a: 5 0.91, 11 0.25."


def test_bars_hull_and_several_panels_say_their_numbers() -> None:
    left, right = plots.panels(2)
    plots.bars({"cold": [0.9, 0.1], "hot": [0.5, 0.5]}, ["a", "b"], title="T", ax=left)
    plots.hull([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]], [0.5, 0.25, 0.25], labels=tokens(3), ax=right)
    assert said(left) == (
        "T – bars of weight; cold: a 0.9, b 0.1; hot: a 0.5, b 0.5. "
        "points in the plane with weights w0 0.5, w1 0.25, w2 0.25; a star, c_t, at (0.5, 0.5)."
    )
    assert said(plots.panels()) == ""


def test_figures_have_three_sizes() -> None:
    widths = [float(plots.panels(size=size).figure.get_figwidth()) for size in ("small", "text", "wide")]
    assert widths == [4.6, 6.4, 9.6]
    with pytest.raises(ValueError, match="expected one of small, text, wide"):
        plots.panels(size="huge")


# --- curves -----------------------------------------------------------------------------------------------


def test_a_curve_has_its_name_at_its_end() -> None:
    ax = plots.curves({"one": [3.0, 2.0, 1.0], "$two_": [3.0, 2.5, 2.4]}, x=[10, 20, 30])
    assert {text.get_text(): tuple(map(float, text.xy)) for text in ax.texts} == {  # type: ignore[attr-defined]
        "one": (30.0, 1.0),
        "$two_": (30.0, 2.4),
    }
    colours = [line.get_color() for line in ax.lines]
    assert colours == list(plots.COLOURS[:2]) and {text.get_color() for text in ax.texts} == set(colours)
    assert ax.get_legend() is None
    render(ax)


def test_names_are_pushed_apart() -> None:
    near = {name: [1.0, 1.0 + k / 1000] for k, name in enumerate(tokens(5))}
    ax = plots.curves({**near, "far": [1.0, 9.0]})
    render(ax)
    spans = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 2 for low, high in zip(spans, spans[1:], strict=False))


def test_seeds_become_a_mean_and_a_band() -> None:
    runs = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 4.0], [2.0, 5.0, 2.0]])
    ax = plots.curves({"a": runs})
    assert np.array_equal(ax.lines[0].get_ydata(), runs.mean(0))
    corners = ax.collections[0].get_paths()[0].vertices
    assert [corners[corners[:, 0] == x, 1].min() for x in (1, 2, 3)] == [1, 2, 2]
    assert [corners[corners[:, 0] == x, 1].max() for x in (1, 2, 3)] == [3, 5, 4]


def test_smoothing_is_a_centred_mean_beside_the_raw_curve() -> None:
    ax = plots.curves({"a": [0.0, 3.0, 6.0, 0.0, 0.0]}, smooth=3)
    raw, smooth = (line.get_ydata() for line in ax.lines)
    assert np.array_equal(raw, [0, 3, 6, 0, 0])
    np.testing.assert_allclose(smooth, [1.5, 3, 3, 2, 0])


def test_a_logarithmic_axis() -> None:
    assert plots.curves({"a": [100.0, 1.0]}, log=True).get_yscale() == "log"


@pytest.mark.parametrize(
    ("series", "options", "complaint"),
    [
        ({}, {}, "at least one name"),
        ({"a": [1.0]}, {"smooth": 0}, "smooth is 0"),
        ({"a": [1.0, 2.0]}, {"x": [1, 2, 3]}, "'a' has shape .* at places of shape"),
        ({"a": np.zeros((2, 3, 5))}, {}, "'a' has shape"),
        ({"a": []}, {}, "not empty"),
        ({"a": [1.0, np.inf]}, {}, "diverge"),
    ],
)
def test_bad_curves_are_refused(series: Any, options: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        plots.curves(series, **options)


def test_length_curves_have_whiskers() -> None:
    runs = np.array([[0.9, 0.8, 0.2], [1.0, 0.6, 0.1]])
    interval = [[0.7, 0.7, 0.5], [0.9, 0.9, 0.8]]
    series = {"seeds": runs, "interval": [0.8, 0.8, 0.7], "alone": [0.3, 0.2, 0.1]}
    ax = plots.length_curve([5, 11, 23], series, intervals={"interval": interval}, trained_to=11)
    ends = [[segment[:, 1].tolist() for segment in whisker.get_segments()] for whisker in ax.collections]
    assert ends[0] == [[0.9, 1.0], [0.6, 0.8], [0.1, 0.2]]
    assert ends[1] == [[0.7, 0.9], [0.7, 0.9], [0.5, 0.8]]
    assert len(ends) == 2  # one score without seeds or interval claims no certainty
    assert ax.get_ylim()[0] <= 0
    assert "longest in training" in [text.get_text() for text in ax.texts]
    render(ax)


def test_lengths_may_be_names_and_scores_may_be_missing() -> None:
    ax = plots.length_curve(["1–5", "6–10", "11+"], {"a": [30.0, np.nan, 20.0]})
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1–5", "6–10", "11+"]
    render(ax)


def test_bad_length_curves_are_refused() -> None:
    with pytest.raises(ValueError, match="'a' has shape"):
        plots.length_curve([1, 2, 3], {"a": [1.0, 2.0]})
    with pytest.raises(ValueError, match="not .2, 2.: low, high"):
        plots.length_curve([1, 2], {"a": [1.0, 2.0]}, intervals={"a": [1.0, 2.0]})
    with pytest.raises(ValueError, match="no series"):
        plots.length_curve([1, 2], {})


# --- bars and the hull ------------------------------------------------------------------------------------


def test_bars_say_their_numbers() -> None:
    ax = plots.bars([0.25, 0.625, 0.125], ["我", "跑了", "$<eos>_"])
    assert [bar.get_height() for bar in ax.patches] == [0.25, 0.625, 0.125]  # type: ignore[attr-defined]
    assert [text.get_text() for text in ax.texts] == ["0.25", "0.62", "0.12"]
    assert ax.get_ylim()[0] == 0 and 1 <= ax.get_ylim()[1] < 1.2  # weights always have the same scale
    render(ax)


def test_scores_may_be_negative() -> None:
    ax = plots.bars([2.0, -1.5], tokens(2), ylabel="score")
    assert ax.get_ylim()[0] < -1.5 and ax.get_ylim()[1] > 2
    assert ax.texts[1].get_text() == "\N{MINUS SIGN}1.50"


def test_several_bars_stand_side_by_side() -> None:
    ax = plots.bars({"cold": [0.9, 0.1], "warm": [0.6, 0.4], "hot": [0.5, 0.5]}, tokens(2))
    left = [patch.get_x() for patch in ax.patches]  # type: ignore[attr-defined]
    assert len(set(np.round(left, 6))) == 6
    legend = ax.get_legend()
    assert legend is not None and [text.get_text() for text in legend.get_texts()] == ["cold", "warm", "hot"]
    render(ax)


@pytest.mark.parametrize("heights", [[1.0], [[1.0, 2.0]], [1.0, np.nan], {}])
def test_bad_bars_are_refused(heights: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        plots.bars(heights, tokens(2))


def test_the_context_lies_where_the_weights_say() -> None:
    points, alpha = np.random.default_rng(3).normal(size=(7, 2)), weights(1, 7)[0]
    ax = plots.hull(points, alpha)
    np.testing.assert_allclose(ax.collections[-1].get_offsets()[0], alpha @ points)
    sizes = ax.collections[0].get_sizes()
    assert np.array_equal(np.argsort(sizes), np.argsort(alpha))
    assert len(ax.texts) == 8
    render(ax)


def test_the_hull_contains_every_point() -> None:
    points = np.random.default_rng(5).normal(size=(23, 2))
    corners = plots.convex_hull(points)
    assert {tuple(corner) for corner in corners} <= {tuple(point) for point in points}
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        side = (end - start)[0] * (points - start)[:, 1] - (end - start)[1] * (points - start)[:, 0]
        assert (side >= -1e-12).all()  # counter-clockwise: everything is at the left of every edge


@pytest.mark.parametrize("n", [1, 2, 3])
def test_flat_hulls_can_be_drawn(n: int) -> None:
    """All points on one line, or only one point."""
    points = np.arange(n)[:, None] * np.ones(2)
    render(plots.hull(points, np.full(n, 1 / n), labels=["$a_"] * n))


def test_bad_hulls_are_refused() -> None:
    with pytest.raises(ValueError, match="choose two coordinates"):
        plots.hull(np.zeros((3, 5)), np.ones(3) / 3)
    with pytest.raises(ValueError, match="one for each point"):
        plots.hull(np.zeros((3, 2)), np.ones(2) / 2)
    with pytest.raises(ValueError, match="sum to 3"):
        plots.hull(np.zeros((3, 2)), np.ones(3))
    with pytest.raises(ValueError, match="2 labels for 3"):
        plots.hull(np.zeros((3, 2)), np.ones(3) / 3, labels=["a", "b"])
