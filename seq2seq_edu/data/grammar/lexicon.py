"""The words of the small English-Chinese grammar: who does what to what, where and when.

Read the table `VERBS` first. Each row is one kind of event that people talk about; nothing outside the rows
is ever said, so nobody chases a song. To add a word, add a row here; `grammar` needs no change.
"""

from __future__ import annotations

from typing import NamedTuple


class Noun(NamedTuple):
    """A countable noun and the measure word it takes: "a letter" is 一 封 信.

    An English noun of three words has its own measure: "a cup of tea" is 一 杯 茶.
    """

    singular: str
    plural: str
    chinese: str
    measure: str
    person: bool = False

    @property
    def name(self) -> str:
        """The word that stands for the noun in the tables: "tea" for "cup of tea"."""
        return self.singular.split()[-1]

    @property
    def has_container(self) -> bool:
        """Whether English itself measures it: a cup of tea."""
        return " of " in self.singular


class Pronoun(NamedTuple):
    """A pronoun that can be a subject."""

    english: str
    chinese: str
    is_plural: bool

    @property
    def name(self) -> str:
        """The English word."""
        return self.english


class Determiner(NamedTuple):
    """An article or number; `measured` says whether Chinese puts a measure word after it."""

    english: str
    chinese: str
    is_plural: bool
    is_definite: bool = False
    measured: bool = True


class Place(NamedTuple):
    """Where something happens: "in the park" is 在 公园 里, with a word after the noun."""

    english: str
    chinese: str
    after: str


class Verb(NamedTuple):
    """One row of `VERBS`: the forms of a verb, and what it goes with."""

    base: str
    past: str
    ing: str
    chinese: str
    subjects: tuple[Noun | Pronoun, ...]
    objects: tuple[Noun, ...]
    places: tuple[Place, ...]
    relatives: tuple[str, ...]  # verbs a person may put into "the letter that I ..." after this verb
    tenses: tuple[str, ...]
    which: tuple[Determiner, ...]  # what may stand before the object
    alone: bool  # one apple is eaten by one person: the subject is singular


PRONOUNS = (
    Pronoun("I", "我", is_plural=False),
    Pronoun("we", "我们", is_plural=True),
    Pronoun("he", "他", is_plural=False),
    Pronoun("she", "她", is_plural=False),
    Pronoun("they", "他们", is_plural=True),
)
PEOPLE = (
    Noun("girl", "girls", "女孩", "个", person=True),
    Noun("boy", "boys", "男孩", "个", person=True),
    Noun("child", "children", "孩子", "个", person=True),
    Noun("student", "students", "学生", "个", person=True),
    Noun("teacher", "teachers", "老师", "位", person=True),
    Noun("doctor", "doctors", "医生", "位", person=True),
)
ANIMALS = (
    Noun("dog", "dogs", "狗", "只"),
    Noun("cat", "cats", "猫", "只"),
    Noun("bird", "birds", "鸟", "只"),
    Noun("mouse", "mice", "老鼠", "只"),
    Noun("horse", "horses", "马", "匹"),
    Noun("fish", "fish", "鱼", "条"),
)
THINGS = (
    Noun("book", "books", "书", "本"),
    Noun("letter", "letters", "信", "封"),
    Noun("newspaper", "newspapers", "报纸", "份"),
    Noun("song", "songs", "歌", "首"),
    Noun("picture", "pictures", "画", "幅"),
    Noun("photo", "photos", "照片", "张"),
    Noun("apple", "apples", "苹果", "个"),
    Noun("cake", "cakes", "蛋糕", "个"),
    Noun("cup of tea", "cups of tea", "茶", "杯"),
    Noun("cup of coffee", "cups of coffee", "咖啡", "杯"),
    Noun("key", "keys", "钥匙", "把"),
    Noun("umbrella", "umbrellas", "雨伞", "把"),
    Noun("hat", "hats", "帽子", "顶"),
    Noun("bicycle", "bicycles", "自行车", "辆"),
)
NOUNS = PEOPLE + ANIMALS + THINGS

