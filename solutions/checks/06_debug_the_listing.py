"""Checks of the exercises of chapter 06: predict an error, find the silent ones, repair them all."""

import re

import numpy as np
import torch
from torch import nn

from seq2seq_edu.grading import Chapter, expect, expect_close, expect_shape

chapter = Chapter("06_debug_the_listing", hides=("equations", "gradients", "models"))


def draw(s, *shape):
    """Return random numbers as a float32 tensor."""
    return torch.from_numpy(s.rng.normal(size=shape)).float()


def moved(before, after):
    """Return the largest change."""
    return float((before - after).abs().max())


# 6.1


def draw_sizes(rng):
    """Return examples, positions, numbers per position, hidden_dim and layers of a listing."""
    primes = [int(p) for p in rng.permutation([5, 7, 11, 13, 17])]
    return {"sizes_6_1": [*primes[:4], int(rng.choice([2, 3]))]}


errors = chapter.question(
    "6.1",
    "Three errors in other sizes",
    kind="predict",
    level=1,
    minutes=10,
    hints=(
        "In the chapter two of the sizes were 10. Which ten was it, the examples or the hidden units?",
        "Write down the shapes of the two things that meet at each rung in letters, then put in numbers.",
        "The state of an LSTM is (layers, examples, hidden), whatever batch_first says.",
    ),
    constants=draw_sizes,
)


def message_of(action):
    """Return the numbers in the error that an action raises."""
    try:
        action()
    except RuntimeError as error:
        return [int(number) for number in re.findall(r"\d+", str(error))]
    raise ValueError("no error")


def among(numbers, message):
    """Tell whether the numbers stand in the message one after the other."""
    numbers = [int(number) for number in numbers]
    return any(message[k : k + len(numbers)] == numbers for k in range(len(message)))


@errors.check(points=1, hint="expected three tuples: of two, two and three whole numbers")
def rung_4_is_right(s):
    B, n, d, H, layers = s.given["sizes_6_1"]
    expected, got = s.prediction_6_1()[0]
    expect((expected, got) != (B, layers), "rung 4: right numbers; which tensor stands first in cat?")
    message = message_of(lambda: torch.cat((torch.zeros(layers, B, H), torch.zeros(B, n, H)), dim=2))
    expect(
        among((2, expected, got), message),
        "rung 4: the first axis of a state and that of encoder_outputs disagree",
    )


@errors.check(points=1, hint="expected three tuples: of two, two and three whole numbers")
def rung_7_is_right(s):
    B, n, d, H, layers = s.given["sizes_6_1"]
    expected, got = s.prediction_6_1()[1]
    expect((expected, got) != (H, d + H), "rung 7: right numbers; which of them was the LSTM built for?")
    lstm = nn.LSTM(d + H, H, layers, batch_first=True)
    message = message_of(lambda: lstm(torch.zeros(1, B, H)))
    expect(
        among((1, expected, got), message),
        "rung 7: the decoder was built for the last output and the context",
    )


@errors.check(points=1, hint="expected three tuples: of two, two and three whole numbers")
def rung_8_is_right(s):
    B, n, d, H, layers = s.given["sizes_6_1"]
    wanted = s.prediction_6_1()[2]
    expect(len(wanted) == 3, "rung 8: a state has three axes")
    expect(
        tuple(wanted) != (layers, B, H),
        "rung 8: that is the state it got; how many examples does the LSTM see?",
    )
    lstm, state = nn.LSTM(d + H, H, layers, batch_first=True), torch.zeros(layers, B, H)
    message = message_of(lambda: lstm(torch.zeros(1, B, d + H), (state, state)))
    expect(among((0, *wanted), message), "rung 8: batch_first does not apply to the state: layers come first")


# 6.2

probes = chapter.question(
    "6.2",
    "Five probes",
    kind="build",
    level=2,
    minutes=30,
    hints=(
        "Which two inputs differ in one thing only, and what may then differ in the outputs?",
        "Sums in another order differ in the last digits: compare with a bound such as 1e-5.",
        "A leak may go from any example to any other: change each in turn, and see who else moves.",
    ),
)


def perform(probe, start, model):
    """Ask a probe for its inputs, run the model on each, return the verdict."""
    asked = probe(start, None)
    expect(
        isinstance(asked, (list, tuple)) and 0 < len(asked) < 100, "without outputs, return a list of inputs"
    )
    return probe(start, [model(given) for given in asked])


