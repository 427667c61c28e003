"""Checks of the exercises of chapter 05: the encoder's states, and the decoder that asks for them."""

import numpy as np
import torch
from torch import nn

from seq2seq_edu.grading import Chapter, expect, expect_close, expect_shape

chapter = Chapter("05_decoder", hides=("equations", "gradients", "models"))


def draw(s, *shape):
    """Return random numbers as a float32 tensor."""
    return torch.from_numpy(s.rng.normal(size=shape)).float()


def moved(before, after):
    """Return the largest change."""
    return float((before - after).abs().max())


# 5.1

encoder = chapter.question(
    "5.1",
    "A reader in both directions",
    kind="build",
    level=2,
    minutes=20,
    hints=(
        "A GRU that is not told the lengths reads the padding, and the reader from the right starts there.",
        "pack_padded_sequence takes lengths, mask.sum(1); enforce_sorted=False keeps the order of the rows.",
        "The GRU's second result is (2, B, d_h/2): direction first. Bring B to the front before joining.",
    ),
)


def padded(s, d_e=3):
    """Return five padded sentences, their mask and their lengths."""
    lengths = torch.tensor([2, 7, 1, 5, 3])
    return draw(s, 5, 7, d_e), torch.arange(7) < lengths[:, None], lengths


def expect_read(states, shape):
    """Say that an answer is wrong unless different sentences have different states."""
    expect_shape(states, shape, "encoder_states")
    expect(moved(states[0, 0], states[1, 0]) > 1e-6, "all sentences have the same states: nothing is read")


@encoder.check(points=1, hint="expected encoder_states (B, n, d_h) and final_state (B, d_h)")
def shapes_fit(s):
    embedded, mask, _ = padded(s)
    wide = torch.cat([embedded, draw(s, 5, 2, 3)], 1), torch.cat([mask, torch.zeros(5, 2, dtype=bool)], 1)
    states, final = s.new.Encoder(3, 22).forward(*wide)
    expect_shape(states, (5, 9, 22), "encoder_states, where even the longest row ends in padding")
    expect_shape(final, (5, 22), "final_state")
    expect_read(states, (5, 9, 22))


@encoder.check(points=1, hint="the same sentences in another order must give the same states in that order")
def order_of_the_rows_is_kept(s):
    embedded, mask, _ = padded(s)
    model, order = s.new.Encoder(3, 22), torch.tensor([3, 0, 4, 1, 2])
    states, final = model.forward(embedded, mask)
    again, final_again = model.forward(embedded[order], mask[order])
    expect_read(states, (5, 7, 22))
    lost = "shuffled sentences come back in the wrong rows: whoever sorts must undo it"
    expect(moved(states[order], again) < 1e-5, lost)
    view = "final_state mixes the sentences: direction is the first axis, and reshape swaps no axes"
    expect(moved(final[order], final_again) < 1e-5, view)


@encoder.check(points=1, hint="padding must change nothing: neither its number nor its content")
def padding_is_never_read(s):
    embedded, mask, _ = padded(s)
    model, other = s.new.Encoder(3, 22), torch.where(mask[:, :, None], embedded, draw(s, 5, 7, 3))
    (states, final), (again, final_again) = model.forward(embedded, mask), model.forward(other, mask)
    expect_read(states, (5, 7, 22))
    late = "other numbers at padding change the states: the reader from the right starts inside the padding"
    expect(moved(states[mask], again[mask]) < 1e-5 and moved(final, final_again) < 1e-5, late)
    wide = torch.cat([embedded, 0 * other], 1), torch.cat([mask, 0 * mask > 0], 1)
    more, _ = model.forward(*wide)
    late = "more padding changes the states: the reader from the right starts inside the padding"
    expect(moved(states[mask], more[:, :7][mask]) < 1e-5, late)
    expect(not states[~mask].any(), "the states at padding are not zero")


@encoder.check(points=1, hint="final_state joins where each reader stopped, forward half first")
def final_state_is_where_the_readers_stop(s):
    embedded, mask, lengths = padded(s)
    model, changed = s.new.Encoder(3, 22), embedded.clone()
    changed[torch.arange(5), lengths - 1] += 1
    states, final = model.forward(embedded, mask)
    first, after = states[lengths > 1, 0, :11], model.forward(changed, mask)[0][lengths > 1, 0, :11]
    expect_read(states, (5, 7, 22))
    expect(moved(first, after) == 0, "the first half of h_1 hears the last word: forward half first")
    expect(moved(final[:, :11], states[torch.arange(5), lengths - 1, :11]) < 1e-5)
    expect(
        moved(final[:, 11:], states[:, 0, 11:]) < 1e-5, "the reader from the right stops at the first word"
    )


