"""Make the records in results/ that are missing: train, score, write; interrupted runs go on.

Run it as `python tools/make_results.py [--device cuda] [--only multi30k-transformer] [--list]`. A record that
is there is never made again, a run that was stopped is resumed, so the same command completes the table
bit by bit, on any machine. Each record says which device and precision made it. With `--tables` it prints the
tables of the README instead.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from seq2seq_edu.experiments import recipes, records

ROOT = Path(__file__).resolve().parent.parent
SEEDS = (0, 1, 2)
REAL = ("additive", "none", "scaled", "dot", "general", "transformer")
ABLATIONS = {  # one setting of the additive model each, seed 0
    "words": "subwords=0",
    "untied": "share_embeddings=false",
    "no-smoothing": "label_smoothing=0",
    "no-dropout": "dropout=0",
    "average": "average=0.999",
    "longer": "epochs=16",
}
TABLES = {
    "multi30k": "Multi30k, German to English",
    "tatoeba-zh-en": "Tatoeba, Chinese to English",
    "tatoeba-en-zh": "Tatoeba, English to Chinese",
}


def table(groups: Iterable[records.Group], title: str) -> str:
    """Write a table of models as the README shows it: lower-cased BLEU, median of the seeds and range."""
    lines = [
        f"| {title} | greedy | beam 5 | epochs | million parameters | minutes | seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    for g in groups:
        greedy, beam = (records.spread(g.scores("bleu_lc", search)) for search in ("greedy", "beam5"))
        size, time = (
            g.runs[0]["parameters"] / 1e6,
            records.spread([records.minutes(run) for run in g.runs], 0),
        )
        epochs, name = g.runs[0]["train_config"]["epochs"], recipes.titles()[g.name]
        lines.append(f"| {name} | {greedy} | {beam} | {epochs} | {size:.1f} | {time} | {g.count} |")
    return "\n".join(lines)


def tables(folder: Path) -> dict[str, str]:
    """Return the tables of the README by the name of their data; what only trained longer stands below."""
    groups = records.group(records.read(folder))
    longer = [g for g in groups if g.changes.keys() == {"epochs"}]
    return {
        task: table([*records.models(groups, task), *(g for g in longer if g.task == task)], title)
        for task, title in TABLES.items()
    }


def runs() -> dict[str, list[str]]:
    """Return the options of `train` for every record, by its name, the most wanted first."""
    found: dict[str, list[str]] = {}
    for seed in SEEDS:
        for data, attentions in (
            ("multi30k", REAL),
            ("tatoeba-zh-en", ("additive", "none", "transformer")),
            ("tatoeba-en-zh", ("additive", "none", "transformer")),
            ("grammar-long", ("additive", "none")),
            ("grammar", REAL[:-1]),
            ("reversal", ("additive", "none")),
        ):
            for kind in attentions:
                choice = ["--config", kind] if kind == "transformer" else ["--attention", kind]
                found[f"{data}-{kind}-{seed}"] = ["--data", data, *choice, "--seed", str(seed)]
        closed = ["--data", "reversal", "--attention", "none", "--seed", str(seed)]
        found[f"ablation-closed-longer-{seed}"] = [*closed, "--set", "epochs=20"]  # it learns at last
        for kind in ("additive", "scaled"):  # small enough to be played with in a page
            options = ["--data", "grammar", "--attention", kind, "--config", "classroom", "--seed", str(seed)]
            found[f"grammar-{kind}-classroom-{seed}"] = options
    for name, change in ABLATIONS.items():
        found[f"ablation-{name}"] = ["--data", "multi30k", "--seed", "0", "--set", change]
    return found


def main() -> int:
    """Return the exit status: that of the first training that failed, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="records whose name holds this")
    parser.add_argument("--list", action="store_true", help="say what is missing, and train nothing")
    parser.add_argument("--tables", action="store_true", help="print the README's tables, and train nothing")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", metavar="DIR", help="where runs are kept")
    parser.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", default="1")
    options = parser.parse_args()
    if options.tables:
        print("\n\n".join(tables(options.results).values()))
        return 0
    known = [name for name in runs() if options.only in name]
    if not known:
        parser.error(f"no record has {options.only!r} in its name; there are {', '.join(runs())}")
    missing = [name for name in known if not (options.results / f"{name}.json").is_file()]
    print(f"{len(known) - len(missing)} of {len(known)} records are there", flush=True)
    for name in missing:
        print(name, flush=True)
        if options.list:
            continue
        out = options.runs / name
        command = [sys.executable, "-m", "seq2seq_edu", "train", *runs()[name], "--out", str(out)]
        command += ["--device", options.device, "--precision", options.precision]
        command += ["--threads", options.threads, "--record", str(options.results / f"{name}.json")]
        status = subprocess.call(command + (["--resume"] if (out / "last.safetensors").is_file() else []))
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
