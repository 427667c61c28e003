"""Length curve and cost calculator: how good a model is at n words, and how dear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
BIN = {"length": "mean_length", "low": "low", "high": "high", "count": "count"}  # of a record
DIGITS = {"bleu": 1, "exact_match": 2}  # that are said; twice as many are kept
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
        kind, cost = ATTENTIONS[name], ATTENTIONS[name].cost(1, 1, 1)
        gru = 9 if kind.query_state == "previous" else 6
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


def read_lengths(folder: str | Path) -> list[dict[str, Any]]:
    """Read quality by source length from the records of full trainings, a task each."""
    every, found = records.read(folder), []
    for task, (measure, real) in TASKS.items():
        runs = [run for run in records.choose(every, task=task) if records.name_of(run) in SHOWN]
        curves: dict[str, list[list[float]]] = defaultdict(list)
        for run in runs:
            values = [round(value, 2 * DIGITS[measure]) for value, *_ in records.by_length(run, measure)]
            curves[records.name_of(run)].append(values)
        if runs:
            columns = zip(*(records.by_length(runs[0], name) for name in BIN.values()), strict=True)
            bins = [dict(zip(BIN, column, strict=True)) for column in columns]
            shown = {"task": task, "measure": measure, "real": real}
            found.append({**shown, "bins": bins, "curves": dict(curves)})
    if not found:
        tasks = ", ".join(TASKS)
        raise ValueError(f"there is no record of {tasks} in '{folder}': give the results/ of the project")
    return found


class CostExplorer(Widget):
    """See what a longer source does: to quality, in cached results; to work, by formula.

    ``results`` is a folder of records, or what :func:`read_lengths` returns; without it there is the
    calculator alone. ``n`` and ``m`` are the lengths of source and target, ``d`` is the width of everything.
    ``view`` is the work that is drawn: of one decoder "step", a whole "sentence", one "layer"; ``scores``
    names whose (in ``ATTENTIONS``), ``data`` the task of the results (by default the first).

    >>> explorer = CostExplorer(n=4096, m=16, d=256)
    >>> {name: round(factor, 1) for name, factor in explorer.growth["layer"].items()}
    {'recurrent': 2.0, 'self_attention': 3.8, 'transformer': 3.5}
    >>> CostExplorer(n=0).problem
    'n is 0, expected a whole number from 1 to 1000000'

    Vaswani et al. (2017), arXiv:1706.03762, Table 1. Taught in: why_attention, making_it_fast.
    """

    results = traitlets.List(traitlets.Dict())
    data = traitlets.Unicode("")
    view = traitlets.Enum(["step", "sentence", "layer"], "step")
    n = traitlets.Int(16)
    m = traitlets.Int(16)
    d = traitlets.Int(256)
    scores = traitlets.Dict()

    def __init__(
        self,
        results: str | Path | Sequence[Mapping[str, Any]] = (),
        scores: Sequence[str] = ("none", "additive", "dot"),
        **state: Any,
    ) -> None:
        refused: dict[str, str] = {}
        try:
            state["scores"] = entered(scores)
            state["results"] = read_lengths(results) if isinstance(results, (str, Path)) else list(results)
        except ValueError as error:
            refused["scores" if "scores" not in state else "results"] = str(error)
        super().__init__(refused, **state)

    def called(self, name: str) -> str:
        """Return what a model, a layer, a measure or a view is called: a score by its own title."""
        return COST_WORDS.get(name) or self.scores.get(name, {}).get("title", name)

    def check(self) -> Iterator[str]:
        """Ask for sizes in their range, and for data that are there."""
        for name, most in LARGEST.items():
            if not 1 <= getattr(self, name) <= most:
                yield f"{name} is {getattr(self, name)}, expected a whole number from 1 to {most}"
        if self.data and not self.shown:
            there = ", ".join(entry["task"] for entry in self.results) or "none"
            yield f"data is {self.data!r}, expected one of the results: {there}"

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
        bins, curves = self.shown.get("bins", []), self.shown.get("curves", {})
        here = [k for k, b in enumerate(bins) if b["low"] <= self.n <= _end(b)]
        scores = {name: [run[k] for run in runs for k in here] for name, runs in curves.items()}
        return {name: (float(np.median(s)), min(s), max(s)) for name, s in scores.items() if s}

    @property
    def shown(self) -> dict[str, Any]:
        """Return the task whose curves are drawn; an empty dict if there is none."""
        return next((dict(entry) for entry in self.results if self.data in ("", entry["task"])), {})

    def figure(self) -> Figure:
        """Draw quality by length, if there are results, above the work by length, n marked in both."""
        rows = 2 if self.results else 1
        figure = Figure(figsize=(6.4, 3.1 * rows))
        axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
        if self.results:
            self._draw_quality(axes[0])
        self._draw_costs(axes[-1])
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
        work = []
        for name, count in self.costs[self.view].items():
            values = {"name": self.say(self.called(name)), "count": big(count, self.language)}
            work.append(self.say("{name} {count} (×{by:.2f})", by=growth[name], **values))
        sizes = {"n": self.n, "m": self.m, "d": self.d}
        text = self.say(
            "Multiplications of {view} at n = {n}, m = {m}, d = {d} (in brackets: the factor when n "
            "doubles): {work}.",
            **{"view": self.say(self.called(self.view)), "work": comma.join(work), **sizes},
        )
        if not self.quality:
            return text
        digits = DIGITS[self.shown["measure"]]
        scores = [f"{self.say(self.called(name))} {s:.{digits}f}" for name, (s, *_) in self.quality.items()]
        values = {"task": self.shown["task"], "scores": comma.join(scores)}
        return text + self.say(" Scores on {task} at this length: {scores}.", **values)


def _end(b: Mapping[str, Any]) -> float:
    """Return where a bin ends; the last, open one as far above its mean as it begins below."""
    return float(b["high"] if b["high"] is not None else round(2 * b["length"] - b["low"]))


def big(count: float, language: str = "en") -> str:
    """Write a large count in words, with three significant digits; below a million all digits."""
    for least, one, unit in UNITS[language]:
        if count >= least:
            return f"{float(f'{count / one:.3g}'):,g}{unit}"
    return f"{count:,.0f}"