def expect_verdicts(probe, start, healthy, broken, name, ask="what else did the inputs change?"):
    """Say that a probe is wrong unless it passes the healthy model and fails the broken ones."""
    expect(perform(probe, start, healthy), f"{name} is False for a healthy model: {ask}")
    for model in broken:
        expect(not perform(probe, start, model), f"{name} is True for {model.__doc__}")


def reader(table, leak):
    """Return a model from ids to states; what is read before comes in by running sums."""

    def model(ids):
        x = table[torch.as_tensor(ids)]
        return torch.tanh(x.cumsum(1) + leak(x))

    return model


def case_of(s, B=3, n=5, H=7):
    """Return a query, states and a mask without padding."""
    return draw(s, B, H), draw(s, B, n, H), torch.ones(B, n, dtype=torch.bool)


def attention(s, doc, squash=torch.tanh, normalise=None, hide=True, H=7):
    """Return a model from (query, states, mask) to weights."""
    W, U, v = draw(s, H, H) / 2, draw(s, H, H) / 2, draw(s, H)
    normalise = normalise or (lambda scores: scores.softmax(1))

    def model(case):
        query, states, mask = case
        scores = squash((query @ W)[:, None] + states @ U) @ v
        return normalise(scores.masked_fill(~mask, -torch.inf) if hide else scores)

    model.__doc__ = doc
    return model


@probes.check(points=1, hint="change one example; may the others move?")
def examples_apart_finds_the_batch_as_time(s):
    table, ids = draw(s, 11, 7), torch.from_numpy(s.rng.integers(4, 11, size=(3, 5)))
    healthy, broken = reader(table, lambda x: 0 * x), reader(table, lambda x: x.cumsum(0))
    broken.__doc__ = "a model that reads the batch as time"
    late, middle = reader(table, lambda x: x.flip(0).cumsum(0).flip(0)), reader(table, lambda x: x[1:2])
    late.__doc__ = "a model in which the last example reaches the first: change each in turn"
    middle.__doc__ = "a model in which an example in the middle reaches the others: change each in turn"
    ask = "the example that was changed may move itself"
    expect_verdicts(s.examples_apart, ids, healthy, [broken, late, middle], "examples_apart", ask)


def score_with(unused, query, states):
    """Return a model from parameters to scores that reads ones in place of some of them."""

    def model(params):
        p = {name: torch.ones_like(value) if name in unused else value for name, value in params.items()}
        return torch.tanh((query @ p["W"])[:, None] + states @ p["U"] + p["b"]) @ p["v"]

    return model


@probes.check(points=1, hint="nudge one parameter at a time, and leave the others as they were")
def unused_finds_the_forgotten_parameter(s):
    params = {"W": draw(s, 7, 7), "U": draw(s, 7, 7), "v": draw(s, 7), "b": draw(s, 7)}
    query, states, _ = case_of(s)
    for lost in ([], ["v"], ["b"], ["W", "U"]):
        names = perform(s.unused, params, score_with(lost, query, states))
        kept = "unused does not name a parameter that nothing reads: was each nudged alone?"
        expect(set(lost) <= set(names), kept)
        expect(set(names) <= set(lost), "unused names a parameter that the output depends on")


@probes.check(points=1, hint="the weights of each example, over the source")
def sums_to_one_finds_the_softmax_over_the_batch(s):
    broken = attention(s, "a softmax over the batch", normalise=lambda e: e.softmax(0))
    share = "a softmax over all examples at once, which sums to 1 for one example alone: one is no batch"
    shared = attention(s, share, normalise=lambda e: e.flatten().softmax(0).view(e.shape))
    single = attention(s, "a sigmoid for each weight", normalise=torch.sigmoid)
    ask = "sum over the source, each example by itself"
    models = [broken, shared, single]
    expect_verdicts(s.sums_to_one, case_of(s), attention(s, "healthy"), models, "sums_to_one", ask)


@probes.check(points=1, hint="the same states, another query: may the weights stay?")
def follows_query_finds_the_missing_tanh(s):
    broken = attention(s, "a score without tanh, where the last digits move", squash=lambda hidden: hidden)
    ask = "does another query come in, and is a change the good news?"
    expect_verdicts(s.follows_query, case_of(s), attention(s, "healthy"), [broken], "follows_query", ask)


