"""Generated tasks: sentences with answers and gold links, a fair split, and the first task, reversal."""

from __future__ import annotations

import random
import string
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

    >>> one, two, three = (Example((x,), (y,), frozenset(), frozenset()) for x, y in ["aA", "bB", "cB"])
    >>> train, validation, test = split([one, two, three], validation=0, test=1, seed=0)
    >>> test == [one]  # the others share a target, so they stay together
    True

    Parameters
    ----------
    examples : sequence of Example. Repeats are kept, all on one side.
    validation, test : int. How many examples these two sides get, exactly. Training gets the rest.
    seed : int. The same seed and arguments give the same split.

    Returns
    -------
    train, validation, test : lists of Example. Together they hold every example once.
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

    sides: list[tuple[_Side, _Side]] = [(("source", source), ("target", target)) for source, target in pairs]
    for one, other in sides:
        parent[root(one)] = root(other)
    groups: dict[_Side, list[int]] = defaultdict(list)
    for place, (one, _) in enumerate(sides):
        groups[root(one)].append(place)
    return list(groups.values())


def check_count(count: int) -> None:
    """Refuse a negative number of examples."""
    if count < 0:
        raise ValueError(f"count is how many examples to draw, so it must be 0 or more, got {count}")


def reversal(
    count: int, *, seed: int, min_length: int = 4, max_length: int = 12, symbols: int = 20
) -> list[Example]:
    r"""Draw random strings of letters; the target is the source read backwards.

    .. math:: y_t = x_{n-1-t}, \qquad t = 0, \dots, n-1

    The gold alignment is the anti-diagonal. A fixed vector must remember the whole string, so the task tells
    a model with attention from one without. Taught in: why_attention, decoder, debug_the_listing.

    >>> example, = reversal(1, seed=0, min_length=3, max_length=3)
    >>> example.target == example.source[::-1], sorted(example.sure)
    (True, [(0, 2), (1, 1), (2, 0)])

    Parameters
    ----------
    count, seed : int. How many examples, repeats possible; the same seed gives the same list.
    min_length, max_length : int. Lengths are uniform between the two, both included.
    symbols : int. Size of the alphabet, 1 to 26: the letters a, b, c, ...

    Returns
    -------
    examples : list of Example. Each target token has exactly one link, which is sure.
    """
    check_count(count)
    if not 1 <= min_length <= max_length:
        raise ValueError(
            f"expected 1 <= min_length <= max_length, got min_length={min_length} and "
            f"max_length={max_length}; an empty string has nothing to translate"
        )
    if not 1 <= symbols <= 26:
        raise ValueError(f"symbols counts the letters a to z, so it must be 1 to 26, got {symbols}")
    rng, alphabet = random.Random(seed), string.ascii_lowercase[:symbols]
    examples = []
    for _ in range(count):
        source = tuple(rng.choices(alphabet, k=rng.randint(min_length, max_length)))
        links = frozenset((t, len(source) - 1 - t) for t in range(len(source)))
        examples.append(Example(source, source[::-1], links, links))
    return examples
