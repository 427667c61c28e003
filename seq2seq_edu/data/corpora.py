"""Real parallel text: two corpora small enough for a laptop, downloaded when :func:`load` first asks for one.

A file that is already in the data folder is used as it is, its hash checked, so the folder may be read-only.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pooch
from opencc import OpenCC

from seq2seq_edu.data.examples import connected

ENVIRONMENT_VARIABLE = "SEQ2SEQ_EDU_DATA"
GITHUB = "https://raw.githubusercontent.com"
ADDRESSES = {  # folder in the data folder: where its files are published, at a pinned commit
    "multi30k": f"{GITHUB}/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw",
    "tatoeba": f"{GITHUB}/13luoyu/Transformer-machine-translation/aa43963320ccfacebd1d3542deae559bbca58d03",
}
SHA256 = {
    "multi30k/train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "multi30k/train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "multi30k/val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "multi30k/val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "multi30k/test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "multi30k/test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "tatoeba/cmn.txt": "aa264a2447b26ab7c9d413f8321f9e2a779fd134b5118306b6e26a3499b3926e",
}
NAMES = ("multi30k", "tatoeba-zh-en", "tatoeba-en-zh")


class Pair(NamedTuple):
    """One source sentence and its translation, as text."""

    source: str
    target: str


@dataclass(frozen=True)
class Corpus:
    """A parallel corpus in three splits that share no sentence; `notes` says what was done to the files."""

    name: str
    source_language: str
    target_language: str
    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...]
    notes: str


def data_folder(option: str | Path | None = None) -> Path:
    """Say where the data lie: the option, else the variable ``SEQ2SEQ_EDU_DATA``, else the user's cache."""
    chosen = option or os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(chosen or pooch.os_cache("seq2seq_edu")).expanduser()


def load(name: str, *, data_dir: str | Path | None = None) -> Corpus:
    """Load a corpus by name, downloading its files the first time (with a progress bar on a terminal).

    Multi30k, captions of photographs: Elliott et al. (2016), arXiv:1605.00459; its test is test_2016_flickr.
    Tatoeba, short everyday sentences: tatoeba.org, pairs as listed by manythings.org, CC-BY 2.0 France.
    Taught in: real_translation.

    >>> load("multi40k")
    Traceback (most recent call last):
    ValueError: unknown corpus 'multi40k'; expected one of multi30k, tatoeba-zh-en, tatoeba-en-zh

    Parameters
    ----------
    name : {"multi30k", "tatoeba-zh-en", "tatoeba-en-zh"}. German to English; Tatoeba either way, split alike.
    data_dir : path or None. See :func:`data_folder`.

    Returns
    -------
    corpus : Corpus. No sentence of either language stands in two splits, compared by :func:`sentence_key`.
    """
    if name not in NAMES:
        raise ValueError(f"unknown corpus {name!r}; expected one of {', '.join(NAMES)}")
    folder = data_folder(data_dir)
    return _load_multi30k(folder) if name == "multi30k" else _load_tatoeba(name, folder)


def training_texts(corpus: Corpus) -> Iterator[str]:
    """Yield the text a vocabulary or a subword model may be built from: the training split and nothing else.

    From validation or test text the model would know words that it cannot have seen, and the score would
    flatter it. Taught in: real_translation.

    >>> train, validation, test = (Pair("ja", "yes"),), (Pair("nein", "no"),), (Pair("doch", "but"),)
    >>> list(training_texts(Corpus("small", "de", "en", train, validation, test, notes="")))
    ['ja', 'yes']

    Parameters
    ----------
    corpus : Corpus

    Yields
    ------
    text : str. Every source sentence is followed by its translation.
    """
    for pair in corpus.train:
        yield from pair


def simplified(text: str) -> str:
    """Write Chinese text in simplified characters (OpenCC, dictionary t2s). Taught in: real_translation.

    >>> simplified("我們學習漢語。OK")
    '我们学习汉语。OK'

    Parameters
    ----------
    text : str. With traditional or variant characters, or without.

    Returns
    -------
    text : str. The same words; what is not Chinese is left as it is.
    """
    return str(_converter("t2s").convert(text))


_converter = cache(OpenCC)  # a dictionary is loaded once


def sentence_key(text: str) -> str:
    """Reduce a sentence to what makes it the same: letters and digits. Taught in: real_translation.

    >>> sentence_key("Don't  go!") == sentence_key("dont ｇｏ。")
    True

    Parameters
    ----------
    text : str. A sentence of any language.

    Returns
    -------
    key : str. NFKC and case-folded; with all other signs where it has neither letters nor digits.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum()) or folded.strip()


def split_by_sentence(
    pairs: Iterable[Pair], *, validation: int, test: int, largest: int = 20
) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Split pairs so that no sentence of either language, up to :func:`sentence_key`, stands on two sides.

    Pairs that share a sentence are connected, and whole components are dealt out in the order of a hash,
    whatever the order of the input, which each part keeps. Components of more than ``largest`` pairs go to
    training: held-out text should not be one sentence in many guises.

    >>> pairs = [Pair("Hi", "嗨"), Pair("Hi!", "你好"), Pair("Hello", "你好。"), Pair("Run", "跑")]
    >>> [len(part) for part in split_by_sentence(pairs, validation=0, test=1, largest=1)]
    [3, 0, 1]
    """
    pairs = list(pairs)
    keys = [(sentence_key(source), sentence_key(target)) for source, target in pairs]

    def dealt(indices: Sequence[int]) -> str:
        """Hash the sentences of a component: the same in both directions and in any order of the pairs."""
        sentences = sorted({key for i in indices for key in keys[i]})
        return hashlib.sha256("\n".join(sentences).encode()).hexdigest()

    part_of: dict[int, str] = {}
    wanted = {"validation": validation, "test": test}
    for indices in sorted((c for c in connected(keys) if len(c) <= largest), key=dealt):
        part = next((name for name, count in wanted.items() if count > 0), None)
        if part:
            wanted[part] -= len(indices)
            part_of.update(dict.fromkeys(indices, part))
    if any(count > 0 for count in wanted.values()):
        raise ValueError(
            f"cannot hold out {validation} + {test} of {len(pairs)} pairs: too many share sentences"
        )
    train, held, tested = (
        [pair for i, pair in enumerate(pairs) if part_of.get(i, "train") == name]
        for name in ("train", *wanted)
    )
    return train, held, tested