@probes.check(points=1, hint="you make the padding: a mask that is False somewhere")
def padding_weightless_finds_the_missing_mask(s):
    case, healthy = case_of(s), attention(s, "healthy")
    asked = s.padding_weightless(case, None)
    expect(any(not torch.as_tensor(mask).all() for _, _, mask in asked), "no mask of your inputs has a False")
    broken = attention(s, "a model that never looks at the mask", hide=False)
    read = attention(s, "healthy")

    def turned(given):
        """a model that reads the mask inside out"""
        return read((given[0], given[1], ~given[2]))

    expect_verdicts(s.padding_weightless, case, healthy, [broken, turned], "padding_weightless")


### BEGIN HIDDEN TESTS
SUBTLE = (
    "a defect got past a probe, or a healthy model was blamed: leaks go both ways, one example is no batch"
)


@probes.check(points=1, hint=SUBTLE, hidden=True)
def subtle_defects_are_found(s):
    table, ids = draw(s, 11, 7), torch.from_numpy(s.rng.integers(4, 11, size=(5, 3)))
    up, down = (lambda x: x.cumsum(0)), (lambda x: x.flip(0).cumsum(0).flip(0))
    for leak in (up, down, lambda x: x.roll(1, 0), lambda x: x.mean(0)):
        expect(not perform(s.examples_apart, ids, reader(table, leak)))
    for healthy in (lambda x: x.flip(1).cumsum(1).flip(1), lambda x: x.mean(1, keepdim=True)):
        expect(perform(s.examples_apart, ids, reader(table, healthy)))

    case = case_of(s, B=5, n=3)
    relu, double = attention(s, "", squash=torch.relu), attention(s, "", squash=torch.tanh)
    for healthy in (relu, lambda c: double(tuple(part.clone() for part in c)).double()):
        for probe in (s.sums_to_one, s.follows_query, s.padding_weightless):
            expect(perform(probe, case, healthy))

    deaf = attention(s, "", squash=lambda hidden: torch.tanh(hidden - hidden.mean(1, keepdim=True)))
    expect(not perform(s.follows_query, case, deaf))
    for normalise in (torch.sigmoid, lambda e: e.flatten().softmax(0).view(e.shape)):
        expect(not perform(s.sums_to_one, case, attention(s, "", normalise=normalise)))
    for wrong in (lambda mask: ~mask, lambda mask: mask | True, lambda mask: mask.roll(1, 1)):
        expect(
            not perform(s.padding_weightless, case, lambda c, wrong=wrong: relu((c[0], c[1], wrong(c[2]))))
        )


### END HIDDEN TESTS

# 6.3

PAD, BOS, EOS, LETTERS = 0, 1, 2, 6

listing = chapter.question(
    "6.3",
    "Repair the listing",
    kind="repair",
    level=3,
    minutes=45,
    hints=(
        "Try the probes of 6.2 on the patient: each red one names a line. Repair one, and look again.",
        "encode: batch first, packed, last state kept. attend: v, tanh, mask, source. step: y, c_t.",
        "The state of a bidirectional LSTM is (2, B, H): add over axis 0 and keep the axis, for h and for c.",
    ),
)


def mirror_writing(s, many):
    """Return sources (with padding) and targets: strings backwards, in a secret alphabet of this check."""
    secret = 4 + s.rng.permutation(LETTERS)
    strings = {tuple(s.rng.integers(0, LETTERS, s.rng.integers(3, 5)).tolist()) for _ in range(3 * many)}
    src, tgt = torch.zeros(many, 7, dtype=torch.long), torch.zeros(many, 5, dtype=torch.long)
    for b, string in enumerate(sorted(strings, key=lambda _: s.rng.random())[:many]):
        src[b, : len(string) + 1] = torch.tensor([*(4 + letter for letter in string), EOS])
        tgt[b, : len(string) + 1] = torch.tensor([*(secret[letter] for letter in reversed(string)), EOS])
    return src, tgt


def exact_match(written, tgt):
    """Return the share of rows that are right up to their eos."""
    real = tgt != PAD
    return float(((written[:, : tgt.shape[1]] == tgt) | ~real).all(1).double().mean())


