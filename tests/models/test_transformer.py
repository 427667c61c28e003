"""The Transformer: equal to PyTorch's, on every path; nothing reads padding, other rows or the future."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from seq2seq_edu.data import BOS, EOS, PAD, Batch, make_batch
from seq2seq_edu.decoding import greedy
from seq2seq_edu.experiments import recipes
from seq2seq_edu.models import MultiHeadAttention, Transformer, TransformerConfig, positions, transformer
from seq2seq_edu.training import loss_fast, loss_plain

SIZES = {"source_vocab": 13, "target_vocab": 11, "d_model": 10, "d_ff": 7, "layers": 3, "heads": 5}
PAIRS = [([5, 6, 7, 8, 9, 10], [4, 5]), ([5], [4, 5, 6, 7, 8, 9]), ([12, 4, 4], [9, 9, 10]), ([7, 7], [])]
SHAPES = {
    "apart": {},
    "shared": {"share_embeddings": True, "target_vocab": 13},
    "one head": {"heads": 1, "layers": 1},
}


def tiny(seed: int = 0, **changes: object) -> Transformer:
    """Build a small model in float64, without dropout; no parameter is left at zero or one by design."""
    torch.manual_seed(seed)
    model = Transformer(TransformerConfig(**{**SIZES, "dropout": 0.0, **changes})).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                parameter += 0.3 * torch.randn_like(parameter)
    return model


def run(model: Transformer, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Return logits (m, V) and alignment (m, n) of each pair, padding cut away, in the order of the input."""
    logits, alignment = model(batch.src, batch.src_mask, batch.tgt_in)
    sizes = zip(batch.index, batch.tgt_lengths, batch.src_lengths, strict=True)
    rows = {k: (logits[b, :m], alignment[b, :m, :n]) for b, (k, m, n) in enumerate(sizes)}
    return [rows[k] for k in range(len(rows))]


def parallel(model: Transformer, batch: Batch) -> Tensor:
    """Return the logits (B, m, V) of all steps at once: the fast path, padding included."""
    full = [batch.tgt_in.shape[1]] * len(batch.index)
    features = model.readouts(batch.src, batch.src_mask, batch.tgt_in, full)
    return model.logits(features).unflatten(0, (full[0], -1)).transpose(0, 1)


def assert_same(one: object, other: object, atol: float = 1e-12) -> None:
    """Compare to the precision of float64."""
    torch.testing.assert_close(one, other, rtol=0, atol=atol)


# Positions and one attention


def test_positions_equal_the_printed_formula() -> None:
    vectors = positions(3, 7, 10)
    assert vectors.shape == (7, 10) and vectors.dtype == torch.float32
    for row, i in enumerate(range(3, 10)):
        for k in range(5):
            angle = i / 10000 ** (2 * k / 10)
            assert vectors[row, 2 * k].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert vectors[row, 2 * k + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_positions_of_a_later_start_are_the_rest_of_the_same_list() -> None:
    whole = positions(0, 211, 22)
    for start in (0, 1, 7, 199):
        assert torch.equal(positions(start, 11, 22), whole[start : start + 11])
    assert torch.cdist(whole, whole).fill_diagonal_(9).min() > 0.1  # no two positions look alike


def attention_case() -> tuple[MultiHeadAttention, Tensor, Tensor, Tensor]:
    """Return an attention of 5 heads, queries (3, 7, 10), states (3, 11, 10) and a mask (3, 7, 11)."""
    torch.manual_seed(1)
    attention = MultiHeadAttention(10, 5).double()
    for layer in (attention.W_q, attention.W_kv, attention.W_o):
        nn.init.normal_(layer.bias)
    mask = torch.rand(3, 7, 11) < 0.6
    mask[..., 2] = True  # something to look at
    return attention, torch.randn(3, 7, 10).double(), torch.randn(3, 11, 10).double(), mask


def test_attention_equals_multi_head_attention_of_pytorch() -> None:
    attention, query, states, mask = attention_case()
    theirs = nn.MultiheadAttention(10, 5, batch_first=True).double()
    copy_attention(attention, theirs)
    ignored = (~mask).repeat_interleave(5, dim=0)  # PyTorch's mask: True = ignore, a row for each head
    expected = theirs(query, states, states, attn_mask=ignored, average_attn_weights=False)
    assert_same(attention(query, attention.keys_values(states), mask.unsqueeze(1)), expected)


def test_attention_equals_the_product_attention_of_pytorch() -> None:
    attention, query, states, mask = attention_case()
    heads = [
        F.scaled_dot_product_attention(  # its boolean mask: True = keep
            F.linear(query, attention.W_q.weight[rows], attention.W_q.bias[rows]),
            F.linear(states, attention.W_kv.weight[rows], attention.W_kv.bias[rows]),
            F.linear(states, attention.W_kv.weight[10:][rows], attention.W_kv.bias[10:][rows]),
            attn_mask=mask,
        )
        for rows in (slice(2 * k, 2 * k + 2) for k in range(5))
    ]
    context, _ = attention(query, attention.keys_values(states), mask.unsqueeze(1))
    assert_same(context, attention.W_o(torch.cat(heads, dim=-1)))


def test_weights_sum_to_one_and_are_zero_where_nothing_may_be_seen() -> None:
    attention, query, states, mask = attention_case()
    _, weights = attention(query, attention.keys_values(states), mask.unsqueeze(1))
    assert weights.shape == (3, 5, 7, 11)
    assert (weights.masked_select(~mask.unsqueeze(1)) == 0).all()
    assert (weights.masked_select(mask.unsqueeze(1)) > 0).all()
    assert_same(weights.sum(dim=-1), torch.ones(3, 5, 7).double())
    assert (weights[:, 0] - weights[:, 1]).abs().max() > 1e-3  # each head looks for itself


# The whole model


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    """Copy the parameters of one attention: PyTorch keeps query, key and value projections in one table."""
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.W_q.weight, ours.W_kv.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.W_q.bias, ours.W_kv.bias]))
    theirs.out_proj.load_state_dict(ours.W_o.state_dict())


