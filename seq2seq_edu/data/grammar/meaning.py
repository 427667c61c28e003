"""Choose what to say in the small English-Chinese grammar: only what a person could say.

The restrictions are the verbs of `lexicon.txt`; here they are obeyed. No noun and no verb comes
twice in a sentence, so "the letter that I wrote" is never itself being written.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from seq2seq_edu.data.grammar import lexicon
from seq2seq_edu.data.grammar.lexicon import Determiner, Noun, Place, Pronoun, Verb


class NounPhrase(NamedTuple):
    """A pronoun alone, or a noun with its determiner and perhaps a relative clause."""

    noun: Noun | Pronoun
    determiner: Determiner | None = None
    relative: Relative | None = None

    @property
    def is_plural(self) -> bool:
        """Whether the English verb after it is plural."""
        word = self.noun if isinstance(self.noun, Pronoun) else self.determiner
        return word is not None and word.is_plural

    @property
    def is_definite(self) -> bool:
        """Whether the listener knows which one: "the letter", "she"; not "two letters"."""
        return self.determiner is None or self.determiner.is_definite


class Relative(NamedTuple):
    """A clause about a noun, in the past: "who wrote a letter" (gap "subject"), "that I wrote" ("object")."""

    gap: str
    verb: Verb
    other: NounPhrase  # what the clause names: its object, or its subject


class Sentence(NamedTuple):
    """What is said, before it is put into words."""

    subject: NounPhrase
    verb: Verb
    tense: str
    object: NounPhrase
    place: Place | None
    time: tuple[str, str] | None


_VERBS = sorted({verb.base for verb in lexicon.VERBS})
_KNOWN = (lexicon.THE, lexicon.THE, lexicon.THE_PLURAL, lexicon.THE_TWO, lexicon.THIS, lexicon.THESE)
_UNKNOWN = (*lexicon.NUMBERS, lexicon.SOME)
_HOLDERS = (lexicon.THE, lexicon.THE, lexicon.THE_PLURAL, lexicon.THE_TWO)  # with a relative clause
_WITHIN = (lexicon.A, lexicon.TWO, lexicon.THE)  # before the object of a relative clause


def draw(rng: random.Random, relative_clauses: float) -> Sentence:
    """Choose an event of the lexicon and everything about it."""
    base = rng.choice(_VERBS)
    verb = rng.choice([row for row in lexicon.VERBS if row.base == base])
    tense = rng.choice(verb.tenses)
    about_subject, about_object = (rng.random() < relative_clauses for _ in range(2))
    known = tense == "future" or rng.random() < 0.6  # "two girls will sing" is odd in both languages

    talk = _Talk(rng, used={verb.base})
    first = _HOLDERS if about_subject else _KNOWN if known else _UNKNOWN
    subjects = [who for who in verb.subjects if not (about_subject and isinstance(who, Pronoun))]
    subject = talk.noun_phrase(subjects, first, verb.alone)
    thing = talk.noun_phrase(verb.objects, _before_object(verb, tense, about_object))
    if about_subject:
        subject = talk.about(subject, lexicon.VERBS, ("subject", "object"))
    if about_object:
        told = [row for row in lexicon.VERBS if row.base in verb.relatives]
        thing = talk.about(thing, told, ("object",))

    place = rng.choice(verb.places) if not thing.relative and rng.random() < 0.7 else None
    time = rng.choice(lexicon.TIMES[tense]) if tense == "future" or rng.random() < 0.8 else None
    return Sentence(subject, verb, tense, thing, place, time)


def _before_object(verb: Verb, tense: str, about_object: bool) -> tuple[Determiner, ...]:
    """List the determiners of an object. Things are dealt with one by one: not "is reading two books"."""
    words = verb.which
    if tense == "progressive" and verb.objects[0] in lexicon.THINGS:
        words = tuple(word for word in words if word in lexicon.ONE)
    holders = tuple(word for word in words if word in _HOLDERS)
    return holders if about_object and holders else words


class _Talk:
    """The choices made so far in one sentence, so that no noun and no verb comes twice."""

    def __init__(self, rng: random.Random, used: set[str]) -> None:
        self.rng = rng
        self.used = used  # names of nouns and verbs

    def noun_phrase(
        self, nouns: Sequence[Noun | Pronoun], determiners: Sequence[Determiner], alone: bool = False
    ) -> NounPhrase:
        """Choose a new noun with a determiner that suits it, or a pronoun."""
        noun = self.rng.choice(self._free(nouns, alone))
        self.used.add(noun.name)
        if isinstance(noun, Pronoun):
            return NounPhrase(noun)
        suitable = [word for word in determiners if _suits(word, noun) and not (alone and word.is_plural)]
        return NounPhrase(noun, self.rng.choice(suitable))

    def about(self, phrase: NounPhrase, rows: Sequence[Verb], gaps: Sequence[str]) -> NounPhrase:
        """Add a relative clause to a definite noun, if some row of the lexicon gives one."""
        options = [(gap, row) for gap in gaps for row in rows if self._tells(row, gap, phrase)]
        if phrase.determiner not in _HOLDERS or not options:
            return phrase
        gap, row = self.rng.choice(options)
        self.used.add(row.base)
        if gap == "subject":
            other = self.noun_phrase(row.objects, [word for word in row.which if word in _WITHIN])
        else:
            other = self.noun_phrase(row.subjects, (lexicon.THE, lexicon.THE_PLURAL), row.alone)
        return phrase._replace(relative=Relative(gap, row, other))

    def _tells(self, row: Verb, gap: str, phrase: NounPhrase) -> bool:
        """Whether a row tells something about the noun: "who wrote a letter", "that I wrote"."""
        if row.base in self.used:
            return False
        if gap == "object":
            return phrase.noun in row.objects and bool(self._free(row.subjects, row.alone))
        if row.base == "see" or (row.alone and phrase.is_plural):  # who saw a bird? it could be anyone
            return False
        return phrase.noun in row.subjects and bool(self._free(row.objects, alone=False))

    def _free(self, nouns: Sequence[Noun | Pronoun], alone: bool) -> list[Noun | Pronoun]:
        """Return the nouns that have not come yet."""
        new = [noun for noun in nouns if noun.name not in self.used]
        return [noun for noun in new if not (alone and isinstance(noun, Pronoun) and noun.is_plural)]


def _suits(determiner: Determiner, noun: Noun) -> bool:
    """Avoid "the fish" for several: one could not tell how many."""
    return not (determiner is lexicon.THE_PLURAL and noun.singular == noun.plural)
