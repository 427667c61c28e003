"""The tree of a search: what is drawn, where, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from seq2seq_edu.plots import alt_text, beam_tree
from seq2seq_edu.plots.tree import LOOKS


@dataclass(frozen=True)
class Node:
    """A node as ``decoding.tree`` gives it."""

    id: int
    parent: int | None
    step: int
    log_prob: float
    score: float
    status: str


NODES = [
    Node(0, None, 0, 0.0, 0.0, "kept"),
    Node(1, 0, 1, -0.5, -0.5, "kept"),
    Node(2, 0, 1, -1.0, -1.0, "kept"),
    Node(3, 0, 1, -2.0, -2.0, "pruned"),
    Node(4, 0, 1, -3.0, -3.0, "pruned"),
    Node(5, 2, 2, -1.1, -0.55, "finished"),
    Node(6, 1, 2, -1.3, -0.65, "finished"),
]
TOKENS = ["<bos>", "a", "b", "c_1", "$d$", "</s>", "</s>"]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close what a test drew."""
    yield
    plt.close("all")


def test_every_node_shows_its_word_and_number() -> None:
    ax = beam_tree(NODES, TOKENS)
    assert len(ax.texts) == 7
    words = {text.get_text().replace("\N{MINUS SIGN}", "-") for text in ax.texts}
    assert words >= {"<bos>", "a\n-0.50", "$d$\n-3.00"}
    ax.figure.canvas.draw()  # the dollar is no formula


def test_columns_are_steps_and_no_two_nodes_of_a_step_touch() -> None:
    texts = beam_tree(NODES, TOKENS).texts
    places = [text.get_position() for text in texts]
    assert sorted(x for x, _ in places) == [0, 1, 1, 1, 1, 2, 2]
    for step in (1, 2):
        heights = sorted(y for x, y in places if x == step)
        assert min(b - a for a, b in zip(heights, heights[1:], strict=False)) >= 1


def test_the_most_probable_child_stands_beside_its_parent() -> None:
    places = {text.get_text()[:3]: text.get_position() for text in beam_tree(NODES, TOKENS).texts}
    assert places["<bo"][1] == places["a\n\N{MINUS SIGN}"][1] == 0
    assert places["b\n\N{MINUS SIGN}"][1] == -1 and places["c_1"][1] == -2


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
    words = [text.get_text()[:3] for text in beam_tree(NODES, TOKENS, pruned=1).texts]
    assert "c_1" in words and "$d$" not in words and len(words) == 6


def test_looks_tell_the_status() -> None:
    for text in beam_tree(NODES, TOKENS).texts[1:]:
        node = next(n for n in NODES if f"{n.log_prob:.2f}".replace("-", "\N{MINUS SIGN}") in text.get_text())
        patch = text.get_bbox_patch()
        assert patch is not None
        assert to_hex(patch.get_edgecolor()) == to_hex(LOOKS[node.status]["edgecolor"])
        assert (patch.get_linestyle() in ("-", "solid")) == (node.status != "pruned")


def test_the_thick_line_leads_to_the_best_score() -> None:
    lines = [line for line in beam_tree(NODES, TOKENS).lines if line.get_linewidth() > 2]
    assert len(lines) == 2  # bos to b, b to eos: the greedy first step, a, is not on it
    better = [*NODES[:6], replace(NODES[6], score=-0.1)]
    (a,) = [t for t in beam_tree(better, TOKENS).texts if t.get_text()[0] == "a"]
    ends = [tuple(line.get_xydata()[-1]) for line in a.axes.lines if line.get_linewidth() > 2]
    assert a.get_position() in ends


def test_no_winner_before_one_has_finished() -> None:
    assert all(line.get_linewidth() < 2 for line in beam_tree(NODES[:5], TOKENS[:5]).lines)


def test_it_is_said_in_words() -> None:
    words = alt_text(beam_tree(NODES, TOKENS).figure)  # type: ignore[arg-type]
    assert words == "a tree of 2 steps, 3 kept, 2 finished, 2 pruned. Best: b </s>, score -0.55."


@pytest.mark.parametrize(
    ("nodes", "tokens", "message"),
    [
        ([], [], "no root"),
        (NODES[1:], TOKENS[1:], "no root"),
        (NODES, TOKENS[:-1], "7 nodes but 6 tokens"),
        ([NODES[0], replace(NODES[1], status="lost")], TOKENS[:2], "expected one of kept"),
        ([NODES[0], replace(NODES[1], id=5)], TOKENS[:2], "its place"),
        ([NODES[0], replace(NODES[1], parent=1)], TOKENS[:2], "earlier node"),
    ],
)
def test_bad_trees_are_refused(nodes: list[Node], tokens: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beam_tree(nodes, tokens)
