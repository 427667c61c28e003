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
TOP = {"bleu": 100.0, "exact_match": 1.0}
LARGEST = {"n": 1_000_000, "m": 1_000_000, "d": 65_536}
NAMES = {
    "en": {
        "recurrent": "recurrent layer (GRU)", "self_attention": "self-attention",
        "transformer": "Transformer", "step": "one decoder step", "sentence": "a whole translation",
        "layer": "one layer", "bleu": "BLEU", "exact_match": "exact match",
    },
    "zh": {
        "none": "无注意力", "additive": "加性注意力", "dot": "点积注意力",
        "recurrent": "循环层（GRU）", "self_attention": "自注意力",
        "transformer": "Transformer", "step": "解码一步", "sentence": "翻译整句",
        "layer": "一层", "bleu": "BLEU", "exact_match": "完全匹配率",
    },
}  # fmt: skip


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
    r"""Count multiplications when every width is d: of one decoder step, of a whole sentence, of one layer.

    A GRU step takes :math:`6 d^2`; one that reads a context too, :math:`9 d^2`. What a score adds, its class
    says. Self-attention takes :math:`4 n d^2 + 2 n^2 d`, with a feed-forward network of width 4d
    :math:`12 n d^2 + 2 n^2 d`.

    Parameters
    ----------
    n, m : int
        Source and target length.
    d : int
        Width of everything.
    scores : dict
        From :func:`entered`.

    Returns
    -------
    counts : dict of dicts
        ``step`` and ``sentence`` with each of the scores; ``layer`` over n positions: ``recurrent``,
        ``self_attention``, ``transformer``. The output layer is left out: it is the same for all. The counts
        are those of :mod:`seq2seq_edu.bench.machine`; a test compares them.

    Examples
    --------
    >>> products(n=2, m=1, d=1, scores=entered(["none", "additive", "dot"]))["step"]
    {'none': 9, 'additive': 14, 'dot': 10}

    References
    ----------
    Bahdanau et al. (2015), arXiv:1409.0473, A.1.2; Luong et al. (2015), arXiv:1508.04025, section 3.1;
    Vaswani et al. (2017), arXiv:1706.03762, Table 1. Taught in: making_it_fast.
    """
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
    """Read quality by source length from the records of full trainings.

    Parameters
    ----------
    folder : path
        Usually ``results``.
    tasks : sequence of str
        Names of the data.

    Returns
    -------
    results : list of dict
        A task each: ``task``, ``measure`` ("bleu", 0 .. 100, or "exact_match", 0 .. 1), ``real``, ``bins``
        (``low``, ``high`` or None, ``count``, mean ``length``) and ``curves``, name to array (seeds, bins).

    Raises
    ------
    ValueError
        If there is no folder, or no record of these tasks in it.
    """
    groups = records.group(records.read(folder))
    found = []
    for task in tasks:
        measure, real = TASKS.get(task, ("bleu", True))
        chosen = [group for group in records.models(groups, task) if group.name in SHOWN]
        runs = {group.name: [_measured(run, measure) for run in group.runs] for group in chosen}
        if runs:
            bins = [
                {"low": b["low"], "high": b["high"], "count": b["count"], "length": b["mean_length"]}
                for b in chosen[0].runs[0]["by_length"]
                if b["count"]
            ]
            found.append({"task": task, "measure": measure, "real": real, "bins": bins, "curves": runs})
    if not found:
        raise ValueError(
            f"there is no record of {', '.join(tasks)} in {str(folder)!r}: give the results/ of the project"
        )
    return found


def _measured(run: Mapping[str, Any], measure: str) -> list[float]:
    """Return one score for every length that has a sentence."""
    digits = 2 if measure == "bleu" else 4
    return [round(b[measure][0], digits) for b in run["by_length"] if b["count"]]