@listing.check(points=1, hint="encode returns states (B, n, H) and (h, c), each (1, B, H)")
def encoder_keeps_examples_apart(s):
    src, _ = mirror_writing(s, 5)
    model, changed = s.new.Repaired(10, 7), src.clone()
    changed[3, :3] = 4 + (src[3, :3] - 3) % LETTERS
    (states, (h, c)), (after, (h_after, c_after)) = model.encode(src), model.encode(changed)
    expect_shape(states, (5, 7, 7), "states")
    expect_shape(h, (1, 5, 7), "h")
    expect_shape(c, (1, 5, 7), "c")
    rows = (states - after).abs().amax((1, 2)) > 1e-6
    expect(rows.sum() == 1, "encode: one example changed and other rows move, so the batch is read as time")
    expect(moved(h, h_after) > 1e-6, "encode: the decoder's first state knows nothing of the source")
    expect(moved(c, c_after) > 1e-6, "encode: h knows the source, but the cell c knows nothing of it")
    for way, last in (("forward", "weight_ih_l0"), ("backward", "weight_ih_l0_reverse")):
        model = s.new.Repaired(10, 7)
        (states, (h, c)), name = model.encode(src), f"encoder.{last}"
        model.load_state_dict({**model.state_dict(), name: draw(s, 28, 7)})
        again, (h_after, c_after) = model.encode(src)
        expect(moved(states, again) > 1e-6, f"encode: the {way} states are missing in h_i")
        lost = f"encode: the {way} reader's part of the last state is missing"
        expect(moved(h, h_after) > 1e-6 and moved(c, c_after) > 1e-6, lost)


@listing.check(points=1, hint="padding must change nothing: not in encode, not in attend")
def padding_changes_nothing(s):
    src, tgt = mirror_writing(s, 5)
    wide = torch.cat([src, torch.zeros(5, 3, dtype=torch.long)], 1)
    model = s.new.Repaired(10, 7)
    (logits, _), (after, wider) = model.forward(src, tgt), model.forward(wide, tgt)
    expect_close(wider.sum(2), np.ones((5, 5)), "attend: weights do not sum to 1 over the source, dim 1")
    expect(not wider[:, :, 5:].any(), "attend: padding gets weight: mask the scores before the softmax")
    expect(moved(logits, after) < 1e-5, "more padding changes the logits: encode reads it")


@listing.check(points=1, hint="attend: one weight a position, from v, tanh, the mask, over the source")
def attention_is_healthy(s):
    model, (query, states, mask) = s.new.Repaired(10, 7), case_of(s)
    context, weights = model.attend(query, states, mask)
    expect_shape(weights, (3, 5), "weights")
    expect_shape(context, (3, 7), "context")
    expect_close(weights.sum(1), np.ones(3), "attend: weights do not sum to 1 over the source")
    expect(
        moved(weights, model.attend(-query, states, mask)[1]) > 1e-4, "attend: the weights ignore the query"
    )
    model.load_state_dict({**model.state_dict(), "v": draw(s, 7)})
    expect(moved(weights, model.attend(query, states, mask)[1]) > 1e-4, "attend: v is not used")


@listing.check(points=1, hint="step: the LSTM reads [E y; c_t], the output [s_t; c_t]")
def each_part_of_the_step_reads_what_it_should(s):
    model, (query, states, mask) = s.new.Repaired(10, 7), case_of(s)
    sound, hidden = model.state_dict(), (query.unsqueeze(0), draw(s, 1, 3, 7))
    y, other = torch.tensor([4, 5, 6]), torch.tensor([7, 8, 9])

    def step(params, y=y, hidden=hidden, states=states):
        model.load_state_dict({**sound, **params})
        logits, (h, _), weights = model.step(y, hidden, states, mask)
        return logits, h, weights

    def deaf(name, half):
        matrix = sound[name].clone()
        matrix[:, 7 * half : 7 * half + 7] = 0
        return {name: matrix}

    logits, h, weights = step({})
    silent = "step: the LSTM does not hear the word that was written last"
    expect(moved(h, step({}, other)[1]) > 1e-6, silent)
    asks = step({}, hidden=(hidden[0], -hidden[1]))[2]
    expect(moved(weights, asks) < 1e-6, "step: the cell c asks; the query is h")
    foreign = step({"source.weight": draw(s, 10, 7)})[1]
    expect(moved(h, foreign) < 1e-6, "step: y is looked up in the table of source words: it is a target word")
    first, last = deaf("decoder.weight_ih_l0", 0), deaf("decoder.weight_ih_l0", 1)
    expect(moved(step(first)[1], step(first, other)[1]) < 1e-6, "step: the LSTM reads the word first, then c")
    expect(moved(step(last)[1], h) > 1e-6, "step: the LSTM does not read c_t")
    first, last = deaf("out.weight", 0), deaf("out.weight", 1)
    second = "step: the output reads s_t first, and then c_t: the second half is not c_t"
    expect(moved(step(first)[0], step(first, other)[0]) < 1e-6, second)
    expect(moved(step(last)[0], logits) > 1e-6 and moved(step(last)[0], step(last, other)[0]) > 1e-6)