def pytorch_layer(ours: nn.Module, decoder: bool) -> nn.Module:
    """Return a layer of PyTorch with the parameters of one of ours."""
    kind = nn.TransformerDecoderLayer if decoder else nn.TransformerEncoderLayer
    theirs = kind(10, 5, 7, dropout=0.0, batch_first=True, norm_first=True).double()
    copy_attention(ours.own, theirs.self_attn)
    if decoder:
        copy_attention(ours.source, theirs.multihead_attn)
    theirs.linear1.load_state_dict(ours.feed_forward[0].state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward[3].state_dict())
    for number, norm in enumerate(ours.norms, start=1):
        getattr(theirs, f"norm{number}").load_state_dict(norm.state_dict())
    return theirs


def test_the_model_equals_the_layers_of_pytorch() -> None:
    model, batch = tiny(), make_batch(PAIRS, extra_padding=2)
    n, m = batch.src.shape[1], batch.tgt_in.shape[1]
    states = F.embedding(batch.src, model.source_embedding.weight) * math.sqrt(10) + positions(0, n, 10)
    for layer in model.encoder:
        states = pytorch_layer(layer, False)(states, src_key_padding_mask=~batch.src_mask)
    states = model.encoder_norm(states)
    x = F.embedding(batch.tgt_in, model.target_embedding.weight) * math.sqrt(10) + positions(0, m, 10)
    future = torch.ones(m, m, dtype=torch.bool).triu(diagonal=1)  # True = ignore
    for layer in model.decoder:
        x = pytorch_layer(layer, True)(x, states, future, memory_key_padding_mask=~batch.src_mask)
    expected = F.linear(model.decoder_norm(x), model.W_o.weight, model.W_o.bias)
    assert_same(parallel(model, batch), expected)
    assert_same(model(batch.src, batch.src_mask, batch.tgt_in)[0], expected)


def test_alignment_is_the_mean_head_of_the_last_layer_to_the_source() -> None:
    model, batch = tiny(), make_batch(PAIRS, extra_padding=3)
    seen: list[Tensor] = []
    model.decoder[2].source.register_forward_hook(lambda module, args, out: seen.append(out[1]))
    _, alignment = model(batch.src, batch.src_mask, batch.tgt_in)
    assert alignment is not None and alignment.shape == (*batch.tgt_in.shape, batch.src.shape[1])
    assert_same(alignment, torch.cat(seen, dim=2).mean(dim=1))
    assert (alignment.masked_select(~batch.src_mask.unsqueeze(1)) == 0).all()
    assert_same(alignment.sum(dim=-1), torch.ones(batch.tgt_in.shape).double())


# Two paths


