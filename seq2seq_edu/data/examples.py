"""What every generated task gives: sentences with their answers, their gold links, and a fair split."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

Link = tuple[int, int]
_Side = tuple[str, Hashable]  # ("source" or "target", the sentence)


class Example(NamedTuple):
    """One source sentence, its target, and the gold links between them.

    A link (t, i) says that target step t comes from source position i; both count from 0, without end tokens.
    `sure` links are beyond doubt; `possible` ones, S and P of Och and Ney (2003), contain them and those that
    an aligner may draw without being wrong.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    sure: frozenset[Link]
    possible: frozenset[Link]


def split(
    examples: Sequence[Example], *, validation: int, test: int, seed: int
) -> tuple[list[Example], list[Example], list[Example]]:
    """Deal examples into training, validation and test so that no sentence is on two sides.

    Examples that share a source or a target, directly or through others, stay together: a test sentence seen
    in training would measure memory. Taught in: train_and_look.

    Parameters
    ----------
    examples : sequence of Example. Repeats are kept, all on one side.
    validation, test : int. How many examples these two sides get, exactly. Training gets the rest.
    seed : int. The same seed and arguments give the same split.

    Returns
    -------
    train, validation, test : lists of Example. Together they hold every example once.

    Examples
    --------
    >>> one, two, three = (Example((x,), (y,), frozenset(), frozenset()) for x, y in ["aA", "bB", "cB"])
    >>> train, validation, test = split([one, two, three], validation=0, test=1, seed=0)
    >>> test == [one]  # the others share a target, so they stay together
    True
    """
    if validation < 0 or test < 0 or validation + test > len(examples):
        raise ValueError(
            f"cannot take validation={validation} and test={test} from {len(examples)} examples; both must "
            "be 0 or more and leave the rest for training"
        )
    groups = connected((e.source, e.target) for e in examples)
    random.Random(seed).shuffle(groups)
    wanted = {"test": test, "validation": validation}
    sides: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for group in groups:
        side = next((s for s, size in wanted.items() if len(sides[s]) + len(group) <= size), "train")
        sides[side] += [examples[place] for place in group]
    for side, size in wanted.items():
        if len(sides[side]) != size:
            raise ValueError(
                f"expected {size} {side} examples, could take only {len(sides[side])}: too many examples "
                "share a source or a target; draw more examples or ask for fewer"
            )
    return sides["train"], sides["validation"], sides["test"]


def connected(pairs: Iterable[tuple[Hashable, Hashable]]) -> list[list[int]]:
    """Group the pairs that share a source or a target, directly or through others (union-find)."""
    parent: dict[_Side, _Side] = {}

    def root(side: _Side) -> _Side:
        parent.setdefault(side, side)
        while parent[side] != side:
            parent[side] = parent[parent[side]]  # halve the path for the next search
            side = parent[side]
        return side

    sources: list[_Side] = []
    for source, target in pairs:
        sources.append(("source", source))
        parent[root(sources[-1])] = root(("target", target))
    groups: dict[_Side, list[int]] = defaultdict(list)
    for place, side in enumerate(sources):
        groups[root(side)].append(place)
    return list(groups.values())


def check_count(count: int) -> None:
    """Refuse a negative number of examples."""
    if count < 0:
        raise ValueError(f"count is how many examples to draw, so it must be 0 or more, got {count}")