@listing.check(points=1, hint="after fit, nine of ten unseen strings should be right")
def it_reads_the_last_word_and_learns(s):
    src, tgt = mirror_writing(s, 600)
    model = s.new.Repaired(10, 32)
    model.fit(src[:500], tgt[:500])
    score = exact_match(model.translate(src[500:]), tgt[500:])
    expect(score >= 0.9, f"{score:.0%} of unseen strings come out without a mistake, expected at least 90%")


### BEGIN HIDDEN TESTS
class Reference(nn.Module):
    """The listing as the chapter corrects it, with the names of the exercise."""

    def __init__(self, V, H):
        super().__init__()
        self.source, self.target = nn.Embedding(V, H), nn.Embedding(V, H)
        self.encoder = nn.LSTM(H, H, batch_first=True, bidirectional=True)
        self.linear, self.v = nn.Linear(2 * H, H, bias=False), nn.Parameter(torch.zeros(H))
        self.decoder = nn.LSTM(2 * H, H, batch_first=True)
        self.out = nn.Linear(2 * H, V)

    def encode(self, src):
        """Read each string alone, so that nothing can be mixed up."""
        states, hidden = torch.zeros(*src.shape, self.v.shape[0]), []
        for b, n in enumerate((src != PAD).sum(1).tolist()):
            read, last = self.encoder(self.source(src[b : b + 1, :n]))
            states[b, :n] = read[0].unflatten(1, (2, -1)).sum(1)
            hidden.append([part.sum(0, keepdim=True) for part in last])
        return states, tuple(torch.cat(parts, 1) for parts in zip(*hidden, strict=True))

    @torch.no_grad()
    def run(self, src, tgt_in=None, steps=5):
        """Return logits and alignment, with gold words or with its own."""
        states, hidden = self.encode(src)
        y, logits, alignment = torch.full((len(src),), BOS), [], []
        for t in range(steps):
            y = y if tgt_in is None else tgt_in[:, t]
            query = hidden[0][-1].unsqueeze(1).expand_as(states)
            scores = torch.tanh(self.linear(torch.cat((query, states), 2))) @ self.v
            weights = scores.masked_fill(src == PAD, -torch.inf).softmax(1)
            context = (weights.unsqueeze(2) * states).sum(1)
            output, hidden = self.decoder(torch.cat((self.target(y), context), 1).unsqueeze(1), hidden)
            logits.append(self.out(torch.cat((output[:, 0], context), 1)))
            alignment.append(weights)
            y = logits[-1].argmax(1)
        return torch.stack(logits, 1), torch.stack(alignment, 1)


@listing.check(
    points=1, hint="same parameters, other logits: what do the LSTM and the output read?", hidden=True
)
def equals_the_corrected_listing(s):
    src, tgt_in = mirror_writing(s, 5)
    model, reference = s.new.Repaired(10, 7), Reference(10, 7)
    drawn = {name: draw(s, *value.shape) / 2 for name, value in reference.state_dict().items()}
    model.load_state_dict(drawn)
    reference.load_state_dict(drawn)
    for got, expected in zip(model.forward(src, tgt_in), reference.run(src, tgt_in), strict=True):
        expect_close(got, expected, tolerance=1e-4)


@listing.check(
    points=1, hint="the trained parameters, in the corrected listing, write too many mistakes", hidden=True
)
def what_it_learned_is_in_the_parameters(s):
    src, tgt = mirror_writing(s, 600)
    model, reference = s.new.Repaired(10, 32), Reference(10, 32)
    model.fit(src[:500], tgt[:500])
    reference.load_state_dict(model.state_dict())
    expect(exact_match(reference.run(src[500:])[0].argmax(2), tgt[500:]) >= 0.9)


### END HIDDEN TESTS