@pytest.mark.parametrize("shape", SHAPES)
def test_both_paths_give_one_loss_and_one_gradient(shape: str) -> None:
    batch, losses, gradients = make_batch(PAIRS, extra_padding=2), [], []
    for loss in (loss_plain, loss_fast):
        model = tiny(**SHAPES[shape])
        losses.append(loss(model, batch, 0.1))
        losses[-1].backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert_same(*losses)
    assert_same(*gradients)


@pytest.mark.parametrize("shape", SHAPES)
def test_fast_path_gives_the_logits_of_the_plain_path(shape: str) -> None:
    model, batch = tiny(**SHAPES[shape]), make_batch(PAIRS, extra_padding=2)
    plain, _ = model(batch.src, batch.src_mask, batch.tgt_in)
    real = pack_padded_sequence(plain, torch.tensor(batch.tgt_lengths), batch_first=True).data
    features = model.readouts(batch.src, batch.src_mask, batch.tgt_in, batch.tgt_lengths)
    assert_same(model.logits(features), real)


def test_a_step_with_the_cache_equals_a_step_that_reads_all_again() -> None:
    model, batch = tiny(), make_batch(PAIRS)
    memory, state = model.encode(batch.src, batch.src_mask)
    assert state.shape == (4, 0, 3, 20)
    for t in range(batch.tgt_in.shape[1]):
        step = model.step(batch.tgt_in[:, t], state, memory)
        assert step.state.shape == (4, t + 1, 3, 20) and torch.equal(step.state[:, :t], state)
        again, empty = model.encode(batch.src, batch.src_mask)
        for y_prev in batch.tgt_in[:, : t + 1].unbind(dim=1):
            last = model.step(y_prev, empty, again)
            empty = last.state
        assert_same(tuple(step), tuple(last))
        features = model.readouts(batch.src, batch.src_mask, batch.tgt_in[:, : t + 1], [t + 1] * 4)
        assert_same(step.context, features[-4:])
        assert_same(step.logits, model.logits(features[-4:]))
        state = step.state


def test_fast_path_refuses_rows_that_are_not_sorted() -> None:
    batch = make_batch(PAIRS)
    with pytest.raises(RuntimeError, match="must be sorted in decreasing order"):
        tiny().readouts(batch.src, batch.src_mask, batch.tgt_in, [1, 2, 3, 7])


# What may be read


@pytest.mark.parametrize("path", [lambda model, *batch: model(*batch)[0], None], ids=["plain", "fast"])
def test_the_future_is_never_read(path: object) -> None:
    model, batch = tiny(), make_batch(PAIRS)

    def logits(tgt_in: Tensor) -> Tensor:
        changed = Batch(**{**vars(batch), "tgt_in": tgt_in})
        return model(batch.src, batch.src_mask, tgt_in)[0] if path else parallel(model, changed)

    before = logits(batch.tgt_in)
    for t in range(batch.tgt_in.shape[1]):
        changed = batch.tgt_in.clone()
        changed[:, t] = (changed[:, t] + 3) % 11
        after = logits(changed)
        assert torch.equal(after[:, :t], before[:, :t])
        assert (after[:, t:] - before[:, t:]).abs().amax(dim=-1).min() > 1e-4  # all that follows does read it


@pytest.mark.parametrize("shape", SHAPES)
def test_extra_padding_changes_no_output(shape: str) -> None:
    model = tiny(**SHAPES[shape])
    batch, padded = make_batch(PAIRS), make_batch(PAIRS, extra_padding=5)
    assert_same(run(model, padded), run(model, batch))
    assert_same(loss_fast(model, padded), loss_fast(model, batch))


def test_garbage_under_the_masks_changes_no_output() -> None:
    model, batch = tiny(), make_batch(PAIRS)
    src = torch.where(batch.src_mask, batch.src, 11)
    tgt_in = torch.where(batch.tgt_mask, batch.tgt_in, 10)
    dirty = Batch(**{**vars(batch), "src": src, "tgt_in": tgt_in})
    assert_same(run(model, dirty), run(model, batch))
    assert_same(loss_fast(model, dirty), loss_fast(model, batch))


def test_a_batch_equals_its_rows_alone() -> None:
    model = tiny()
    alone = [run(model, make_batch([pair]))[0] for pair in PAIRS]
    assert_same(run(model, make_batch(PAIRS)), alone)
    assert_same(run(model, make_batch(PAIRS[::-1]))[::-1], alone)
    single = torch.stack([loss_fast(model, make_batch([pair])) for pair in PAIRS])
    sizes = torch.tensor([len(target) + 1 for _, target in PAIRS])
    assert_same(loss_fast(model, make_batch(PAIRS)), (single * sizes).sum() / sizes.sum())


