"""What all widgets share: the drawing in a browser, the picture beside it, and what is said of odd input.

While a widget is moved nothing is computed in the kernel: its small ES module does it, so that it also lives
on a page without a kernel. The kernel holds the same state as traits, and asks :mod:`seq2seq_edu.equations`
for what follows from it; tests compare the two.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure
from traitlets import TraitError

from seq2seq_edu import plots
from seq2seq_edu.plots import parts

FOLDER = Path(__file__).parent
EXPORT = "export default "  # the last statement of each module
WIDGETS: dict[str, type[Widget]] = {}  # by the name of their module
PLAY = {"en": "Run this cell to play with it.", "zh": "运行这个单元格，即可动手操作。"}


def source(name: str) -> str:
    """Return the text of a file of this folder.

    Parameters
    ----------
    name : str
        Such as ``softmax.js``.

    Returns
    -------
    text : str
        All of it.
    """
    return (FOLDER / name).read_text(encoding="utf-8")


class Numbers(traitlets.TraitType):  # type: ignore[type-arg]
    """Hold finite numbers as nested lists, which a browser can read; any array will do to set it.

    Parameters
    ----------
    *shape : str
        Names of the axes, for the message: ``Numbers("m", "n")`` is a matrix.
    dtype : type
        float, int or bool.
    """

    def __init__(self, *shape: str, dtype: type = float) -> None:
        super().__init__(default_value=[])
        self.shape, self.dtype = shape, dtype
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the numbers as lists, or say what is wrong with them."""
        expected = f"expected shape ({', '.join(self.shape)}{',' if len(self.shape) == 1 else ''})"
        try:
            array: np.ndarray = np.asarray(value, dtype=self.dtype)
        except (TypeError, ValueError) as error:
            what = "something that is no number, or rows of unlike length"
            raise TraitError(f"{self.name} holds {what}; {expected}") from error
        if array.size == 0:
            return []
        if array.ndim != len(self.shape):
            raise TraitError(f"{self.name} has shape {array.shape}, {expected}")
        if not np.isfinite(array).all():
            where = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
            place = where[0] if len(where) == 1 else where
            raise TraitError(
                f"{self.name} holds {array[where]} at {place}, expected finite numbers: "
                "was something divided by 0, or a row with no real token normalised?"
            )
        return array.tolist()


def tokens(default: Sequence[str] = ()) -> Any:
    """Declare a list of words.

    Parameters
    ----------
    default : sequence of str
        What it holds at first.

    Returns
    -------
    trait : traitlets.List
        Shared with the browser.
    """
    return traitlets.List(traitlets.Unicode(), default_value=list(default)).tag(sync=True)


def default_labels(n: int) -> list[str]:
    """Name n positions.

    Parameters
    ----------
    n : int
        How many.

    Returns
    -------
    labels : list of str
        h1 .. hn.
    """
    return [f"h{i + 1}" for i in range(n)]


