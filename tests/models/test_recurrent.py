"""The model: padding, batch and order change nothing, the future is never read, both paths agree."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from seq2seq_edu import equations
from seq2seq_edu.data import EOS, PAD, Batch, make_batch
from seq2seq_edu.models import ATTENTIONS, EncoderDecoder, Memory, ModelConfig, Seq2Seq, Step

ALL = tuple(ATTENTIONS)
SCORES = ALL[1:]
SIZES = {"source_vocab": 13, "target_vocab": 11, "d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5, "d_r": 2}
PAIRS = [([5, 6, 7, 8, 9, 10], [4, 5]), ([5], [4, 5, 6, 7, 8, 9]), ([12, 4, 4], [9, 9, 10]), ([7, 7], [])]
SHAPES = {
    "narrow": {},
    "wide": {"readout": "wide"},
    "shared": {"share_embeddings": True, "target_vocab": 13, "d_r": 3},
    "one way": {"bidirectional": False},
    "state": {"readout": "state"},
}
CASES = [
    (attention, shape)
    for attention in ALL
    for shape in SHAPES
    if shape != "state" or ATTENTIONS[attention].query_state == "previous"  # else it never uses the context
]


def tiny(attention: str, seed: int = 0, **changes: object) -> Seq2Seq:
    """Build a small model without dropout."""
    torch.manual_seed(seed)
    sizes = {**SIZES, "dropout": 0.0, **changes}
    if attention == "dot":
        sizes["d_s"] = sizes["d_h"]
    return Seq2Seq(ModelConfig(attention=attention, **sizes))


def run(model: Seq2Seq, batch: Batch) -> list[tuple[Tensor, Tensor | None]]:
    """Return logits (m, V) and alignment (m, n) of each pair, padding cut away, in the order of the input."""
    logits, alignment = model(batch.src, batch.src_mask, batch.tgt_in)
    rows = {}
    for b, k in enumerate(batch.index):
        m, n = batch.tgt_lengths[b], batch.src_lengths[b]
        rows[k] = (logits[b, :m], None if alignment is None else alignment[b, :m, :n])
    return [rows[k] for k in range(len(rows))]


def assert_same(one: object, other: object) -> None:
    """Compare outputs to the 1e-5 that is promised."""
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


# Padding, batch, order


@pytest.mark.parametrize(("attention", "shape"), CASES)
def test_extra_padding_changes_no_output(attention: str, shape: str) -> None:
    model = tiny(attention, **SHAPES[shape])
    assert_same(run(model, make_batch(PAIRS, extra_padding=5)), run(model, make_batch(PAIRS)))


@pytest.mark.parametrize("attention", ALL)
def test_a_batch_equals_its_rows_alone(attention: str) -> None:
    model = tiny(attention)
    alone = [run(model, make_batch([pair]))[0] for pair in PAIRS]
    assert_same(run(model, make_batch(PAIRS)), alone)
    assert_same(run(model, make_batch(PAIRS[::-1]))[::-1], alone)


@pytest.mark.parametrize("attention", ALL)
def test_order_of_the_rows_changes_no_output(attention: str) -> None:
    model, batch, order = tiny(attention), make_batch(PAIRS), torch.tensor([2, 0, 3, 1])
    straight = model(batch.src, batch.src_mask, batch.tgt_in)
    for x, y in zip(
        straight, model(batch.src[order], batch.src_mask[order], batch.tgt_in[order]), strict=True
    ):
        if x is not None:
            assert_same(x[order], y)


@pytest.mark.parametrize("attention", ALL)
def test_garbage_under_the_mask_changes_no_output(attention: str) -> None:
    model, batch = tiny(attention), make_batch(PAIRS)
    src = torch.where(batch.src_mask, batch.src, 11)
    tgt_in = torch.where(batch.tgt_mask, batch.tgt_in, 10)
    dirty = Batch(**{**vars(batch), "src": src, "tgt_in": tgt_in})
    assert_same(run(model, dirty), run(model, batch))


@pytest.mark.parametrize("attention", ALL)
def test_changing_one_sentence_leaves_the_others_alone(attention: str) -> None:
    model = tiny(attention)
    before = run(model, make_batch(PAIRS))
    after = run(model, make_batch([([9, 9, 9, 9, 9, 9], [7, 8]), *PAIRS[1:]]))
    assert_same(after[1:], before[1:])
    assert (after[0][0] - before[0][0]).abs().max() > 1e-3


# Weights and time


@pytest.mark.parametrize("attention", SCORES)
def test_weights_of_the_model_sum_to_one_over_real_tokens(attention: str) -> None:
    batch = make_batch(PAIRS, extra_padding=3)
    _, alignment = tiny(attention)(batch.src, batch.src_mask, batch.tgt_in)
    assert alignment is not None and alignment.shape == (*batch.tgt_in.shape, batch.src.shape[1])
    assert (alignment.masked_select(~batch.src_mask.unsqueeze(1)) == 0).all()
    assert_same(alignment.sum(dim=-1), torch.ones(batch.tgt_in.shape))


@pytest.mark.parametrize("attention", ALL)
def test_the_future_is_never_read(attention: str) -> None:
    model, batch = tiny(attention), make_batch(PAIRS)
    logits, alignment = model(batch.src, batch.src_mask, batch.tgt_in)
    for t in range(batch.tgt_in.shape[1]):
        changed = batch.tgt_in.clone()
        changed[:, t] = (changed[:, t] + 3) % 11
        other, weights = model(batch.src, batch.src_mask, changed)
        assert torch.equal(other[:, :t], logits[:, :t])
        assert (other[:, t] - logits[:, t]).abs().amax(dim=-1).min() > 1e-4  # and the present is
        if alignment is not None and weights is not None:
            assert torch.equal(weights[:, :t], alignment[:, :t])


@pytest.mark.parametrize("attention", SCORES)
def test_previous_state_asks_in_bahdanau_and_the_current_one_in_luong(attention: str) -> None:
    model, batch = tiny(attention), make_batch(PAIRS)
    _, alignment = model(batch.src, batch.src_mask, batch.tgt_in)
    t, changed = 1, batch.tgt_in.clone()
    changed[:, t] = (changed[:, t] + 3) % 11  # y_{t-1}: it moves s_t, and not s_{t-1}
    _, weights = model(batch.src, batch.src_mask, changed)
    moved = (weights - alignment).abs().amax(dim=(0, 2))
    assert (moved[t] == 0) == (attention == "additive")
    assert moved[t + 1] > 0


@pytest.mark.parametrize("attention", ALL)
def test_forward_is_one_step_after_the_other(attention: str) -> None:
    model, batch = tiny(attention), make_batch(PAIRS)
    logits, alignment = model(batch.src, batch.src_mask, batch.tgt_in)
    memory, state = model.encode(batch.src, batch.src_mask)
    for t in range(batch.tgt_in.shape[1]):
        step = model.step(batch.tgt_in[:, t], state, memory)
        state = step.state
        assert torch.equal(step.logits, logits[:, t])
        assert (step.weights is None) == (attention == "none")
        if alignment is not None:
            assert torch.equal(step.weights, alignment[:, t])


def test_one_step_equals_the_equations() -> None:
    model, batch = tiny("additive").double(), make_batch(PAIRS)
    p = {name: value.detach().numpy() for name, value in model.named_parameters()}
    memory, state = model.encode(batch.src, batch.src_mask)
    np.testing.assert_allclose(
        state.detach(), np.tanh(memory.final_state.detach().numpy() @ p["W_s.weight"].T + p["W_s.bias"])
    )
    y_prev = torch.tensor([4, 9, 1, 7])
    step = model.step(y_prev, state, memory)
    names = ("W_a.weight", "U_a.weight", "v_a.weight")
    W_a, U_a, v_a = (p[f"decoder.attention.{name}"] for name in names)
    gru = (p[f"decoder.gru.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    params = equations.DecoderParams(W_a, U_a, v_a[0], equations.GRUParams(*gru))
    embedded = p["target_embedding.weight"][y_prev]
    values = memory.values.detach().numpy()
    s, c, alpha = equations.decoder_step(
        embedded, state.detach().numpy(), values, batch.src_mask.numpy(), params
    )
    joined = np.concatenate([s, c, embedded], axis=1)
    features = np.tanh(joined @ p["readout.W_c.weight"].T + p["readout.W_c.bias"])
    logits = features @ p["W_o.weight"].T + p["W_o.bias"]
    for ours, by_hand in zip(step, (logits, s, c, alpha), strict=True):
        np.testing.assert_allclose(ours.detach(), by_hand, atol=1e-6, rtol=0)


# Two paths


@pytest.mark.parametrize(("attention", "shape"), CASES)
def test_fast_path_gives_the_logits_of_the_plain_path(attention: str, shape: str) -> None:
    model, batch = tiny(attention, **SHAPES[shape]), make_batch(PAIRS, extra_padding=2)
    plain, _ = model(batch.src, batch.src_mask, batch.tgt_in)
    real = pack_padded_sequence(plain, torch.tensor(batch.tgt_lengths), batch_first=True).data
    features = model.readouts(batch.src, batch.src_mask, batch.tgt_in, batch.tgt_lengths)
    assert_same(model.logits(features), real)


def test_fast_path_refuses_rows_that_are_not_sorted() -> None:
    batch = make_batch(PAIRS)
    with pytest.raises(RuntimeError, match="must be sorted in decreasing order"):
        tiny("dot").readouts(batch.src, batch.src_mask, batch.tgt_in, [1, 2, 3, 7])


def test_readout_of_the_state_is_one_product() -> None:
    for attention in ("none", "additive"):
        model, batch = tiny(attention, readout="state"), make_batch(PAIRS)
        memory, state = model.encode(batch.src, batch.src_mask)
        step = model.step(batch.tgt_in[:, 0], state, memory)
        assert_same(step.logits, step.state @ model.W_o.weight.T + model.W_o.bias)
        assert model.W_o.weight.shape == (11, 7) and not list(model.readout.parameters())
        features = model.readouts(batch.src, batch.src_mask, batch.tgt_in, batch.tgt_lengths)
        assert features.shape == (sum(batch.tgt_lengths), 7)
        assert_same(features[:4], step.state)  # time-major: the first step of every row comes first


class Echo(EncoderDecoder):
    """The smallest model: it scores the token just read by 1; its last score counts the tokens before."""

    def encode(self, src: Tensor, src_mask: Tensor, lengths: Tensor | None = None) -> tuple[Memory, Tensor]:
        return Memory(src, src, src_mask, src[:, 0]), torch.zeros(len(src), 1)

    def step(self, y_prev: Tensor, state: Tensor, memory: Memory) -> Step:
        logits = torch.nn.functional.one_hot(y_prev, 11) + 0.0
        weights = None if self.config == "none" else memory.mask / memory.mask.sum(dim=1, keepdim=True)
        return Step(torch.cat([logits, state], dim=1), state + 1, state, weights)


@pytest.mark.parametrize("attention", ["none", "even"])
def test_the_plain_path_stands_once_for_every_model(attention: str) -> None:
    model, batch = Echo(), make_batch(PAIRS)
    model.config = attention
    logits, alignment = model(batch.src, batch.src_mask, batch.tgt_in)
    assert torch.equal(logits[..., :11].argmax(dim=-1), batch.tgt_in)  # its input is the gold token
    assert torch.equal(logits[..., 11], torch.arange(7.0).expand(4, 7))  # its state goes on
    if attention == "none":
        assert alignment is None
    else:
        assert_same(alignment, (batch.src_mask / batch.src_mask.sum(1, True)).unsqueeze(1).expand(-1, 7, -1))


def test_a_model_without_its_four_methods_says_so() -> None:
    model, src = EncoderDecoder(), torch.tensor([[5, EOS]])
    lengths: Sequence[int] = [1]
    calls = [
        lambda: model.encode(src, src != PAD),
        lambda: model.step(src[:, 0], src, Memory(src, src, src != PAD, src)),
        lambda: model.logits(src),
        lambda: model.readouts(src, src != PAD, src, lengths),
        lambda: model(src, src != PAD, src),
    ]
    for call in calls:
        with pytest.raises(NotImplementedError):
            call()


# Both directions, state, parameters


def test_both_directions_reach_the_decoder() -> None:
    one, other = torch.tensor([[4, 5, 6, EOS]]), torch.tensor([[4, 5, 7, EOS]])
    for bidirectional in (True, False):
        model = tiny("additive", bidirectional=bidirectional)
        (a, _), (b, _) = (model.encode(src, src != PAD) for src in (one, other))
        moved = (a.values - b.values)[0, 0].abs().max()
        assert (moved > 0) == bidirectional  # h_1 knows the third word only if someone reads from the right


@pytest.mark.parametrize(("attention", "shape"), CASES)
def test_gradients_reach_all_parameters(attention: str, shape: str) -> None:
    model, batch = tiny(attention, **SHAPES[shape]), make_batch(PAIRS)
    logits, _ = model(batch.src, batch.src_mask, batch.tgt_in)
    logits.logsumexp(dim=-1).pow(2).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_shared_embeddings_are_one_parameter() -> None:
    model = tiny("dot", **SHAPES["shared"])
    table = model.target_embedding.weight
    assert model.source_embedding.weight is table and model.W_o.weight is table
    assert (table[PAD] == 0).all()


@pytest.mark.parametrize("attention", ALL)
def test_nothing_is_kept_between_calls(attention: str) -> None:
    model, batch = tiny(attention), make_batch(PAIRS)
    before = {name: list(vars(module)) for name, module in model.named_modules()}
    first = run(model, batch)
    run(model, make_batch(PAIRS[1:3]))
    assert {name: list(vars(module)) for name, module in model.named_modules()} == before
    torch.testing.assert_close(run(model, batch), first, rtol=0, atol=0)
    assert not list(model.buffers())


@pytest.mark.parametrize("attention", ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_finite_as_a_cast_and_as_autocast(attention: str, dtype: torch.dtype) -> None:
    batch = make_batch([([5] * 151, [4] * 13), *PAIRS])
    model = tiny(attention)
    exact, _ = model(batch.src, batch.src_mask, batch.tgt_in)
    with torch.autocast("cpu", dtype):
        mixed, _ = model(batch.src, batch.src_mask, batch.tgt_in)
    cast, weights = model.to(dtype)(batch.src, batch.src_mask, batch.tgt_in)
    assert weights is None or weights.dtype == torch.float32
    for logits in (mixed, cast):
        assert logits.dtype == dtype and logits.isfinite().all()
        torch.testing.assert_close(logits.float(), exact, atol=0.05, rtol=0)


def test_dropout_is_for_training_only() -> None:
    model, batch = tiny("general", dropout=0.5), make_batch(PAIRS)
    assert (run(model, batch)[0][0] - run(model, batch)[0][0]).abs().max() > 0
    model.eval()
    assert torch.equal(run(model, batch)[0][0], run(model, batch)[0][0])


@pytest.mark.parametrize("readout", ["narrow", "wide", "state"])
def test_dropout_before_the_vocabulary_acts_on_every_readout(readout: str) -> None:
    model = tiny("additive", dropout=0.5, readout=readout)
    features = torch.ones(3, model.W_o.in_features)
    assert (model.logits(features) - model.logits(features)).abs().max() > 0
    model.eval()
    assert torch.equal(model.logits(features), model.W_o(features))


# Bad settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attention": "soft"}, "one of none, dot, general, scaled, additive; got 'soft'"),
        ({"readout": "broad"}, "'narrow', 'wide' or 'state'; got 'broad'"),
        (
            {"attention": "dot", "readout": "state"},
            "never use the context of 'dot' attention.*'narrow' or 'wide'",
        ),
        ({"attention": "general", "readout": "state"}, "never use the context of 'general'"),
        ({"attention": "scaled", "readout": "state"}, "never use the context of 'scaled'"),
        ({"d_s": 0}, "d_s must be at least 1; got 0"),
        ({"target_vocab": -3}, "target_vocab must be at least 1; got -3"),
        ({"dropout": 1.0}, r"probability in \[0, 1\); got 1.0"),
        ({"share_embeddings": True, "d_r": 3}, "one vocabulary for both sides.*13 and 11 tokens"),
        ({"share_embeddings": True, "target_vocab": 13}, "d_r=2, d_e=3"),
        ({"share_embeddings": True, "target_vocab": 13, "d_r": 3, "readout": "wide"}, "readout='wide'"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ModelConfig(**{**SIZES, **changes})


def test_an_empty_source_is_refused() -> None:
    src = torch.tensor([[5, EOS], [PAD, PAD]])
    with pytest.raises(RuntimeError, match="has to be greater than 0"):
        tiny("additive").encode(src, src != PAD)
