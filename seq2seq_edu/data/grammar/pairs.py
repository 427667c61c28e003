"""A small English-Chinese grammar: real reorderings, natural sentences, exact gold alignments.

`meaning` chooses what to say; here each phrase has one short function, which returns its English and its
Chinese words, and every Chinese word knows the English words that it translates: the orders differ freely.

* The time comes first, or after a subject with a relative clause (before one it would seem to be its time).
* The place comes before the verb: 在 公园 里; a relative clause before its noun, ending in 的.
* A number, 那 or 这 takes the measure word of the noun: 一 封 信, 那 只 猫.
* The past is 了 after the verb, dropped in "the letter that I wrote" (我 写 的 那 封 信); "is reading" is
  正在 读, and 正 在 图书馆 里 读 when a place follows; "will" is 要.
* A subject that is not definite is introduced by 有.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from seq2seq_edu.data.examples import Example, check_count
from seq2seq_edu.data.grammar.lexicon import Place, Pronoun
from seq2seq_edu.data.grammar.meaning import NounPhrase, Relative, Sentence, draw


def sentences(count: int, *, seed: int, relative_clauses: float = 0.3) -> list[Example]:
    """Draw English sentences with their Chinese translations and gold links. Taught in: train_and_look.

    >>> (example,) = sentences(1, seed=0)
    >>> {t for t, i in example.possible} == set(range(len(example.target)))  # every Chinese word has a link
    True

    Parameters
    ----------
    count, seed : int. How many, repeats possible; the same seed gives the same list.
    relative_clauses : float. The chance that a noun phrase which may hold a relative clause does, 0 to 1.

    Returns
    -------
    examples : list of Example. English to Chinese, in words; one source has one target.
        Sure: words that mean the same. Possible too: measure words, 有, 了, 的, the word after a place (里),
        and 正在 with the -ing form.
    """
    check_count(count)
    if not 0 <= relative_clauses <= 1:
        raise ValueError(f"relative_clauses is a chance, so it must be 0 to 1, got {relative_clauses}")
    rng = random.Random(seed)
    return [translate(draw(rng, relative_clauses)) for _ in range(count)]


def translate(sentence: Sentence) -> Example:
    """Say a sentence in both languages, with the links between the words. Taught in: train_and_look.

    >>> from seq2seq_edu.data.grammar import lexicon as words
    >>> we, letters = NounPhrase(words.PRONOUNS[1]), NounPhrase(words.THINGS[1], words.TWO)
    >>> example = translate(Sentence(we, words.VERBS[1], "past", letters, words.PLACES["park"], None))
    >>> print(*example.source, "/", *example.target)
    we read two letters in the park / 我们 在 公园 里 读 了 两 封 信

    Parameters
    ----------
    sentence : Sentence

    Returns
    -------
    example : Example. Source English, target Chinese.
    """
    return link(say(sentence))


def link(phrase: Phrase) -> Example:
    """Turn what is said in both languages into an example: the words, and the links as positions."""
    position = {word: i for i, word in enumerate(phrase.english)}
    sure = frozenset((t, position[word]) for t, token in enumerate(phrase.chinese) for word in token.sure)
    possible = {(t, position[word]) for t, token in enumerate(phrase.chinese) for word in token.possible}
    english, chinese = (tuple(word.text for word in side) for side in phrase)
    return Example(english, chinese, sure, sure | possible)


class Word:
    """One English word where it stands; two "the" of a sentence are two words."""

    def __init__(self, text: str) -> None:
        self.text = text


class Token(NamedTuple):
    """One Chinese word and the English words it translates, surely or possibly."""

    text: str
    sure: tuple[Word, ...] = ()
    possible: tuple[Word, ...] = ()


class Phrase(NamedTuple):
    """The same phrase in English and in Chinese."""

    english: list[Word]
    chinese: list[Token]

    def joined(self, other: Phrase) -> Phrase:
        """Return the phrase with another one after it, in both languages."""
        return Phrase(self.english + other.english, self.chinese + other.chinese)


NOTHING = Phrase([], [])


def _words(text: str) -> list[Word]:
    """Make new English words."""
    return [Word(word) for word in text.split()]


def say(sentence: Sentence) -> Phrase:
    """Order the phrases: subject verb object place time; in Chinese time subject place verb object."""
    subject, thing = _noun_phrase(sentence.subject), _noun_phrase(sentence.object)
    place = _place(sentence.place) if sentence.place else NOTHING
    time = word_by_word(*sentence.time) if sentence.time else NOTHING
    helper, verb = _verb(sentence)

    english = subject.english + helper.english + verb.english + thing.english + place.english
    # "... the letter that I wrote yesterday" would be when I wrote it
    english = time.english + english if sentence.object.relative else english + time.english
    opening = [] if sentence.subject.is_definite else [Token("有", possible=(subject.english[0],))]
    who = opening + subject.chinese
    start = who + time.chinese if sentence.subject.relative else time.chinese + who
    return Phrase(english, start + helper.chinese + place.chinese + verb.chinese + thing.chinese)


def _noun_phrase(phrase: NounPhrase) -> Phrase:
    """Say "the two letters that I wrote": 我 写 的 那 两 封 信."""
    if isinstance(phrase.noun, Pronoun) or phrase.determiner is None:
        return word_by_word(phrase.noun.name, phrase.noun.chinese)
    determiner, noun = phrase.determiner, phrase.noun
    articles, chinese = word_by_word(determiner.english, determiner.chinese)
    nouns = _words(noun.plural if determiner.is_plural else noun.singular)
    if articles[0].text == "a" and nouns[0].text[0] in "aeiou":
        articles[0].text = "an"
    if determiner.measured and noun.has_container:  # cups of tea: 杯 茶
        chinese.append(Token(noun.measure, sure=(nouns[0],), possible=(nouns[1],)))
    elif determiner.measured:
        chinese.append(Token(noun.measure, possible=(articles[-1], nouns[0])))
    chinese.append(Token(noun.chinese, sure=(nouns[-1],)))
    if phrase.relative is None:
        return Phrase(articles + nouns, chinese)
    clause = _relative_clause(phrase.relative, "who" if noun.person else "that")
    return Phrase(articles + nouns + clause.english, clause.chinese + chinese)


def _relative_clause(relative: Relative, joint: str) -> Phrase:
    """Say "that I wrote": 我 写 的; or "who wrote a song": 写 了 一 首 歌 的."""
    that, past = Word(joint), Word(relative.verb.past)
    other = _noun_phrase(relative.other)
    verb, of = Token(relative.verb.chinese, sure=(past,)), Token("的", possible=(that,))
    if relative.gap == "subject":
        done = Token("了", possible=(past,))
        return Phrase([that, past] + other.english, [verb, done] + other.chinese + [of])
    return Phrase([that] + other.english + [past], other.chinese + [verb, of])


def _verb(sentence: Sentence) -> tuple[Phrase, Phrase]:
    """Say the tense and the verb apart, since the Chinese place goes between: 正 (在 公园 里) 读."""
    forms = sentence.verb
    if sentence.tense == "past":
        past = Word(forms.past)
        done = Token("了", possible=(past,))
        return NOTHING, Phrase([past], [Token(forms.chinese, sure=(past,)), done])
    if sentence.tense == "future":
        helper, verb = Word("will"), Word(forms.base)
        before = Token("要", sure=(helper,))
    else:
        helper, verb = Word(_be(sentence.subject)), Word(forms.ing)
        before = Token("正" if sentence.place else "正在", sure=(helper,), possible=(verb,))
    return Phrase([helper], [before]), Phrase([verb], [Token(forms.chinese, sure=(verb,))])


def _be(subject: NounPhrase) -> str:
    """Make "to be" agree with its subject."""
    if subject.noun.name == "I":
        return "am"
    return "are" if subject.is_plural else "is"


def _place(place: Place) -> Phrase:
    """Say "in the park": 在 公园 里."""
    english = _words(place.english)
    preposition, noun = english[0], english[-1]
    chinese = [Token("在", sure=(preposition,)), Token(place.chinese, sure=(noun,))]
    if place.after:
        chinese.append(Token(place.after, possible=(preposition, noun)))
    return Phrase(english, chinese)


def word_by_word(english: str, chinese: str) -> Phrase:
    """Say words that translate each other in order: "this morning" is 今天 早上."""
    words = _words(english)
    pairs = zip(words, chinese.split(), strict=True)
    return Phrase(words, [Token(text, sure=(word,)) for word, text in pairs])