def _clean(entry: Any) -> dict[str, Any]:
    """Return one task as plain numbers and lists, or say what is wrong with it."""
    wanted = ("task", "measure", "real", "bins", "curves")
    if not isinstance(entry, Mapping) or any(name not in entry for name in wanted):
        raise ValueError(f"an entry has not all of {', '.join(wanted)}: see read_lengths")
    task, measure = str(entry["task"]), str(entry["measure"])
    if measure not in TOP:
        raise ValueError(f"the measure of {task} is {measure!r}, expected one of {', '.join(TOP)}")
    if not entry["curves"] or not entry["bins"]:
        raise ValueError(f"there is no curve of {task}, expected at least one name with a score a length")
    bins = [{name: b.get(name) for name in ("low", "high", "count", "length")} for b in entry["bins"]]
    for b in bins:
        if not all(isinstance(b[name], (int, float)) and 0 <= b[name] < 1e6 for name in ("low", "length")):
            raise ValueError(f"a bin of {task} is {b}, expected low and the mean length as numbers from 0")
    curves = {}
    for name, values in entry["curves"].items():
        runs = np.atleast_2d(np.asarray(values, dtype=float))
        if runs.shape[1:] != (len(bins),):
            raise ValueError(
                f"{name!r} of {task} has shape {np.shape(values)}, expected (seeds, {len(bins)}): "
                "one score a length"
            )
        if not ((runs >= 0) & (runs <= TOP[measure])).all():
            wrong = runs[~((runs >= 0) & (runs <= TOP[measure]))][0]
            raise ValueError(
                f"{name!r} of {task} holds {wrong}, expected {measure} from 0 to {TOP[measure]:g}"
            )
        curves[str(name)] = runs.tolist()
    return {"task": task, "measure": measure, "real": bool(entry["real"]), "bins": bins, "curves": curves}


