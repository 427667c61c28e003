"""Length curve and cost calculator: how good a model is at n words, and how dear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from traitlets import TraitError

from seq2seq_edu import plots
from seq2seq_edu.experiments import records
from seq2seq_edu.models import ATTENTIONS
from seq2seq_edu.widgets.base import Widget

Counts = dict[str, dict[str, int]]
Scores = dict[str, dict[str, Any]]
TASKS = {  # what is shown of each, and whether the sentences are real
    "multi30k": ("bleu", True),
    "grammar-long": ("exact_match", False),
    "reversal": ("exact_match", False),
}
SHOWN = ("none", "additive", "transformer")
LARGEST = {"n": 1_000_000, "m": 1_000_000, "d": 65_536}
COST_WORDS = {  # scores have titles of their own
    "recurrent": "recurrent layer (GRU)",
    "self_attention": "self-attention",
    "transformer": "Transformer",
    "step": "one decoder step",
    "sentence": "a whole translation",
    "layer": "one layer",
    "bleu": "BLEU",
    "exact_match": "exact match",
}
UNITS = {  # at least, divided by, and called
    "en": ((1e12, 1e12, " trillion"), (1e9, 1e9, " billion"), (1e6, 1e6, " million")),
    "zh": ((1e12, 1e12, " 万亿"), (1e8, 1e8, " 亿"), (1e6, 1e4, " 万")),
}


def entered(names: Iterable[str]) -> Scores:
    """Return what each score asks for when every width is d: a step d², a look at one state d, a key d²."""
    made = {}
    for name in names:
        if name not in ATTENTIONS:
            raise ValueError(f"there is no score {name!r}: choose from {', '.join(ATTENTIONS)}")
        kind, gru = ATTENTIONS[name], 9 if ATTENTIONS[name].query_state == "previous" else 6
        cost = kind.cost(1, 1, 1)
        made[name] = {"title": kind.title, "step": gru + cost.query, "look": cost.look, "key": cost.key}
    return made


def products(n: int, m: int, d: int, scores: Scores) -> Counts:
    """Count multiplications when every width is d: of one decoder step, of a whole sentence, of one layer."""
    gru, pairs = 6 * d * d, 2 * n * n * d
    step = {name: one["step"] * d * d + n * one["look"] * d for name, one in scores.items()}
    reading = n * gru + d * d  # the last: from h_n to s_0
    return {
        "step": step,
        "sentence": {name: reading + n * scores[name]["key"] * d * d + m * one for name, one in step.items()},
        "layer": {
            "recurrent": n * gru,
            "self_attention": 4 * n * d * d + pairs,
            "transformer": 12 * n * d * d + pairs,
        },
    }


def read_lengths(folder: str | Path, tasks: Sequence[str] = tuple(TASKS)) -> list[dict[str, Any]]:
    """Read quality by source length from the records of full trainings."""
    every = records.read(folder)
    found = []
    for task in tasks:
        measure, real = TASKS.get(task, ("bleu", True))
        chosen = [run for run in records.choose(every, task=task) if records.name_of(run) in SHOWN]
        if chosen:
            names = {"length": "mean_length", "low": "low", "high": "high", "count": "count"}
            columns = [records.by_length(chosen[0], name) for name in names.values()]
            bins = [dict(zip(names, column, strict=True)) for column in zip(*columns, strict=True)]
            curves: dict[str, list[list[float]]] = {}
            for run in chosen:
                curves.setdefault(records.name_of(run), []).append(_measured(run, measure))
            found.append({"task": task, "measure": measure, "real": real, "bins": bins, "curves": curves})
    if not found:
        raise ValueError(
            f"there is no record of {', '.join(tasks)} in {str(folder)!r}: give the results/ of the project"
        )
    return found


def _measured(run: Mapping[str, Any], measure: str) -> list[float]:
    """Return one score for every length that has a sentence."""
    digits = 2 if measure == "bleu" else 4
    return [round(value, digits) for value, *_ in records.by_length(run, measure)]


class Results(traitlets.TraitType):  # type: ignore[type-arg]
    """Hold quality by source length, a task each; a folder is read."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return lists that a browser can read, or say what is wrong with the folder."""
        try:
            return read_lengths(value) if isinstance(value, (str, Path)) else list(value)
        except ValueError as error:
            raise TraitError(f"results cannot be drawn: {error}") from error