def _load_multi30k(folder: Path) -> Corpus:
    """Read the published splits; drop from training and validation what a later split also holds."""

    def read(split: str) -> list[Pair]:
        german, english = (_lines(f"multi30k/{split}.{language}.gz", folder) for language in ("de", "en"))
        return [Pair(*sides) for sides in zip(german, english, strict=True)]

    train, validation, test = map(read, ("train", "val", "test_2016_flickr"))
    kept_validation = _without(validation, test)
    kept_train = _without(train, [*kept_validation, *test])
    notes = (
        f"Multi30k task 1, raw text, test_2016_flickr. {len(train) - len(kept_train)} training and "
        f"{len(validation) - len(kept_validation)} validation pairs dropped: a later split holds one of "
        "their sentences. Terms of the source: for researchers and educators, non-commercial."
    )
    return Corpus("multi30k", "de", "en", tuple(kept_train), tuple(kept_validation), tuple(test), notes)


def _without(pairs: Sequence[Pair], others: Sequence[Pair]) -> list[Pair]:
    """Keep the pairs that share no sentence with the others, on either side."""
    sources, targets = ({sentence_key(text) for text in side} for side in zip(*others, strict=True))
    return [p for p in pairs if sentence_key(p[0]) not in sources and sentence_key(p[1]) not in targets]


def _load_tatoeba(name: str, folder: Path) -> Corpus:
    """Read English and Chinese, simplify the Chinese, drop repeated pairs, split, choose a direction."""
    published = [Pair(*line.split("\t")[:2]) for line in _lines("tatoeba/cmn.txt", folder) if line]
    converted = [Pair(english, simplified(chinese)) for english, chinese in published]
    changed = sum(x != y for x, y in zip(published, converted, strict=True))
    unique = list(dict.fromkeys(converted))
    source, target = name.removeprefix("tatoeba-").split("-")
    train, validation, test = (
        tuple(Pair(y, x) if source == "zh" else Pair(x, y) for x, y in part)
        for part in split_by_sentence(unique, validation=1000, test=1000)
    )
    notes = (
        f"Tatoeba, a pinned list of {len(published)} pairs. {changed} Chinese sentences held traditional or "
        "variant characters and were written in simplified ones (OpenCC t2s). "
        f"{len(published) - len(unique)} repeated pairs dropped. "
        "Split by sentence: pairs that share a sentence of either language stay together. "
        "CC-BY 2.0 France; who wrote each sentence stands in the third column of the file."
    )
    return Corpus(name, source, target, train, validation, test, notes)


def _lines(name: str, folder: Path) -> list[str]:
    """Read the lines of a published file, without byte-order mark, zero-width and outer spaces."""
    content = _fetch(name, folder).read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode("utf-8-sig")
    # Only a line feed ends a line: a sentence may hold U+2028, and the two files must stay in step
    return [line.strip() for line in text.replace("\u200b", "").removesuffix("\n").split("\n")]


def _fetch(name: str, folder: Path) -> Path:
    """Return the path of a published file whose hash has been checked, downloading it if it is not there."""
    path, sha256 = folder / name, SHA256[name]
    url = f"{ADDRESSES[path.parent.name]}/{path.name}"
    if not path.exists():
        _download(url, path, sha256)
    elif (found := pooch.file_hash(str(path))) != sha256:
        raise ValueError(
            f"{path} is not the published file: its SHA-256 is {found}, expected {sha256}. It was cut short "
            f"or changed: delete it and it will be downloaded again, or put {url} in its place"
        )
    return path


def _download(url: str, path: Path, sha256: str) -> None:
    """Download a file whole or not at all: pooch writes beside it, checks the hash, then renames."""
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(url, sha256, fname=path.name, path=path.parent, progressbar=sys.stderr.isatty())
    except ValueError as error:
        raise ValueError(
            f"what came from {url} is not the published file ({error}). A proxy may have answered in its "
            f"place: fetch the file another way and put it at {path}"
        ) from error
    except OSError as error:
        cause: BaseException = error
        while cause.__context__ is not None:  # under the layers of the network libraries lies one plain line
            cause = cause.__context__
        raise OSError(
            f"cannot download {url} to {path} ({type(cause).__name__}: {cause}). Check the network and the "
            f"disk, put the file there yourself, or name a folder that holds {path.parent.name}/{path.name} "
            f"with --data-dir or the variable {ENVIRONMENT_VARIABLE}"
        ) from error