class Results(traitlets.TraitType):  # type: ignore[type-arg]
    """Hold what :func:`read_lengths` returns; a folder is read."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return lists that a browser can read, or say what is wrong."""
        try:
            entries = read_lengths(value) if isinstance(value, (str, Path)) else value
            return [_clean(entry) for entry in entries]
        except (ValueError, TypeError, AttributeError) as error:
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
    >>> explorer = CostExplorer(n=64, m=16, d=256)
    >>> explorer.costs["step"]["none"], explorer.crossing
    (589824, 256)
    >>> explorer.n = 4096
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
        n: int = 16,
        m: int = 16,
        d: int = 256,
        view: str = "step",
        data: str = "",
        scores: Sequence[str] = ("none", "additive", "dot"),
        **state: object,
    ) -> None:
        super().__init__(results=results, n=n, m=m, d=d, view=view, data=data, scores=scores, **state)

    def called(self, name: str, language: str = "en") -> str:
        """Return what a model, a layer or a measure is called: a score by its own title."""
        title = self.scores.get(name, {}).get("title", name)
        return NAMES[language].get(name, title)

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
        self.right()
        return products(self.n, self.m, self.d, self.scores)

    @property
    def growth(self) -> dict[str, dict[str, float]]:
        """Return by what each count grows when n doubles: 1 (not at all) to 4."""
        self.right()
        twice = products(2 * self.n, self.m, self.d, self.scores)
        return {
            view: {name: twice[view][name] / count for name, count in counts.items()}
            for view, counts in self.costs.items()
        }

    @property
    def chain(self) -> Counts:
        """Return how many steps must wait for each other (in Table 1: sequential operations)."""
        self.right()
        return {
            "step": dict.fromkeys(self.scores, 1),
            "sentence": dict.fromkeys(self.scores, self.n + self.m),
            "layer": {"recurrent": self.n, "self_attention": 1, "transformer": 1},
        }

    @property
    def crossing(self) -> int:
        """Return the n at which self-attention and a recurrent layer multiply equally often: it is d."""
        self.right()
        return self.d

    @property
    def score_floats(self) -> int:
        """Return how many numbers the scores of one head hold: n² of self-attention."""
        self.right()
        return self.n * self.n

    @property
    def quality(self) -> dict[str, tuple[float, float, float]]:
        """Return median, smallest and largest score of each model at n; nothing where none was tested."""
        self.right()
        found: dict[str, tuple[float, float, float]] = {}
        for at, b in enumerate(self.shown["bins"] if self.results else []):
            if b["low"] <= self.n <= _end(b):
                for name, runs in self.shown["curves"].items():
                    scores = [run[at] for run in runs]
                    found[name] = (float(np.median(scores)), min(scores), max(scores))
        return found

    @property
    def shown(self) -> dict[str, Any]:
        """Return the task whose curves are drawn; an empty dict if there is none."""
        chosen = [entry for entry in self.results if self.data in ("", entry["task"])]
        return chosen[0] if chosen else {}

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
        """Draw the three counts of the present view against n, both logarithmic."""
        lengths = np.unique(np.geomspace(1, max(16384, self.n), 60).astype(int))
        counts = [products(int(n), self.m, self.d, self.scores)[self.view] for n in lengths]
        for name in self.costs[self.view]:
            ax.loglog(lengths, [count[name] for count in counts], label=self.called(name))
        ax.axvline(self.n, color=plots.GREY, linewidth=1, zorder=0)
        ax.set(xlabel="source length n", ylabel="multiplications")
        sizes = f"m = {self.m}, d = {self.d}" if self.view == "sentence" else f"d = {self.d}"
        ax.set_title(f"Work of {NAMES['en'][self.view]}, {sizes}")
        ax.legend(fontsize=9)

    def describe(self) -> str:
        """Say what is multiplied at n, by what it grows, and how good the models are there."""
        chinese, names = self.language == "zh", NAMES[self.language]
        growth = self.growth[self.view]
        brackets = "（×{:.2f}）" if chinese else " (×{:.2f})"
        parts = [
            f"{self.called(name, self.language)} {big(count, self.language)}{brackets.format(growth[name])}"
            for name, count in self.costs[self.view].items()
        ]
        digits, task = (1 if self.shown.get("measure") == "bleu" else 2), self.shown.get("task")
        scores = [
            f"{self.called(name, self.language)} {value:.{digits}f}"
            for name, (value, *_) in self.quality.items()
        ]
        if chinese:
            text = f"{names[self.view]}的乘法次数，n = {self.n}，m = {self.m}，d = {self.d}"
            text += f"（括号内为 n 加倍后的倍数）：{'；'.join(parts)}。"
            return text + (f"{task} 在该长度上的得分：{'，'.join(scores)}。" if scores else "")
        text = f"Multiplications of {names[self.view]} at n = {self.n}, m = {self.m}, d = {self.d}"
        text += f" (in brackets: the factor when n doubles): {', '.join(parts)}."
        return text + (f" Scores on {task} at this length: {', '.join(scores)}." if scores else "")


def _end(b: Mapping[str, Any]) -> float:
    """Return where a bin ends; the last, open one as far above its mean as it begins below."""
    return float(b["high"] if b["high"] is not None else round(2 * b["length"] - b["low"]))


def big(count: float, language: str = "en") -> str:
    """Write a large count in words, with three significant digits.

    Parameters
    ----------
    count : float
        0 or more.
    language : {"en", "zh"}
        Which words.

    Returns
    -------
    text : str
        Below a million all digits.

    Examples
    --------
    >>> big(65536), big(1_234_567), big(1_234_567, "zh")
    ('65,536', '1.23 million', '123 万')
    """
    units = {
        "en": ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")),
        "zh": ((1e12, " 万亿"), (1e8, " 亿"), (1e6, " 万")),
    }[language]
    least, unit = next(((least, unit) for least, unit in units if count >= least), (1, ""))
    if not unit:
        return f"{count:,.0f}"
    one = 1e4 if unit == " 万" else least
    return f"{float(f'{count / one:.3g}'):,g}{unit}"
