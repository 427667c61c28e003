"""The tree of a search: what is drawn, where, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
from example_tree import NODES, TOKENS, Node
from matplotlib.colors import to_hex

from seq2seq_edu.plots import alt_text, beam_tree, use_style
from seq2seq_edu.plots.tree import LOOKS


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close what a test drew."""
    yield
    plt.close("all")


def test_every_node_shows_its_word_and_number() -> None:
    with plt.rc_context():
        use_style()
        ax = beam_tree(NODES, ["$it$" if token == "it" else token for token in TOKENS])
        ax.figure.canvas.draw()  # the dollar is no formula
    assert len(ax.texts) == 10
    words = {text.get_text().replace("\N{MINUS SIGN}", "-") for text in ax.texts}
    assert words >= {"<bos>", "我\n-0.40", "$it$\n-3.00"}


def test_columns_are_steps_and_no_two_nodes_of_a_step_touch() -> None:
    texts = beam_tree(NODES, TOKENS).texts
    places = [text.get_position() for text in texts]
    assert sorted(x for x, _ in places) == [0, 1, 1, 1, 1, 2, 2, 2, 3, 3]
    for step in (1, 2, 3):
        heights = sorted(y for x, y in places if x == step)
        assert min(b - a for a, b in zip(heights, heights[1:], strict=False)) >= 1


def test_the_most_probable_child_stands_beside_its_parent() -> None:
    heights = {t.get_text().split("\n")[0]: t.get_position()[1] for t in beam_tree(NODES, TOKENS).texts}
    assert heights["<bos>"] == heights["我"] == heights["也是"] == 0
    assert [heights[token] for token in ("不", "me", "so", "it")] == [-1, -2, -3, -4]


def test_branches_are_packed_and_no_two_boxes_share_a_place() -> None:
    chain = [Node(k, k - 1 if k else None, k, -0.1 * k, -0.1, "kept") for k in range(8)]
    late = [Node(8, 5, 6, -3.0, -0.5, "pruned"), Node(9, 0, 1, -2.0, -2.0, "kept")]
    tree = [*chain, *late, Node(10, 9, 2, -2.5, -1.2, "pruned")]
    places = [text.get_position() for text in beam_tree(tree, [str(k) for k in range(11)]).texts]
    assert len(set(places)) == 11
    assert {y for _, y in places} == {0, -1}  # the early branch needs no row of its own
    beside = [*chain, Node(8, 1, 2, -3.0, -1.5, "pruned"), late[1], Node(10, 9, 2, -2.5, -1.2, "pruned")]
    places = [text.get_position() for text in beam_tree(beside, [str(k) for k in range(11)]).texts]
    assert len(set(places)) == 11  # here it does


def test_only_the_best_pruned_ones_are_drawn() -> None:
    words = [text.get_text()[:2] for text in beam_tree(NODES, TOKENS, pruned=1).texts]
    assert "so" in words and "it" not in words and len(words) == 9


def test_looks_tell_the_status() -> None:
    for text, node in zip(beam_tree(NODES, TOKENS).texts, NODES, strict=True):
        patch = text.get_bbox_patch()
        assert patch is not None
        assert to_hex(patch.get_edgecolor()) == to_hex(LOOKS[node.status]["edgecolor"])
        assert (patch.get_linestyle() in ("-", "solid")) == (node.status != "pruned")


def test_the_thick_line_leads_to_the_best_score() -> None:
    lines = [line for line in beam_tree(NODES, TOKENS).lines if line.get_linewidth() > 2]
    assert len(lines) == 3
    better = [*NODES[:6], replace(NODES[6], score=-0.1), *NODES[7:]]
    (me,) = [t for t in beam_tree(better, TOKENS).texts if t.get_text()[:2] == "me"]
    ends = [tuple(line.get_xydata()[-1]) for line in me.axes.lines if line.get_linewidth() > 2]
    assert me.get_position() in ends and len(ends) == 2, "the greedy first step, 我, is not on it"


def test_no_winner_before_one_has_finished() -> None:
    assert all(line.get_linewidth() < 2 for line in beam_tree(NODES[:5], TOKENS[:5]).lines)


def test_it_is_said_in_words() -> None:
    words = alt_text(beam_tree(NODES, TOKENS).figure)  # type: ignore[arg-type]
    assert words == "a tree of 3 steps, 5 kept, 2 finished, 3 pruned. Best: 我 也是 <eos>, score -0.4."


@pytest.mark.parametrize(
    ("nodes", "tokens", "message"),
    [
        ([], [], "no root"),
        (NODES[1:], TOKENS[1:], "no root"),
        (NODES, TOKENS[:-1], "10 nodes but 9 tokens"),
        ([NODES[0], replace(NODES[1], status="lost")], TOKENS[:2], "expected one of kept"),
        ([NODES[0], replace(NODES[1], id=5)], TOKENS[:2], "its place"),
        ([NODES[0], replace(NODES[1], parent=1)], TOKENS[:2], "earlier node"),
    ],
)
def test_bad_trees_are_refused(nodes: list[Node], tokens: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beam_tree(nodes, tokens)
