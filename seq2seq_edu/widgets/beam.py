"""Beam explorer: grow the tree of a search step by step, and see what width and length penalty change."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import traitlets
from matplotlib.figure import Figure

from seq2seq_edu.data import EOS, PAD
from seq2seq_edu.plots import tree, visible
from seq2seq_edu.widgets.base import Widget

if TYPE_CHECKING:
    from seq2seq_edu.data import Text
    from seq2seq_edu.models import EncoderDecoder

DIGITS = 5  # of a log-probability
PICTURE = 72  # boxes, about, of the picture without a browser
STATUS = ("kept", "finished", "pruned")
Tree = tuple[Sequence[tree.TreeNode], Sequence[str]]  # nodes and the word of each


class Ended(NamedTuple):
    """A finished sentence: its tokens, their natural log-probability, and what it is ranked by."""

    tokens: list[str]
    log_prob: float
    score: float


class Branch(NamedTuple):
    """A node of a tree, with the score that the present length penalty gives it."""

    id: int
    parent: int | None
    step: int
    token: str
    log_prob: float
    score: float
    status: str


class BeamExplorer(Widget):
    r"""Grow the tree of a beam search, and rank what has finished.

    .. math:: \mathrm{score}(y) = \frac{\log p(y \mid x)}{m^\alpha}

    Alpha ranks the finished; it changes nothing that is pruned: all candidates of a step are as long. The
    trees given should go on until as many have finished as the beam is wide, as :meth:`of` sees to.

    Parameters
    ----------
    trees : mapping of width to (nodes, tokens)
        For each width, the nodes as ``decoding.tree`` gives them, the root first, and the word of each.
    width : int
        Open hypotheses; by default the middle one of those given.
    length_penalty : float
        Alpha, from 0 (compare sums) to 2; 1 compares means.
    pruned : int
        Most pruned nodes that are shown of each step, the first ones (in a search: the best).
    **state : object
        ``step``: how many are shown, -1 for all; ``judged``: False while the last of them waits to be pruned;
        ``language`` and ``size``.

    Examples
    --------
    >>> from types import SimpleNamespace as Node
    >>> root = Node(id=0, parent=None, log_prob=0.0, status="kept")
    >>> me = Node(id=1, parent=0, log_prob=-0.9, status="kept")
    >>> end = Node(id=2, parent=1, log_prob=-1.0, status="finished")
    >>> explorer = BeamExplorer({1: ([root, me, end], ["<bos>", "me", "<eos>"])}, length_penalty=0.0)
    >>> explorer.best, explorer.score
    (['me', '<eos>'], -1.0)

    References
    ----------
    Graves (2012), arXiv:1211.3711; Wu et al. (2016), arXiv:1609.08144, section 7. Taught in: decoding.
    """

    _module = "beam"

    trees = traitlets.List(traitlets.Dict()).tag(sync=True)
    width = traitlets.Int(1).tag(sync=True)
    length_penalty = traitlets.Float(1.0).tag(sync=True)
    step = traitlets.Int(-1).tag(sync=True)
    judged = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        trees: Mapping[int, Tree],
        width: int | None = None,
        length_penalty: float = 1.0,
        pruned: int = 3,
        **state: object,
    ) -> None:
        packed, problem = [], ""
        try:
            packed = [_packed(k, trees, pruned) for k in sorted(trees)]
        except (ValueError, TypeError, AttributeError) as error:
            problem = str(error)
        if width is None:
            width = packed[len(packed) // 2]["width"] if packed else 1
        super().__init__(trees=packed, width=width, length_penalty=length_penalty, **state)
        self.problem = problem or self.problem

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
        import torch

        from seq2seq_edu import decoding

        ids = source_text.encode(sentence)
        src = torch.tensor([*ids, EOS], device=next(model.parameters()).device)
        trees: dict[int, Tree] = {}
        for width in widths if ids else ():
            tree = decoding.tree(model, src, src != PAD, width=width, max_length=max_length)
            trees[width] = tree, target_text.tokens([node.token for node in tree])
        return cls(trees, **options)

    def check(self) -> None:
        """Raise ValueError if there is no tree, or none of this width and step."""
        if not self.trees:
            raise ValueError("there is no tree of a search: is the sentence empty?")
        widths = [tree["width"] for tree in self.trees]
        if self.width not in widths:
            raise ValueError(f"width is {self.width}, choose from {', '.join(map(str, widths))}")
        if not 0 <= self.length_penalty <= 2:
            raise ValueError(f"length_penalty is {self.length_penalty}, expected 0 (sums) to 2 (1: means)")
        steps = max(self._tree(width)[1][-1] for width in widths)
        if not -1 <= self.step <= steps:
            raise ValueError(f"step is {self.step}, expected 0 to {steps}, or -1 for the whole search")

    def _tree(self, width: int | None = None) -> tuple[list[list[Any]], list[int]]:
        """Return the nodes of a width, by default the present one, and the step of each."""
        width = self.width if width is None else width
        nodes = next(tree["nodes"] for tree in self.trees if tree["width"] == width)
        depth: list[int] = []
        for parent, *_ in nodes:
            depth.append(0 if parent < 0 else depth[parent] + 1)
        return nodes, depth

    @property
    def branches(self) -> list[Branch]:
        """Return the nodes that are shown: all of the steps so far, but the one that waits to be pruned."""
        self.require_valid()
        nodes, depth = self._tree()
        last = depth[-1] if self.step < 0 else min(self.step, depth[-1])
        found = []
        for k, ((parent, token, p, status), t) in enumerate(zip(nodes, depth, strict=True)):
            if t <= last - (not self.judged):
                score = p / max(t, 1) ** self.length_penalty
                found.append(Branch(k, None if parent < 0 else parent, t, token, p, score, status))
        return found

    @property
    def finished(self) -> list[Ended]:
        """Return the sentences that have finished so far, best score first."""
        branches = self.branches
        ends = [node for node in branches if node.status == "finished"]
        if not ends and self.judged and self._is_whole():
            last = branches[-1].step
            ends = [node for node in branches if node.step == last and node.status == "kept"]
        ends.sort(key=lambda node: -node.score)  # of equals the first comes first
        return [Ended(_path(branches, node), node.log_prob, node.score) for node in ends]

    @property
    def best(self) -> list[str]:
        """Return the tokens of the winner so far, eos included."""
        return self._winner().tokens

    @property
    def score(self) -> float:
        """Return the score of the winner so far, in nats per token to the power of the penalty."""
        return self._winner().score

    def _winner(self) -> Ended:
        """Return the best of what has finished, or say that nothing has."""
        finished = self.finished
        if not finished:
            raise ValueError(f"nothing has finished by step {self.step}: go on, or set step to -1")
        return finished[0]

    def _is_whole(self) -> bool:
        """Tell whether all steps of this width are shown."""
        return not 0 <= self.step < self._tree()[1][-1]

    def figure(self) -> Figure:
        """Draw the tree as far as it is judged, with one pruned node a step; of a long one, the beginning."""
        branches = self.branches
        last, most = branches[-1].step, PICTURE // (self.width + 1)
        title = f"width {self.width}, α = {self.length_penalty:.1f}"
        if last > most:
            branches = [node for node in branches if node.step <= most]
            title += f", {most} of {last} steps"
        ax = tree.beam_tree(branches, [node.token for node in branches], pruned=1, title=title)
        return cast(Figure, ax.get_figure())

    def describe(self) -> str:
        """Say how far the search is, and what is the best so far."""
        branches, finished = self.branches, self.finished
        step, ends = branches[-1].step, self.say("none is finished yet.")
        if finished:
            ends = self.say(
                "the best is {words}, score {score}, α = {alpha}.",
                words=" ".join(map(visible, finished[0].tokens)),
                score=f"{finished[0].score:.2f}",
                alpha=f"{self.length_penalty:.1f}",
            )
        return self.say(
            "Search tree of width {width} after step {step}: {kept} kept, {finished} finished; {ends}",
            width=self.width,
            step=step,
            kept=sum(node.status == "kept" and node.step == step for node in branches),
            finished=len(finished),
            ends=ends,
        )


def _packed(width: int, trees: Mapping[int, Tree], most: int) -> dict[str, Any]:
    """Write a tree as short lists, without the worse pruned ones of each step; refuse what is no tree."""
    name, pair = f"the tree of width {width}", trees[width] if isinstance(trees, Mapping) else None
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ValueError("trees is no mapping of width to (nodes, tokens): write {2: (nodes, tokens)}")
    nodes, tokens = pair
    if not nodes or nodes[0].parent is not None:
        raise ValueError(f"{name} has no root: expected nodes[0] with parent None")
    if len(nodes) == 1:
        raise ValueError(f"{name} is a root without a step: did the search run?")
    if len(tokens) != len(nodes):
        raise ValueError(f"{name} has {len(nodes)} nodes but {len(tokens)} tokens, expected one a node")
    depth, place, short, pruned = [0], {0: 0}, [[-1, str(tokens[0]), 0.0, "kept"]], Counter[int]()
    for k, parent in enumerate(_parents(name, nodes), start=1):
        depth.append(depth[parent] + 1)
        if depth[k] < depth[k - 1]:
            raise ValueError(f"{name} has node {k} of step {depth[k]} after a later one: go step by step")
        log_prob, status = round(float(nodes[k].log_prob), DIGITS), nodes[k].status
        pruned[depth[k]] += status == "pruned"
        if status != "pruned" or pruned[depth[k]] <= most:
            place[k] = len(short)
            short.append([place[parent], str(tokens[k]), log_prob, status])
    return {"width": int(width), "nodes": short}


def _parents(name: str, nodes: Sequence[tree.TreeNode]) -> list[int]:
    """Return the parent of each node but the root, or say what is wrong with one."""
    parents = []
    for k, node in enumerate(nodes[1:], start=1):
        this, parent = f"node {k} of {name}", node.parent
        if node.id != k:
            raise ValueError(f"{this} has id {node.id}, expected its place in the list")
        if parent is None or not 0 <= parent < k:
            raise ValueError(f"{this} has parent {parent}, expected an earlier node")
        if node.status not in STATUS:
            raise ValueError(f"{this} has status {node.status!r}, expected one of {', '.join(STATUS)}")
        if nodes[parent].status != "kept":
            raise ValueError(f"{this} continues node {parent}, which was {nodes[parent].status}")
        if not math.isfinite(node.log_prob) or node.log_prob > nodes[parent].log_prob + 1e-3:
            raise ValueError(
                f"{this} has log-probability {node.log_prob:.4g} after {nodes[parent].log_prob:.4g}, "
                "expected a sum that only falls: are these scores?"
            )
        parents.append(parent)
    return parents


def _path(branches: Sequence[Branch], node: Branch) -> list[str]:
    """Return the words on the way to a node, without the root."""
    words: list[str] = []
    while node.parent is not None:
        words.append(node.token)
        node = branches[node.parent]
    return words[::-1]
