"""The small English-Chinese grammar: what may be said, how it is said, and exact gold links.

The expectations are written by hand here, apart from the lexicon, and are mostly read off the words of the
sentences themselves, so that a wrong row or a wrong rule cannot vouch for itself.
"""

from __future__ import annotations

import random
import re

import pytest

from seq2seq_edu.data.grammar import NounPhrase, Sentence, lexicon, sentences, translate
from seq2seq_edu.data.grammar.meaning import Relative, draw

MEASURES = {
    "女孩": "个", "男孩": "个", "孩子": "个", "学生": "个", "老师": "位", "医生": "位",
    "狗": "只", "猫": "只", "鸟": "只", "老鼠": "只", "马": "匹", "鱼": "条",
    "书": "本", "信": "封", "报纸": "份", "歌": "首", "画": "幅", "照片": "张", "苹果": "个", "蛋糕": "个",
    "茶": "杯", "咖啡": "杯", "钥匙": "把", "雨伞": "把", "帽子": "顶", "自行车": "辆",
}  # fmt: skip
PLURALS = {
    "girl": "girls", "boy": "boys", "child": "children", "student": "students", "teacher": "teachers",
    "doctor": "doctors", "dog": "dogs", "cat": "cats", "bird": "birds", "mouse": "mice", "horse": "horses",
    "fish": "fish", "book": "books", "letter": "letters", "newspaper": "newspapers", "song": "songs",
    "picture": "pictures", "photo": "photos", "apple": "apples", "cake": "cakes", "cup": "cups",
    "key": "keys", "umbrella": "umbrellas", "hat": "hats", "bicycle": "bicycles",
}  # fmt: skip
SINGULARS = {plural: singular for singular, plural in PLURALS.items()}
PERSON = "girl boy child student teacher doctor"
OBJECTS = {  # verb: everything that it may be done to
    "read": "book letter newspaper", "wrote": "letter song", "sang": "song", "drew": "picture",
    "took": "photo", "ate": "apple cake fish", "drank": "cup",
    "bought": "hat umbrella bicycle book newspaper picture apple cake fish dog cat bird",
    "found": "key umbrella hat book letter photo bicycle",
    "lost": "key umbrella hat book letter photo bicycle",
    "saw": f"dog cat bird horse mouse picture photo {PERSON}",
    "chased": "cat dog bird mouse", "fed": "dog cat fish horse bird", "helped": PERSON,
}  # fmt: skip
ANIMAL_DEEDS = {"dog": {"ate", "chased"}, "cat": {"ate", "chased"}, "mouse": {"ate"}, "horse": {"ate"}}
PAST_OF = {
    "reading": "read", "writing": "wrote", "singing": "sang", "drawing": "drew", "taking": "took",
    "eating": "ate", "drinking": "drank", "buying": "bought", "chasing": "chased", "feeding": "fed",
    "helping": "helped", "write": "wrote", "sing": "sang", "draw": "drew", "take": "took", "eat": "ate",
    "drink": "drank", "buy": "bought", "feed": "fed", "help": "helped",
}  # fmt: skip
DETERMINERS = ("a", "an", "this", "these", "two", "three", "some", "the")


@pytest.fixture(scope="module")
def drawn():
    return sentences(5003, seed=101, relative_clauses=0.4)


@pytest.fixture(scope="module")
def meant():
    rng = random.Random(103)
    return [draw(rng, 0.4) for _ in range(5003)]


def verb_object_pairs(words):
    """Yield (past form, singular noun) wherever a verb is followed by a determiner and a noun."""
    for k, word in enumerate(words):
        verb = PAST_OF.get(word, word)
        if verb in OBJECTS and k + 1 < len(words) and words[k + 1] in DETERMINERS:
            noun = words[k + 2] if words[k + 2] not in DETERMINERS else words[k + 3]
            yield verb, SINGULARS.get(noun, noun)


# Known sentences


def noun(name, determiner=lexicon.THE, relative=None):
    return NounPhrase(next(word for word in lexicon.NOUNS if word.name == name), determiner, relative)


def pronoun(name):
    return NounPhrase(next(word for word in lexicon.PRONOUNS if word.name == name))


def verb(base):
    return next(row for row in lexicon.VERBS if row.base == base)