def test_order_of_the_rows_changes_no_output() -> None:
    model, batch, order = tiny(), make_batch(PAIRS), torch.tensor([2, 0, 3, 1])
    logits, alignment = model(batch.src, batch.src_mask, batch.tgt_in)
    other = model(batch.src[order], batch.src_mask[order], batch.tgt_in[order])
    assert_same(other, (logits[order], alignment[order]))


def test_rows_can_be_dropped_and_reordered_between_two_steps() -> None:
    model, batch, index = tiny(), make_batch(PAIRS), torch.tensor([3, 1, 1])
    memory, state = model.encode(batch.src, batch.src_mask)
    first = model.step(batch.tgt_in[:, 0], state, memory)
    all_rows = model.step(batch.tgt_in[:, 1], first.state, memory)
    some = model.step(batch.tgt_in[index, 1], first.state[index], memory.rows(index))
    assert_same(tuple(some), tuple(part[index] for part in all_rows))


def test_only_positions_tell_the_encoder_the_order_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    model, order = tiny(), torch.tensor([4, 2, 0, 1, 3])
    src = torch.tensor([[5, 6, 7, 8, 9], [12, 11, 4, 4, 10]])
    mask = torch.ones_like(src, dtype=torch.bool)

    def difference() -> float:
        straight, moved = (model.encode(ids, mask)[0].values for ids in (src, src[:, order]))
        return (straight[:, order] - moved).abs().max().item()

    assert difference() > 0.01
    monkeypatch.setattr(transformer, "positions", lambda start, count, d, device=None: torch.zeros(count, d))
    assert difference() < 1e-12


# Parameters


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_reach_all_parameters(shape: str) -> None:
    for loss in (loss_plain, loss_fast):
        model = tiny(**SHAPES[shape])
        loss(model, make_batch(PAIRS)).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 1e-6, name


def test_shared_embeddings_are_one_parameter() -> None:
    model = Transformer(TransformerConfig(**{**SIZES, **SHAPES["shared"]}))
    table = model.target_embedding.weight
    assert model.source_embedding.weight is table and model.W_o.weight is table
    assert (table[PAD] == 0).all()


def test_number_of_parameters_is_that_of_the_formula() -> None:
    S, T, d, f, L = 13, 11, 10, 7, 3
    attention = 4 * (d * d + d)  # query, key, value, output; with biases
    feed_forward = d * f + f + f * d + d
    encoder = attention + feed_forward + 2 * 2 * d  # a norm has a scale and a shift
    decoder = 2 * attention + feed_forward + 3 * 2 * d
    inside = L * (encoder + decoder) + 2 * 2 * d
    count = {"apart": S * d + T * d + inside + d * T + T, "shared": S * d + inside + S}
    for shape, expected in count.items():
        assert sum(p.numel() for p in tiny(**SHAPES[shape]).parameters()) == expected


def test_the_default_for_six_thousand_subwords_stays_below_ten_million_parameters() -> None:
    model = Transformer(TransformerConfig(6000, 6000, share_embeddings=True))
    assert 7_000_000 < sum(p.numel() for p in model.parameters()) < 10_000_000


def test_the_seed_decides_the_first_parameters() -> None:
    def numbers(seed: int) -> Tensor:
        model = recipes.build(TransformerConfig(**SIZES), seed)
        assert isinstance(model, Transformer)
        return torch.cat([p.flatten() for p in model.parameters()])

    assert torch.equal(numbers(2), numbers(2)) and not torch.equal(numbers(2), numbers(3))


def test_an_untrained_model_has_no_strong_opinion() -> None:
    torch.manual_seed(0)
    config = TransformerConfig(211, 211, d_model=44, d_ff=89, dropout=0.0, share_embeddings=True)
    pairs = [([5 + k, 7, 9 + k], [11 + k, 13 * k + 5, 8]) for k in range(13)]
    assert loss_fast(Transformer(config), make_batch(pairs)).item() == pytest.approx(math.log(211), abs=1.0)


def test_nothing_is_kept_between_calls() -> None:
    model, batch = tiny(), make_batch(PAIRS)
    before = {name: list(vars(module)) for name, module in model.named_modules()}
    first = run(model, batch)
    run(model, make_batch(PAIRS[1:3]))
    assert {name: list(vars(module)) for name, module in model.named_modules()} == before
    assert_same(run(model, batch), first, atol=0)
    assert not list(model.buffers())


