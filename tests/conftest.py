"""Fixtures shared by all tests."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from browser import browser as browser  # the fixture, for every test

from seq2seq_edu.data import corpora

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


def load_script(place: Path) -> ModuleType:
    """Import a file that lies in no package, under its own name."""
    spec = importlib.util.spec_from_file_location(place.stem, place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[place.stem] = module  # scripts of tools/ import each other by this name
    spec.loader.exec_module(module)
    return module