def test_time_and_place_move_before_the_verb_with_exact_links():
    sentence = Sentence(
        pronoun("she"), verb("read"), "past", noun("letter", lexicon.TWO), lexicon.PLACES["library"],
        ("this morning", "今天 早上"),
    )  # fmt: skip
    source, target, sure, possible = translate(sentence)
    #                          0   1    2   3       4  5   6       7    8
    assert source == tuple("she read two letters in the library this morning".split())
    #                       0    1    2  3  4      5  6  7  8  9  10
    assert target == tuple("今天 早上 她 在 图书馆 里 读 了 两 封 信".split())
    assert sure == {(0, 7), (1, 8), (2, 0), (3, 4), (4, 6), (6, 1), (8, 2), (10, 3)}
    assert possible - sure == {(5, 4), (5, 6), (7, 1), (9, 2), (9, 3)}


def test_relative_clause_moves_before_its_noun_with_exact_links():
    lost = Relative("object", verb("lose"), pronoun("I"))
    sentence = Sentence(
        noun("doctor", lexicon.A), verb("find"), "past", noun("key", lexicon.THE, lost), None,
        ("yesterday", "昨天"),
    )  # fmt: skip
    source, target, sure, possible = translate(sentence)
    #                       0         1 2      3     4   5   6    7 8
    assert source == tuple("yesterday a doctor found the key that I lost".split())
    #                       0   1  2  3  4   5    6  7  8  9 10 11 12
    assert target == tuple("昨天 有 一 位 医生 找到 了 我 丢 的 那 把 钥匙".split())
    assert sure == {(0, 0), (2, 1), (4, 2), (5, 3), (7, 7), (8, 8), (10, 4), (12, 5)}
    assert possible - sure == {(1, 1), (3, 1), (3, 2), (6, 3), (9, 6), (11, 4), (11, 5)}


def test_a_cup_of_tea_brings_its_own_measure_word():
    tea = noun("tea", lexicon.THREE)
    sentence = Sentence(pronoun("we"), verb("drink"), "future", tea, None, ("tomorrow", "明天"))
    source, target, sure, possible = translate(sentence)
    assert source == tuple("we will drink three cups of tea tomorrow".split())
    assert target == tuple("明天 我们 要 喝 三 杯 茶".split())
    assert sure == {(0, 7), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 6)}
    assert possible - sure == {(5, 5)}


@pytest.mark.parametrize(
    "sentence, source, target",
    [
        (
            Sentence(pronoun("I"), verb("eat"), "progressive", noun("apple", lexicon.A), None, None),
            "I am eating an apple",
            "我 正在 吃 一 个 苹果",
        ),
        (
            Sentence(
                noun("boy", lexicon.THESE), verb("chase"), "progressive", noun("cat", lexicon.THREE),
                lexicon.PLACES["street"], ("now", "现在"),
            ),
            "these boys are chasing three cats on the street now",
            "现在 这些 男孩 正 在 街 上 追 三 只 猫",
        ),
        (
            Sentence(
                noun("mouse", lexicon.THE_TWO, Relative("object", verb("chase"), noun("cat"))), verb("eat"),
                "past", noun("cake", lexicon.SOME), lexicon.PLACES["kitchen"], ("last Sunday", "上 星期天"),
            ),
            "the two mice that the cat chased ate some cakes in the kitchen last Sunday",
            "那 只 猫 追 的 那 两 只 老鼠 上 星期天 在 厨房 里 吃 了 一些 蛋糕",
        ),
        (
            Sentence(
                noun("teacher", lexicon.THE_PLURAL, Relative("subject", verb("sing"), noun("song"))),
                verb("buy"), "past", noun("umbrella", lexicon.A), lexicon.PLACES["station"], None,
            ),
            "the teachers who sang the song bought an umbrella at the station",
            "唱 了 那 首 歌 的 那些 老师 在 车站 买 了 一 把 雨伞",
        ),
    ],
)  # fmt: skip
def test_sentences_as_a_teacher_would_translate_them(sentence, source, target):
    example = translate(sentence)
    assert " ".join(example.source) == source
    assert " ".join(example.target) == target


# The generator


def test_same_seed_same_sentences():
    assert sentences(53, seed=3) == sentences(53, seed=3)
    assert sentences(53, seed=3) != sentences(53, seed=5)
    assert sentences(11, seed=3) == sentences(53, seed=3)[:11]


def test_gold_links_are_in_range_and_reach_every_chinese_word(drawn):
    for example in drawn:
        assert example.sure <= example.possible
        assert {t for t, _ in example.possible} == set(range(len(example.target)))
        assert all(0 <= i < len(example.source) for _, i in example.possible)


