"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Give the folder with the published corpora, or skip the test and say why."""
    asked = os.environ.get("SEQ2SEQ_EDU_DATA")
    folder = Path(asked).expanduser() if asked else BESIDE
    for name in ("multi30k/train.de.gz", "tatoeba/cmn.txt"):
        if not (folder / name).is_file():
            pytest.skip(
                f"no {name} in {'SEQ2SEQ_EDU_DATA' if asked else '../shared/data'}: real corpora not tested"
            )
    return folder
