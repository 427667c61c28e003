"""Long sentences of the small English-Chinese grammar: up to sixty words, clauses joined to one another.

Joined with ", and" (， 而), ", but" (， 但是) or ";" (；) they keep their order, with "after" they do not.
Nouns and verbs may come again in another clause, so a word alone does not tell where to look.
"""

from __future__ import annotations

import random
from collections import deque

from seq2seq_edu.data.examples import Example, check_count
from seq2seq_edu.data.grammar.meaning import Sentence, draw
from seq2seq_edu.data.grammar.pairs import NOTHING, Phrase, Token, Word, link, say, word_by_word

JOINTS = ((", and", "， 而"), (", but", "， 但是"), (";", "；"))
ROOM = 8  # words: a joint and a clause of six or seven, of which there are many
CHANCE = 0.3  # of a relative clause, as in the short sentences; and of "after" when a clause is in the past


def long_sentences(count: int, *, seed: int, min_length: int = 5, max_length: int = 60) -> list[Example]:
    """Draw sentences whose lengths are uniform over a range, with their translations and gold links.

    What a fixed vector cannot hold; after Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Fig. 2.
    Taught in: real_translation.

    >>> [len(example.source) for example in long_sentences(3, seed=0, min_length=23, max_length=23)]
    [23, 23, 23]

    Parameters
    ----------
    count, seed : int. How many, repeats possible; the same seed gives the same list.
    min_length, max_length : int. English words (a comma is one), both included; every length as likely.

    Returns
    -------
    examples : list of Example. As of :func:`sentences`; the comma after 以后 is possible only.
    """
    check_count(count)
    if not 5 <= min_length <= max_length:
        raise ValueError(
            f"expected 5 <= min_length <= max_length, got min_length={min_length} and "
            f"max_length={max_length}: sentences of fewer than five words are too few"
        )
    rng = random.Random(seed)
    waiting: deque[Phrase] = deque(maxlen=100)
    return [link(_fill(rng, rng.randint(min_length, max_length), waiting)) for _ in range(count)]


def _fill(rng: random.Random, length: int, waiting: deque[Phrase]) -> Phrase:
    """Join clauses until there are exactly so many English words; those that do not fit wait for the next."""
    whole = NOTHING
    while len(whole.english) < length:
        joint = word_by_word(*rng.choice(JOINTS)) if whole.english else NOTHING
        left = length - len(whole.english) - len(joint.english)
        place = next((k for k, part in enumerate(waiting) if _fits(part, left)), None)
        while place is None:
            waiting.append(_part(rng))
            place = len(waiting) - 1 if _fits(waiting[-1], left) else None
        part = waiting[place]
        del waiting[place]
        whole = whole.joined(joint).joined(part)
    return whole


def _fits(part: Phrase, left: int) -> bool:
    """Whether a clause fills the rest, or leaves enough of it for another one."""
    return len(part.english) == left or len(part.english) <= left - ROOM


def _part(rng: random.Random) -> Phrase:
    """Draw a clause, or two with "after" between them."""
    main = draw(rng, CHANCE)
    if main.tense != "past" or main.object.relative or rng.random() >= CHANCE:
        return say(main)  # "the letter that I wrote after ..." would be when I wrote it
    before = draw(rng, CHANCE)
    while before.tense != "past" or not before.subject.is_definite:
        before = draw(rng, CHANCE)
    return after(main, before)


def after(main: Sentence, before: Sentence) -> Phrase:
    """Say "she sang the song after I fed the dog": 我 喂 了 那 只 狗 以后 ， 她 唱 了 那 首 歌."""
    late, early, joint = say(main._replace(time=None)), say(before._replace(time=None)), Word("after")
    between = [Token("以后", sure=(joint,)), Token("，", possible=(joint,))]
    return Phrase(late.english + [joint] + early.english, early.chinese + between + late.chinese)
