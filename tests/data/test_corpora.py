"""Corpora: published files are read as they are meant, nothing wrong is used silently, no sentence leaks."""

import gc
import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_edu.data import UNK, Subwords, corpora
from seq2seq_edu.data.corpora import (
    Corpus,
    Pair,
    load,
    sentence_key,
    split_by_sentence,
)

# A connection that an error cut short is closed when its memory is, perhaps in the next test.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def published(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> Path:
    """Write a file and declare it to be the published one."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    monkeypatch.setitem(corpora.SHA256, name, hashlib.sha256(content).hexdigest())
    return path


def small_multi30k(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a Multi30k of five training, two validation and two test pairs, with two leaks."""
    texts = {
        "train": (["Ein Hund.", "Zwei Hunde.", "Ein Kind!", "Drei Katzen.", "Ein Rad."], "ABCDE"),
        "val": (["Ein Ball.", "Ein Baum."], "FG"),
        "test_2016_flickr": (["ein kind", "Ein Haus."], ["C or c", "d"]),
    }
    for split, (de, en) in texts.items():
        for language, lines in (("de", de), ("en", en)):
            content = gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)
            published(folder, monkeypatch, f"multi30k/{split}.{language}.gz", content)


# Where the data lie


def test_data_folder_is_the_option_then_the_variable_then_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SEQ_EDU_DATA", "from_variable")
    assert corpora.data_folder("from_option") == Path("from_option")
    assert corpora.data_folder() == corpora.data_folder("") == Path("from_variable")
    monkeypatch.delenv("SEQ2SEQ_EDU_DATA")
    assert "seq2seq_edu" in str(corpora.data_folder())
    assert corpora.data_folder("~/x") == Path.home() / "x"


