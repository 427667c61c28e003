"""The commands: ``seq2seq-edu train | translate | evaluate | bench | doctor``."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from seq2seq_edu import __version__, bench, doctor, recipes, runs
from seq2seq_edu.checkpoints import Checkpoint, load_checkpoint, write_whole
from seq2seq_edu.decoding import Translator
from seq2seq_edu.modules import ATTENTIONS
from seq2seq_edu.training import pick_device


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after ``seq2seq-edu``; those of the shell if left out.

    Returns
    -------
    status : int
        0 done, 1 a check found a problem, 2 bad input (one line says what), 130 stopped by Ctrl-C.
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
    p.add_argument("--device", **device)
    p.add_argument("--record", type=Path, metavar="FILE", help="write the table as JSON")
    p.set_defaults(run=command_bench)

    p = commands.add_parser("doctor", help="check this machine and say how to mend what is missing")
    p.set_defaults(run=lambda options: doctor.main())
    return top


def command_train(options: argparse.Namespace) -> int:
    """Train, score, and write the run's folder."""
    if options.threads is not None:
        if options.threads < 1:
            raise ValueError(f"--threads must be at least 1; got {options.threads}")
        torch.set_num_threads(options.threads)
    settings = runs.Settings(
        options.data,
        options.attention,
        options.config,
        options.seed,
        options.device,
        options.precision,
        options.max_steps,
    )
    out = options.out or settings.folder()
    record = runs.run(settings, out, data_dir=options.data_dir, resume=options.resume)
    if record is None:
        print(f"stopped; {out} holds the run: go on with the same command and --resume", file=sys.stderr)
        return 130
    if options.record is not None:
        write_whole(options.record, runs.render(record).encode())
    print_metrics(record["metrics"])
    return 0


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
    from matplotlib import pyplot

    from seq2seq_edu import plots

    if translation.alignment is None:
        raise ValueError("this model has no attention, so there is no alignment to draw")
    plots.use_style()
    plots.heatmap(translation.alignment, translation.target_tokens, translation.source_tokens)
    figure = pyplot.gcf()  # the one that heatmap made, as large as its tokens need
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix[1:], bbox_inches="tight")
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
    table = bench.run(rounds=options.rounds, device=pick_device(options.device))
    print(bench.render(table))
    if options.record is not None:
        write_whole(options.record, (json.dumps(table, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
