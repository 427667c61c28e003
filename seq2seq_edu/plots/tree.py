"""A search as a picture: nodes and their words in, axes out; never a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from seq2seq_edu.plots.style import COLOURS, GREY, INK, describe, number, visible

LOOKS: dict[str, dict[str, Any]] = {  # told apart by line and fill too, not by colour alone
    "kept": {"facecolor": "#E3EFF8", "edgecolor": COLOURS[0], "linewidth": 1.2},
    "finished": {"facecolor": COLOURS[1], "edgecolor": COLOURS[1], "linewidth": 1.2},
    "pruned": {"facecolor": "white", "edgecolor": "#9a9a9a", "linewidth": 0.9, "linestyle": (0, (3, 2))},
}
TreeNode = Any  # what the picture asks: id, parent, step, log_prob, score and status
WORDS = {"kept": INK, "finished": "white", "pruned": GREY}


def beam_tree(
    nodes: Sequence[TreeNode],
    tokens: Sequence[str],
    *,
    pruned: int = 2,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw the tree of a search from left to right, each node with its word and its log-probability.

    .. math:: \log p(y_{\le t} \mid x) = \sum_{r \le t} \log p(y_r \mid y_{<r}, x)

    is the number under a word. Blue boxes were kept, orange ones are finished (eos), dashed grey ones were
    pruned. The thick line leads to the finished node with the best score. The most probable child stands
    beside its parent, so the straight line along the top is greedy search. Taught in: decoding.

    Parameters
    ----------
    nodes : sequence of `decoding.Node`. The root first, ``nodes[i].id == i``.
    tokens : sequence of strings. The word of each node, shown as it is.
    pruned : int. Most pruned nodes that are drawn a step (the best ones), so that the picture can be read.
    title, ax : as for `curves`; by default a new figure that fits

    Returns
    -------
    ax : Axes. One text a node.

    Examples
    --------
    >>> from types import SimpleNamespace as Node
    >>> root = Node(id=0, parent=None, step=0, log_prob=0.0, score=0.0, status="kept")
    >>> child = Node(id=1, parent=0, step=1, log_prob=-0.5, score=-0.5, status="finished")
    >>> [text.get_text() for text in beam_tree([root, child], ["<bos>", "<eos>"]).texts]
    ['<bos>', '<eos>\n−0.50']
    """
    check_tree(nodes, tokens)
    shown = _shown(nodes, pruned)
    heights = _heights(nodes, shown)
    steps, lowest, highest = shown[-1].step, min(heights.values()), max(heights.values())
    if ax is None:
        widest = max(len(visible(tokens[node.id])) for node in shown)
        width = 0.6 + (steps + 0.4) * max(0.85, 0.3 + 0.095 * widest)  # inches
        ax = plt.figure(figsize=(width, 0.5 + 0.42 * (1 - lowest))).add_subplot()
    path = _winner(nodes)
    for node in shown:
        if node.parent is not None:
            style: dict[str, Any] = {"color": "#b5b5b5", "linewidth": 1.0, "zorder": 1}
            if node.id in path:
                style = {"color": COLOURS[1], "linewidth": 3.0, "zorder": 2}
            x, top, y = node.step, heights[node.parent], heights[node.id]
            ax.plot([x - 1, x - 0.5, x - 0.5, x], [top, top, y, y], solid_joinstyle="round", **style)
        _write(ax, node, tokens[node.id], heights[node.id])
    ax.set(xlim=(-0.45, steps + 0.45), ylim=(lowest - 0.6, highest + 0.6))
    ax.set_axis_off()
    if title is not None:
        ax.set_title(title)
    describe(ax, _words(nodes, tokens, path))
    return ax


def _write(ax: Axes, node: TreeNode, token: str, height: float) -> None:
    """Put the box of a node in its place."""
    number = "" if node.parent is None else f"\n{node.log_prob:.2f}".replace("-", "\N{MINUS SIGN}")
    box = {"boxstyle": "round,pad=0.22", **LOOKS[node.status]}
    words: dict[str, Any] = {"color": WORDS[node.status], "fontsize": 8, "linespacing": 1.05, "zorder": 3}
    centre: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False}
    ax.text(node.step, height, visible(token) + number, bbox=box, **centre, **words)


def check_tree(nodes: Sequence[TreeNode], tokens: Sequence[str]) -> None:
    """Say what is wrong with the nodes of a tree, or with the words for them."""
    if not nodes or nodes[0].parent is not None:
        raise ValueError("the tree has no root: expected nodes[0] with parent None")
    if len(tokens) != len(nodes):
        counts = f"{len(nodes)} nodes but {len(tokens)} tokens"
        raise ValueError(f"there are {counts}: give one a node, and the root")
    for place, node in enumerate(nodes):
        if node.status not in LOOKS:
            raise ValueError(f"node {place} has status {node.status!r}, expected one of {', '.join(LOOKS)}")
        if node.id != place:
            raise ValueError(f"node {place} has id {node.id}, expected its place in the list")
        if place and not (node.parent is not None and 0 <= node.parent < place):
            raise ValueError(f"node {place} has parent {node.parent}, expected an earlier node")


def _shown(nodes: Sequence[TreeNode], pruned: int) -> list[TreeNode]:
    """Return the nodes to draw, all but the worse pruned ones, by step, the most probable first."""
    seen: Counter[int] = Counter()
    shown = []
    for node in sorted(nodes, key=lambda node: (node.step, -node.log_prob)):
        seen[node.step] += node.status == "pruned"
        if node.status != "pruned" or seen[node.step] <= pruned:
            shown.append(node)
    return shown


def _heights(nodes: Sequence[TreeNode], shown: Sequence[TreeNode]) -> dict[int, float]:
    """Return the height of each node: the likeliest children on one line, the other branches packed below."""
    children: dict[int, list[int]] = {node.id: [] for node in shown}
    for node in shown:
        if node.parent is not None:
            children[node.parent].append(node.id)
    heights: dict[int, float] = {}
    free = [0] * (shown[-1].step + 1)  # the first free row of each step

    def place(k: int) -> None:
        line = [k]
        while children[line[-1]]:
            line.append(children[line[-1]][0])
        row = max(free[nodes[c].step] for c in line)
        for c in line:
            heights[c], free[nodes[c].step] = -float(row), row + 1
        for c in reversed(line):  # the deepest first: then no two lines cross
            for other in children[c][1:]:
                place(other)

    place(0)
    return heights


def _winner(nodes: Sequence[TreeNode]) -> set[int]:
    """Return the ids on the way to the finished node with the best score; none if nothing finished."""
    finished = [node for node in nodes if node.status == "finished"]
    path, at = set(), max(finished, key=lambda node: node.score) if finished else nodes[0]
    while at.parent is not None:
        path.add(at.id)
        at = nodes[at.parent]
    return path


def _words(nodes: Sequence[TreeNode], tokens: Sequence[str], path: set[int]) -> str:
    """Say how the search went: steps, what was kept, and what won."""
    count = {status: sum(node.status == status for node in nodes) for status in LOOKS}
    said = ", ".join(f"{n} {status}" for status, n in count.items())
    best = [node for node in nodes if node.id in path]
    won = " ".join(visible(tokens[node.id]) for node in best)
    score = f" Best: {won}, score {number(best[-1].score, '.2f')}." if best else ""
    return f"a tree of {max(node.step for node in nodes)} steps, {said}.{score}"
