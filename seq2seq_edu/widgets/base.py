"""What all widgets share: the drawing in a browser, the picture beside it, and what is said of odd input.

While a widget is moved nothing is computed in the kernel: its small ES module does it, so that it also lives
on a page without a kernel. The kernel holds the same state as traits, and asks :mod:`seq2seq_edu.equations`
for what follows from it; tests compare the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import jinja2
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from traitlets import TraitError

from seq2seq_edu import plots
from seq2seq_edu.words import catalogue

FOLDER = Path(__file__).parent
EXPORT = "export default "  # the last statement of each module
WIDGETS = sorted(path.stem for path in FOLDER.glob("*.js") if path.stem not in ("kit", "mount"))
CHINESE = catalogue("widgets")
SLACK = 1e-3  # how far from 1 a row of weights may add up
PAGE = jinja2.Environment(autoescape=True).from_string(
    '<div class="s2s-widget" data-widget="{{ module }}" data-state="{{ state }}">'
    "{% if picture %}{{ picture | safe }}{% else %}<p>{{ problem }}</p>{% endif %}"
    '<p class="s2s-note">{{ note }}</p></div>'
)


def source(name: str) -> str:
    """Return the text of a file of this folder, such as ``softmax.js``."""
    return (FOLDER / name).read_text(encoding="utf-8")


def with_chinese(script: str) -> str:
    """Put the Chinese of the English words that a script holds before it."""
    spoken = {english: text for english, text in CHINESE.items() if f'"{english}"' in script}
    return f"const CHINESE = {json.dumps(spoken, ensure_ascii=False)};\n{script}"


class Numbers(traitlets.TraitType):  # type: ignore[type-arg]
    """Hold finite numbers as nested lists, set by any array; ``Numbers("n", 2)`` holds rows of two."""

    def __init__(
        self, *shape: str | int, dtype: type = float, default: Any = (), digits: int | None = None
    ) -> None:
        super().__init__(default_value=np.array(default).tolist())
        self.shape, self.dtype, self.digits = shape, dtype, digits

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the numbers as lists, or say what is wrong with them."""
        expected = f"expected shape ({', '.join(map(str, self.shape))}{',' * (len(self.shape) == 1)})"
        try:
            array: np.ndarray = np.asarray(value, dtype=self.dtype)
        except (TypeError, ValueError) as error:
            what = "something that is no number, or rows of unlike length"
            raise TraitError(f"{self.name} holds {what}; {expected}") from error
        if array.size == 0:
            return []
        sizes = zip(self.shape, array.shape, strict=False)
        if array.ndim != len(self.shape) or any(isinstance(size, int) and size != k for size, k in sizes):
            raise TraitError(f"{self.name} has shape {array.shape}, {expected}")
        for place in np.argwhere(~np.isfinite(array)).tolist():
            where = place[0] if len(place) == 1 else tuple(place)
            raise TraitError(
                f"{self.name} holds {array[tuple(place)]} at {where}, expected finite numbers: "
                "was something divided by 0, or a row with no real token normalised?"
            )
        return (array if self.digits is None else array.round(self.digits)).tolist()


def tokens() -> Any:
    """Declare a list of words."""
    return traitlets.List(traitlets.Unicode())


def names(letter: str, n: int) -> list[str]:
    """Name n positions: h1 .. hn."""
    return [f"{letter}{k + 1}" for k in range(n)]


def odd_rows(weights: Sequence[Sequence[float]]) -> dict[int, float]:
    """Return the sums of the rows that do not add up to 1, by their index."""
    sums = {t: sum(row) for t, row in enumerate(weights)}
    return {t: total for t, total in sums.items() if abs(total - 1) > SLACK}


def bar_rows(*rows: tuple[str, ArrayLike, Sequence[str], str]) -> Figure:
    """Draw rows of bars below each other: of each its name, its numbers, their labels and a title."""
    most = max(len(labels) for _, _, labels, _ in rows)
    size = (float(np.clip(0.8 * most + 1.3, 3.7, 12)), 1.4 * len(rows) + 1.4)
    figure, axes = plt.subplots(len(rows), 1, figsize=size)
    for ax, (name, numbers, labels, title) in zip(axes, rows, strict=True):
        plots.bars(np.array(numbers), labels, ylabel=name, title=title, ax=ax)
        if len(labels) > 14:
            ax.tick_params(axis="x", rotation=60)
    return figure