class Widget(anywidget.AnyWidget):
    """Draw in the browser, keep the state in Python, and show a message where it makes no sense.

    A subclass names its module (``_module``), declares its state as traits with ``sync=True``, and gives
    ``check``, ``figure`` and ``describe``.

    Parameters
    ----------
    **state : object
        Values of the traits. Odd ones (an empty sentence, NaN, weights that do not sum to 1) do not raise:
        the widget shows what is wrong in the place of its picture, and ``problem`` holds the words.

    Raises
    ------
    TypeError
        If there is no trait of a name.
    """

    _module: ClassVar[str]
    _css = source("kit.css")

    language = traitlets.Enum(["en", "zh"], "en").tag(sync=True)
    size = traitlets.Enum(["normal", "large"], "normal").tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the kit before the module of the widget, and note the widget for pages without a kernel."""
        super().__init_subclass__(**kwargs)
        if "_module" in vars(cls):  # anywidget makes a subclass of its own for every widget
            cls._esm = source("kit.js") + "\n" + source(f"{cls._module}.js")
            WIDGETS[cls._module] = cls

    def __init__(self, **state: Any) -> None:
        own = self.own_traits()
        for name in state:
            if name not in own:
                raise TypeError(f"{type(self).__name__} has no {name!r}: choose from {', '.join(own)}")
        good, problem = {}, ""
        for name, value in state.items():
            try:
                good[name] = self.traits()[name].validate(self, value)  # type: ignore[attr-defined]
            except TraitError as error:
                problem = problem or str(error)
        super().__init__(**good)
        self.observe(self._look, names=[name for name in own if name != "problem"])
        self._look()
        self.problem = problem or self.problem

    @classmethod
    def own_traits(cls) -> list[str]:
        """Return the names of the state: what the browser shows and a page keeps.

        Returns
        -------
        names : list of str
            In alphabetical order.
        """
        others = anywidget.AnyWidget.class_trait_names()
        return [name for name in cls.class_trait_names(sync=True) if name[0] != "_" and name not in others]

    def check(self) -> None:
        """Raise ValueError, with cause and cure, if the state makes no sense."""

    def figure(self) -> Figure:
        """Draw the present state as a picture that needs no browser.

        Returns
        -------
        figure : Figure
            Made with :mod:`seq2seq_edu.plots`; the caller closes it.
        """
        raise NotImplementedError

    def describe(self) -> str:
        """Say what the picture shows, for those who cannot see it.

        Returns
        -------
        text : str
            One or two sentences, in the widget's language.
        """
        raise NotImplementedError

    def right(self) -> None:
        """Raise the ValueError that the widget shows, if it shows one; for what is computed from the state.

        Raises
        ------
        ValueError
            With the words of ``problem``.
        """
        if self.problem:
            raise ValueError(self.problem)

    def _look(self, _: Any = None) -> None:
        """Keep ``problem`` true to the state."""
        try:
            self.check()
            self.problem = ""
        except ValueError as error:
            self.problem = str(error)

    def fallback(self) -> tuple[str, str]:
        """Return what stands for the widget where it cannot live.

        Returns
        -------
        page : str
            An element for a page, with the picture and the state; ``page_script`` brings it to life.
        text : str
            The same in words, for programs that show no page. (The picture is not given a second time: a
            notebook keeps all that it is given.)
        """
        state = {name: getattr(self, name) for name in self.own_traits()}
        state = {name: None if x != x else x for name, x in state.items()}  # JSON knows no nan
        inside, text = f"<p>{html.escape(self.problem)}</p>", self.problem
        if not self.problem:
            text = self.describe()
            with plt.rc_context(), plt.ioff():
                plots.use_style()
                figure = self.figure()
                inside = parts.img_tag(figure, text)[0]
                plt.close(figure)
        packed = html.escape(json.dumps(state, ensure_ascii=False, separators=(",", ":"), default=float))
        note = f'<p class="s2s-note">{PLAY[self.language]}</p>'
        place = f'<div class="s2s-widget" data-widget="{self._module}" data-state="{packed}">'
        return f"{place}{inside}{note}</div>", text

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Give the live widget, and for all other programs its picture."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        page, text = self.fallback()
        return {**bundle[0], "text/html": page, "text/plain": text}, bundle[1]


def page_script() -> str:
    """Return one script, no module, that brings all widgets of a page to life; nothing is fetched.

    Returns
    -------
    script : str
        JavaScript; it looks for what :meth:`Widget.fallback` made.
    """
    parts = ["(() => {", '"use strict";', source("kit.js"), "const registry = {};"]
    for name in sorted(WIDGETS):
        text = source(f"{name}.js")
        if text.count(EXPORT) != 1:
            raise ValueError(f"{name}.js should hold {EXPORT.strip()!r} once, at its end")
        parts.append(f'registry["{name}"] = (() => {{\n{text.replace(EXPORT, "return ")}\n}})();')
    return "\n".join([*parts, source("mount.js"), "})();\n"])


def page_style() -> str:
    """Return the style sheet that belongs to :func:`page_script`.

    Returns
    -------
    style : str
        CSS; every rule begins with ``.s2s``.
    """
    return source("kit.css")