def test_folder_with_the_files_is_used_without_network_and_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_multi30k(tmp_path, monkeypatch)
    monkeypatch.setattr("pooch.retrieve", lambda *args, **options: pytest.fail("tried to download"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for path in tmp_path.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    tmp_path.chmod(0o555)
    try:
        corpus = load("multi30k", data_dir=tmp_path)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    finally:
        for path in [tmp_path, *tmp_path.iterdir()]:
            path.chmod(0o755)
    assert corpus.source_language == "de" and corpus.target_language == "en"
    assert corpus.test == (Pair("ein kind", "C or c"), Pair("Ein Haus.", "d"))


def test_multi30k_training_gives_way_to_the_test_set_on_either_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_multi30k(tmp_path, monkeypatch)
    corpus = load("multi30k", data_dir=tmp_path)
    assert [pair.target for pair in corpus.train] == ["A", "B", "E"]  # C leaked in German, D in English
    assert len(corpus.validation) == len(corpus.test) == 2
    assert "2 training and 0 validation pairs dropped" in corpus.notes


# Reading


def test_lines_of_a_published_file_keep_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_multi30k(tmp_path, monkeypatch)
    texts = {
        "de": "\ufeffein\u200bs \r\nzwei\u2028drei\r\nvier",
        "en": " one\ntwo three\nfour\n",
    }
    for language, text in texts.items():
        published(tmp_path, monkeypatch, f"multi30k/train.{language}.gz", gzip.compress(text.encode()))
    pairs = (Pair("eins", "one"), Pair("zwei\u2028drei", "two three"), Pair("vier", "four"))
    assert load("multi30k", data_dir=tmp_path).train == pairs
    published(tmp_path, monkeypatch, "multi30k/train.en.gz", gzip.compress(b"one\ntwo three\n"))
    with pytest.raises(ValueError, match="shorter"):
        load("multi30k", data_dir=tmp_path)


def test_unknown_corpus_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected one of multi30k, tatoeba-zh-en, tatoeba-en-zh"):
        load("wmt14")


# Downloading, from a server on this machine


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a folder in place of the published addresses and give its path."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    folder = tmp_path_factory.mktemp("published")
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    for name in corpora.ADDRESSES:
        monkeypatch.setitem(corpora.ADDRESSES, name, f"http://127.0.0.1:{http.server_address[1]}/{name}")
    yield folder
    http.shutdown()
    http.server_close()


def test_download_is_whole_checked_silent_and_done_once(
    server: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    small_multi30k(server, monkeypatch)
    logger, said = pooch.get_logger(), []
    logger.setLevel("INFO")  # as it is when pooch has just been imported
    monkeypatch.setattr(logger, "handle", said.append)
    first = load("multi30k", data_dir=tmp_path / "cache")
    assert capfd.readouterr() == ("", "")  # no bar where there is no terminal
    assert said == []
    names = sorted(path.relative_to(tmp_path / "cache").as_posix() for path in tmp_path.rglob("*.*"))
    assert names == sorted(name for name in corpora.SHA256 if name.startswith("multi30k/"))
    monkeypatch.setattr("pooch.retrieve", lambda *args, **options: pytest.fail("downloaded twice"))
    assert load("multi30k", data_dir=tmp_path / "cache") == first


def test_download_shows_a_bar_on_a_terminal(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    small_multi30k(server, monkeypatch)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    load("multi30k", data_dir=tmp_path)
    assert "%" in capfd.readouterr().err


def test_download_with_wrong_hash_leaves_nothing(server: Path, tmp_path: Path) -> None:
    (server / "multi30k").mkdir()
    (server / "multi30k" / "train.de.gz").write_bytes(b"<html>Please log in</html>")
    with pytest.raises(ValueError, match="(?s)train.de.gz is not the published file.*proxy.*put it at"):
        load("multi30k", data_dir=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_missing_page_is_an_error(server: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="(?s)cannot download .*cmn.txt.*404"):
        load("tatoeba-zh-en", data_dir=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_no_network_names_cause_and_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(corpora.ADDRESSES, "tatoeba", "http://127.0.0.1:9")  # nobody answers here
    with pytest.raises(OSError, match="(?s)cannot download.*Check the network.*--data-dir.*SEQ2SEQ_EDU_DATA"):
        load("tatoeba-zh-en", data_dir=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_full_disk_leaves_nothing(server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_multi30k(server, monkeypatch)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.move", full)
    with pytest.raises(OSError, match="(?s)No space left on device.*disk"):
        load("multi30k", data_dir=tmp_path)
    gc.collect()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_data_folder_that_is_a_file_is_an_error(server: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="cannot download"):
        load("multi30k", data_dir=tmp_path / "file")


def test_changed_file_is_never_used_nor_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "tatoeba" / "cmn.txt"
    path.parent.mkdir()
    path.write_text("Hi.\tMine.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="(?s)cmn.txt is not the published file.*expected aa264a.*delete it"):
        load("tatoeba-zh-en", data_dir=tmp_path)
    assert path.read_text(encoding="utf-8") == "Hi.\tMine.\n"


# Splitting by sentence

sentences = st.text(alphabet="abcdefg!. ", min_size=1, max_size=3).filter(str.strip)
pair_lists = st.lists(st.builds(Pair, sentences, sentences), min_size=1, max_size=31)


def keys(pairs: tuple[Pair, ...] | list[Pair], side: int) -> set[str]:
    return {sentence_key(pair[side]) for pair in pairs}


@settings(max_examples=200, deadline=None)
@given(pair_lists, st.integers(0, 3), st.integers(0, 3))
def test_split_loses_nothing_and_shares_no_sentence(pairs: list[Pair], validation: int, test: int) -> None:
    try:
        parts = split_by_sentence(pairs, validation=validation, test=test)
    except ValueError:
        return
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    assert len(parts[1]) >= validation and len(parts[2]) >= test
    for side in (0, 1):
        train, held, tested = (keys(part, side) for part in parts)
        assert not train & held and not train & tested and not held & tested


def test_split_ignores_order_of_pairs_and_direction() -> None:
    pairs = [Pair(f"s{k // 2}", f"t{k}") for k in range(31)]
    parts = split_by_sentence(pairs, validation=5, test=7)
    again = split_by_sentence(pairs[::-1], validation=5, test=7)
    turned = split_by_sentence([Pair(y, x) for x, y in pairs], validation=5, test=7)
    for part, other, swapped in zip(parts, again, turned, strict=True):
        assert part == other[::-1] == [Pair(y, x) for x, y in swapped]
        assert part == sorted(part, key=pairs.index)  # the order of the input
    assert parts[2] != pairs[:7]  # not the first ones


def test_chain_of_shared_sentences_is_one_component_and_a_giant_one_is_for_training() -> None:
    chain = [Pair(f"s{k}", f"t{k}") for k in range(11)] + [Pair(f"s{k}", f"T{k + 1}") for k in range(10)]
    single = [Pair("x", "y")]
    train, held, tested = split_by_sentence(chain + single, validation=0, test=1, largest=2)
    assert tested == single and held == [] and train == chain
    with pytest.raises(ValueError, match="cannot hold out 1 . 1 of 22 pairs"):
        split_by_sentence(chain + single, validation=1, test=1, largest=2)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Don't go!", "dont GO", True),
        ("你好，汤姆。", "你好 汤姆！", True),
        ("ＯＫ１", "ok1", True),
        ("café", "cafe\u0301", True),
        ("Straße", "STRASSE", True),
        ("go", "so", False),
        ("10", "11", False),
        ("!", "?", False),
    ],
)
def test_sentence_key(one: str, other: str, same: bool) -> None:
    assert (sentence_key(one) == sentence_key(other)) is same


# Vocabulary from the training split only

PLANTED = Corpus(
    "planted",
    "de",
    "en",
    train=(Pair("ein hund sieht ein haus", "a dog sees a house"), Pair("ein haus", "a house")),
    validation=(Pair("ein ßaum", "a trψe"),),
    test=(Pair("eine ☂", "a ♞"),),
    notes="",
)


def test_training_texts_are_the_training_split() -> None:
    both = list(corpora.training_texts(PLANTED))
    assert both == ["ein hund sieht ein haus", "a dog sees a house", "ein haus", "a house"]


def test_text_of_the_other_splits_never_reaches_the_subwords() -> None:
    subwords = Subwords.train(corpora.training_texts(PLANTED), vocab_size=25)
    for planted in "ßψ☂♞":
        assert UNK in subwords.encode(planted)
    for pair in PLANTED.train:
        assert UNK not in subwords.encode(pair.source) + subwords.encode(pair.target)


# The published corpora


def test_real_multi30k(real_data: Path) -> None:
    corpus = load("multi30k", data_dir=real_data)
    assert [len(part) for part in (corpus.train, corpus.validation, corpus.test)] == [28998, 1014, 1000]
    assert corpus.test[0].target == "A man in an orange hat starring at something."
    assert_no_leak(corpus)


def test_real_tatoeba_in_both_directions(real_data: Path) -> None:
    there = load("tatoeba-zh-en", data_dir=real_data)
    back = load("tatoeba-en-zh", data_dir=real_data)
    assert (there.source_language, there.target_language, back.source_language) == ("zh", "en", "en")
    assert [len(part) for part in (there.train, there.validation, there.test)] == [27054, 1000, 1000]
    for name in ("train", "validation", "test"):
        assert getattr(there, name) == tuple(Pair(y, x) for x, y in getattr(back, name))
    assert_no_leak(there)
    assert "29155 pairs. 11 Chinese sentences" in there.notes and "101 repeated pairs" in there.notes
    assert Pair("嗨。", "Hi.") in there.train + there.validation + there.test  # no byte-order mark left
    chinese = [pair.source for pair in there.train + there.validation + there.test]
    assert all(text == corpora.simplified(text) for text in chinese)


def test_real_subwords_know_the_training_text_and_only_it(real_data: Path) -> None:
    corpus = load("tatoeba-zh-en", data_dir=real_data)
    subwords = Subwords.train(corpora.training_texts(corpus), vocab_size=8000, lowercase=True)
    assert not any(UNK in subwords.encode(text) for text in corpora.training_texts(corpus))
    seen = set("".join(corpora.training_texts(corpus)))
    new = {c for pair in corpus.test for c in pair.source if c not in seen}
    assert new and all(UNK in subwords.encode(c) for c in new)


def assert_no_leak(corpus: Corpus) -> None:
    """Check that no sentence of either side stands in two splits."""
    parts = (corpus.train, corpus.validation, corpus.test)
    for side in (0, 1):
        train, held, tested = (keys(part, side) for part in parts)
        assert not train & held and not train & tested and not held & tested
