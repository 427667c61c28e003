"""The records of full trainings: read from a folder, put together by what differs in the seed alone."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_edu.models import ATTENTIONS

Record = dict[str, Any]
ENOUGH = 3  # seeds


@dataclass(frozen=True)
class Group:
    """Runs of one kind, sorted by seed: same data, model, attention, configuration and changes."""

    task: str
    name: str
    config: str
    changes: dict[str, Any]
    runs: tuple[Record, ...]

    @property
    def seeds(self) -> list[int]:
        """Return the seeds that were run."""
        return [run["seed"] for run in self.runs]

    @property
    def count(self) -> str:
        """Return how many seeds were run, with a mark where they are too few to judge by."""
        return str(len(self.runs)) if len(self.runs) >= ENOUGH else f"only {len(self.runs)}"

    def scores(self, name: str = "bleu_lc", search: str = "greedy") -> list[float]:
        """Return one score of every run, or nothing if a run was not scored so.

        Parameters
        ----------
        name : {"bleu", "bleu_lc", "bleu_tok_lc", "nll", "exact_match"}
            Which one: BLEU cased, lower-cased, or on lower-cased words as tutorials count.
        search : str
            "greedy", or "beam5" as the record names it.

        Returns
        -------
        values : list of float
            In the order of the seeds.
        """
        metrics = [run["metrics"] for run in self.runs]
        if search != "greedy":
            metrics = [m.get(search, {}) for m in metrics]
        return [m[name]["value"] for m in metrics] if all(name in m for m in metrics) else []

    def signatures(self, name: str = "bleu_lc") -> set[str]:
        """Return the sacreBLEU signatures under which the runs were scored: one, or they do not compare.

        Parameters
        ----------
        name : {"bleu", "bleu_lc", "bleu_tok_lc"}
            Which score.

        Returns
        -------
        signatures : set of str
            Usually a single one.
        """
        return {run["metrics"][name]["signature"] for run in self.runs if name in run["metrics"]}

    def lengths(self) -> list[Record]:
        """Return BLEU by source length: of each length the mean over the seeds and the widest interval.

        Returns
        -------
        bins : list of dict
            ``name`` such as "8–10" or "21+", ``count`` of sentences, ``bleu`` (0 .. 100, lower-cased,
            greedy), ``low`` and ``high``. Lengths without a sentence are left out.

        Raises
        ------
        ValueError
            If the runs were scored over different lengths.
        """
        if len({tuple((b["low"], b["count"]) for b in run["by_length"]) for run in self.runs}) > 1:
            raise ValueError(f"runs of {self.task}, {self.name} were scored over different lengths")
        bins = []
        for same in zip(*(run["by_length"] for run in self.runs), strict=True):
            if same[0]["count"]:
                low, high = same[0]["low"], same[0]["high"]
                values, lows, highs = zip(*(b["bleu"] for b in same), strict=True)
                bins.append(
                    {
                        "name": f"{low}+" if high is None else f"{low}–{high}",
                        "count": same[0]["count"],
                        "bleu": statistics.fmean(values),
                        "low": min(lows),
                        "high": max(highs),
                    }
                )
        return bins


def titles() -> dict[str, str]:
    """Return the models as tables name them, the one without attention first, the Transformer last."""
    return {name: f"GRU, {kind.title}" for name, kind in ATTENTIONS.items()} | {"transformer": "Transformer"}


def kind(record: Record) -> tuple[str, str, str, str]:
    """Say of which kind a run is: runs of one kind differ in the seed alone.

    Parameters
    ----------
    record : dict
        As :func:`seq2seq_edu.experiments.recipes.record` makes it.

    Returns
    -------
    kind : tuple of str
        Task, name (the attention, or "transformer"), configuration, and the changes as text.
    """
    name = record["attention"] if record["model"] == "seq2seq" else record["model"]
    changes = json.dumps(record.get("changes", {}), sort_keys=True)
    return record["task"], name, record["config"], changes


def group(records: Iterable[Record]) -> list[Group]:
    """Put runs together that differ in the seed alone.

    Parameters
    ----------
    records : iterable of dict
        As :func:`seq2seq_edu.experiments.recipes.record` makes them.

    Returns
    -------
    groups : list of Group
        In the order in which their first runs came.

    Examples
    --------
    >>> same = {"task": "t", "model": "seq2seq", "attention": "dot", "config": "default", "changes": {}}
    >>> [(g.name, g.seeds) for g in group([same | {"seed": 1}, same | {"seed": 0}])]
    [('dot', [0, 1])]

    References
    ----------
    Taught in: real_translation.
    """
    together = defaultdict(list)
    for record in records:
        together[kind(record)].append(record)
    return [
        Group(task, name, config, json.loads(changes), tuple(sorted(runs, key=lambda run: run["seed"])))
        for (task, name, config, changes), runs in together.items()
    ]


def models(groups: Iterable[Group], task: str) -> list[Group]:
    """Choose the full-size models of one task, as their recipes make them: nothing changed.

    Parameters
    ----------
    groups : iterable of Group
        From :func:`group`.
    task : str
        Name of the data.

    Returns
    -------
    groups : list of Group
        The one without attention first, the Transformer last; what was not run is not there.

    References
    ----------
    Taught in: real_translation.
    """
    plain = [g for g in groups if g.task == task and g.config in ("default", "transformer") and not g.changes]
    return [g for name in titles() for g in plain if g.name == name]


def read(folder: str | Path) -> list[Record]:
    """Read all records of trainings in a folder; other files, such as tables of speeds, are passed over.

    Parameters
    ----------
    folder : path
        Usually ``results``.

    Returns
    -------
    records : list of dict
        In the order of the file names.

    Raises
    ------
    ValueError
        If the folder is missing or a file in it is no JSON.

    References
    ----------
    Taught in: real_translation.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder of records {str(folder)!r}: give the results/ of the project")
    records = []
    for path in sorted(folder.glob("*.json")):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is no JSON, so it is no record: {error}") from None
        if isinstance(found, dict) and "metrics" in found:
            records.append(found)
    return records


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write numbers of several seeds as their median and, in brackets, the smallest and the largest.

    Parameters
    ----------
    values : sequence of float
        One a seed; it may be empty.
    digits : int
        After the point.

    Returns
    -------
    text : str
        A single number stands alone, and no number is a dash.

    Examples
    --------
    >>> spread([3.0, 1.0, 2.5]), spread([3.0]), spread([])
    ('2.5 (1.0–3.0)', '3.0', '–')
    """
    if not values:
        return "–"
    middle, low, high = (f"{v:.{digits}f}" for v in (statistics.median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low}–{high})"


def minutes(record: Record) -> float:
    """Return how long a training took, validation included: processor time, or on a GPU the clock's.

    Parameters
    ----------
    record : dict
        As :func:`seq2seq_edu.experiments.recipes.record` makes it.

    Returns
    -------
    minutes : float
        On processors of all threads together, so that a busy machine changes little.

    Examples
    --------
    >>> minutes({"device": {"type": "cpu"}, "seconds": 100.0, "cpu_seconds": 180.0})
    3.0
    """
    return record["cpu_seconds" if record["device"]["type"] == "cpu" else "seconds"] / 60


def where(record: Record) -> str:
    """Say on what a model was trained.

    Parameters
    ----------
    record : dict
        As :func:`seq2seq_edu.experiments.recipes.record` makes it.

    Returns
    -------
    text : str
        Device, threads of a processor, precision.

    Examples
    --------
    >>> where({"device": {"type": "cpu", "name": "AMD EPYC", "threads": 2, "precision": "fp32"}})
    'cpu, 2 threads, fp32'
    """
    device = record["device"]
    if device["type"] != "cpu":
        return f"{device['type']}, {device['precision']}"
    return f"cpu, {device['threads']} thread{'s' * (device['threads'] > 1)}, {device['precision']}"


def markdown(groups: Iterable[Group], title: str) -> str:
    """Write a short table of models, as the README shows it.

    Parameters
    ----------
    groups : iterable of Group
        A line each.
    title : str
        Over the first column.

    Returns
    -------
    table : str
        BLEU (0 .. 100, lower-cased) by greedy and by beam search, median of the seeds and the range; size;
        minutes; number of seeds.
    """
    lines = [
        f"| {title} | greedy | beam 5 | million parameters | minutes | seeds |",
        "|---|---|---|---|---|---|",
    ]
    for g in groups:
        scores = [spread(g.scores("bleu_lc", search)) for search in ("greedy", "beam5")]
        size, time = f"{g.runs[0]['parameters'] / 1e6:.1f}", spread([minutes(run) for run in g.runs], 0)
        lines.append(f"| {titles()[g.name]} | {' | '.join(scores)} | {size} | {time} | {g.count} |")
    return "\n".join(lines)
