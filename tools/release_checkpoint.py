"""Turn a finished run into weights to give away: half precision, a record, a model card.

    python tools/release_checkpoint.py runs/tatoeba-zh-en-additive-default-0 checkpoints/zh-en

Only for data whose terms allow it (Tatoeba, CC-BY). The figures on the card are of the stored weights.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from seq2seq_edu import recipes, runs
from seq2seq_edu.checkpoints import load_checkpoint, save_checkpoint, write_whole

CARD = """# {source} to {target}: a small translation model

A bidirectional GRU encoder and a GRU decoder with {attention} attention, {parameters:,} parameters, stored in
float16. It is here to be looked at, not to be relied on: it has read {pairs:,} short everyday sentence pairs,
and outside of such sentences it guesses.

| | |
|---|---|
| data | Tatoeba Chinese-English pairs, as listed by ManyThings (pinned copy, see `seq2seq_edu/corpora.py`) |
| split | by sentence, none stands on two sides; {pairs:,} / {validation:,} / {test:,} pairs |
| Chinese | converted to simplified characters before training |
| subwords | joint byte-pair encoding, {vocabulary:,} pieces, from the training split only |
| test BLEU | **{bleu}** (95 % interval over sentences {low} to {high}), greedy |
| signature | `{signature}` |
| loss | {nll} nats per target token, validation, teacher forcing |
| seed | {seed}; figures of other seeds are in `results/` |
| trained | {seconds:.0f} s of processor time, {device}, {threads} thread(s), {precision}, commit {commit} |
| limits | short sentences; names, numbers and rare words are often wrong; it repeats itself at times |

Use it: `seq2seq-edu translate --checkpoint checkpoints/{name} "{example}"`

## Terms

Derived from sentences of [Tatoeba](https://tatoeba.org), CC-BY 2.0 France, by its contributors,
who are named in the third column of the published list (manythings.org/anki). Released under CC-BY 4.0.
"""
EXAMPLES = {"zh-en": "我喜欢音乐。", "en-zh": "I like music."}
LANGUAGES = {"zh": "Chinese", "en": "English"}


def main() -> int:
    """Write the three files of a released checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    record = json.loads((options.run / "record.json").read_text(encoding="utf-8"))
    if not record["task"].startswith("tatoeba"):
        parser.error(f"only models of Tatoeba may be given away; {options.run} is of {record['task']}")
    trained = load_checkpoint(options.run)
    texts = (trained.source_text, trained.target_text)
    save_checkpoint(options.out / "model.safetensors", trained.model, *texts, about=trained.about, half=True)
    data = recipes.prepare(record["task"], config=record["config"], data_dir=options.data_dir)
    stored = load_checkpoint(options.out)
    record["metrics"], record["by_length"], _ = recipes.evaluate(stored.model, data)
    write_whole(options.out / "record.json", runs.render(record).encode())
    name = record["task"].removeprefix("tatoeba-")
    source, target = name.split("-")
    bleu, device = record["metrics"]["bleu"], record["device"]
    card = CARD.format(
        source=LANGUAGES[source],
        target=LANGUAGES[target],
        name=name,
        example=EXAMPLES[name],
        attention=record["attention"],
        parameters=record["parameters"],
        pairs=len(data.train),
        validation=len(data.validation),
        test=len(data.test),
        vocabulary=len(data.source_text),
        bleu=bleu["value"],
        low=bleu["interval_95"][0],
        high=bleu["interval_95"][1],
        signature=bleu["signature"].replace("|", "\\|"),
        nll=record["metrics"]["nll"]["value"],
        seed=record["seed"],
        seconds=record["cpu_seconds"],
        device=device["name"],
        threads=device["threads"],
        precision=device["precision"],
        commit=record["commit"],
    )
    write_whole(options.out / "README.md", card.encode())
    size = (options.out / "model.safetensors").stat().st_size / 1e6
    print(f"{options.out}: BLEU {bleu['value']}, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
