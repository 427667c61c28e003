"""The commands: ``seq2seq-edu train | translate | evaluate | bench | doctor``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from seq2seq_edu import __version__, bench, doctor, recipes
from seq2seq_edu.checkpoints import Checkpoint, load_checkpoint, write_whole
from seq2seq_edu.decoding import Translator
from seq2seq_edu.modules import ATTENTIONS
from seq2seq_edu.training import count_steps, pick_device, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after ``seq2seq-edu``; those of the shell if left out.

    Returns
    -------
    status : int
        0 done, 1 a check found a problem, 2 bad input (one line says what and the cure), 130 stopped by Ctrl-C.
    """
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except torch.OutOfMemoryError:
        print(
            "seq2seq-edu: error: the GPU's memory is full: choose a smaller --config, or --device cpu",
            file=sys.stderr,
        )
        return 2
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"seq2seq-edu: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    top = argparse.ArgumentParser(
        prog="seq2seq-edu", description="Train, look at and measure attention models."
    )
    top.add_argument("--version", action="version", version=f"seq2seq-edu {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    device: dict[str, Any] = {
        "choices": ("auto", "cpu", "cuda"),
        "default": "auto",
        "help": "auto takes the GPU if there is one",
    }
    data_dir: dict[str, Any] = {
        "type": Path,
        "metavar": "DIR",
        "help": "folder of the real text (default: $SEQ2SEQ_EDU_DATA, else the "
        "user's cache; missing files are downloaded)",
    }

    p = commands.add_parser("train", help="train a model and score it on the test split")
    p.add_argument(
        "--data",
        choices=recipes.DATA,
        required=True,
        help="multi30k (de-en) and tatoeba are real text, the others are generated",
    )
    p.add_argument(
        "--attention", choices=tuple(ATTENTIONS), default="additive", help="the score (default: additive)"
    )
    p.add_argument(
        "--config",
        choices=tuple(recipes.WIDTHS),
        default="default",
        metavar="NAME",
        help=f"settings: {', '.join(recipes.WIDTHS)} (default: default)",
    )
    p.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of parameters, batches and dropout (default: 0)"
    )
    p.add_argument("--device", **device)
    p.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16 is faster where the processor or GPU has it (default: fp32)",
    )
    p.add_argument("--threads", type=int, metavar="N", help="processor threads (default: all cores)")
    p.add_argument(
        "--max-steps", type=int, metavar="N", help="optimiser steps in all (default: whole epochs)"
    )
    p.add_argument("--data-dir", **data_dir)
    p.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the run (default: runs/DATA-ATTENTION-CONFIG-SEED)"
    )
    p.add_argument("--resume", action="store_true", help="go on with the interrupted run in --out")
    p.add_argument(
        "--record", type=Path, metavar="FILE", help="also write the record here, for instance in results/"
    )
    p.set_defaults(run=command_train)

    p = commands.add_parser("translate", help="translate sentences with a trained model")
    p.add_argument(
        "sentences", nargs="*", help="one sentence each, quoted (default: one a line from standard input)"
    )
    p.add_argument(
        "--checkpoint", type=Path, required=True, metavar="PATH", help="a run's folder or a .safetensors file"
    )
    p.add_argument("--device", **device)
    p.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the alignment of the first sentence (png, svg, pdf)"
    )
    p.set_defaults(run=command_translate)

    p = commands.add_parser("evaluate", help="score a trained model on the test split of its data")
    p.add_argument(
        "--checkpoint", type=Path, required=True, metavar="PATH", help="a run's folder or a .safetensors file"
    )
    p.add_argument("--device", **device)
    p.add_argument("--data-dir", **data_dir)
    p.add_argument(
        "--show", type=int, default=3, metavar="N", help="print the first N test sentences (default: 3)"
    )
    p.add_argument("--json", action="store_true", help="print the metrics as JSON only")
    p.set_defaults(run=command_evaluate)

    p = commands.add_parser("bench", help="time the fast training path against the plain one, in one run")
    p.add_argument("--rounds", type=int, default=5, metavar="N", help="interleaved rounds (default: 5)")
    p.add_argument("--data-dir", **data_dir)
    p.add_argument("--device", **device)
    p.add_argument("--record", type=Path, metavar="FILE", help="write the table as JSON")
    p.set_defaults(run=command_bench)

    p = commands.add_parser("doctor", help="check this machine and say how to mend what is missing")
    p.set_defaults(run=lambda options: doctor.main())
    return top


