"""Beam explorer: grow the tree of a search step by step, and see what width and length penalty change."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
import traitlets
from matplotlib.figure import Figure

from seq2seq_edu import decoding, plots
from seq2seq_edu.data import EOS, PAD, Text
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.widgets.base import Widget

DIGITS = 5  # of a log-probability
PICTURE = 72  # boxes, about, of the picture without a browser
Tree = tuple[Sequence[Any], Sequence[str]]  # nodes and the word of each


class Branch(NamedTuple):
    """A node of a tree, with all words from the root to it, and the score under the length penalty."""

    id: int
    parent: int | None
    step: int
    token: str
    tokens: list[str]
    log_prob: float  # natural
    score: float
    status: str


class BeamExplorer(Widget):
    r"""Grow the tree of a beam search, and rank what has finished.

    .. math:: \mathrm{score}(y) = \frac{\log p(y \mid x)}{m^\alpha}

    Alpha, ``length_penalty``, ranks the finished, from 0 (compare sums) to 2 (1 compares means); it changes
    nothing that is pruned: all candidates of a step are as long. ``trees`` has for each width the nodes of
    `decoding.tree` and the word of each, ``pruned`` says how many pruned ones of each step are shown.
    ``step`` is how far the search is (-1: to the end), ``judged`` whether its last step is already pruned.

    >>> from seq2seq_edu.decoding import Node
    >>> root, end = Node(0, None, 0, 1, 0.0, 0.0, "kept"), Node(1, 0, 1, 2, -1.0, -1.0, "finished")
    >>> explorer = BeamExplorer({1: ([root, end], ["<bos>", "<eos>"])})
    >>> explorer.best, explorer.finished[0].score
    (['<eos>'], -1.0)

    Graves (2012), arXiv:1211.3711; Wu et al. (2016), arXiv:1609.08144, section 7. Taught in: decoding.
    """

    trees = traitlets.List(traitlets.Dict())
    width = traitlets.Int(1)
    length_penalty = traitlets.Float(1.0)
    step = traitlets.Int(-1)
    judged = traitlets.Bool(True)

    def __init__(self, trees: Mapping[int, Tree], *, pruned: int = 3, **state: Any) -> None:
        refused: dict[str, str] = {}
        packed: list[dict[str, Any]] = []
        try:
            packed = [_packed(width, *trees[width], pruned) for width in sorted(trees)]
        except TypeError:
            refused["trees"] = "trees is no mapping of width to (nodes, tokens): write {2: (nodes, tokens)}"
        except ValueError as error:
            refused["trees"] = str(error)
        middle = packed[len(packed) // 2]["width"] if packed else 1
        super().__init__(refused, trees=packed, **{"width": middle, **state})

    @classmethod
    def of(
        cls,
        model: EncoderDecoder,
        source_text: Text,
        target_text: Text,
        sentence: str,
        widths: Iterable[int] = (1, 2, 3, 4, 5),
        *,
        max_length: int = 40,
        **options: Any,
    ) -> BeamExplorer:
        """Search with each of these widths; ``best`` is what ``decoding.beam`` returns for it."""
        ids = source_text.encode(sentence)
        src = torch.tensor([*ids, EOS], device=next(model.parameters()).device)
        trees: dict[int, Tree] = {}
        for width in widths if ids else ():
            tree = decoding.tree(model, src, src != PAD, width=width, max_length=max_length)
            trees[width] = tree, target_text.tokens([node.token for node in tree])
        return cls(trees, **options)

    def check(self) -> Iterator[str]:
        """Ask for a tree, a width of those given, and a penalty and a step in their range."""
        if not self.trees:
            yield "there is no tree of a search: is the sentence empty?"
        widths = [tree["width"] for tree in self.trees]
        if self.width not in widths:
            yield f"width is {self.width}, choose from {', '.join(map(str, widths))}"
        if not 0 <= self.length_penalty <= 2:
            yield f"length_penalty is {self.length_penalty}, expected 0 (sums) to 2 (1: means)"
        steps = max(self._nodes(width)[-1].step for width in widths)
        if not -1 <= self.step <= steps:
            yield f"step is {self.step}, expected 0 to {steps}, or -1 for the whole search"

    def _nodes(self, width: int) -> list[Branch]:
        """Return all nodes of a width, with their steps, words and scores."""
        found: list[Branch] = []
        for parent, token, p, status in next(tree["nodes"] for tree in self.trees if tree["width"] == width):
            tokens = [*found[parent].tokens, token] if found else []  # of the root none
            score = p / max(len(tokens), 1) ** self.length_penalty
            above = parent if found else None
            found.append(Branch(len(found), above, len(tokens), token, tokens, p, score, status))
        return found

    @property
    def branches(self) -> list[Branch]:
        """Return the nodes that are shown: all of the steps so far, but the one that waits to be pruned."""
        self.require_valid()
        nodes = self._nodes(self.width)
        last = nodes[-1].step if self.step < 0 else min(self.step, nodes[-1].step)
        return [node for node in nodes if node.step <= last - (not self.judged)]

    @property
    def finished(self) -> list[Branch]:
        """Return the sentences that have finished so far, best score first."""
        branches = self.branches
        ends = [node for node in branches if node.status == "finished"]
        if not ends and len(branches) == len(self._nodes(self.width)):  # cut off by the largest length
            ends = [node for node in branches if node.step == branches[-1].step and node.status == "kept"]
        return sorted(ends, key=lambda node: -node.score)  # of equals the first comes first

    @property
    def best(self) -> list[str]:
        """Return the tokens of the winner so far, eos included, or say that nothing has finished."""
        finished = self.finished
        if not finished:
            raise ValueError(f"nothing has finished by step {self.step}: go on, or set step to -1")
        return finished[0].tokens

    def figure(self) -> Figure:
        """Draw the tree as far as it is judged, with one pruned node a step; of a long one, the beginning."""
        branches = self.branches
        last, most = branches[-1].step, PICTURE // (self.width + 1)
        title = f"width {self.width}, α = {self.length_penalty:.1f}"
        if last > most:
            branches = [node for node in branches if node.step <= most]
            title += f", {most} of {last} steps"
        ax = plots.beam_tree(branches, [node.token for node in branches], pruned=1, title=title)
        return cast(Figure, ax.get_figure())

    def describe(self) -> str:
        """Say how far the search is, and what is the best so far."""
        branches, finished = self.branches, self.finished
        step, ends = branches[-1].step, self.say("none is finished yet.")
        if finished:
            ends = self.say(
                "the best is {words}, score {score:.2f}, α = {alpha:.1f}.",
                words=" ".join(map(plots.visible, finished[0].tokens)),
                score=finished[0].score,
                alpha=self.length_penalty,
            )
        return self.say(
            "Search tree of width {width} after step {step}: {kept} kept, {finished} finished; {ends}",
            width=self.width,
            step=step,
            kept=sum(node.status == "kept" and node.step == step for node in branches),
            finished=len(finished),
            ends=ends,
        )


def _packed(width: int, nodes: Sequence[Any], tokens: Sequence[str], most: int) -> dict[str, Any]:
    """Write a tree as short lists, without the worse pruned ones of each step; refuse what is no tree."""
    plots.check_tree(nodes, tokens)
    place: dict[int | None, int] = {None: -1}
    short: list[list[Any]] = []
    pruned = Counter[int]()
    for node, token in zip(nodes, tokens, strict=True):
        before = nodes[node.parent or 0].log_prob
        if not -math.inf < node.log_prob <= before + 1e-3:
            raise ValueError(
                f"node {node.id} has log-probability {node.log_prob:.4g} after {before:.4g}, expected a sum "
                "that only falls: are these scores?"
            )
        pruned[node.step] += node.status == "pruned"
        if node.status != "pruned" or pruned[node.step] <= most:
            place[node.id] = len(short)
            short.append([place[node.parent], str(token), round(float(node.log_prob), DIGITS), node.status])
    return {"width": int(width), "nodes": short}