class Entered(traitlets.TraitType):  # type: ignore[type-arg]
    """Hold what :func:`entered` returns; names are looked up."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the costs of the scores, or say which score there is not."""
        try:
            return dict(value) if isinstance(value, Mapping) else entered(value)
        except ValueError as error:
            raise TraitError(str(error)) from error


class Whole(traitlets.TraitType):  # type: ignore[type-arg]
    """Hold a whole number from 1 to ``LARGEST``."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return an int, or say what was expected; an int out of range is left to ``check``."""
        if isinstance(value, Integral):
            return int(value)
        most = LARGEST[str(self.name)]
        raise TraitError(f"{self.name} is {value!r}, expected a whole number from 1 to {most}")


class CostExplorer(Widget):
    """See what a longer source does: to quality, in cached results; to work, by formula.

    Parameters
    ----------
    results : path, or what :func:`read_lengths` returns
        Quality by source length; without it there is the calculator alone.
    n, m, d : int
        Source length, target length, width of everything; at least 1.
    view : {"step", "sentence", "layer"}
        Which work is drawn: of one decoder step, of a whole translation, of one layer.
    data : str
        Which task of the results is drawn; if empty, the first.
    scores : sequence of str
        Whose work is drawn: names in ``ATTENTIONS``.
    **state : object
        ``language`` ("en", "zh") and ``size`` ("normal", "large").

    Examples
    --------
    >>> explorer = CostExplorer(n=4096, m=16, d=256)
    >>> explorer.costs["step"]["none"]
    589824
    >>> {name: round(factor, 1) for name, factor in explorer.growth["layer"].items()}
    {'recurrent': 2.0, 'self_attention': 3.8, 'transformer': 3.5}
    >>> CostExplorer(n=0).problem
    'n is 0, expected a whole number from 1 to 1000000'

    References
    ----------
    Vaswani et al. (2017), arXiv:1706.03762, Table 1. Taught in: why_attention, making_it_fast.
    """

    _module = "cost"

    results = Results(default_value=[]).tag(sync=True)
    data = traitlets.Unicode("").tag(sync=True)
    view = traitlets.Enum(["step", "sentence", "layer"], "step").tag(sync=True)
    n = Whole(16).tag(sync=True)
    m = Whole(16).tag(sync=True)
    d = Whole(256).tag(sync=True)
    scores = Entered(default_value={}).tag(sync=True)

    def __init__(
        self,
        results: str | Path | Sequence[Mapping[str, Any]] = (),
        *,
        scores: Sequence[str] = ("none", "additive", "dot"),
        **state: object,
    ) -> None:
        super().__init__(results=results, scores=scores, **state)

    def called(self, name: str) -> str:
        """Return what a model, a layer, a measure or a view is called: a score by its own title."""
        return COST_WORDS.get(name) or self.scores.get(name, {}).get("title", name)

    def check(self) -> None:
        """Raise ValueError if a size is out of range, or the data chosen are not there."""
        for name, most in LARGEST.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a whole number from 1 to {most}")
        there = [entry["task"] for entry in self.results]
        if self.data and self.data not in there:
            names = ", ".join(there) or "none"
            raise ValueError(f"data is {self.data!r}, expected one of the results: {names}")

    @property
    def costs(self) -> Counts:
        """Return the multiplications, as :func:`products` counts them."""
        self.require_valid()
        return products(self.n, self.m, self.d, self.scores)

    @property
    def growth(self) -> dict[str, dict[str, float]]:
        """Return by what each count grows when n doubles: 1 (not at all) to 4."""
        once, twice = self.costs, products(2 * self.n, self.m, self.d, self.scores)
        return {
            view: {name: twice[view][name] / count for name, count in counts.items()}
            for view, counts in once.items()
        }

    @property
    def chain(self) -> Counts:
        """Return how many steps must wait for each other (in Table 1: sequential operations)."""
        self.require_valid()
        return {
            "step": dict.fromkeys(self.scores, 1),
            "sentence": dict.fromkeys(self.scores, self.n + self.m),
            "layer": {"recurrent": self.n, "self_attention": 1, "transformer": 1},
        }

    @property
    def crossing(self) -> int:
        """Return the n at which self-attention and a recurrent layer multiply equally often: it is d."""
        self.require_valid()
        return self.d

    @property
    def quality(self) -> dict[str, tuple[float, float, float]]:
        """Return median, smallest and largest score of each model at n; nothing where none was tested."""
        self.require_valid()
        found: dict[str, tuple[float, float, float]] = {}
        for at, b in enumerate(self.shown.get("bins", [])):
            if b["low"] <= self.n <= _end(b):
                for name, runs in self.shown["curves"].items():
                    scores = [run[at] for run in runs]
                    found[name] = (float(np.median(scores)), min(scores), max(scores))
        return found

    @property
    def shown(self) -> dict[str, Any]:
        """Return the task whose curves are drawn; an empty dict if there is none."""
        return next((dict(entry) for entry in self.results if self.data in ("", entry["task"])), {})

    def figure(self) -> Figure:
        """Draw quality by length, if there are results, above the work by length, n marked in both."""
        rows = 2 if self.results else 1
        figure, axes = plt.subplots(rows, 1, figsize=(6.4, 3.1 * rows), squeeze=False)
        if self.results:
            self._draw_quality(axes[0, 0])
        self._draw_costs(axes[-1, 0])
        return figure

    def _draw_quality(self, ax: Axes) -> None:
        """Draw the median of each model, with whiskers from the smallest to the largest seed."""
        entry = self.shown
        runs = {self.called(name): np.array(values) for name, values in entry["curves"].items()}
        plots.length_curve(
            [b["length"] for b in entry["bins"]],
            {name: np.median(values, axis=0) for name, values in runs.items()},
            intervals={name: np.stack([values.min(0), values.max(0)]) for name, values in runs.items()},
            ylabel=self.called(entry["measure"]),
            title=f"{entry['task']} ({'real' if entry['real'] else 'generated'} data)",
            ax=ax,
        )
        if self.n <= _end(entry["bins"][-1]):
            ax.axvline(self.n, color=plots.GREY, linewidth=1, zorder=0)

    def _draw_costs(self, ax: Axes) -> None:
        """Draw the counts of the present view against n, both logarithmic."""
        lengths = np.unique(np.geomspace(1, max(16384, self.n), 60).astype(int))
        counts = [products(int(n), self.m, self.d, self.scores)[self.view] for n in lengths]
        for name in self.costs[self.view]:
            ax.loglog(lengths, [count[name] for count in counts], label=self.called(name))
        ax.axvline(self.n, color=plots.GREY, linewidth=1, zorder=0)
        ax.set(xlabel="source length n", ylabel="multiplications")
        sizes = f"m = {self.m}, d = {self.d}" if self.view == "sentence" else f"d = {self.d}"
        ax.set_title(f"Work of {self.called(self.view)}, {sizes}")
        ax.legend(fontsize=9)

    def describe(self) -> str:
        """Say what is multiplied at n, by what it grows, and how good the models are there."""
        growth, comma = self.growth[self.view], self.say(", ")
        work = {name: big(count, self.language) for name, count in self.costs[self.view].items()}
        each = [
            self.say(
                "{name} {count} (×{by:.2f})", name=self.say(self.called(name)), count=count, by=growth[name]
            )
            for name, count in work.items()
        ]
        sizes = {"n": self.n, "m": self.m, "d": self.d}
        text = self.say(
            "Multiplications of {view} at n = {n}, m = {m}, d = {d} (in brackets: the factor when n "
            "doubles): {work}.",
            **{"view": self.say(self.called(self.view)), "work": comma.join(each), **sizes},
        )
        if not self.quality:
            return text
        digits = 1 if self.shown["measure"] == "bleu" else 2
        quality = {self.say(self.called(name)): value for name, (value, *_) in self.quality.items()}
        scores = comma.join(f"{name} {value:.{digits}f}" for name, value in quality.items())
        said = self.say(" Scores on {task} at this length: {scores}.", task=self.shown["task"], scores=scores)
        return text + said


def _end(b: Mapping[str, Any]) -> float:
    """Return where a bin ends; the last, open one as far above its mean as it begins below."""
    return float(b["high"] if b["high"] is not None else round(2 * b["length"] - b["low"]))


def big(count: float, language: str = "en") -> str:
    """Write a large count in words, with three significant digits; below a million all digits."""
    for least, one, unit in UNITS[language]:
        if count >= least:
            return f"{float(f'{count / one:.3g}'):,g}{unit}"
    return f"{count:,.0f}"