def command_train(options: argparse.Namespace) -> int:
    """Train, score, and write the run's folder: config.json, log.jsonl, checkpoints, record.json."""
    if options.threads is not None:
        if options.threads < 1:
            raise ValueError(f"--threads must be at least 1; got {options.threads}")
        torch.set_num_threads(options.threads)
    pick_device(options.device)
    recipes.commit()  # as it is now, not after an hour of training
    out = options.out or Path("runs") / f"{options.data}-{options.attention}-{options.config}-{options.seed}"
    if not options.resume and (out / "last.safetensors").exists():
        raise ValueError(f"{out} holds a run already: go on with it (--resume), or choose another --out")
    data = recipes.prepare(options.data, config=options.config, data_dir=options.data_dir)
    model_config, train_config = recipes.settings(
        data,
        attention=options.attention,
        config=options.config,
        seed=options.seed,
        device=options.device,
        precision=options.precision,
        max_steps=options.max_steps,
    )
    model = recipes.build(model_config, options.seed)
    about = {
        "data": options.data,
        "config": options.config,
        "attention": options.attention,
        "seed": options.seed,
    }
    write_whole(out / "config.json", json.dumps(about, indent=1).encode())
    cpu = time.process_time()
    records, stopped = follow(
        train(
            model,
            data.train,
            train_config,
            validation=data.validation,
            folder=out,
            texts=(data.source_text, data.target_text),
            about=about,
            resume=options.resume,
        ),
        out / "log.jsonl",
        count_steps(data.train, train_config),
        options.resume,
    )
    if stopped:
        print(
            f"stopped after step {records[-1]['step'] if records else 0}; go on with the same command and --resume",
            file=sys.stderr,
        )
        return 130
    cpu = time.process_time() - cpu
    best = load_checkpoint(out).model.to(pick_device(options.device))
    metrics, lengths, _ = recipes.evaluate(best, data)
    seconds = records[-1]["seconds"] if records else 0.0
    result = recipes.record(
        data,
        best,
        train_config,
        config=options.config,
        seconds=seconds,
        cpu_seconds=cpu,
        metrics=metrics,
        lengths=lengths,
    )
    result["validation_curve"] = [
        [r["step"], round(r["validation"], 4)] for r in records if "validation" in r
    ]
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    for path in (out / "record.json", options.record):
        if path is not None:
            write_whole(path, text.encode())
    print_metrics(metrics)
    return 0


def follow(training: Any, log: Path, total: int, resume: bool) -> tuple[list[dict[str, float]], bool]:
    """Show the progress of a training and log it; a first Ctrl-C stops it cleanly between two steps."""
    records: list[dict[str, float]] = read_log(log) if resume else []
    stop: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: stop.append(number))
    bar = tqdm(total=total, unit="step", disable=None, smoothing=0.05)
    lines = None
    try:
        for record in training:
            if lines is None:  # the first record tells where the checkpoint stood
                records = [r for r in records if r["step"] < record["step"]]
                write_whole(log, "".join(json.dumps(r) + "\n" for r in records).encode())
                lines = log.open("a", encoding="utf-8", buffering=1)
            records.append(record)
            lines.write(json.dumps(record) + "\n")
            bar.update(int(record["step"]) - bar.n)
            bar.set_postfix(loss=f"{record['loss']:.3f}")
            if "validation" in record:
                bar.write(
                    f"epoch {record['epoch']:.0f}  step {record['step']:.0f}  loss {record['loss']:.3f}  validation "
                    f"{record['validation']:.3f} nats/token  {record['seconds']:.0f} s",
                    file=sys.stderr,
                )
            if stop and int(record["step"]) < total:
                break
        training.close()
    finally:
        signal.signal(signal.SIGINT, before)
        bar.close()
        if lines is not None:
            lines.close()
    return records, bool(stop) and (not records or int(records[-1]["step"]) < total)