# Bare Chinese nouns do not say which one, so "the" is always 那: 那 本 书, 那些 书.
A = Determiner("a", "一", is_plural=False)
TWO = Determiner("two", "两", is_plural=True)  # before a measure word 2 is 两, never 二
THREE = Determiner("three", "三", is_plural=True)
SOME = Determiner("some", "一些", is_plural=True, measured=False)
THE = Determiner("the", "那", is_plural=False, is_definite=True)
THE_PLURAL = Determiner("the", "那些", is_plural=True, is_definite=True, measured=False)
THE_TWO = Determiner("the two", "那 两", is_plural=True, is_definite=True)
THIS = Determiner("this", "这", is_plural=False, is_definite=True)
THESE = Determiner("these", "这些", is_plural=True, is_definite=True, measured=False)

# What may stand before an object. Tea takes numbers: "the cups of tea" is seldom said.
NUMBERS = (A, TWO, THREE)
ANY = (*NUMBERS, SOME, THE, THE_PLURAL, THE_TWO)
NEW = (*NUMBERS, SOME)  # what one writes or draws was not there before
ONE = (A, THE)  # one loses a key, seldom three

PLACES = {
    "library": Place("in the library", "图书馆", "里"),
    "park": Place("in the park", "公园", "里"),
    "garden": Place("in the garden", "花园", "里"),
    "classroom": Place("in the classroom", "教室", "里"),
    "kitchen": Place("in the kitchen", "厨房", "里"),
    "street": Place("on the street", "街", "上"),
    "train": Place("on the train", "火车", "上"),
    "market": Place("at the market", "市场", "上"),
    "shop": Place("in the shop", "商店", "里"),
    "station": Place("at the station", "车站", ""),
    "zoo": Place("at the zoo", "动物园", "里"),
    "home": Place("at home", "家", "里"),
}

# By tense; English and Chinese, word for word.
TIMES = {
    "past": (
        ("yesterday", "昨天"),
        ("yesterday morning", "昨天 早上"),
        ("yesterday afternoon", "昨天 下午"),
        ("this morning", "今天 早上"),
        ("last Sunday", "上 星期天"),
    ),
    "progressive": (("now", "现在"),),
    "future": (
        ("tomorrow", "明天"),
        ("tomorrow morning", "明天 早上"),
        ("tomorrow afternoon", "明天 下午"),
        ("next Sunday", "下 星期天"),
    ),
}


def _entities(names: str) -> tuple[Noun | Pronoun, ...]:
    """Look up words; "pronoun" and "person" stand for their whole table."""
    groups: dict[str, tuple[Noun | Pronoun, ...]] = {"pronoun": PRONOUNS, "person": PEOPLE}
    groups.update({noun.name: (noun,) for noun in NOUNS})
    return tuple(entity for name in names.split() for entity in groups[name])


def _row(
    forms: str,
    subjects: str,
    objects: str,
    places: str,
    *,
    that: str = "",
    when: tuple[str, ...] = ("past", "progressive", "future"),
    which: tuple[Determiner, ...] = ANY,
    alone: bool = False,
) -> Verb:
    """Read one row of the table."""
    base, past, ing, chinese = forms.split()
    nouns = tuple(entity for entity in _entities(objects) if isinstance(entity, Noun))
    where = tuple(PLACES[name] for name in places.split())
    relatives = tuple(that.split())
    return Verb(base, past, ing, chinese, _entities(subjects), nouns, where, relatives, when, which, alone)


_READ, _WRITE = "read read reading 读", "write wrote writing 写"
_SING, _DRAW, _TAKE = "sing sang singing 唱", "draw drew drawing 画", "take took taking 拍"
_EAT, _DRINK, _BUY = "eat ate eating 吃", "drink drank drinking 喝", "buy bought buying 买"
_FIND, _LOSE, _SEE = "find found finding 找到", "lose lost losing 丢", "see saw seeing 看见"
_CHASE, _FEED, _HELP = "chase chased chasing 追", "feed fed feeding 喂", "help helped helping 帮助"
_ALL = "pronoun person"
_NOW = ("past", "progressive")  # animals make no plans
_PAST = ("past",)  # nobody says "is finding"

