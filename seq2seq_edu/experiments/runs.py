"""One training run in one folder: config.json, log.jsonl, best and last checkpoint, record.json."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from seq2seq_edu import training
from seq2seq_edu.experiments import recipes, records, scoring
from seq2seq_edu.files import write_whole
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.training import Checkpoint, Entry, TrainConfig, TrainState, load_checkpoint, pick_device


@dataclass(frozen=True)
class RunConfig:
    """Say what to train, in the words of the command line; :mod:`.recipes` has the names."""

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


class OneProcess:
    """A training without torchrun: there is nobody to agree with."""

    main = True  # the one process that validates, logs and writes files
    first = staticmethod(nullcontext)  # the block in which the main process goes before the others

    def any(self, wish: bool) -> bool:
        """Tell whether any process wishes something; all ask at the same point."""
        return wish

    def engine(self, model: EncoderDecoder, config: TrainConfig) -> training.Engine:
        """Return what takes the optimiser steps."""
        return training.update


@contextmanager
def processes(device: str) -> Iterator[Any]:
    """Join the processes that torchrun started, for a block; without torchrun there is one."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield OneProcess()
        return
    from seq2seq_edu.training import parallel  # only now: most trainings have one process

    with parallel.process_group(pick_device(device)):
        yield parallel.Processes()


def run(
    config: RunConfig, out: Path, *, data_dir: Path | None = None, resume: bool = False
) -> dict[str, Any] | None:
    """Train, score on the test split, and leave all that was found in one folder.

    Returns what was written to ``record.json``; None if Ctrl-C or SIGTERM stopped the training (to be
    resumed); in a process other than the first an empty record.
    """
    scoring.commit()  # as it is now, not after an hour of training
    with processes(config.device) as group:
        with group.first():
            data, model_config, train_config = _prepare(config, out, data_dir, resume, group.main)
        model = recipes.build(model_config, config.seed).to(pick_device(config.device))
        engine = group.engine(model, train_config)  # all processes have one model from here on
        state = TrainState(model, data.train, train_config)
        settings = training.fingerprint(data.train, data.validation, train_config)
        texts, about = (data.source_text, data.target_text), asdict(config) | {"commit": scoring.commit()}
        checkpoints = training.Checkpointer(out, state, texts, settings, about=about, writes=group.main)
        if resume:
            checkpoints.restore()
        validation = data.validation if group.main else ()
        steps = training.train(
            model, data.train, train_config, validation=validation, state=state, engine=engine
        )
        entries = _follow(checkpoints.follow(steps), out / "log.jsonl", state, group)
    if not group.main:
        return {}
    return _finish(out, data, train_config, state, entries) if state.step == state.total else None


def _prepare(
    config: RunConfig, out: Path, data_dir: Path | None, resume: bool, main: bool
) -> tuple[recipes.Prepared, Any, TrainConfig]:
    """Get data and settings ready; note what is asked for in the folder of a new run."""
    if not resume and (out / "last.safetensors").exists():
        raise ValueError(f"{out} holds a run already: go on with it (--resume), or choose another --out")
    data = recipes.prepare(config.data, config=config.config, subwords=config.subwords, data_dir=data_dir)
    names = {k: v for k, v in asdict(config).items() if k not in ("data", "subwords")}
    model_config, train_config = recipes.configure(data, **names)
    if pick_device(config.device).type == "cuda" and "log_every" not in config.changes:
        train_config = dataclasses.replace(train_config, log_every=25)  # an entry waits for the GPU
    if not resume and main:  # a run that cannot be gone on with stays as it is
        write_whole(out / "config.json", json.dumps(asdict(config), indent=1).encode())
    return data, model_config, train_config


def _finish(
    out: Path, data: recipes.Prepared, train_config: TrainConfig, state: TrainState, entries: list[Entry]
) -> dict[str, Any]:
    """Score the best model of a finished training; write and return the record."""
    best, progress = load_checkpoint(out), state.progress
    best.model.to(pick_device(train_config.device))
    record = scoring.record(best, data, train_config, progress)
    curve = [[entry["step"], round(entry["validation"], 4)] for entry in entries if "validation" in entry]
    record["validation_curve"] = curve
    if "seconds_to_best" in progress:  # from the start of the process, imports and data included
        record["seconds_to_best"] = round(progress["seconds_to_best"], 1)
    records.write(out / "record.json", record)
    return record


def prepare_again(checkpoint: Checkpoint, *, data_dir: str | Path | None = None) -> recipes.Prepared:
    """Make the data ready that a model was trained on; ValueError if they are not named or differ now."""
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
    """Score a finished run again, for instance by a newer way of decoding, and write its record anew."""
    path = folder / "record.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no finished run (no record.json): finish it with `train --resume`")
    checkpoint = load_checkpoint(folder)
    metrics, lengths, _ = scoring.evaluate(checkpoint.model, prepare_again(checkpoint, data_dir=data_dir))
    record = records.read_file(path)
    record.setdefault("changes", {})  # the first records did not tell
    record |= {"scored_at": scoring.commit(), "metrics": metrics, "by_length": lengths}
    records.write(path, record)
    return record


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM in a list instead of ending, so that a training stops between two steps."""
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, frame: caught.append(number)) for number in numbers]
    try:
        yield caught
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _follow(steps: Any, log: Path, state: TrainState, group: Any) -> list[Entry]:
    """Run a training to its end, or until Ctrl-C in any process; show and log it; return all entries."""
    entries: list[Entry] = []
    lines: IO[str] | None = None
    if group.main:
        entries, lines = _go_on(log, state.step)
    silent = None if group.main else True  # None: where there is no terminal
    with (
        _interruptible() as caught,
        tqdm(total=state.total, unit="step", disable=silent, smoothing=0.05) as bar,
        closing(steps),  # that writes the checkpoint of an interrupted one
        lines or nullcontext(),
    ):
        for entry in steps:
            entries.append(entry)
            if lines is not None:
                lines.write(json.dumps(entry) + "\n")
                show(entry, bar)
            if group.any(bool(caught)):
                break
    return entries


def show(entry: Entry, bar: Any) -> None:
    """Move the bar; print a line where the model was validated."""
    bar.update(int(entry["step"]) - bar.n)
    bar.set_postfix(loss=f"{entry['loss']:.3f}")
    if "validation" in entry:
        text = "epoch {epoch:.0f}  step {step:.0f}  loss {loss:.3f}  validation {validation:.3f} nats/token"
        bar.write((text + "  {seconds:.0f} s").format(**entry), file=sys.stderr)


def _go_on(log: Path, step: int) -> tuple[list[Entry], IO[str]]:
    """Read the entries up to a step; write the log again without those after it, and open it below them."""
    whole = log.read_text(encoding="utf-8").rpartition("\n")[0] if log.is_file() and step else ""
    lines = [line for line in whole.splitlines() if json.loads(line)["step"] <= step]
    write_whole(log, "".join(line + "\n" for line in lines).encode())
    return [json.loads(line) for line in lines], log.open("a", encoding="utf-8", buffering=1)
