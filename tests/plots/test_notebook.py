"""The plumbing of chapters: seeds, figures with their text, sources, tables."""

from __future__ import annotations

import base64
import io
import random
import sys
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from seq2seq_edu import notebook, plots  # noqa: E402
from seq2seq_edu.plots.style import FONT_FAMILY  # noqa: E402

Bundle = dict[str, str]


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    """Leave neither figures nor settings behind."""
    with mpl.rc_context(), np.printoptions():
        yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Bundle]:
    """Collect what is displayed."""
    bundles: list[Bundle] = []
    monkeypatch.setattr(notebook, "display", lambda bundle, raw, metadata=None: bundles.append(bundle))
    return bundles


def draws() -> tuple[Any, ...]:
    """Return a number from every generator that start() seeds."""
    import torch

    return random.random(), np.random.rand(), torch.rand(1).item()


def test_a_start_repeats_itself() -> None:
    import torch  # noqa: F401  (start seeds it if it is there)

    notebook.start(seed=7)
    first = draws()
    notebook.start(seed=7)
    assert draws() == first
    notebook.start(seed=11)
    assert all(a != b for a, b in zip(draws(), first, strict=True))
    assert mpl.rcParams["font.family"][0] == FONT_FAMILY


def test_a_start_does_not_need_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    notebook.start()
    assert "torch" not in sys.modules


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=f"seed is {seed}, expected"):
        notebook.start(seed=seed)


def test_a_figure_carries_its_text(shown: list[Bundle]) -> None:
    notebook.start()
    ax = plots.heatmap([[0.25, 0.75]], ["t"], ["我", "b"])
    notebook.show(ax, 'weights of "我" <and>\n   b')
    (bundle,) = shown
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["text/plain"] == 'weights of "我" <and> b'
    assert 'alt="weights of &quot;我&quot; &lt;and&gt; b"' in bundle["text/html"]
    assert f'src="data:image/png;base64,{bundle["image/png"]}"' in bundle["text/html"]
    image = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert image.format == "PNG" and image.width > 100
    assert plt.get_fignums() == []  # closed, or it would appear a second time


def test_figures_are_small_and_sharp(shown: list[Bundle]) -> None:
    notebook.start()
    rng = np.random.default_rng(0)
    noise = {name: level + 0.1 * rng.normal(size=(3, 600)) for level, name in enumerate("abc")}
    notebook.show(plots.curves(noise, smooth=23), "three noisy curves")
    assert len(base64.b64decode(shown[0]["image/png"])) < 50_000
    width = int(shown[0]["text/html"].split('width="')[1].split('"')[0])
    image = Image.open(io.BytesIO(base64.b64decode(shown[0]["image/png"])))
    assert image.width == pytest.approx(1.25 * width, abs=2)


def test_a_figure_says_what_its_data_say(shown: list[Bundle]) -> None:
    notebook.start()
    notebook.show(plots.maps({"sure": ([[1.0, 0.0]], ["t"], ["我", "b"])}))
    assert shown[0]["text/plain"] == "sure – a map of 1 rows by 2 columns; largest in each row: t – 我 1.00."


def test_a_training_is_drawn_while_it_goes_on(shown: list[Bundle], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "clear_output", lambda wait: None)
    records: list[dict[str, float]] = [{"step": k, "loss": 3.0 / k} for k in range(1, 8)]
    for record in notebook.live(iter(records), every=3):
        if record["step"] == 7:
            record["validation"] = 0.5  # what the loop adds is drawn too
    assert len(shown) == 3  # after steps 3 and 6, and at the end
    assert "loss goes from 3 at 1 to 0.43 at 7; validation goes from 0.5 at 7" in shown[-1]["text/plain"]


@pytest.mark.parametrize("alt", [None, "", "  \n"])
def test_a_figure_without_a_text_is_refused(alt: str | None, shown: list[Bundle]) -> None:
    figure, _ = plt.subplots()
    with pytest.raises(ValueError, match="alt is empty"):
        notebook.show(figure, alt)
    assert shown == []


def test_only_figures_are_shown() -> None:
    with pytest.raises(ValueError, match="list is not"):
        notebook.show([1], "a list")  # type: ignore[arg-type]


def example(x: int) -> int:
    """Return the number after.

    More words.
    """
    return x + 1  # Eq. 1


class Example:
    """Hold a number.

    More words.
    """

    def double(self, x: int) -> int:
        """Return twice the number.

        More words.
        """
        text = """a string
        of two lines"""
        return 2 * x + 0 * len(text)


def test_the_source_of_a_function_is_shown(shown: list[Bundle]) -> None:
    notebook.show_source(example)
    (bundle,) = shown
    source = 'def example(x: int) -> int:\n    """Return the number after."""\n    return x + 1  # Eq. 1'
    assert bundle["text/markdown"] == f"`{__name__}.example`\n\n```python\n{source}\n```"
    assert bundle["text/plain"] == f"# {__name__}.example\n{source}"


def test_the_source_of_a_class_is_shown(shown: list[Bundle]) -> None:
    notebook.show_source(Example)
    notebook.show_source(Example.double)
    assert "More words" not in shown[0]["text/plain"] + shown[1]["text/plain"]
    assert "of two lines" in shown[0]["text/plain"] and "return 2 * x" in shown[0]["text/plain"]
    assert shown[1]["text/plain"].splitlines()[1] == "def double(self, x: int) -> int:"


@pytest.mark.parametrize("thing", [len, 3])
def test_what_has_no_source_is_refused(thing: object) -> None:
    with pytest.raises(ValueError, match="no Python source"):
        notebook.show_source(thing)


def test_a_table(shown: list[Bundle]) -> None:
    rows = [["dot", 0.123456, 5], ["a|b", 23.0, 7]]
    notebook.show_table(rows, ["score", "loss (nats)", "seeds"], caption="Losses")
    assert shown[0]["text/markdown"].splitlines() == [
        "**Losses**",
        "",
        "| score | loss (nats) | seeds |",
        "| --- | ---: | ---: |",
        "| dot | 0.123 | 5 |",
        "| a\\|b | 23 | 7 |",
    ]
    assert shown[0]["text/plain"].splitlines()[2] == "dot  0.123  5"
    with pytest.raises(ValueError, match="row 1 has 1 cells, expected 2"):
        notebook.show_table([[1, 2], [3]], ["a", "b"])
