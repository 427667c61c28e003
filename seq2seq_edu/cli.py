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
    options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    top = argparse.ArgumentParser(
        prog="seq2seq-edu", description="Train, look at and measure attention models."
    )
    top.add_argument("--version", action="version", version=f"seq2seq-edu {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _describe_train(commands.add_parser("train", help="train a model and score it on the test split"))
    _describe_translate(commands.add_parser("translate", help="translate sentences with a trained model"))
    _describe_evaluate(
        commands.add_parser("evaluate", help="score a trained model on the test split of its data")
    )
    _describe_bench(
        commands.add_parser("bench", help="time the fast training path against the plain one, in one run")
    )
    examine = commands.add_parser("doctor", help="check this machine and say how to mend what is missing")
    examine.set_defaults(run=lambda options: doctor.main())
    return top


def _describe_train(command: argparse.ArgumentParser) -> None:
    """Add the options of ``train``."""
    add = command.add_argument
    add(
        "--data",
        choices=recipes.DATA,
        required=True,
        help="multi30k (de-en) and tatoeba are real text, the others are generated",
    )
    add("--attention", choices=tuple(ATTENTIONS), default="additive", help="the score (default: additive)")
    add(
        "--config",
        choices=tuple(recipes.WIDTHS),
        default="default",
        metavar="NAME",
        help=f"settings: {', '.join(recipes.WIDTHS)} (default: default)",
    )
    add("--seed", type=int, default=0, metavar="N", help="of parameters, batches and dropout (default: 0)")
    _add_device(command)
    add(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16 is faster where the processor or GPU has it (default: fp32)",
    )
    add("--threads", type=int, metavar="N", help="processor threads (default: all cores)")
    add("--max-steps", type=int, metavar="N", help="optimiser steps in all (default: whole epochs)")
    _add_data_dir(command)
    add(
        "--out", type=Path, metavar="DIR", help="folder of the run (default: runs/DATA-ATTENTION-CONFIG-SEED)"
    )
    add("--resume", action="store_true", help="go on with the interrupted run in --out")
    add("--record", type=Path, metavar="FILE", help="also write the record here, for instance in results/")
    command.set_defaults(run=_train)


def _describe_translate(command: argparse.ArgumentParser) -> None:
    """Add the options of ``translate``."""
    add = command.add_argument
    add("sentences", nargs="*", help="one sentence each, quoted (default: one a line from standard input)")
    _add_checkpoint(command)
    _add_device(command)
    add("--plot", type=Path, metavar="FILE", help="draw the alignment of the first sentence (png, svg, pdf)")
    command.set_defaults(run=_translate)


def _describe_evaluate(command: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate``."""
    add = command.add_argument
    _add_checkpoint(command)
    _add_device(command)
    _add_data_dir(command)
    add("--show", type=int, default=3, metavar="N", help="print the first N test sentences (default: 3)")
    add("--json", action="store_true", help="print the metrics as JSON only")
    command.set_defaults(run=_evaluate)


def _describe_bench(command: argparse.ArgumentParser) -> None:
    """Add the options of ``bench``."""
    add = command.add_argument
    add("--rounds", type=int, default=5, metavar="N", help="interleaved rounds (default: 5)")
    _add_device(command)
    add("--record", type=Path, metavar="FILE", help="write the table as JSON")
    command.set_defaults(run=_bench)


def _add_checkpoint(command: argparse.ArgumentParser) -> None:
    """Add ``--checkpoint``."""
    command.add_argument(
        "--checkpoint", type=Path, required=True, metavar="PATH", help="a run's folder or a .safetensors file"
    )


def _add_device(command: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    command.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto takes the GPU if there is one",
    )


def _add_data_dir(command: argparse.ArgumentParser) -> None:
    """Add ``--data-dir``."""
    command.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder of the real text (default: $SEQ2SEQ_EDU_DATA, else the user's cache; missing files are "
        "downloaded)",
    )


def _train(options: argparse.Namespace) -> int:
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
    _print_metrics(record["metrics"])
    return 0


def _print_metrics(metrics: dict[str, Any]) -> None:
    """Print scores, a line each, with signature or unit."""
    for name, value in metrics.items():
        if isinstance(value, dict) and "value" in value:
            print(f"{name:12} {value['value']:8}  {value.get('signature') or value.get('unit')}")
        elif isinstance(value, dict):
            print(f"{name:12} " + "  ".join(f"{k} {v}" for k, v in value.items()))


def _load(options: argparse.Namespace) -> Checkpoint:
    """Load the checkpoint of a command onto its device."""
    checkpoint = load_checkpoint(options.checkpoint)
    checkpoint.model.to(pick_device(options.device))
    return checkpoint


def _translate(options: argparse.Namespace) -> int:
    """Print one translation a line; notes about unknown words and cut outputs go to standard error."""
    sentences = options.sentences or [line.rstrip("\n") for line in sys.stdin]
    if not sentences:
        raise ValueError("there is nothing to translate: give a sentence, or lines on standard input")
    if options.plot is not None and options.plot.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"--plot writes .png, .svg or .pdf; got {options.plot.name!r}")
    checkpoint = _load(options)
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
        _plot(translations[0], options.plot)
    return 0


def _plot(translation: Any, path: Path) -> None:
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


def _evaluate(options: argparse.Namespace) -> int:
    """Score a checkpoint on the test split of the data it was trained on."""
    checkpoint = _load(options)
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
    _print_metrics(metrics)
    return 0


def _bench(options: argparse.Namespace) -> int:
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
