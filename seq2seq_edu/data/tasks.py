"""A generated task with known answers and gold links: reversal. The task of `grammar` has the same form."""

from __future__ import annotations

import random
import string

from seq2seq_edu.data.examples import Example, check_count


def reversal(
    count: int, *, seed: int, min_length: int = 4, max_length: int = 12, symbols: int = 20
) -> list[Example]:
    r"""Draw random strings of letters; the target is the source read backwards.

    .. math:: y_t = x_{n-1-t}, \qquad t = 0, \dots, n-1

    The gold alignment is the anti-diagonal. A fixed vector must remember the whole string, so the task tells
    a model with attention from one without. Taught in: why_attention, decoder, debug_the_listing.

    Parameters
    ----------
    count, seed : int. How many examples, repeats possible; the same seed gives the same list.
    min_length, max_length : int. Lengths are uniform between the two, both included.
    symbols : int. Size of the alphabet, 1 to 26: the letters a, b, c, ...

    Returns
    -------
    examples : list of Example. Each target token has exactly one link, which is sure.

    Examples
    --------
    >>> example, = reversal(1, seed=0, min_length=3, max_length=3)
    >>> example.target == example.source[::-1], sorted(example.sure)
    (True, [(0, 2), (1, 1), (2, 0)])
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
