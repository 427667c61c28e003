"""The words of the small English-Chinese grammar, as `lexicon.txt` lists them: what people talk about."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple


class Noun(NamedTuple):
    """A countable noun and its measure word: 一 封 信; English measures some nouns itself: "a cup of tea"."""

    group: str
    singular: str
    plural: str
    chinese: str
    measure: str

    @property
    def person(self) -> bool:
        """Whether it is "who", not "that"."""
        return self.group == "person"

    @property
    def name(self) -> str:
        """The word that stands for the noun in the tables: "tea" for "cup of tea"."""
        return self.singular.split()[-1]

    @property
    def has_container(self) -> bool:
        """Whether English itself measures it: a cup of tea."""
        return " of " in self.singular


class Pronoun(NamedTuple):
    """A pronoun that can be a subject; its English word is its name."""

    name: str
    chinese: str
    is_plural: bool


class Determiner(NamedTuple):
    """An article or number; `measured` says whether Chinese puts a measure word after it."""

    english: str
    chinese: str
    is_plural: bool
    is_definite: bool
    measured: bool


class Place(NamedTuple):
    """Where something happens: "in the park" is 在 公园 里, with a word after the noun."""

    english: str
    chinese: str
    after: str


class Verb(NamedTuple):
    """One kind of event that people talk about: the forms of a verb, and what it goes with."""

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


def _tables() -> dict[str, list[list[str]]]:
    """Read the rows of each table of the file."""
    tables: dict[str, list[list[str]]] = {}
    for line in files(__package__).joinpath("lexicon.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            rows = tables.setdefault(line[1 : line.index("]")], [])
        elif line and not line.startswith("#"):
            rows.append([column.strip() for column in line.split("|")])
    return tables


def _verb(forms: str, *cells: str) -> Verb:
    """Look up the words of a row of the table of verbs."""
    subjects, objects, places, that, tenses, which, alone = (cell.split() for cell in cells)
    base, past, ing, chinese = forms.split()
    who = tuple(noun for name in subjects for noun in SUBJECTS[name])
    what = tuple(noun for name in objects for noun in OBJECTS[name])
    where = tuple(PLACES[name] for name in places)
    told, times, before = tuple(that), tuple(tenses), DETERMINERS[which[0]]
    return Verb(base, past, ing, chinese, who, what, where, told, times, before, bool(alone))


_TABLES = _tables()
PRONOUNS = tuple(Pronoun(name, chinese, number == "plural") for name, chinese, number in _TABLES["pronouns"])
NOUNS = tuple(Noun(*row) for row in _TABLES["nouns"])
PEOPLE, ANIMALS, THINGS = (
    tuple(noun for noun in NOUNS if noun.group == group) for group in ("person", "animal", "thing")
)
OBJECTS = {**{noun.name: (noun,) for noun in NOUNS}, "person": PEOPLE}
SUBJECTS: dict[str, tuple[Noun | Pronoun, ...]] = {**OBJECTS, "pronoun": PRONOUNS}
A, TWO, THREE, SOME, THE, THE_PLURAL, THE_TWO, THIS, THESE = (
    Determiner(english, chinese, *(trait in traits.split() for trait in ("plural", "definite", "measured")))
    for _, english, chinese, traits in _TABLES["determiners"]
)
NUMBERS = (A, TWO, THREE)
NEW = (*NUMBERS, SOME)
ANY = (*NEW, THE, THE_PLURAL, THE_TWO)
ONE = (A, THE)
DETERMINERS = {"any": ANY, "new": NEW, "number": NUMBERS, "one": ONE}
PLACES = {name: Place(*row) for name, *row in _TABLES["places"]}
TIMES = {
    tense: tuple((english, chinese) for t, english, chinese in _TABLES["times"] if t == tense)
    for tense in ("past", "progressive", "future")
}
VERBS = tuple(_verb(*row) for row in _TABLES["verbs"])