def test_every_english_content_word_has_a_sure_link(drawn):
    light = {"the", "of", "who", "that"}
    for example in drawn:
        linked = {i for _, i in example.sure}
        assert {word for i, word in enumerate(example.source) if i not in linked} <= light


def test_a_source_never_has_two_targets():
    meaning: dict[tuple[str, ...], tuple[str, ...]] = {}
    for seed in (2, 3, 5):
        for example in sentences(5003, seed=seed):
            assert meaning.setdefault(example.source, example.target) == example.target


def test_sentences_are_many_short_and_from_few_words():
    examples = sentences(5003, seed=7)
    assert len({example.source for example in examples}) > 4500
    assert all(4 <= len(example.source) <= 24 and 5 <= len(example.target) <= 28 for example in examples)
    assert 8 < sum(len(example.source) for example in examples) / 5003 < 16
    assert 8 < sum(len(example.target) for example in examples) / 5003 < 16
    assert 100 < len({word for example in examples for word in example.source}) < 140
    assert 80 < len({word for example in examples for word in example.target}) < 120


def test_relative_clauses_follow_their_chance():
    def share(chance):
        examples = sentences(503, seed=11, relative_clauses=chance)
        return sum(bool({"who", "that"} & set(example.source)) for example in examples) / 503

    assert share(0.0) == 0.0
    assert 0.3 < share(0.3) < 0.6
    assert share(1.0) > 0.95


@pytest.mark.parametrize("wrong", [{"count": -2}, {"count": 3, "relative_clauses": 1.5},
                                   {"count": 3, "relative_clauses": -0.1}])  # fmt: skip
def test_impossible_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="must be 0"):
        sentences(**wrong, seed=0)


# What may be said


def test_verbs_take_only_the_objects_that_people_speak_of(drawn):
    said = {pair for example in drawn for pair in verb_object_pairs(example.source)}
    assert said <= {(verb, noun) for verb, nouns in OBJECTS.items() for noun in nouns.split()}
    assert len(said) > 50  # the reading above found the pairs at all


def test_nobody_does_what_only_people_or_only_animals_do(meant):
    clauses = [(s.verb, s.subject.noun, s.object.noun) for s in meant]
    for sentence in meant:
        for phrase in (sentence.subject, sentence.object):
            if phrase.relative:
                ends = [phrase.noun, phrase.relative.other.noun]
                if phrase.relative.gap == "object":
                    ends.reverse()
                clauses.append((phrase.relative.verb, *ends))
    for row, who, what in clauses:
        assert what.singular.split()[0] in OBJECTS[row.past].split()
        if isinstance(who, lexicon.Noun) and not who.person:
            assert row.past in ANIMAL_DEEDS[who.name]
        if row.past == "chased":
            prey = {"dog": "cat bird", "cat": "mouse bird", "person": "dog cat bird"}
            assert what.name in prey["person" if who.person else who.name].split()
        if what.name == "coffee":
            assert who.name != "child"


def test_no_noun_pronoun_or_verb_comes_twice(drawn):
    alike = {**SINGULARS, **PAST_OF}
    for example in drawn:
        words = [alike.get(word, word) for word in example.source]
        for word in [*PLURALS, *OBJECTS, "I", "we", "he", "she", "they"]:
            assert words.count(word) <= 1 or word == "cup"


def test_future_and_animals(meant):
    for sentence in meant:
        if sentence.tense == "future":
            assert sentence.time is not None  # 要 without a time means "wants to"
            assert sentence.subject.is_definite
            assert getattr(sentence.subject.noun, "person", True)


def test_how_many_and_which_ones_make_sense(meant):
    def simple(phrase):
        return phrase.relative is None

    for sentence in meant:
        things, past = sentence.object, sentence.verb.past
        if past in ("wrote", "drew", "took"):  # what is made is new
            assert simple(things) and not things.is_definite
        if past == "lost" or (sentence.tense == "progressive" and things.noun in lexicon.THINGS):
            assert not things.is_plural
        if things.noun.has_container:  # a cup of tea is for one, and is not spoken of again
            assert not sentence.subject.is_plural and not things.is_definite
        if things.noun.name == "apple" and past == "ate":
            assert not sentence.subject.is_plural
        for phrase in (sentence.subject, things):
            assert simple(phrase) or (phrase.is_definite and simple(phrase.relative.other))
            if not simple(phrase) and phrase.relative.gap == "subject":
                assert phrase.relative.verb.past != "saw"
                shared = not phrase.relative.other.noun.has_container
                assert shared or not phrase.is_plural


