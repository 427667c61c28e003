"""Fixtures shared by all tests."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from browser import browser as browser  # the fixture, for every test

from seq2seq_edu.data import corpora, reversal, split

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = ("multi30k/train.de.gz", "tatoeba/cmn.txt")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Give the folder with the published corpora, or skip the test and say why."""
    asked = os.environ.get("SEQ2SEQ_EDU_DATA")
    folders = [Path(asked).expanduser()] if asked else [BESIDE, corpora.data_folder()]
    for folder in folders:
        if all((folder / name).is_file() for name in FILES):
            return folder
    pytest.skip(f"no {' and '.join(FILES)} in the data folder: real corpora not tested (make data)")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw 71 generated examples in place of 20,000 and hold out 11 and 13 of them."""
    few = {"validation": 11, "test": 13}
    place = "seq2seq_edu.experiments.recipes"
    monkeypatch.setattr(f"{place}.reversal", lambda count, *, seed: reversal(71, seed=seed, symbols=5))
    monkeypatch.setattr(f"{place}.split", lambda examples, **options: split(examples, **{**options, **few}))


@pytest.fixture
def small_model(small: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the generated data and the model for them small; work in an empty folder."""
    from seq2seq_edu.experiments import recipes  # here, as most tests need no PyTorch

    widths = {"d_e": 5, "d_h": 14, "d_s": 11, "d_a": 7, "d_r": 3, "dropout": 0.2}
    monkeypatch.setitem(recipes.WIDTHS, "toy", widths)
    monkeypatch.setitem(recipes.TRAINING, "toy", {"epochs": 2, "tokens": 101, "lr": 0.01})
    monkeypatch.delenv("SEQ2SEQ_EDU_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def load_script(place: Path) -> ModuleType:
    """Import a file that lies in no package, under its own name."""
    spec = importlib.util.spec_from_file_location(place.stem, place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[place.stem] = module  # scripts of tools/ import each other by this name
    spec.loader.exec_module(module)
    return module
