"""One training run in one folder: config.json, log.jsonl, best and last checkpoint, record.json."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from seq2seq_edu import recipes
from seq2seq_edu.checkpoints import load_checkpoint, write_whole
from seq2seq_edu.model import Seq2Seq
from seq2seq_edu.training import Record, TrainConfig, count_steps, pick_device, train


@dataclass(frozen=True)
class Settings:
    """Say what to train, in the words of the command line; see :mod:`seq2seq_edu.recipes` for the names."""

    data: str
    attention: str = "additive"
    config: str = "default"
    seed: int = 0
    device: str = "auto"
    precision: str = "fp32"
    max_steps: int | None = None

    def folder(self) -> Path:
        """Return where the run goes if nothing else is said."""
        return Path("runs") / f"{self.data}-{self.attention}-{self.config}-{self.seed}"


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
        What was written to ``record.json``; None if Ctrl-C stopped the training (it can be resumed).

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
    pick_device(settings.device)
    recipes.commit()  # as it is now, not after an hour of training
    if not resume and (out / "last.safetensors").exists():
        raise ValueError(f"{out} holds a run already: go on with it (--resume), or choose another --out")
    data = recipes.prepare(settings.data, config=settings.config, data_dir=data_dir)
    names = {k: v for k, v in asdict(settings).items() if k != "data"}
    model_config, train_config = recipes.settings(data, **names)
    model = recipes.build(model_config, settings.seed)
    if not resume:  # a run that cannot be gone on with stays as it is
        write_whole(out / "config.json", json.dumps(asdict(settings), indent=1).encode())
    training = train(
        model,
        data.train,
        train_config,
        validation=data.validation,
        folder=out,
        texts=(data.source_text, data.target_text),
        about=asdict(settings),
        resume=resume,
    )
    total = count_steps(data.train, train_config)
    records = follow(training, out / "log.jsonl", total, resume)
    last = out / "last.safetensors"
    progress = load_checkpoint(last).progress if last.is_file() else {"step": 0}
    if progress["step"] < total:
        return None
    best = load_checkpoint(out).model.to(pick_device(settings.device))
    result = _score(best, data, train_config, settings.config, progress)
    curve = [[r["step"], round(r["validation"], 4)] for r in records if "validation" in r]
    result["validation_curve"] = curve
    write_whole(out / "record.json", render(result).encode())
    return result


def _score(
    model: Seq2Seq, data: recipes.Prepared, train_config: TrainConfig, config: str, progress: dict[str, Any]
) -> dict[str, Any]:
    """Score a trained model on the test split; put that and the time it took into one record."""
    metrics, lengths, _ = recipes.evaluate(model, data)
    return recipes.record(
        data,
        model,
        train_config,
        config=config,
        seconds=progress["seconds"],
        cpu_seconds=progress["cpu_seconds"],
        metrics=metrics,
        lengths=lengths,
    )


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
    """Collect Ctrl-C in a list instead of raising, so that a training stops between two steps."""
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, before)


def follow(training: Iterable[Record], log: Path, total: int, resume: bool) -> list[Record]:
    """Show the progress of a training and log every record; Ctrl-C ends it cleanly.

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
                if caught:
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
