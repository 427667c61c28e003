"""One training run in one folder: config.json, log.jsonl, best and last checkpoint, record.json."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from seq2seq_edu.experiments import recipes
from seq2seq_edu.files import write_whole
from seq2seq_edu.training import (
    Checkpoint,
    TrainConfig,
    count_steps,
    load_checkpoint,
    load_progress,
    parallel,
    pick_device,
    train,
)
from seq2seq_edu.training.loop import Record


@dataclass(frozen=True)
class Settings:
    """Say what to train, in the words of the command line; ``recipes`` has the names."""

    data: str
    attention: str = "additive"
    config: str = "default"
    seed: int = 0
    device: str = "auto"
    precision: str = "fp32"
    max_steps: int | None = None
    subwords: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    def folder(self) -> Path:
        """Return where the run goes if nothing else is said."""
        parts = [self.data, self.attention, self.config, *(f"{k}={v}" for k, v in self.changes.items())]
        if self.subwords is not None:
            parts.append(f"subwords={self.subwords}")
        return Path("runs") / "-".join([*parts, str(self.seed)])


def run(
    settings: Settings, out: Path, *, data_dir: Path | None = None, resume: bool = False
) -> dict[str, Any] | None:
    """Train, score on the test split, and leave all that was found in one folder.

    Parameters
    ----------
    settings : Settings
        What to train.
    out : Path
        The folder; made if needed.
    data_dir : Path, optional
        Where the real text is.
    resume : bool
        Go on with the interrupted run in ``out``.

    Returns
    -------
    record : dict, or None
        What was written to ``record.json``; None if Ctrl-C or SIGTERM stopped the training (to be resumed).
        Of several processes only the first has a record, the others an empty one.

    Raises
    ------
    ValueError
        If ``out`` holds a run already, or the settings do not fit the data or the interrupted run.
    OSError
        If data cannot be read or the folder cannot be written.

    References
    ----------
    Taught in: real_translation.
    """
    recipes.commit()  # as it is now, not after an hour of training
    with parallel.together(pick_device(settings.device)):
        with parallel.first():
            data, model_config, train_config = _prepare(settings, out, data_dir, resume)
        total = count_steps(data.train, train_config)
        training = train(
            recipes.build(model_config, settings.seed),
            data.train,
            train_config,
            validation=data.validation,
            folder=out,
            texts=(data.source_text, data.target_text),
            about=asdict(settings) | {"commit": recipes.commit()},
            resume=resume,
            total=total,
        )
        if parallel.rank():
            obey(training)
            return {}
        records = follow(training, out / "log.jsonl", total, resume)
    last = out / "last.safetensors"
    progress = load_progress(last) if last.is_file() else {"step": 0}
    if progress["step"] < total:
        return None
    result = _score(load_checkpoint(out), data, train_config, progress)
    curve = [[r["step"], round(r["validation"], 4)] for r in records if "validation" in r]
    result["validation_curve"] = curve
    if "seconds_to_best" in progress:  # from the start of the process, imports and data included
        result["seconds_to_best"] = round(progress["seconds_to_best"], 1)
    write_whole(out / "record.json", render(result).encode())
    return result


def _prepare(
    settings: Settings, out: Path, data_dir: Path | None, resume: bool
) -> tuple[recipes.Prepared, Any, TrainConfig]:
    """Get data and settings ready; note the settings in the folder of a new run."""
    if not resume and (out / "last.safetensors").exists():
        raise ValueError(f"{out} holds a run already: go on with it (--resume), or choose another --out")
    data = recipes.prepare(
        settings.data, config=settings.config, subwords=settings.subwords, data_dir=data_dir
    )
    names = {k: v for k, v in asdict(settings).items() if k not in ("data", "subwords")}
    model_config, train_config = recipes.settings(data, **names)
    if pick_device(settings.device).type == "cuda" and "log_every" not in settings.changes:
        train_config = dataclasses.replace(train_config, log_every=25)  # a record waits for the GPU
    if not resume and not parallel.rank():  # a run that cannot be gone on with stays as it is
        write_whole(out / "config.json", json.dumps(asdict(settings), indent=1).encode())
    return data, model_config, train_config


def _score(
    best: Checkpoint, data: recipes.Prepared, train_config: TrainConfig, progress: dict[str, Any]
) -> dict[str, Any]:
    """Score a trained model on the test split; put that and the time it took into one record."""
    model = best.model.to(pick_device(train_config.device))
    metrics, lengths, _ = recipes.evaluate(model, data)
    changes = dict(best.about["changes"])
    if best.about["subwords"] is not None:
        changes["subwords"] = best.about["subwords"]
    return recipes.record(
        data,
        model,
        train_config,
        config=best.about["config"],
        changes=changes,
        trained_at=best.about["commit"],
        seconds=progress["seconds"],
        cpu_seconds=progress["cpu_seconds"],
        metrics=metrics,
        lengths=lengths,
    )


def prepare_again(checkpoint: Checkpoint, *, data_dir: str | Path | None = None) -> recipes.Prepared:
    """Make the data ready that a model was trained on, encoded as they were then.

    Parameters
    ----------
    checkpoint : Checkpoint
        A trained model with its vocabularies; what is said about it names the data.
    data_dir : path, optional
        Where the real text is.

    Returns
    -------
    data : Prepared
        As :func:`seq2seq_edu.experiments.recipes.prepare` gives it.

    Raises
    ------
    ValueError
        If the checkpoint does not name its data, or a vocabulary differs.
    """
    name, about = checkpoint.about.get("data"), checkpoint.about
    if name not in recipes.DATA:
        raise ValueError("the model does not say what it was trained on: score it from Python instead")
    data = recipes.prepare(
        name, config=about.get("config", "default"), subwords=about.get("subwords"), data_dir=data_dir
    )
    mine, theirs = ([side.to_bytes() for side in (x.source_text, x.target_text)] for x in (checkpoint, data))
    if mine != theirs:
        raise ValueError(
            f"the model was trained with another vocabulary than {data.name} gives here: its data or its "
            "version differ, and the score would mean nothing"
        )
    return data


def rescore(folder: Path, *, data_dir: Path | None = None) -> dict[str, Any]:
    """Score a finished run again, for instance by a newer way of decoding; how it was trained stays as it is.

    Parameters
    ----------
    folder : Path
        The folder of a run that has its ``record.json``.
    data_dir : Path, optional
        Where the real text is.

    Returns
    -------
    record : dict
        The record of the run with new scores, and in ``scored_at`` the commit that made them. It is also
        written to ``record.json``.

    Raises
    ------
    ValueError
        If the run is not finished, or its vocabulary is not the one these data give here.
    OSError
        If data cannot be read or the record cannot be written.
    """
    path = folder / "record.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no finished run (no record.json): finish it with `train --resume`")
    record = json.loads(path.read_text(encoding="utf-8"))
    checkpoint = load_checkpoint(folder)
    data = prepare_again(checkpoint, data_dir=data_dir)
    metrics, lengths, _ = recipes.evaluate(checkpoint.model, data)
    record.setdefault("changes", {})  # the first records did not say
    record |= {"scored_at": recipes.commit(), "metrics": metrics, "by_length": lengths}
    write_whole(path, render(record).encode())
    return record


def render(record: dict[str, Any]) -> str:
    """Write a record as JSON text.

    Parameters
    ----------
    record : dict
        Of plain data, from :func:`run`.

    Returns
    -------
    text : str
        An entry a line, with a line break at the end.
    """
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM in a list instead of ending, so that a training stops between two steps."""
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def obey(training: Iterator[Record]) -> None:
    """Take part in a training that process 0 follows; end with it.

    Parameters
    ----------
    training : generator
        From :func:`seq2seq_edu.training.train`, in a process other than the first.
    """
    with _interruptible() as caught:
        for _ in training:
            if parallel.agree(bool(caught)):
                break