### BEGIN HIDDEN TESTS
@encoder.check(points=1, hint="at the first word one half knows the last word, the other cannot", hidden=True)
def only_the_backward_half_of_h_1_hears_the_last_word(s):
    embedded, mask, lengths = padded(s)
    changed = embedded.clone()
    changed[torch.arange(5), lengths - 1] += 1
    model, longer = s.new.Encoder(3, 22), lengths > 1
    before, after = model.forward(embedded, mask)[0][longer, 0], model.forward(changed, mask)[0][longer, 0]
    expect(moved(before[:, :11], after[:, :11]) == 0)
    expect(((before[:, 11:] - after[:, 11:]).abs().amax(1) > 1e-8).all())


@encoder.check(points=1, hint="each padded row must equal the same sentence read alone", hidden=True)
def equals_each_sentence_read_alone(s):
    embedded, mask, lengths = padded(s)
    gru = nn.GRU(3, 5, batch_first=True, bidirectional=True)
    drawn = {name: draw(s, *value.shape) for name, value in gru.state_dict().items()}
    gru.load_state_dict(drawn)
    model = s.new.Encoder(3, 10)
    model.load_state_dict({f"gru.{name}": value for name, value in drawn.items()})
    states, final = model.forward(embedded, mask)
    for b, n in enumerate(lengths.tolist()):
        alone, last = gru(embedded[b : b + 1, :n])
        expect_close(states[b, :n], alone[0].detach(), tolerance=1e-4)
        expect_close(final[b], torch.cat([last[0, 0], last[1, 0]]).detach(), tolerance=1e-4)


### END HIDDEN TESTS

# 5.2


def draw_sizes(rng):
    """Return the widths of a decoder: V, d_e, d_h, d_s, d_a."""
    primes = [int(p) for p in rng.permutation([7, 11, 13, 17, 19, 23, 29])]
    return {"sizes_5_2": [int(rng.choice([31, 101, 211])), *primes[:4]]}


sizes = chapter.question(
    "5.2",
    "What does attention cost?",
    kind="predict",
    level=1,
    minutes=10,
    hints=(
        "Draw the step without attention. Which boxes get a new arrow when the context comes in?",
        "Into f and g the context enters as d_h more numbers of input: count the new columns of each matrix.",
        "Two gates and a candidate are three layers in one, and each of them gets its d_h new columns.",
    ),
    constants=draw_sizes,
)


