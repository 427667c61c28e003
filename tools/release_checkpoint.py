"""Turn a finished run into weights to give away: half precision, a record, a model card.

    python tools/release_checkpoint.py runs/tatoeba-zh-en-additive-default-0 checkpoints/zh-en

Only for data whose terms allow it: Tatoeba (CC-BY), and the grammar of this repository, whose models go to
checkpoints/grammar-NAME. The figures on the card are of the stored weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from seq2seq_edu.experiments import records, runs, scoring
from seq2seq_edu.files import write_whole
from seq2seq_edu.training import load_checkpoint, save_checkpoint

CARD = """# {source} to {target}: a small translation model

{body}, {parameters:,} parameters, stored in
float16. It is here to be looked at, not to be relied on: it has read {pairs:,} short everyday sentence pairs,
and outside of such sentences it guesses.

| | |
|---|---|
| data | Tatoeba Chinese-English pairs, as listed by ManyThings (pinned: `seq2seq_edu/data/corpora.py`) |
| split | by sentence, none stands on two sides; {pairs:,} / {validation:,} / {test:,} pairs |
| Chinese | converted to simplified characters before training |
| subwords | joint byte-pair encoding, {vocabulary:,} pieces, from the training split only |
| test BLEU | **{bleu}** (95 % interval over sentences {low} to {high}), greedy |
| | **{beam}** ({beam_low} to {beam_high}), beam 5, log-probability divided by length |
| signature | `{signature}`{unit} |
| loss | {nll} nats per target token, validation, teacher forcing |
| seed | {seed}; figures of other runs are in `results/` |
| trained | {cost}, {device}, {where}, commit {commit} |
| limits | short sentences; names, numbers and rare words are often wrong; it repeats itself at times |

Use it: `seq2seq-edu translate --pair {name} "{example}"`

## Terms

Derived from sentences of [Tatoeba](https://tatoeba.org), CC-BY 2.0 France, by its contributors,
who are named in the third column of the published list (manythings.org/anki). Released under CC-BY 4.0.
"""
GRAMMAR_CARD = """# English to Chinese, from the small grammar: a model for the classroom

{body}, {parameters:,} parameters, stored in
float16. It is so small that its decoder runs in a page; widgets use it. It knows the {words} English words of
a generated grammar and nothing else: real sentences are beyond it.

| | |
|---|---|
| data | generated, `seq2seq_edu/data/grammar`, seed 0: no sentence is real |
| split | {pairs:,} / {validation:,} / {test:,} pairs, no pair on two sides |
| exact match | **{exact}** of the held-out sentences, greedy |
| alignment error rate | {aer}, greedy, links known from the grammar |
| loss | {nll} nats per target token, validation, teacher forcing |
| seed | {seed}; the figures of three seeds are in `results/` |
| trained | {cost}, {device}, {where}, commit {commit} |

Use it: `seq2seq-edu translate --pair {name} "we lost a photo at the station yesterday"`

## Terms

Nobody else's text is in it. Released under CC-BY 4.0.
"""
BODIES = {
    "seq2seq": "A bidirectional GRU encoder and a GRU decoder with {attention} attention",
    "transformer": "A Transformer with {attention} attention",
}
EXAMPLES = {"zh-en": "我喜欢音乐。", "en-zh": "I like music."}
LANGUAGES = {"zh": "Chinese", "en": "English"}
LARGEST = 10_000_000  # bytes: every clone pays for them


def common(record: dict[str, Any]) -> dict[str, Any]:
    """Return what both cards say of a training."""
    device = record["device"]
    return {
        "body": BODIES[record["model"]].format(attention=record["attention"]),
        "parameters": record["parameters"],
        "pairs": record["training_pairs"],
        "validation": record["validation_pairs"],
        "test": record["metrics"]["test_sentences"],
        "nll": record["metrics"]["nll"]["value"],
        "seed": record["seed"],
        "cost": f"{60 * records.minutes(record):.0f} s"
        + (" of processor time" if device["type"] == "cpu" else ""),
        "device": device["name"],
        "where": records.where(record),
        "commit": record["commit"],
    }


def grammar_card(record: dict[str, Any], words: int, name: str) -> str:
    """Write the card of a model of the grammar; `words` is the size of the English vocabulary."""
    metrics = record["metrics"]
    exact, aer = metrics["exact_match"]["value"], metrics["alignment"]["aer"]
    return GRAMMAR_CARD.format(words=words, exact=exact, aer=aer, name=name, **common(record))


def card(record: dict[str, Any], pieces: int) -> str:
    """Write the model card of a record; `pieces` is the size of the vocabulary."""
    name = record["task"].removeprefix("tatoeba-")
    source, target = name.split("-")
    greedy, beam = record["metrics"]["bleu"], record["metrics"]["beam5"]["bleu"]
    return CARD.format(
        source=LANGUAGES[source],
        target=LANGUAGES[target],
        name=name,
        example=EXAMPLES[name],
        vocabulary=pieces,
        bleu=greedy["value"],
        low=greedy["interval_95"][0],
        high=greedy["interval_95"][1],
        beam=beam["value"],
        beam_low=beam["interval_95"][0],
        beam_high=beam["interval_95"][1],
        signature=greedy["signature"].replace("|", "\\|"),
        unit=": sacreBLEU cuts Chinese into characters" if target == "zh" else "",
        **common(record),
    )


def main() -> int:
    """Write the three files of a released checkpoint."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    record = {"changes": {}} | records.read_file(options.run / "record.json")
    if not record["task"].startswith(("tatoeba", "grammar")):
        parser.error(f"only models of Tatoeba or of our grammar may be given away, not {record['task']}")
    if 2 * record["parameters"] > LARGEST:  # two bytes each
        parser.error(f"{record['parameters']:,} parameters take more than {LARGEST:,} bytes: use fewer")
    trained = load_checkpoint(options.run)
    data = runs.prepare_again(trained, data_dir=options.data_dir)
    texts = (trained.source_text, trained.target_text)
    weights = options.out / "model.safetensors"
    save_checkpoint(weights, trained.model, *texts, about=trained.about, half=True)
    metrics, lengths, _ = scoring.evaluate(load_checkpoint(options.out).model, data)
    record |= {"metrics": metrics, "by_length": lengths, "scored_at": scoring.commit()}
    records.write(options.out / "record.json", record)
    size = len(data.source_text)
    text = grammar_card(record, size - 4, options.out.name) if data.gold is not None else card(record, size)
    write_whole(options.out / "README.md", text.encode())
    best = metrics["beam5"]["bleu"]["value"]
    megabytes = weights.stat().st_size / 1e6
    print(f"{options.out}: BLEU {metrics['bleu']['value']}, with beam 5 {best}; {megabytes:.2f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