def follow(training: Iterable[Record], log: Path, total: int, resume: bool) -> list[Record]:
    """Show the progress of a training and log every record; Ctrl-C or SIGTERM ends it cleanly.

    Parameters
    ----------
    training : generator
        From :func:`seq2seq_edu.training.train`.
    log : Path
        One JSON record a line; on resuming, lines from after the checkpoint are replaced.
    total : int
        Steps in all.
    resume : bool
        Keep the records that are in ``log``.

    Returns
    -------
    records : list of dict
        All records, those from before an interruption included.
    """
    records = _read_log(log) if resume else []
    lines = None
    with _interruptible() as caught, tqdm(total=total, unit="step", disable=None, smoothing=0.05) as bar:
        try:
            for record in training:
                if lines is None:  # the first record tells where the checkpoint stood
                    records = [r for r in records if r["step"] < record["step"]]
                    write_whole(log, "".join(json.dumps(r) + "\n" for r in records).encode())
                    lines = log.open("a", encoding="utf-8", buffering=1)
                records.append(record)
                lines.write(json.dumps(record) + "\n")
                show(record, bar)
                if parallel.agree(bool(caught)):
                    break
        finally:
            close = getattr(training, "close", None)
            if close is not None:
                close()  # writes the checkpoint of an interrupted training
            if lines is not None:
                lines.close()
    return records


def show(record: Record, bar: Any) -> None:
    """Move the bar; print a line where the model was validated.

    Parameters
    ----------
    record : dict
        One record of :func:`seq2seq_edu.training.train`.
    bar : tqdm
        The bar of the training.
    """
    bar.update(int(record["step"]) - bar.n)
    bar.set_postfix(loss=f"{record['loss']:.3f}")
    if "validation" in record:
        text = (
            "epoch {epoch:.0f}  step {step:.0f}  loss {loss:.3f}  "
            "validation {validation:.3f} nats/token  {seconds:.0f} s"
        )
        bar.write(text.format(**record), file=sys.stderr)


def _read_log(log: Path) -> list[Record]:
    """Read the records of a run, if there are any; a last line that was cut short does not count."""
    whole = log.read_text(encoding="utf-8").rpartition("\n")[0] if log.is_file() else ""
    return [json.loads(line) for line in whole.splitlines()]
