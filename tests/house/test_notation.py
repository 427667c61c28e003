"""`notation.md` tells the truth: its functions, tests and chapters exist, and its shapes are the code's."""

import importlib
import inspect
import math
import re
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from seq2seq_edu import equations as eq
from seq2seq_edu import gradients
from seq2seq_edu.data import make_batch
from seq2seq_edu.metrics import alignment_error_rate
from seq2seq_edu.models import ModelConfig, Seq2Seq, Transformer, TransformerConfig, positions

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "notation.md").read_text(encoding="utf-8")
HEADER = ["symbol", "in code", "shape", "equation", "function", "test", "chapter"]
SIZES = {"B": 2, "n": 3, "m": 5, "V": 11, "d_e": 7, "d_h": 17, "d_s": 13, "d_a": 19, "d_r": 23, "d_model": 10}


class Row(NamedTuple):
    symbol: str
    name: str
    shape: str
    equation: str
    functions: list[str]
    tests: list[str]
    chapters: list[str]


def code_names(cell):
    return re.findall(r"`([^`]+)`", cell)


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read_table():
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert cells(lines[0]) == HEADER
    table = []
    for line in lines[2:]:
        symbol, name, shape, equation, functions, tests, chapters = cells(line)  # seven cells, or an error
        links = re.findall(r"\(([^()]+\.ipynb)\)", chapters)
        table.append(
            Row(symbol, *code_names(name), shape, equation, code_names(functions), code_names(tests), links)
        )
    return table


TABLE = read_table()


def test_rows_are_complete_and_what_they_name_exists():
    assert all(all(row) for row in TABLE), [row for row in TABLE if not all(row)]
    for dotted in {f for row in TABLE for f in row.functions}:
        room, *path = dotted.split(".")
        assert callable(reduce(getattr, path, importlib.import_module(f"seq2seq_edu.{room}"))), dotted
    for module, function in re.findall(r"`(test_\w+)\.(test_\w+)`", PAGE):
        text = next((ROOT / "tests").rglob(f"{module}.py")).read_text(encoding="utf-8")
        assert f"\ndef {function}(" in text, f"{module}.py has no {function}"
    for slug, chapter in re.findall(r"\[(\w+)\]\((notebooks/\w+\.ipynb)\)", PAGE):
        assert (ROOT / chapter).is_file() and re.sub(r"^\d\d_", "", Path(chapter).stem) == slug, chapter


def test_every_equation_and_gradient_is_in_the_table_with_the_chapter_that_its_docstring_names():
    listed = {f for row in TABLE for f in row.functions}
    for module in (eq, gradients):
        for name, thing in inspect.getmembers(module, inspect.isfunction):
            if thing.__module__ == module.__name__ and not name.startswith("_"):
                dotted = thing.__module__.split(".")[1] + "." + name
                assert dotted in listed, f"{dotted} is not in notation.md"
                for slug in re.findall(r"Taught in: (\w+)", thing.__doc__):
                    chapters = [c for row in TABLE if dotted in row.functions for c in row.chapters]
                    assert any(c.endswith(f"_{slug}.ipynb") for c in chapters), (dotted, slug)