class Widget(anywidget.AnyWidget):
    """Draw in the browser, keep the state in Python, and show a message where it makes no sense.

    A subclass declares its state as traits, which the script of the same name beside its file shares, and
    gives ``check``, ``figure`` and ``describe``. Odd values (an empty sentence, NaN, weights that do not sum
    to 1) do not raise: in the place of its picture the widget shows what is wrong, the words of ``problem``.
    """

    _module: ClassVar[str]
    _css = source("kit.css")

    language = traitlets.Enum(["en", "zh"], "en").tag(sync=True)
    size = traitlets.Enum(["normal", "large"], "normal").tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the kit before the script of the widget, and share its traits with the browser."""
        super().__init_subclass__(**kwargs)
        name = cls.__module__.split(".")[-1]
        if name in WIDGETS and not hasattr(cls, "_module"):  # traitlets makes subclasses of subclasses
            cls._module, cls._esm = name, with_chinese(f"{source('kit.js')}\n{source(f'{name}.js')}")
            for trait in vars(cls).values():
                if isinstance(trait, traitlets.TraitType):
                    trait.tag(sync=True)

    def __init__(self, refused: Mapping[str, str] | None = None, **state: Any) -> None:
        """Take the state as far as it is good; ``refused`` says of which part of it why there is none."""
        own = self.own_traits()
        for name in state:
            if name not in own:
                raise TypeError(f"{type(self).__name__} has no {name!r}: choose from {', '.join(own)}")
        good, self._refused = {}, dict(refused or {})
        for name, value in state.items():
            try:
                good[name] = self.traits()[name].validate(self, value)  # type: ignore[attr-defined]
            except TraitError as error:
                self._refused[name] = str(error)
        super().__init__(**good)
        self.observe(self._check_again, names=[name for name in own if name != "problem"])
        self._check_again({"name": ""})

    @classmethod
    def own_traits(cls) -> list[str]:
        """Return the names of the state, in alphabetical order: what the browser shows and a page keeps."""
        others = anywidget.AnyWidget.class_trait_names()
        return [name for name in cls.class_trait_names(sync=True) if name[0] != "_" and name not in others]

    def check(self) -> Iterator[str]:
        """Yield what in the state makes no sense, with cause and cure; only the first is asked for."""
        raise NotImplementedError

    def figure(self) -> Figure:
        """Draw the present state as a picture that needs no browser; the caller closes it."""
        raise NotImplementedError

    def describe(self) -> str:
        """Say in one or two sentences what the picture shows, for those who cannot see it."""
        raise NotImplementedError

    def say(self, english: str, **values: object) -> str:
        """Return a message in the widget's language, the {names} in it filled in."""
        text = CHINESE.get(english, english) if self.language == "zh" else english
        return text.format(**values)

    def require_valid(self) -> None:
        """Raise the ValueError that the widget shows, if any: for what is computed from the state."""
        if self.problem:
            raise ValueError(self.problem)

    def _check_again(self, change: dict[str, Any]) -> None:
        """Keep ``problem`` true to the state; what was refused is mended by a change of just that."""
        self._refused.pop(change["name"], None)
        try:
            self.problem = next(iter(self._refused.values()), "") or next(self.check(), "")
        except ValueError as error:  # of `plots`
            self.problem = str(error)

    def element(self, picture: str = "") -> str:
        """Return an element for a page: the picture and the state, which ``page_script`` brings to life."""
        state = {name: getattr(self, name) for name in self.own_traits()}
        state = {name: None if x != x else x for name, x in state.items()}  # JSON knows no nan
        packed = json.dumps(state, ensure_ascii=False, separators=(",", ":"), default=float)
        note = self.say("Run this cell to play with it.")
        inside = {"picture": picture, "problem": self.problem, "note": note}
        return PAGE.render(module=self._module, state=packed, **inside)

    def fallback(self) -> tuple[str, str]:
        """Return what stands for the widget where it cannot live: its element, and the same in words."""
        if self.problem:
            return self.element(), self.problem
        text = self.describe()
        with plt.rc_context(), plt.ioff():
            plots.use_style()
            figure = self.figure()
            picture = plots.img_tag(figure, text)[0]
            plt.close(figure)
        return self.element(picture), text  # the picture not a second time: a notebook keeps all it is given

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Give the live widget, and for all other programs its picture."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        page, text = self.fallback()
        return {**bundle[0], "text/html": page, "text/plain": text}, bundle[1]


class WeightsWidget(Widget):
    """A widget that shows a row of weights: how widely it looks."""

    @property
    def weights(self) -> np.ndarray:
        """Return the row, shape (n,), or say why there is none."""
        raise NotImplementedError

    @property
    def effective_positions(self) -> float:
        """Return exp(H), H the entropy of the weights: how many positions get a look, from 1 to n."""
        positive = self.weights[self.weights > 0]
        if odd_rows([positive.tolist()]):
            raise ValueError(f"the weights add up to {positive.sum():.3f}, not to 1")
        return float(np.exp(-(positive * np.log(positive)).sum()))


def page_script() -> str:
    """Return one script, no module, that brings all widgets of a page to life; nothing is fetched."""
    parts = [source("kit.js"), "const registry = {};"]
    for name in WIDGETS:
        text = source(f"{name}.js").replace(EXPORT, "return ")
        parts.append(f'registry["{name}"] = (() => {{\n{text}\n}})();')
    script = with_chinese("\n".join([*parts, source("mount.js")]))
    return f'(() => {{\n"use strict";\n{script}}})();\n'


def page_style() -> str:
    """Return the style sheet that belongs to :func:`page_script`; every rule begins with ``.s2s``."""
    return source("kit.css")
