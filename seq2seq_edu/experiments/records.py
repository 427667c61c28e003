"""The records of full trainings in ``results/``: read, chosen, and put together over seeds."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_edu.files import write_whole

Record = dict[str, Any]
ENOUGH = 3  # seeds to judge by


def read(folder: str | Path) -> list[Record]:
    """Read all records of trainings in a folder; other files, such as tables of speeds, are passed over.

    Parameters
    ----------
    folder : path. Usually ``results``.

    Returns
    -------
    records : list of dict. In the order of the file names; ValueError if the folder is missing or a file
        in it is no JSON.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder of records {str(folder)!r}: give the results/ of the project")
    found = [read_file(path) for path in sorted(folder.glob("*.json"))]
    return [record for record in found if isinstance(record, dict) and "metrics" in record]


def read_file(path: str | Path) -> Record:
    """Read one file of ``results/``: the record of a training, or a table of speeds.

    Parameters
    ----------
    path : path. A JSON file.

    Returns
    -------
    record : dict. As it was written; ValueError if it is no JSON.
    """
    try:
        record: Record = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON, so it is no record: {error}") from None
    return record


def write(path: Path, record: Record) -> None:
    """Write a record as JSON text, an entry a line."""
    write_whole(path, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())


def name_of(record: Record) -> str:
    """Return the name of the model: its attention, or "transformer"."""
    return str(record["attention"] if record["model"] == "seq2seq" else record["model"])


def choose(
    records: Iterable[Record],
    task: str,
    *,
    model: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> list[Record]:
    """Choose the runs of one task by what they are, not by their files: "none" first, then by size and seed.

    Parameters
    ----------
    records : iterable of dict. From :func:`read`.
    task, model : str. The name of the data; "none", "additive", ... or "transformer", all if left out.
    changes : mapping. The settings that were changed; none if left out: the model as its recipe makes it.

    Returns
    -------
    chosen : list of dict

    Examples
    --------
    >>> run = {"task": "t", "model": "seq2seq", "attention": "dot", "config": "default", "parameters": 9}
    >>> some = [run | {"seed": 1}, run | {"seed": 0}, run | {"seed": 0, "changes": {"epochs": 20}}]
    >>> [record["seed"] for record in choose(some, "t", model="dot")]
    [0, 1]
    """
    chosen = [
        record
        for record in records
        if record["task"] == task
        and model in (None, name_of(record))
        and record["config"] == ("transformer" if record["model"] == "transformer" else "default")
        and record.get("changes", {}) == dict(changes or {})
    ]
    return sorted(chosen, key=lambda r: (name_of(r) != "none", r["parameters"], name_of(r), r["seed"]))


def by_length(record: Mapping[str, Any], measure: str) -> list[Any]:
    """Return one column of the scores by source length, where there is a sentence.

    Parameters
    ----------
    record : dict. From :func:`read`.
    measure : {"bleu", "exact_match", "mean_length", "low", "high", "count"}. The first two come as (score,
        low, high), with the ends of the 95 % interval.

    Returns
    -------
    values : list. A value a length, shortest first.
    """
    return [row[measure] for row in record["by_length"] if row["count"]]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write numbers of several seeds as their median and, in brackets, the smallest and the largest.

    Parameters
    ----------
    values : sequence of float. One a seed.
    digits : int. How many are written after the point.

    Returns
    -------
    text : str. Numbers that are equal as written stand alone; no number is a dash.

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
    record : dict. From :func:`read`.

    Returns
    -------
    minutes : float. On processors of all threads together.
    """
    return float(record["cpu_seconds" if record["device"]["type"] == "cpu" else "seconds"]) / 60


def where(record: Record) -> str:
    """Say on what a model was trained.

    Parameters
    ----------
    record : dict. From :func:`read`.

    Returns
    -------
    text : str. Device, threads of a processor, precision: "cpu, 2 threads, fp32".
    """
    device = record["device"]
    if device["type"] != "cpu":
        return f"{device['type']}, {device['precision']}"
    return f"cpu, {device['threads']} thread{'s' * (device['threads'] > 1)}, {device['precision']}"


@dataclass(frozen=True)
class Group:
    """Runs that differ in the seed alone, sorted by it: same data, model, configuration and changes."""

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
        """Return one score of every run by "greedy" search or "beam5"; nothing if a run was not scored so."""
        metrics = [run["metrics"] for run in self.runs]
        if search != "greedy":
            metrics = [m.get(search, {}) for m in metrics]
        return [m[name]["value"] for m in metrics] if all(name in m for m in metrics) else []

    def signatures(self, name: str = "bleu_lc") -> set[str]:
        """Return the sacreBLEU signatures under which the runs were scored: one, or they do not compare."""
        return {run["metrics"][name]["signature"] for run in self.runs if name in run["metrics"]}

    def lengths(self) -> list[Record]:
        """Return BLEU by source length ("8–10", "21+"): mean over the seeds, widest of their intervals."""
        first = self.runs[0]
        if any([by_length(run, k) != by_length(first, k) for run in self.runs for k in ("low", "count")]):
            raise ValueError(f"runs of {self.task}, {self.name} were scored over different lengths")
        bins = []
        columns = [by_length(first, k) for k in ("low", "high", "count")]
        for start, end, count, *same in zip(
            *columns, *(by_length(run, "bleu") for run in self.runs), strict=True
        ):
            values, lows, highs = zip(*same, strict=True)
            mean, low, high = statistics.fmean(values), min(lows), max(highs)
            name = f"{start}+" if end is None else f"{start}–{end}"
            bins.append({"name": name, "count": count, "bleu": mean, "low": low, "high": high})
        return bins


def kind(record: Record) -> tuple[str, str, str, str]:
    """Return what runs of one kind share: task, name of the model, configuration, changes as text."""
    changes = json.dumps(record.get("changes", {}), sort_keys=True)
    return record["task"], name_of(record), record["config"], changes


def group(records: Iterable[Record]) -> list[Group]:
    """Put runs together that differ in the seed alone, in the order in which their first ones came.

    Parameters
    ----------
    records : iterable of dict. From :func:`read`.

    Returns
    -------
    groups : list of Group. Each with at least one run.
    """
    kinds = defaultdict(list)
    for record in records:
        kinds[kind(record)].append(record)
    return [
        Group(task, name, config, json.loads(changes), tuple(sorted(runs, key=lambda run: run["seed"])))
        for (task, name, config, changes), runs in kinds.items()
    ]


def models(groups: Iterable[Group], task: str) -> list[Group]:
    """Choose the full-size models of one task, as their recipes make them, over all seeds.

    Parameters
    ----------
    groups : iterable of Group. All that was read, from :func:`group`.
    task : str. The name of the data.

    Returns
    -------
    groups : list of Group. The one without attention first, then by size; what was not run is not there.
    """
    return group(choose((run for g in groups for run in g.runs), task))
