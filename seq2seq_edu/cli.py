"""The commands: ``seq2seq-edu train | translate | evaluate | bench | exercises | grade`` and more."""

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

from seq2seq_edu import __version__, bench, doctor
from seq2seq_edu.decoding import Translation, Translator, check_search, find_pair
from seq2seq_edu.experiments import recipes, records, runs, scoring
from seq2seq_edu.files import write_whole
from seq2seq_edu.grading import commands as grading
from seq2seq_edu.models import ATTENTIONS, TransformerConfig
from seq2seq_edu.training import Checkpoint, has_bfloat16, load_checkpoint, pick_device

PICTURES = (".png", ".svg", ".pdf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional. Words after ``seq2seq-edu``; those of the shell if left out.

    Returns
    -------
    status : int. 0 done, 1 a check found a problem, 2 bad input (one line says what), 130 stopped by Ctrl-C
        or SIGTERM.
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
    except (ValueError, OSError, FloatingPointError) as error:
        return _complain(str(error))
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not _is_out_of_memory(error):
            raise
        where = "the GPU's memory" if isinstance(error, torch.OutOfMemoryError) else "the memory"
        if options.run is _train:
            cure = "take smaller batches (--set tokens=500, default 1500) or a smaller --config"
        else:
            cure = "give fewer sentences at once, use a smaller --beam, or a smaller model"
        return _complain(f"{where} of this machine is full: {cure}")


def _complain(text: str) -> int:
    """Print an error as one line, with the number of the process if there are several; return status 2."""
    who = "" if (rank := os.environ.get("RANK", "0")) == "0" else f"process {rank}: "
    print(f"seq2seq-edu: error: {who}{' '.join(text.split())}", file=sys.stderr)
    return 2


def _is_out_of_memory(error: BaseException) -> bool:
    """Tell a full memory from other errors; PyTorch's CPU allocator has no class of its own for it."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(w in str(error) for w in words)


def _parser() -> argparse.ArgumentParser:
    purpose = "Train, look at and measure attention models."
    top = argparse.ArgumentParser(prog="seq2seq-edu", description=purpose)
    top.add_argument("--version", action="version", version=f"seq2seq-edu {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _describe_train(commands.add_parser("train", help="train a model and score it on the test split"))
    _describe_translate(commands.add_parser("translate", help="translate sentences with a trained model"))
    _describe_evaluate(commands.add_parser("evaluate", help="score a trained model on its test split"))
    _describe_bench(commands.add_parser("bench", help="time training and decoding against tutorials' code"))
    grading.add_parsers(commands)
    examine = commands.add_parser("doctor", help="check this machine and say how to mend what is missing")
    examine.set_defaults(run=lambda options: doctor.main())
    return top


def _describe_train(command: argparse.ArgumentParser) -> None:
    """Add the options of ``train``: what is trained, then how, then where."""
    add = command.add_argument
    data = "multi30k (de-en) and tatoeba are real text, the others are generated"
    add("--data", choices=recipes.DATA, required=True, help=data)
    add("--attention", choices=tuple(ATTENTIONS), help="the score (default: additive)")
    known = f"settings: {', '.join(recipes.WIDTHS)} (default: default)"
    add("--config", choices=tuple(recipes.WIDTHS), default="default", metavar="NAME", help=known)
    add("--seed", type=int, default=0, metavar="N", help="of parameters, batches and dropout (default: 0)")
    faster = "of matrix products (default: auto, bf16 where the processor or GPU has it, else fp32)"
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto", help=faster)
    change = "change one setting: dropout=0.1, epochs=3, subwords=0 (whole words); may be given several times"
    add("--set", action="append", default=[], metavar="NAME=VALUE", dest="changes", help=change)
    add("--threads", type=int, metavar="N", help="processor threads (default: all cores)")
    add("--max-steps", type=int, metavar="N", help="optimiser steps in all (default: whole epochs)")
    place = "folder of the run (default: runs/DATA-ATTENTION-CONFIG-SEED)"
    add("--out", type=Path, metavar="DIR", help=place)
    add("--resume", action="store_true", help="go on with the interrupted run in --out")
    add("--record", type=Path, metavar="FILE", help="also write the record here, for instance in results/")
    _add_shared(command, "device", "data-dir")
    command.set_defaults(run=_train)


def _describe_translate(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("sentences", nargs="*", help="one sentence each, quoted (default: one a line from standard input)")
    _add_shared(command, "checkpoint", "device")
    add("--beam", type=int, default=5, metavar="N", help="keep the N best beginnings; 1: greedy (default: 5)")
    rank = "compare outputs by log-probability / length^A; 0 favours short ones (default: 1)"
    add("--length-penalty", type=float, default=1.0, metavar="A", help=rank)
    add("--plot", type=Path, metavar="FILE", help="draw the alignment of the first sentence (png, svg, pdf)")
    command.set_defaults(run=_translate)


def _describe_evaluate(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    _add_shared(command, "checkpoint", "device", "data-dir")
    add("--beam", type=int, default=5, metavar="N", help="score a beam of N too; 1: greedy only (default: 5)")
    add("--show", type=int, default=3, metavar="N", help="print the first N test sentences (default: 3)")
    add("--json", action="store_true", help="print the metrics as JSON only")
    add("--record", type=Path, metavar="FILE", help="score a finished run's folder again; write its record")
    command.set_defaults(run=_evaluate)


def _describe_bench(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    command.description = (
        "Time training, decoding and memory of one model in interleaved rounds, each way against code as "
        "tutorials write it. Three rounds take 2 to 4 minutes on two idle cores; on a busy machine the "
        "figures mean little."
    )
    add("--rounds", type=int, default=5, metavar="N", help="interleaved rounds (default: 5)")
    whose = (
        "whose model: tutorial is a bi-GRU with a wide output layer, pytorch and d2l a uni-GRU with output "
        "from the state, default what this package trains (default: tutorial)"
    )
    add("--shape", choices=tuple(bench.SHAPES), default="tutorial", help=whose)
    _add_shared(command, "device")
    add("--record", type=Path, metavar="FILE", help="write the table as JSON")
    command.set_defaults(run=_bench)


def _add_shared(command: argparse.ArgumentParser, *names: str) -> None:
    if "checkpoint" in names:
        add = command.add_mutually_exclusive_group(required=True).add_argument
        add("--pair", help="languages of a model that comes with the project, such as zh-en")
        add("--checkpoint", type=Path, metavar="PATH", help="a run's folder or a .safetensors file")
    if "device" in names:
        kinds, which = ("auto", "cpu", "cuda"), "auto takes the GPU if there is one"
        command.add_argument("--device", choices=kinds, default="auto", help=which)
    if "data-dir" in names:
        place = "real text (default: $SEQ2SEQ_EDU_DATA, else the user's cache; missing files are downloaded)"
        command.add_argument("--data-dir", type=Path, metavar="DIR", help=place)


def _train(options: argparse.Namespace) -> int:
    """Train, score, and write the run's folder."""
    if options.threads is not None:
        if options.threads < 1:
            raise ValueError(f"--threads must be at least 1; got {options.threads}")
        torch.set_num_threads(options.threads)
    changes = dict(_change(text) for text in options.changes)
    subwords, attention = changes.pop("subwords", None), _attention(options)
    chosen = {k: getattr(options, k) for k in ("data", "config", "seed", "device", "max_steps")}
    chosen |= {"attention": attention, "precision": _precision(options)}
    config = runs.RunConfig(**chosen, subwords=subwords, changes=changes)
    out = options.out or config.folder()
    record = runs.run(config, out, data_dir=options.data_dir, resume=options.resume)
    if record is None:
        print(f"stopped; {out} holds the run: go on with the same command and --resume", file=sys.stderr)
        return 130
    if not record:  # of several processes the first one has it
        return 0
    if options.record is not None:
        records.write(options.record, record)
    _print_metrics(record["metrics"])
    return 0


def _precision(options: argparse.Namespace) -> str:
    """Return the precision to train in; warn of one that is slow here."""
    device = pick_device(options.device)
    fast = has_bfloat16(device)
    if options.precision == "bf16" and not fast:
        lacks = f"note: this {'GPU' if device.type == 'cuda' else 'processor'} has no bfloat16"
        print(f"{lacks}: bf16 will be many times slower than fp32 (--precision auto)", file=sys.stderr)
    if options.precision != "auto":
        return str(options.precision)
    return "bf16" if fast else "fp32"


def _attention(options: argparse.Namespace) -> str:
    """Return the attention to train: the one asked for, or that of the configuration."""
    if options.config != "transformer":
        return options.attention or "additive"
    if options.attention is not None:
        raise ValueError("the transformer has its own attention (multi-head): leave --attention out")
    return TransformerConfig.attention


def _change(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE, where the value is a number, true, false or a word."""
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise ValueError(f"--set wants NAME=VALUE, such as dropout=0.1; got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _print_metrics(metrics: dict[str, Any], indent: str = "") -> None:
    """Print scores, a line each, with signature or unit; those of another decoding below its name."""
    for name, value in metrics.items():
        if not isinstance(value, dict):
            continue
        if "value" in value:
            print(f"{indent}{name:12} {value['value']:8}  {value.get('signature') or value.get('unit')}")
        elif "decoding" in value:
            print(f"{indent}{value['decoding']}:")
            _print_metrics(value, "  ")
        else:
            print(f"{indent}{name:12} " + "  ".join(f"{k} {v}" for k, v in value.items()))


def _load(options: argparse.Namespace) -> Checkpoint:
    """Load the checkpoint of a command onto its device."""
    if options.pair is not None:
        options.checkpoint = find_pair(options.pair)
    checkpoint = load_checkpoint(options.checkpoint)
    checkpoint.model.to(pick_device(options.device))
    return checkpoint


def _translate(options: argparse.Namespace) -> int:
    """Print one translation a line; notes about unknown words and cut outputs go to standard error."""
    sentences = options.sentences or [line.rstrip("\n") for line in sys.stdin]
    if not sentences:
        raise ValueError("there is nothing to translate: give a sentence, or lines on standard input")
    if options.plot is not None and options.plot.suffix not in PICTURES:
        raise ValueError(f"--plot writes .png, .svg or .pdf; got {options.plot.name!r}")
    checkpoint = _load(options)
    translations = Translator.of(checkpoint).translate(
        sentences, width=options.beam, length_penalty=options.length_penalty
    )
    for number, translation in enumerate(translations, start=1):
        print(translation.text)
        note = f"note: sentence {number}"
        if translation.unknown:
            print(f"{note} has characters or words that the model has never seen", file=sys.stderr)
        if not translation.finished:
            print(f"{note} reached the length limit and is cut", file=sys.stderr)
    if options.plot is not None:
        _draw(translations[0], options.plot)
    return 0


def _draw(translation: Translation, path: Path) -> None:
    """Draw the alignment of a translation to a file, whole or not at all."""
    import matplotlib  # takes a second, and only --plot needs it
    from matplotlib import pyplot

    from seq2seq_edu import plots

    if translation.alignment is None:
        raise ValueError("this model has no attention, so there is no alignment to draw")
    matplotlib.use("Agg")
    plots.use_style()
    plots.heatmap(translation.alignment, translation.target_tokens, translation.source_tokens)
    buffer = io.BytesIO()
    pyplot.gcf().savefig(buffer, format=path.suffix[1:], bbox_inches="tight")
    write_whole(path, buffer.getvalue())


def _evaluate(options: argparse.Namespace) -> int:
    """Score a checkpoint on the test split of the data it was trained on."""
    checkpoint = _load(options)
    check_search(checkpoint.model, options.beam, 1.0, 1)
    if options.record is not None:
        record = runs.rescore(options.checkpoint, data_dir=options.data_dir)
        records.write(options.record, record)
        _print_metrics(record["metrics"])
        return 0
    data = runs.prepare_again(checkpoint, data_dir=options.data_dir)
    metrics, _, translations = scoring.evaluate(checkpoint.model, data, width=options.beam)
    if options.json:
        print(json.dumps(metrics, ensure_ascii=False))
        return 0
    shown = translations[: max(0, options.show)]
    for translation, (source, reference) in zip(shown, data.test, strict=False):
        print(f"source     {source}\nreference  {reference}\nmodel      {translation.text}\n")
    _print_metrics(metrics)
    return 0


def _bench(options: argparse.Namespace) -> int:
    """Print the table of speeds and memory."""
    if options.rounds < 1:
        raise ValueError(f"--rounds must be at least 1; got {options.rounds}")
    found = bench.run(rounds=options.rounds, device=pick_device(options.device), shape=options.shape)
    print(bench.render(found))
    if options.record is not None:
        records.write(options.record, found)
    return 0