# Dropout, precision


def test_dropout_is_for_training_only_and_acts_in_every_part() -> None:
    model, batch = tiny(dropout=0.5), make_batch(PAIRS)
    assert (parallel(model, batch) - parallel(model, batch)).abs().max() > 0.1
    counts: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda module, args, out, name=name: counts.append(name))
    loss_fast(model, batch)
    inside = {"encoder": 2, "decoder": 3}  # own attention, source attention, feed-forward
    expected = {"dropout": 2}  # source and target embeddings
    for side, parts in inside.items():
        for k in range(3):
            expected |= {f"{side}.{k}.dropout": parts, f"{side}.{k}.feed_forward.2": 1}
    assert {name: counts.count(name) for name in counts} == expected
    model.eval()
    assert torch.equal(parallel(model, batch), parallel(model, batch))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_finite_as_a_cast_and_as_autocast(dtype: torch.dtype) -> None:
    batch = make_batch([([5] * 151, [4] * 13), *PAIRS])
    model = tiny().float()
    exact, _ = model(batch.src, batch.src_mask, batch.tgt_in)
    with torch.autocast("cpu", dtype):
        mixed, weights = model(batch.src, batch.src_mask, batch.tgt_in)
        fast = parallel(model, batch)
        mixed_loss = loss_fast(model, batch)
    assert weights.dtype == mixed_loss.dtype == torch.float32
    assert_same(mixed_loss, loss_plain(model, batch), atol=0.02)
    cast, weights = model.to(dtype)(batch.src, batch.src_mask, batch.tgt_in)
    assert weights.dtype == torch.float32
    for logits in (mixed, fast, cast):
        assert logits.dtype == dtype and logits.isfinite().all()
        torch.testing.assert_close(logits.float(), exact, atol=0.1, rtol=0)


# Learning and decoding


def learned(seed: int) -> tuple[Transformer, float]:
    """Return a model that was trained on the four pairs alone, and its last loss."""
    torch.manual_seed(seed)
    model = Transformer(TransformerConfig(13, 11, d_model=22, d_ff=31, layers=2, heads=11, dropout=0.0))
    batch, optimizer = make_batch(PAIRS), torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = loss_fast(model, batch)
        loss.backward()
        optimizer.step()
    return model, loss.item()


def slow_greedy(model: Transformer, source: list[int]) -> tuple[list[int], float]:
    """Translate one sentence, reading it and all that is written again for every token."""
    src, ids, log_prob = torch.tensor([[*source, EOS]]), [BOS], 0.0
    while len(ids) <= 11 and ids[-1] != EOS:
        with torch.no_grad():
            features = model.readouts(src, src != PAD, torch.tensor([ids]), [len(ids)])
            log_probs = model.logits(features)[-1].log_softmax(dim=-1)
        log_probs[[PAD, BOS]] = -torch.inf
        ids.append(int(log_probs.argmax()))
        log_prob += log_probs.max().item()
    return ids[1:], log_prob


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_batch_is_learned_to_almost_no_loss_and_greedy_equals_a_search_without_cache(seed: int) -> None:
    model, loss = learned(seed)
    assert loss < 0.01
    batch = make_batch(PAIRS)
    found = greedy(model, batch.src.flip(0), batch.src_mask.flip(0))  # the shortest first: its row is dropped
    for k, hypothesis in zip(reversed(batch.index), found, strict=True):
        ids, log_prob = slow_greedy(model, PAIRS[k][0])
        assert hypothesis.ids == ids == [*PAIRS[k][1], EOS]
        assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-5)
        assert hypothesis.alignment is not None
        assert hypothesis.alignment.shape == (len(ids), len(PAIRS[k][0]) + 1)


# Bad settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": 0}, "layers must be at least 1; got 0"),
        ({"target_vocab": -3}, "target_vocab must be at least 1; got -3"),
        ({"heads": 3}, "a multiple of heads; got d_model=10, heads=3"),
        ({"d_model": 15}, r"must be even \(sine and cosine\).*got d_model=15, heads=5"),
        ({"dropout": 1.0}, r"probability in \[0, 1\); got 1.0"),
        ({"dropout": -0.1}, r"probability in \[0, 1\); got -0.1"),
        ({"share_embeddings": True}, "one vocabulary for both sides; got 13 and 11 tokens"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TransformerConfig(**{**SIZES, **changes})