def read_log(log: Path) -> list[dict[str, float]]:
    """Read the records of a run, if there are any; a last line that was cut short does not count."""
    whole = log.read_text(encoding="utf-8").rpartition("\n")[0] if log.is_file() else ""
    return [json.loads(line) for line in whole.splitlines()]


def print_metrics(metrics: dict[str, Any]) -> None:
    """Print scores, a line each, with signature or unit."""
    for name, value in metrics.items():
        if isinstance(value, dict) and "value" in value:
            print(f"{name:12} {value['value']:8}  {value.get('signature') or value.get('unit')}")
        elif isinstance(value, dict):
            print(f"{name:12} " + "  ".join(f"{k} {v}" for k, v in value.items()))


def load(options: argparse.Namespace) -> Checkpoint:
    """Load the checkpoint of a command onto its device."""
    checkpoint = load_checkpoint(options.checkpoint)
    checkpoint.model.to(pick_device(options.device))
    return checkpoint


def command_translate(options: argparse.Namespace) -> int:
    """Print one translation a line; notes about unknown words and cut outputs go to standard error."""
    sentences = options.sentences or [line.rstrip("\n") for line in sys.stdin]
    if not sentences:
        raise ValueError("there is nothing to translate: give a sentence, or lines on standard input")
    if options.plot is not None and options.plot.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"--plot writes .png, .svg or .pdf; got {options.plot.name!r}")
    checkpoint = load(options)
    translations = Translator.of(checkpoint).translate(sentences)
    for number, translation in enumerate(translations, start=1):
        print(translation.text)
        if translation.unknown:
            print(
                f"note: sentence {number} has characters or words that the model has never seen",
                file=sys.stderr,
            )
        if not translation.finished:
            print(f"note: sentence {number} reached the length limit and is cut", file=sys.stderr)
    if options.plot is not None:
        plot(translations[0], options.plot)
    return 0


def plot(translation: Any, path: Path) -> None:
    """Draw the alignment of one translation to a file."""
    import matplotlib

    matplotlib.use("Agg")
    import io

    from seq2seq_edu import plots

    if translation.alignment is None:
        raise ValueError("this model has no attention, so there is no alignment to draw")
    plots.use_style()
    axes = plots.heatmap(translation.alignment, translation.target_tokens, translation.source_tokens)
    buffer = io.BytesIO()
    axes.figure.savefig(buffer, format=path.suffix[1:])
    write_whole(path, buffer.getvalue())


def command_evaluate(options: argparse.Namespace) -> int:
    """Score a checkpoint on the test split of the data it was trained on."""
    checkpoint = load(options)
    name, config = checkpoint.about.get("data"), checkpoint.about.get("config", "default")
    if name not in recipes.DATA:
        raise ValueError(
            f"{options.checkpoint} does not say what it was trained on: score it from Python instead"
        )
    data = recipes.prepare(name, config=config, data_dir=options.data_dir)
    if data.source_text.to_bytes() != checkpoint.source_text.to_bytes():
        raise ValueError(
            f"{options.checkpoint} was trained with another vocabulary than {name} gives here: its data or "
            "its version differ, and the score would mean nothing"
        )
    metrics, _, translations = recipes.evaluate(checkpoint.model, data)
    if options.json:
        print(json.dumps(metrics, ensure_ascii=False))
        return 0
    for translation, (source, reference) in list(zip(translations, data.test, strict=True))[
        : max(0, options.show)
    ]:
        print(f"source     {source}\nreference  {reference}\nmodel      {translation.text}\n")
    print_metrics(metrics)
    return 0


def command_bench(options: argparse.Namespace) -> int:
    """Print the table of training speeds."""
    if options.rounds < 1:
        raise ValueError(f"--rounds must be at least 1; got {options.rounds}")
    table = bench.run(rounds=options.rounds, device=pick_device(options.device), data_dir=options.data_dir)
    print(bench.render(table, width=shutil.get_terminal_size().columns))
    if options.record is not None:
        write_whole(options.record, (json.dumps(table, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