def numbers_in(module):
    """Count the parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


@sizes.check(points=1, hint="expected three whole numbers: score, f, g")
def wider_f_is_counted(s):
    _, d_e, d_h, d_s, _ = s.given["sizes_5_2"]
    score, f, g = s.prediction_5_2()
    expect(f != d_s * d_h, "f is a GRU: two gates and a candidate, not one layer")
    more = numbers_in(nn.GRUCell(d_e + d_h, d_s)) - numbers_in(nn.GRUCell(d_e, d_s))
    expect(f == more, "f: which of its matrices read the context? The state is as wide as before")


@sizes.check(points=1, hint="expected three whole numbers: score, f, g")
def wider_g_is_counted(s):
    V, d_e, d_h, d_s, _ = s.given["sizes_5_2"]
    score, f, g = s.prediction_5_2()
    more = numbers_in(nn.Linear(d_s + d_h + d_e, V)) - numbers_in(nn.Linear(d_s + d_e, V))
    expect(g == more, "g: each word of the vocabulary has one row of W_o; count its new columns")


@sizes.check(points=1, hint="expected three whole numbers: score, f, g")
def score_is_counted(s):
    _, _, d_h, d_s, d_a = s.given["sizes_5_2"]
    score, f, g = s.prediction_5_2()
    W_a, U_a, v_a = (nn.Linear(d, to, bias=False) for d, to in ((d_s, d_a), (d_h, d_a), (d_a, 1)))
    expect(
        score == sum(map(numbers_in, (W_a, U_a, v_a))), "the score: it has W_a, U_a and v_a, and no biases"
    )


# 5.3

update = chapter.question(
    "5.3",
    "One update with gates",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "Join y and the context first; then two sigmoids decide, one tanh proposes, and z mixes.",
        "W @ x and U @ s each hold three blocks of d_s numbers, for r, z and the candidate, in this order.",
        "torch.chunk(3, dim=1) cuts the blocks; r multiplies the third block of the state, b_U too.",
    ),
)


def update_inputs(s, B=5, d_e=3, d_h=7, d_s=11):
    """Return state, y, context, W, U, b_W, b_U."""
    inputs = [draw(s, B, d_s), draw(s, B, d_e), draw(s, B, d_h)]
    return [*inputs, draw(s, 3 * d_s, d_e + d_h) / 3, draw(s, 3 * d_s, d_s) / 3, *draw(s, 2, 3 * d_s)]


@update.check(points=1, hint="expected s_t of shape (B, d_s)")
def half_open_gates(s):
    state, y, context, *params = update_inputs(s)
    new = s.update(state, y, context, *(0 * each for each in params))
    expect_shape(new, (5, 11), "s_t")
    expect_close(
        new, state / 2, "with all parameters 0 both gates are half open: half of the old state stays"
    )


@update.check(points=1, hint="each row of s_t may depend on its own row of the inputs only")
def examples_stay_apart(s):
    inputs = update_inputs(s)
    before = s.update(*inputs)
    for k, name in enumerate(("state", "y", "context")):
        changed = [each.clone() for each in inputs]
        changed[k][2] += 1
        rows = (s.update(*changed) - before).abs().amax(1) > 1e-6
        expect(rows[2], f"s_t does not change with {name}")
        expect(
            rows.sum() == 1, f"{name} of one example changed and other rows move: is the batch read as time?"
        )


@update.check(points=1, hint="look at which gate is which, and whose share z is")
def gates_act_where_the_formula_has_them(s):
    *inputs, b_W, b_U = update_inputs(s)
    b_W[11:22] += 60  # the middle block: z = 1
    expect_close(
        s.update(*inputs, b_W, b_U), inputs[0], "z = 1 must keep the old state; z is the second block"
    )

    state, y, context, W, U, b_W, b_U = update_inputs(s)
    W, U, b_W, b_U = 0 * W, 0 * U, 0 * b_W, 0 * b_U
    b_W[:5], b_W[5:11] = -99, 99  # r is 0 for the first five units, 1 for the others
    U[22:] = torch.eye(11).roll(1, 0)  # unit k of the candidate reads unit k - 1 of the state
    inside = "r goes into U: here it multiplies U s + b_U after the product; the paper's appendix differs"
    new = s.update(state, y, context, W, U, b_W, b_U) - state / 2
    expect(new[:, 5].abs().max() > 0 and not new[:, :5].any(), inside)
    b_U[22:] = 9
    new = s.update(state, y, context, W, U, b_W, b_U) - state / 2
    expect(not new[:, :5].any(), "with r = 0 nothing of U s + b_U may pass, b_U included")
    W, U, b_W, b_U = 0 * W, 0 * U, 0 * b_W, 0 * b_U
    W[22:, :3] = 60  # only the candidate reads, and only the first d_e numbers of x
    joined = s.update(0 * state, 1 + 0 * y, 0 * context, W, U, b_W, b_U)
    expect(joined.abs().max() > 0.4, "the first d_e columns of W do not meet y: x is [y; context]")


### BEGIN HIDDEN TESTS
@update.check(points=2, hint="not the GRU of PyTorch: what is joined first, where does r enter?", hidden=True)
def equals_the_cell_of_pytorch(s):
    for B, d_e, d_h, d_s in ((5, 3, 7, 11), (1, 7, 3, 5)):
        state, y, context, W, U, b_W, b_U = update_inputs(s, B, d_e, d_h, d_s)
        cell = nn.GRUCell(d_e + d_h, d_s)
        cell.load_state_dict({"weight_ih": W, "weight_hh": U, "bias_ih": b_W, "bias_hh": b_U})
        expected = cell(torch.cat([y, context], 1), state).detach()
        expect_close(s.update(state, y, context, W, U, b_W, b_U), expected, tolerance=1e-4)


### END HIDDEN TESTS

# 5.4

appendix = chapter.question(
    "5.4",
    "The decoder of the appendix",
    kind="build",
    level=3,
    minutes=30,
    hints=(
        "Five lines, in the order of the formulas: c_t, the two gates, the proposal, s_t; then the readout.",
        "Here r multiplies the state before U does, z is the share of the new, the readout reads s_{t-1}.",
        "Neighbours are pairs: reshape (B, 2 d_r) to (B, d_r, 2) and take the largest along the last axis.",
    ),
)
SIZES = {"d_e": 3, "d_h": 5, "d_s": 7, "d_a": 11, "d_r": 13, "V": 17}


def appendix_params(s, d_e, d_h, d_s, d_a, d_r, V):
    """Return the parameters of the appendix, by their names there."""
    shapes = {"W_a": (d_a, d_s), "U_a": (d_a, d_h), "v_a": (d_a,), "W_o": (V, d_r)}
    for gate in ("", "_z", "_r"):
        shapes |= {"W" + gate: (d_s, d_e), "U" + gate: (d_s, d_s), "C" + gate: (d_s, d_h)}
    shapes |= {"U_o": (2 * d_r, d_s), "V_o": (2 * d_r, d_e), "C_o": (2 * d_r, d_h)}
    return {name: draw(s, *shape) / 2 for name, shape in shapes.items()}


def appendix_inputs(s, B=3, n=5):
    """Return y, state, encoder states and parameters."""
    return draw(s, B, 3), draw(s, B, 7), draw(s, B, n, 5), appendix_params(s, **SIZES)


@appendix.check(points=1, hint="expected (s_t, logits) of shapes (B, d_s) and (B, V)")
def differs_from_the_gru_in_three_places(s):
    y, state, h, p = appendix_inputs(s)
    new, logits = s.appendix_step(y, state, h, p)
    expect_shape(new, (3, 7), "s_t")
    expect_shape(logits, (3, 17), "logits")
    y, p = torch.ones_like(y), {**p, "W_z": torch.full((7, 3), -99.0)}
    new, _ = s.appendix_step(y, state, h, p)
    expect_close(new, state, "with z = 0 the state must stay: in the appendix z is the share of the new")

    y, state, h, p = appendix_inputs(s)
    _, logits = s.appendix_step(y, state, h, p)
    _, same = s.appendix_step(y, state, h, {**p, "W": p["W"] + 1})
    expect(moved(logits, same) == 0, "the readout reads s_t: which state does the appendix give to U_o?")
    gate = torch.where(torch.arange(7) < 3, -99.0, 99.0)[:, None]  # r is 0 for three units, 1 for the others
    closed = {"W": 0 * p["W"], "C": 0 * p["C"], "U": torch.eye(7).roll(1, 0)}  # unit k reads unit k - 1
    gates = {"W_r": gate.expand(7, 3), "W_z": torch.full((7, 3), 99.0)}
    new, _ = s.appendix_step(torch.ones_like(y), state, h, {**p, **closed, **gates})
    expect(new[:, 0].abs().max() > 0, "r multiplies U s: in the appendix it acts on the state before U does")
    expect(not new[:, 1:4].any() and new[:, 4:].any())


@appendix.check(points=1, hint="the maxout compares neighbours: 1 with 2, 3 with 4, and so on")
def maxout_takes_the_larger_of_two_neighbours(s):
    y, state, h, p = appendix_inputs(s)
    swap = torch.arange(26).view(13, 2).flip(1).flatten()  # 1, 0, 3, 2, ...
    swapped = {**p, **{name: p[name][swap] for name in ("U_o", "V_o", "C_o")}}
    (_, logits), (_, same) = s.appendix_step(y, state, h, p), s.appendix_step(y, state, h, swapped)
    expect_shape(logits, (3, 17), "logits")
    expect(float(logits.std()) > 1e-3, "all logits are the same number")
    expect(moved(logits, same) < 1e-4, "swapping two neighbours must change no logit: who is compared?")


@appendix.check(
    points=1, hint="count(d_e, d_h, d_s, d_a, d_r, V): every parameter of the dictionary, and no other"
)
def count_sees_both_ends_of_the_readout(s):
    more = s.count(**{**SIZES, "V": 18}) - s.count(**SIZES)
    expect(more == SIZES["d_r"], "one more word is one more row of W_o: how long is it after the maxout?")
    more = s.count(**{**SIZES, "d_r": 14}) - s.count(**SIZES)
    expect(more == 2 * (3 + 5 + 7) + 17, "one more maxout unit: it compares two rows, and W_o gets a column")
    more = s.count(**{**SIZES, "d_s": 8}) - s.count(**SIZES)
    expect(more not in (107, 109, 110), "biases are counted: here there are none")
    expect(more == 106, "one more unit of the state: W_a, U_o and three times W, U and C grow, U both ways")


### BEGIN HIDDEN TESTS
def appendix_reference(y, state, h, p):
    """Appendix A.2.2 of Bahdanau et al., to the letter."""
    e = torch.tanh((state @ p["W_a"].T)[:, None] + h @ p["U_a"].T) @ p["v_a"]
    c = (torch.softmax(e, 1)[:, :, None] * h).sum(1)
    z = torch.sigmoid(y @ p["W_z"].T + state @ p["U_z"].T + c @ p["C_z"].T)
    r = torch.sigmoid(y @ p["W_r"].T + state @ p["U_r"].T + c @ p["C_r"].T)
    proposal = torch.tanh(y @ p["W"].T + (r * state) @ p["U"].T + c @ p["C"].T)
    pairs = state @ p["U_o"].T + y @ p["V_o"].T + c @ p["C_o"].T
    return (1 - z) * state + z * proposal, pairs.unflatten(1, (-1, 2)).amax(2) @ p["W_o"].T


@appendix.check(points=1, hint="s_t differs: see what r multiplies, and which state asks", hidden=True)
def state_equals_the_appendix(s):
    inputs = appendix_inputs(s)
    expect_close(s.appendix_step(*inputs)[0], appendix_reference(*inputs)[0], tolerance=1e-4)


@appendix.check(points=1, hint="the logits differ: which state does the appendix give to U_o?", hidden=True)
def logits_equal_the_appendix(s):
    inputs = appendix_inputs(s, B=5, n=7)
    expect_close(s.appendix_step(*inputs)[1], appendix_reference(*inputs)[1], tolerance=1e-4)


@appendix.check(points=1, hint="the count is off: no biases, and three layers make the state", hidden=True)
def count_equals_the_parameters(s):
    for _ in range(3):
        sizes = dict(zip(SIZES, map(int, s.rng.permutation([3, 5, 7, 11, 13, 17])), strict=True))
        expect(s.count(**sizes) == sum(p.numel() for p in appendix_params(s, **sizes).values()))


### END HIDDEN TESTS

# 5.5

window = chapter.question(
    "5.5",
    "Luong looks through a window",
    kind="build",
    level=3,
    minutes=25,
    hints=(
        "First the centre, one number a sentence; then who is inside; then softmax; then the bell on top.",
        "A sigmoid lies between 0 and 1: times n it is a place in the sentence. Compare |i - centre| with D.",
        "Outside the window the scores become -inf before the softmax. Nothing is normalised after the bell.",
    ),
)


def window_inputs(s, B=5, n=17, d_s=7, d_a=3):
    """Return scores, states, W_p and v_p."""
    return draw(s, B, n), 2 * draw(s, B, d_s), draw(s, d_a, d_s), draw(s, d_a)


@window.check(points=1, hint="expected (weights, centre) of shapes (B, n) and (B,)")
def centre_lies_in_the_sentence(s):
    scores, state, W_p, v_p = window_inputs(s)
    weights, centre = s.local_p(scores, state, W_p, 20 * v_p, 3)
    expect_shape(weights, (5, 17), "weights")
    expect_shape(centre, (5,), "centre")
    expect(
        ((centre >= 0) & (centre <= 17)).all(), "a centre lies outside the sentence: it must be from 0 to n"
    )
    _, centre = s.local_p(scores, state, W_p, 0 * v_p, 3)
    expect_close(centre, np.full(5, 8.5), "with v_p = 0 the centre must be the middle of the sentence, n / 2")


@window.check(points=1, hint="weights outside the window must be exactly 0, all others positive")
def window_is_closed(s):
    weights, centre = s.local_p(*window_inputs(s), 3)
    inside = (torch.arange(17) - centre[:, None]).abs() <= 3
    expect(not weights[~inside].any(), "there is weight outside the window: positions are i = 0 .. n-1")
    expect((weights[inside] > 0).all(), "a position inside the window has no weight")


@window.check(points=1, hint="the bell stands over the centre")
def bell_makes_the_middle_heavier(s):
    scores, state, W_p, v_p = window_inputs(s)
    weights, _ = s.local_p(0 * scores, state, W_p, 0 * v_p, 3)  # centre 8.5
    middle = weights[:, 6:12]
    expect_close(middle, middle.flip(1), "equal scores give a lopsided window: positions count from 0")
    expect((middle[:, 2] > middle[:, 1]).all(), "equal scores, but no bell: nearer positions must weigh more")
    ratio = float(middle[0, 1] / middle[0, 2])  # 1.5 and 0.5 positions away from the centre, D = 3
    expect(abs(ratio - np.exp(-2 / 4.5)) < 1e-3, "the bell has another width: sigma is D / 2")
    expect(
        (weights.sum(1) < 0.999).all(), "the sum is 1 again after the bell: Luong does not normalise twice"
    )
    whole = "the softmax ran over the whole sentence: positions outside the window took their share"
    expect(middle[0, 2] * np.exp(0.25 / 4.5) > 0.16, whole)


def feeding_inputs(s, B=3, n=7, d_e=5, d_s=11):
    """Return y, the attentional state fed back, state, encoder states and parameters."""
    p = {"W": draw(s, d_s, d_e + d_s) / 4, "U": draw(s, d_s, d_s) / 4, "W_c": draw(s, d_s, 2 * d_s) / 4}
    return [draw(s, B, d_e), draw(s, B, d_s), draw(s, B, d_s), draw(s, B, n, d_s), p]


@window.check(points=1, hint="expected (state, attentional_state), both (B, d_s)")
def the_last_attention_is_heard(s):
    y, fed, state, h, p = feeding_inputs(s)
    (new, joined), (other, _) = s.feeding_step(y, fed, state, h, p), s.feeding_step(y, -fed, state, h, p)
    expect_shape(new, (3, 11), "state")
    expect_shape(joined, (3, 11), "attentional_state")
    expect(moved(new, other) > 1e-3, "what was attended a step ago is not heard: that is input feeding")
    same, moving = s.feeding_step(y, fed, state, -h, p)
    expect(moved(new, same) == 0, "s_t changes with the encoder states: Luong updates, then looks")
    expect(moved(joined, moving) > 1e-3, "the attentional state does not change with the encoder states")
    deaf = {**p, "U": 0 * p["U"]}  # s_t without its past: only who asks could still hear the old state
    (_, joined), (_, other) = s.feeding_step(y, fed, state, h, deaf), s.feeding_step(y, fed, -state, h, deaf)
    expect(moved(joined, other) == 0, "the old state asks: in Luong's order it is s_t, the new one")
    first = torch.cat([p["W_c"][:, :11], 0 * p["W_c"][:, 11:]], 1)  # reads the first half of [c_t; s_t]
    _, joined = s.feeding_step(y, fed, state, 0 * h, {**p, "W_c": first})
    expect(not joined.any(), "W_c reads [c_t; s_t]: the context stands first")


### BEGIN HIDDEN TESTS
@window.check(points=1, hint="softmax within the window, times a bell whose sigma is D / 2", hidden=True)
def local_weights_equal_the_formula(s):
    for n, D in ((17, 3), (11, 5), (5, 2)):
        scores, state, W_p, v_p = window_inputs(s, n=n)
        centre = n * torch.sigmoid(torch.tanh(state @ W_p.T) @ v_p)
        away = torch.arange(n) - centre[:, None]
        align = torch.softmax(scores.masked_fill(away.abs() > D, -torch.inf), 1)
        weights, got = s.local_p(scores, state, W_p, v_p, D)
        expect_close(got, centre, tolerance=1e-4)
        expect_close(weights, align * torch.exp(-(away**2) / (2 * (D / 2) ** 2)), tolerance=1e-4)


@window.check(points=1, hint="s_t asks, and c_t stands before s_t in the joined vector", hidden=True)
def feeding_equals_the_formula(s):
    y, fed, state, h, p = feeding_inputs(s)
    new = torch.tanh(torch.cat([y, fed], 1) @ p["W"].T + state @ p["U"].T)
    c = (torch.softmax((h @ new[:, :, None]).squeeze(2), 1)[:, :, None] * h).sum(1)
    got, joined = s.feeding_step(y, fed, state, h, p)
    expect_close(got, new, tolerance=1e-4)
    expect_close(joined, torch.tanh(torch.cat([c, new], 1) @ p["W_c"].T), tolerance=1e-4)


### END HIDDEN TESTS

# 5.6

order = chapter.question(
    "5.6",
    "Who asks?",
    kind="repair",
    level=2,
    minutes=15,
    hints=(
        "One line for each arrow: who asks, what is looked up, what is updated. Only the order differs.",
        "Bahdanau: s_{t-1} asks, and the fresh context is part of the update. Luong: update, then s_t asks.",
        "The patient gives the update a context that is one step old. In neither order is that needed.",
    ),
)


def order_inputs(s, luong, B=3, n=5, d_e=7, d_h=11, d_s=13, d_a=17):
    """Return y, state, encoder states and parameters for one of the orders."""
    p = {"W_a": draw(s, d_a, d_s) / 2, "U_a": draw(s, d_a, d_h) / 2, "v_a": draw(s, d_a)}
    p |= {"W": draw(s, d_s, d_e if luong else d_e + d_h) / 4, "U": draw(s, d_s, d_s) / 4, "b": draw(s, d_s)}
    return draw(s, B, d_e), draw(s, B, d_s), draw(s, B, n, d_h), p


@order.check(points=1, hint="expected (state, context, weights) of shapes (B, d_s), (B, d_h) and (B, n)")
def bahdanau_looks_before_the_update(s):
    y, state, h, p = order_inputs(s, luong=False)
    new, context, weights = s.bahdanau_step(y, state, h, p)
    expect_shape(new, (3, 13), "state")
    expect_shape(context, (3, 11), "context")
    expect_shape(weights, (3, 5), "weights")
    nudged, _, after = s.bahdanau_step(y, state, h, {**p, "b": p["b"] + 1})
    expect(moved(new, nudged) > 1e-3, "the bias b does not reach s_t")
    expect(moved(weights, after) == 0, "Bahdanau: nudging s_t moves the weights, so s_t has asked")
    silent = {**p, "W": torch.cat([0 * p["W"][:, :7], p["W"][:, 7:]], 1)}  # W without the columns of y
    new, same = (s.bahdanau_step(sign * y, state, 0 * h, silent)[0] for sign in (1, -1))
    expect(moved(new, same) == 0, "Bahdanau: the update reads [y; c_t], the word before the context")
    new, other = (s.bahdanau_step(y, state, sign * h, silent)[0] for sign in (1, -1))
    expect(moved(new, other) > 1e-3, "Bahdanau: the context of this step does not reach s_t")


@order.check(points=1, hint="expected (state, context, weights) of shapes (B, d_s), (B, d_h) and (B, n)")
def luong_looks_after_the_update(s):
    y, state, h, p = order_inputs(s, luong=True)
    (new, _, weights), (nudged, _, after) = (
        s.luong_step(y, state, h, {**p, "b": p["b"] + bias}) for bias in (0, 1)
    )
    expect(moved(weights, after) > 1e-6, "Luong: nudging s_t moves no weight, so an older state has asked")
    same, _, _ = s.luong_step(y, state, -h, p)
    expect(
        moved(new, same) == 0,
        "Luong: s_t changes with the encoder states, though it comes before the context",
    )


@order.check(points=1, hint="the context returned is not the one that these weights average")
def context_belongs_to_the_weights(s):
    for step, luong in ((s.bahdanau_step, False), (s.luong_step, True)):
        y, state, h, p = order_inputs(s, luong)
        _, context, weights = step(y, state, h, p)
        expect_close(weights.sum(1), np.ones(3), "the weights of a sentence do not sum to 1")
        expect_close((weights[:, :, None] * h).sum(1), context, tolerance=1e-4)


### BEGIN HIDDEN TESTS
def order_reference(luong, y, state, h, p):
    """Both orders, as the chapter draws them."""

    def attend(query):
        e = torch.tanh((query @ p["W_a"].T)[:, None] + h @ p["U_a"].T) @ p["v_a"]
        weights = torch.softmax(e, 1)
        return (weights[:, :, None] * h).sum(1), weights

    if luong:
        state = torch.tanh(y @ p["W"].T + state @ p["U"].T + p["b"])
        return state, *attend(state)
    context, weights = attend(state)
    return torch.tanh(torch.cat([y, context], 1) @ p["W"].T + state @ p["U"].T + p["b"]), context, weights


@order.check(
    points=1, hint="Bahdanau's step differs: the update reads y, then this step's context", hidden=True
)
def bahdanau_equals_the_formula(s):
    inputs = order_inputs(s, luong=False)
    for got, expected in zip(s.bahdanau_step(*inputs), order_reference(False, *inputs), strict=True):
        expect_close(got, expected, tolerance=1e-4)


@order.check(points=1, hint="Luong's step differs: y updates, then the new state asks", hidden=True)
def luong_equals_the_formula(s):
    inputs = order_inputs(s, luong=True)
    for got, expected in zip(s.luong_step(*inputs), order_reference(True, *inputs), strict=True):
        expect_close(got, expected, tolerance=1e-4)


### END HIDDEN TESTS

# 5.7

shift = chapter.question(
    "5.7",
    "The model that never stops",
    kind="repair",
    level=2,
    minutes=10,
    hints=(
        "Write both rows of a two-word sentence: what is read, and under it what must be said next.",
        "A sentence of k words takes k + 1 steps: the last thing that the model must learn to say is eos.",
        "A row of tgt_in is bos and the words; a row of tgt_out is the words and eos; then padding.",
    ),
)


def sentences(s, pad, bos, eos):
    """Return five sentences of 1 to 7 words, none of them special."""
    words = [word for word in range(4, 40) if word not in (pad, bos, eos)]
    return [[int(word) for word in s.rng.choice(words, k)] for k in s.rng.permutation([1, 7, 3, 5, 2])]


@shift.check(points=1, hint="expected (tgt_in, tgt_out), whole numbers of one shape")
def every_row_learns_to_stop(s):
    rows = sentences(s, 0, 1, 2)
    tgt_in, tgt_out = map(np.asarray, s.shift(rows, 0, 1, 2))
    expect((tgt_out == 2).sum(1).all(), "a row of tgt_out has no eos: its model never learns to stop")
    expect_shape(tgt_out, (5, 8), "tgt_out")
    expect_shape(tgt_in, (5, 8), "tgt_in")
    expect((tgt_out == 2).sum() == 5, "a row of tgt_out ends twice")


@shift.check(points=1, hint="what is read at one step is what should have been said at the step before")
def input_is_one_step_behind(s):
    rows = sentences(s, 0, 1, 2)
    tgt_in, tgt_out = map(np.asarray, s.shift(rows, 0, 1, 2))
    expect((tgt_in != tgt_out).any(), "tgt_in is tgt_out: the model is given the word it should predict")
    expect((tgt_in[:, 0] == 1).all() and not (tgt_out == 1).any(), "bos is read first, and never said")
    real = tgt_out[:, 1:] != 0
    expect((tgt_in[:, 1:] == tgt_out[:, :-1])[real].all())


@shift.check(points=1, hint="both tables have their padding at the same places")
def nothing_is_read_after_the_end(s):
    tgt_in, tgt_out = map(np.asarray, s.shift(sentences(s, 0, 1, 2), 0, 1, 2))
    expect(not (tgt_in == 2).any(), "eos is read: after it there is nothing left to say")
    expect(((tgt_in == 0) == (tgt_out == 0)).all())
    tgt_in, tgt_out = map(np.asarray, s.shift([[9, 8], [6]], 7, 5, 3))
    fixed = "with other numbers for pad, bos and eos the old ones come back: they are arguments"
    expect(tgt_in.tolist() == [[5, 9, 8], [5, 6, 7]] and tgt_out.tolist() == [[9, 8, 3], [6, 3, 7]], fixed)


### BEGIN HIDDEN TESTS
@shift.check(
    points=1, hint="other numbers for pad, bos and eos must do, too, and an empty sentence", hidden=True
)
def equals_the_definition(s):
    for pad, bos, eos in ((0, 1, 2), (7, 5, 3), (2, 0, 1)):
        rows = [*sentences(s, pad, bos, eos), []]
        m = 8
        expected = [[first + row + last for row in rows] for first, last in (([bos], []), ([], [eos]))]
        for got, table in zip(s.shift(rows, pad, bos, eos), expected, strict=True):
            expect_close(got, [row + [pad] * (m - len(row)) for row in table])


### END HIDDEN TESTS