def equations_arrays():
    """Return what `equations` takes and returns, under the names of the table."""
    rng = np.random.default_rng(0)
    B, n, m, V, d_e, d_h, d_s, d_a = (SIZES[k] for k in ("B", "n", "m", "V", "d_e", "d_h", "d_s", "d_a"))
    W, U, b = rng.normal(size=(3 * d_s, d_e + d_h)), rng.normal(size=(3 * d_s, d_s)), np.zeros(3 * d_s)
    gru = eq.GRUParams(W, U, b, b)
    W_a, U_a, v_a = rng.normal(size=(d_a, d_s)), rng.normal(size=(d_a, d_h)), rng.normal(size=d_a)
    query, keys, mask = rng.normal(size=(B, d_s)), rng.normal(size=(B, n, d_h)), np.full((B, n), True)
    same_width = rng.normal(size=(B, d_h))
    scores = [
        eq.additive_score(query, keys, W_a, U_a, v_a),
        eq.dot_score(same_width, keys),
        eq.scaled_dot_score(same_width, keys),
        eq.general_score(query, keys, rng.normal(size=(d_s, d_h))),
    ]
    state, context, weights = eq.decoder_step(
        rng.normal(size=(B, d_e)), query, keys, mask, eq.DecoderParams(W_a, U_a, v_a, gru)
    )
    loss = eq.cross_entropy(np.zeros((B, m, V)), np.zeros((B, m), dtype=int), np.full((B, m), True))
    one_each = {"query": query, "keys": keys, "values": keys, "mask": mask}
    one_each |= {"W_a": W_a, "U_a": U_a, "v_a": v_a}
    one_each |= {"state": state, "context": context, "weights": weights, "loss": loss}
    return {"scores": scores} | {name: [array] for name, array in one_each.items()}


def model_tensors():
    """Return what the PyTorch side takes and returns, under the names of the table."""
    torch.manual_seed(0)
    sizes = {k: SIZES[k] for k in ("d_e", "d_h", "d_s", "d_a", "d_r")}
    config = ModelConfig(source_vocab=11, target_vocab=SIZES["V"], bidirectional=False, dropout=0.0, **sizes)
    model = Seq2Seq(config)
    batch = make_batch([([4, 5], [6, 7, 8, 9]), ([6], [10])])
    memory, s_0 = model.encode(batch.src, batch.src_mask)
    step = model.step(batch.tgt_in[:, 0], s_0, memory)
    embedded = model.target_embedding(batch.tgt_in[:, 0])
    attention = model.decoder.attention
    return {
        "src": batch.src,
        "tgt_in": batch.tgt_in,
        "tgt_out": batch.tgt_out,
        "mask": batch.src_mask,
        "encoder_states": memory.values,
        "values": memory.values,
        "final_state": memory.final_state,
        "s_0": s_0,
        "W_a": attention.W_a.weight,
        "U_a": attention.U_a.weight,
        "state": step.state,
        "context": step.context,
        "weights": step.weights,
        "logits": step.logits,
        "features": model.join(step.state, step.context, embedded),
        "alignment": model(batch.src, batch.src_mask, batch.tgt_in)[1],
        "rate": torch.tensor(alignment_error_rate({(0, 0)}, sure={(0, 0)}, possible={(0, 0)})),
    }


def transformer_tensors():
    """Return what the Transformer takes and returns, under the names of the table."""
    sizes = {"d_model": SIZES["d_model"], "d_ff": 7, "layers": 3, "heads": 5, "dropout": 0.0}
    model = Transformer(TransformerConfig(11, SIZES["V"], **sizes))
    batch = make_batch([([4, 5], [6, 7, 8, 9]), ([6], [10])])
    memory, state = model.encode(batch.src, batch.src_mask)
    for y_prev in batch.tgt_in.unbind(dim=1):
        state = model.step(y_prev, state, memory).state
    return {
        "positions": positions(0, SIZES["n"], SIZES["d_model"]),
        "keys_values": memory.keys[:, :, 0],
        "past": state[:, :, 0],
    }


def size(text):
    """Return what one size of a shape comes to: `d_s`, or `2 d_model`."""
    return math.prod(int(word) if word.isdigit() else SIZES[word] for word in text.split())


def test_shapes_are_those_of_the_code():
    numpy_side, torch_side = equations_arrays(), model_tensors() | transformer_tensors()
    for row in TABLE:
        expected = tuple(size(part) for part in row.shape.strip("()").split(",") if part)
        shapes = {np.shape(array) for array in numpy_side.get(row.name, [])}
        if row.name in torch_side:
            shapes.add(tuple(torch_side[row.name].shape))
        assert shapes == {expected}, f"{row.name}: the table says {row.shape}, the code {shapes}"