# forms, who, what, where; `that` lists the verbs of "the letter that I wrote" after this verb.
VERBS = (
    _row(_READ, _ALL, "book newspaper", "library park classroom garden train home", that="buy find"),
    _row(_READ, _ALL, "letter", "library park classroom garden train home", that="write find"),
    _row(_WRITE, _ALL, "letter song", "library classroom garden train home", which=NEW),
    _row(_SING, _ALL, "song", "park classroom garden street home", that="write"),
    _row(_DRAW, _ALL, "picture", "park classroom garden zoo home", which=NEW),
    _row(_TAKE, _ALL, "photo", "park garden street station zoo", which=NEW),
    _row(_EAT, _ALL, "apple", "kitchen park train home", that="buy", alone=True),
    _row(_EAT, _ALL, "cake fish", "kitchen garden home", that="buy"),
    _row(_EAT, "dog cat", "fish", "kitchen garden", that="buy", when=_NOW),
    _row(_EAT, "dog mouse", "cake", "kitchen garden", that="buy", when=_NOW),
    _row(_EAT, "horse", "apple", "garden zoo", that="buy", when=_NOW, alone=True),
    _row(_DRINK, _ALL, "tea", "kitchen garden train station home", which=NUMBERS, alone=True),
    _row(
        _DRINK,
        "pronoun student teacher doctor",
        "coffee",
        "kitchen garden train station",
        which=NUMBERS,
        alone=True,
    ),
    _row(_BUY, _ALL, "hat umbrella bicycle", "shop market"),
    _row(_BUY, _ALL, "book newspaper", "shop station"),
    _row(_BUY, _ALL, "picture", "shop market street", that="draw"),
    _row(_BUY, _ALL, "apple cake fish", "shop market"),
    _row(_BUY, _ALL, "dog cat bird", "market", that="see"),
    _row(
        _FIND, _ALL, "key umbrella hat book", "park street train classroom station", that="lose", when=_PAST
    ),
    _row(_FIND, _ALL, "letter photo", "library train classroom home", that="lose write take", when=_PAST),
    _row(_FIND, _ALL, "bicycle", "park street station", that="lose", when=_PAST),
    _row(
        _LOSE,
        _ALL,
        "key umbrella hat book",
        "park street train station zoo",
        that="buy find",
        when=_PAST,
        which=ONE,
    ),
    _row(_LOSE, _ALL, "letter photo", "park street train station", that="write take", when=_PAST, which=ONE),
    _row(_LOSE, _ALL, "bicycle", "park street station", that="buy", when=_PAST, which=ONE),
    _row(_SEE, _ALL, "dog cat bird", "park garden street market", that="feed chase buy", when=_PAST),
    _row(_SEE, _ALL, "horse", "park street zoo", that="feed", when=_PAST),
    _row(_SEE, _ALL, "mouse", "kitchen garden station", that="chase", when=_PAST),
    _row(_SEE, _ALL, "person", "park street station train library", that="help", when=_PAST),
    _row(_SEE, _ALL, "picture photo", "library classroom shop", that="draw take", when=_PAST),
    _row(_CHASE, "dog", "cat bird", "park garden street", that="feed buy", when=_NOW),
    _row(_CHASE, "cat", "bird", "park garden street", when=_NOW),
    _row(_CHASE, "cat", "mouse", "garden kitchen", when=_NOW),
    _row(_CHASE, "boy girl child", "dog cat bird", "park garden street", that="feed", when=_NOW),
    _row(_FEED, _ALL, "dog cat fish", "garden kitchen home", that="buy"),
    _row(_FEED, _ALL, "horse bird", "park garden zoo"),
    _row(_HELP, "pronoun student teacher doctor", "person", "classroom library street station train"),
)