# English


def test_determiners_agree_with_their_nouns(drawn):
    for example in drawn:
        for word, following in zip(example.source, example.source[1:], strict=False):
            if word in ("a", "an"):
                assert following in PLURALS and (word == "an") == (following[0] in "aeiou")
            elif word == "this" and following not in ("morning",):
                assert following in PLURALS
            elif word in ("two", "three", "some", "these"):
                assert following in SINGULARS


def test_to_be_agrees_with_its_subject(drawn):
    number = {"I": "am", "he": "is", "she": "is", "we": "are", "they": "are"}
    seen = set()
    for example in drawn:
        words = list(example.source)
        forms = {"am", "is", "are"} & set(words)
        if not forms:
            continue
        subject = words[words[0] == "now" :]  # the time opens the sentence if the object has a clause
        if subject[0] in number:
            expected = number[subject[0]]
        else:
            head = next(word for word in subject if word in PLURALS or word in SINGULARS)
            plural = subject[0] in ("two", "three", "some", "these") or subject[1] == "two"
            plural = plural or (head in SINGULARS and head not in PLURALS)
            expected = "are" if plural else "is"
        assert forms == {expected}, " ".join(words)
        seen.add(expected)
    assert seen == {"am", "is", "are"}


def test_people_are_who_and_the_rest_are_that(drawn):
    for example in drawn:
        for word, joint in zip(example.source, example.source[1:], strict=False):
            if joint in ("who", "that"):
                assert (SINGULARS.get(word, word) in PERSON.split()) == (joint == "who")


# Chinese


def test_every_noun_has_its_measure_word(drawn):
    count = 0
    for example in drawn:
        text = " ".join(example.target)
        for _, measure, noun in re.findall(r"(?<!\S)(一|两|三|那|这) (?!两 )(\S+) (\S+)", text):
            assert MEASURES[noun] == measure, text
            count += 1
    assert count > 5003


def test_words_for_several_stand_before_a_bare_noun(drawn):
    for example in drawn:
        for word, following in zip(example.target, example.target[1:], strict=False):
            if word in ("一些", "那些", "这些"):
                assert following in MEASURES
        assert "二" not in example.target


def test_de_closes_the_relative_clause_and_its_noun_follows(drawn):
    seen = 0
    for example in drawn:
        joints = [i for i, word in enumerate(example.source) if word in ("who", "that")]
        closings = [t for t, word in enumerate(example.target) if word == "的"]
        assert len(joints) == len(closings)
        for t in closings:
            (joint,) = (i for step, i in example.possible if step == t)
            head = next(step for step, i in example.sure if i == joint - 1)
            between = example.target[t + 1 : head]
            assert between[0] in ("那", "那些") and len(between) <= 3  # 的 那 两 个 女孩
            after = example.source[joint + 1 :]  # the clause: "wrote two songs" or "the girl wrote"
            verb = joint + 1 + next(k for k, word in enumerate(after) if word in OBJECTS)
            assert next(step for step, i in example.sure if i == verb) < t
            seen += 1
    assert seen > 2000


def test_le_marks_the_past_and_is_dropped_in_that_i_wrote(meant):
    for sentence in meant:
        target = translate(sentence).target
        past = sentence.tense == "past"
        relative = sentence.subject.relative
        past += bool(relative and relative.gap == "subject")
        assert target.count("了") == past


def test_order_of_time_subject_place_and_verb(meant):
    for sentence in meant:
        target = translate(sentence).target
        time = tuple(sentence.time[1].split()) if sentence.time else ()
        if time and sentence.subject.relative is None:
            assert target[: len(time)] == time
        elif time:
            assert target.index("的") < target.index(time[0])
        if sentence.place:
            at = len(target) - 1 - target[::-1].index("在")
            assert target[at + 1] == sentence.place.chinese
            assert target[at + 2 + bool(sentence.place.after)] == sentence.verb.chinese
        if sentence.tense == "progressive":
            assert ("正" in target) == bool(sentence.place) and ("正在" in target) != bool(sentence.place)


def test_you_introduces_an_indefinite_subject(drawn):
    for example in drawn:
        text = " ".join(example.target)
        indefinite = re.match(r"((昨天|今天|现在|上 星期天)( (早上|下午))? )?(有 )?(一|两|三|一些) ", text)
        assert bool(indefinite) == ("有" in example.target)
