"""Numbers in prose: each is held by something that runs, or excused by a tag."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import load_script

ROOT = Path(__file__).resolve().parents[2]
numbers = load_script(ROOT / "tools" / "check_numbers.py")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def page(text: str, *, said: str = "", code: str = "", tags: tuple[str, ...] = (), name: str = "a") -> Any:
    """Return a notebook of one text cell and one code cell with its output."""
    output = {"output_type": "stream", "name": "stdout", "text": said}
    return {
        "cells": [
            {"cell_type": "markdown", "id": name, "metadata": {"tags": list(tags)}, "source": text},
            {"cell_type": "code", "id": "b", "metadata": {}, "source": code, "outputs": [output]},
        ]
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_number_in_prose_is_held_by_the_chapter(path: Path) -> None:
    left = numbers.loose(json.loads(path.read_text(encoding="utf-8")))
    assert left == [], "let the code print or assert it, write it in words, or tag the cell numbers-given"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("About 0.84 of it.", "0.8437"),
        ("That is 98 % of all.", "share 0.981"),
        ("3,710,064 parameters", "3710064"),
        ("It falls by −2.5.", "-2.46"),
        ("Twelve of 12, in 2014, chapter 17, Eq. 31, [17.3](x.ipynb), 40 minutes, `STEPS = 77`", ""),
        ("$\\alpha$ in 2.3.2.5; arXiv:1409.0473", ""),
    ],
)
def test_what_is_held(text: str, said: str) -> None:
    assert numbers.loose(page(text, said=said)) == []


@pytest.mark.parametrize("text", ["It is 0.85.", "It is 97 %.", "36 points", "<details>to 0.9</details>"])
def test_what_is_not_held(text: str) -> None:
    assert len(numbers.loose(page(text, said="0.8437 and 0.981"))) == 1
    assert numbers.loose(page(text, tags=("numbers-given",))) == []
    assert numbers.loose(page(text, name="ch77-references")) == []


def test_a_bound_in_the_code_holds_a_number() -> None:
    assert numbers.loose(page("at least 95 of 100", code="assert share >= 0.95 and count == 100")) == []
