"""Wrong answers that people give to the exercises of chapter 10: the code, its points, the hint it meets."""

# question, what is wrong, points, words of the first message, code
COUNT = """
def prediction_10_1():
    B, m, k = 4, steps_10_1, beam_10_1
    longest, words = max(lengths_10_1), sum(lengths_10_1)
    return 2 * B * k * m * longest, words + B * k * m
"""
BUCKETS = """
def length_buckets(lengths, tokens, seed):
    batches, batch = [], []
    for k in sorted(range(len(lengths)), key=lambda k: lengths[k]):
        if batch and lengths[k] * (len(batch) + 1) > tokens:
            batches.append(batch)
            batch = []
        batch.append(k)
    batches.append(batch)
    order = np.random.default_rng(seed).permutation(len(batches))
    return [batches[j] for j in order]
"""
GREEDY = """
def greedy(table, max_length, bos=1, eos=2):
    outputs, alive = [[] for _ in table], []
    number = np.arange(len(table))
    token = np.full(len(table), bos)
    for _ in range(max_length):
        if len(number) == 0:
            break
        alive.append(len(number))
        token = table[np.arange(len(number)), token].argmax(-1)
        for b, y in zip(number, token):
            outputs[b].append(int(y))
        goes_on = token != eos
        table, token, number = table[goes_on], token[goes_on], number[goes_on]
    return outputs, alive
"""
UPDATE = """
@np.errstate(all="ignore")  # its warnings belong to the mistake
def update(state, scores, values):
    largest, total, summed = state
    new = np.maximum(largest, scores.max(-1))
    safe = np.where(np.isfinite(new), new, 0)
    e, shrink = np.exp(scores - safe[:, None]), np.exp(largest - safe)
    return new, total * shrink + e.sum(-1), summed * shrink[:, None] + e @ values
"""
LINEAR = """
def phi(x):
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))
def summary(keys, values):
    return phi(keys).T @ values, phi(keys).sum(0)
def look(query, S, z):
    return phi(query) @ S / (phi(query) @ z)[:, None]
"""
COST = "def cost(n, d):\n    return 2 * n * n * d, 2 * n * d * d + n * d"
NOWHERE = """
def weights_and_gradient(scores, mask, upstream):
    scores = scores.detach().clone().requires_grad_()
    empty = ~mask.any(dim=-1, keepdim=True)
    weights = torch.softmax(scores.masked_fill(~(mask | empty), -torch.inf), dim=-1) * mask
    (weights * upstream).sum().backward()
    return weights, scores.grad
"""
SOFTMAX = "torch.softmax(scores.masked_fill(~(mask | empty), -torch.inf), dim=-1) * mask"
PLAIN = "torch.softmax(scores + torch.where(mask, 0.0, -torch.inf), dim=-1)"


def but(code: str, old: str, new: str) -> str:
    """Return a right answer with one mistake in it."""
    assert old in code, f"{old!r} is not in the answer"
    return code.replace(old, new)


WRONG = [
    ("10.1", "one product in each cell", 1, "two products", but(COUNT, "return 2 *", "return")),
    (
        "10.1",
        "a loop without padding",
        1,
        "which positions",
        but(COUNT, "2 * B * k * m * longest", "2 * k * m * words"),
    ),
    (
        "10.1",
        "no beam",
        0,
        "the beam is missing",
        but(COUNT, "k = 4, steps_10_1, beam_10_1", "k = 4, steps_10_1, 1"),
    ),
    (
        "10.1",
        "keys for each hypothesis",
        1,
        "one for all of a beam",
        but(COUNT, ", words +", ", k * words +"),
    ),
    (
        "10.1",
        "one state for a beam",
        1,
        "a state of its own",
        but(COUNT, "words + B * k * m", "words + B * m"),
    ),
    ("10.1", "keys of padding", 1, "padding needs no key", but(COUNT, "words + B", "B * longest + B")),
    (
        "10.2",
        "one sentence a batch",
        3,
        "too many batches",
        but(BUCKETS, "lengths[k] * (len(batch) + 1) > tokens", "True"),
    ),
    (
        "10.2",
        "as they come",
        3,
        "over a tenth",
        but(
            but(BUCKETS, ", key=lambda k: lengths[k])", ")"),
            "lengths[k] * (len(batch) + 1)",
            "max(lengths[j] for j in [*batch, k]) * (len(batch) + 1)",
        ),
    ),
    (
        "10.2",
        "padding not counted",
        2,
        "longest times rows",
        but(
            but(BUCKETS, "lengths[k] * (len(batch) + 1)", "lengths[k] + sum(lengths[j] for j in batch)"),
            "key=lambda k: lengths[k]",
            "key=lambda k: k",
        ),
    ),
    (
        "10.2",
        "the last batch lost",
        0,
        "the last batch counts too",
        but(BUCKETS, "    batches.append(batch)\n    order", "    order"),
    ),
    (
        "10.2",
        "not shuffled",
        3,
        "from short to long",
        but(BUCKETS, "np.random.default_rng(seed).permutation(len(batches))", "range(len(batches))"),
    ),
    (
        "10.2",
        "sentences shuffled",
        3,
        "over a tenth",
        but(
            but(
                BUCKETS,
                "sorted(range(len(lengths)), key=lambda k: lengths[k])",
                "np.random.default_rng(seed).permutation(len(lengths)).tolist()",
            ),
            "lengths[k] * (len(batch) + 1)",
            "max(lengths[j] for j in [*batch, k]) * (len(batch) + 1)",
        ),
    ),
    ("10.2", "no seed", 3, "the same seed", but(BUCKETS, "default_rng(seed)", "default_rng()")),
    ("10.2", "one seed for ever", 3, "another seed", but(BUCKETS, "default_rng(seed)", "default_rng(5)")),
    (
        "10.2",
        "long sentences left out",
        3,
        "in a batch of its own",
        but(
            BUCKETS,
            "        if batch and",
            "        if lengths[k] > tokens:\n            continue\n        if batch and",
        ),
    ),
    ("10.3", "as it was", 1, "whose is which", "greedy = broken_greedy"),
    (
        "10.3",
        "sorted by length",
        1,
        "whose is which",
        but(GREEDY, "return outputs", "return sorted(outputs, key=len)"),
    ),
    (
        "10.3",
        "finished rows stay",
        1,
        "the gain is lost",
        """
def greedy(table, max_length, bos=1, eos=2):
    outputs, alive, token = [[] for _ in table], [], np.full(len(table), bos)
    while len(alive) < max_length and any(not o or o[-1] != eos for o in outputs):
        alive.append(len(table))
        token = table[np.arange(len(table)), token].argmax(-1)
        for output, y in zip(outputs, token):
            if not output or output[-1] != eos:
                output.append(int(y))
    return outputs, alive
""",
    ),
    (
        "10.3",
        "unfinished ones forgotten",
        2,
        "cut at max_length",
        but(GREEDY, "return outputs", "return [o for o in outputs if o[-1] == eos]"),
    ),
    (
        "10.3",
        "the table not dropped",
        0,
        "differs from that of its sentence alone",
        but(
            GREEDY, "table, token, number = table[goes_on],", "table, token, number = table[: goes_on.sum()],"
        ),
    ),
    (
        "10.3",
        "the first row repeated",
        1,
        "differs from that",
        but(GREEDY, "return outputs", "return outputs[:1] * len(outputs)"),
    ),
    (
        "10.3",
        "eos left out",
        1,
        "an output has no eos",
        but(GREEDY, "return outputs", "return [[y for y in o if y != eos] for o in outputs]"),
    ),
    (
        "10.3",
        "unfinished ones lost",
        2,
        "some outputs are missing",
        but(
            GREEDY,
            "return outputs",
            "return [o for k, o in enumerate(outputs) if o not in outputs[:k] and len(o) > 2]",
        ),
    ),
    (
        "10.4",
        "never shrunk",
        1,
        "shrink what came before",
        but(but(UPDATE, "total * shrink", "total"), "summed * shrink[:, None]", "summed"),
    ),
    (
        "10.4",
        "values not shrunk",
        1,
        "shrink what came before",
        but(UPDATE, "summed * shrink[:, None]", "summed"),
    ),
    (
        "10.4",
        "shrunk the wrong way",
        1,
        "shrink what came before",
        but(UPDATE, "np.exp(largest - safe)", "np.where(largest > -np.inf, np.exp(safe - largest), 0)"),
    ),
    (
        "10.4",
        "no largest",
        2,
        "the first part of the state is the largest",
        but(UPDATE, "np.maximum(largest, scores.max(-1))", "0 * total"),
    ),
    (
        "10.4",
        "the last block's largest",
        1,
        "of the last block only",
        but(UPDATE, "np.maximum(largest, scores.max(-1))", "scores.max(-1)"),
    ),
    (
        "10.4",
        "a mean of the blocks",
        1,
        "total is too large",
        """
@np.errstate(all="ignore")
def update(state, scores, values):
    largest, total, summed = state
    new = np.maximum(largest, scores.max(-1))
    e = np.exp(scores - scores.max(-1, keepdims=True))
    weights = e / e.sum(-1, keepdims=True)
    return new, total + 1, summed + weights @ values
""",
    ),
    (
        "10.4",
        "a row of padding",
        3,
        "what is -inf - (-inf)",
        but(UPDATE, "np.where(np.isfinite(new), new, 0)", "new"),
    ),
    (
        "10.4",
        "all blocks kept",
        0,
        "expected shape",
        """
def update(state, scores, values):
    return scores, state[1], state[2]
""",
    ),
    (
        "10.5",
        "softmax features",
        3,
        "that is another φ",
        but(LINEAR, "np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))", "np.exp(x)"),
    ),
    (
        "10.5",
        "no features",
        3,
        "was φ forgotten",
        but(LINEAR, "return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))", "return x"),
    ),
    (
        "10.5",
        "elu",
        3,
        "was φ forgotten",
        but(LINEAR, "x + 1, np.exp(np.minimum(x, 0))", "x, np.exp(np.minimum(x, 0)) - 1"),
    ),
    (
        "10.5",
        "means",
        4,
        "sums over words, not means",
        but(but(LINEAR, "@ values, ", "@ values / len(keys), "), ".sum(0)", ".mean(0)"),
    ),
    ("10.5", "not divided", 4, "must come back as they are", but(LINEAR, " / (phi(query) @ z)[:, None]", "")),
    (
        "10.5",
        "keys kept",
        2,
        "S: expected shape",
        but(LINEAR, "return phi(keys).T @ values,", "return phi(keys),"),
    ),
    (
        "10.5",
        "always linear",
        3,
        "must be about 2 and about 1",
        but(COST, "2 * n * n * d, ", "2 * n * d * d, "),
    ),
    ("10.5", "the denominator forgotten", 3, "there are three, φ(Q)", but(COST, " + n * d", "")),
    (
        "10.5",
        "slope of the counts",
        4,
        "fit a line through the logarithms",
        "def slope(sizes, counts):\n    return float(np.polyfit(sizes, counts, 1)[0])",
    ),
    (
        "10.6",
        "as it was",
        2,
        "one training step ends the model",
        but(NOWHERE, SOFTMAX, f"torch.where(mask, {PLAIN}, 0.0)"),
    ),
    (
        "10.6",
        "nan_to_num",
        2,
        "one training step ends the model",
        but(NOWHERE, SOFTMAX, f"torch.nan_to_num({PLAIN})"),
    ),
    ("10.6", "NaN", 0, "is not a number", but(NOWHERE, SOFTMAX, PLAIN)),
    (
        "10.6",
        "minus a billion",
        2,
        "makes the row look at all padding",
        but(NOWHERE, SOFTMAX, "torch.softmax(scores.masked_fill(~mask, -1e9), dim=-1)"),
    ),
    (
        "10.6",
        "minus a billion, times the mask",
        3,
        "with real scores of -1e12",
        but(NOWHERE, SOFTMAX, "torch.softmax(scores.masked_fill(~mask, -1e9), dim=-1) * mask"),
    ),
    (
        "10.6",
        "mask after the softmax",
        1,
        "must stay a softmax",
        but(NOWHERE, SOFTMAX, "torch.softmax(scores, dim=-1) * mask"),
    ),
    (
        "10.6",
        "no gradient",
        2,
        "the gradient is zero everywhere",
        but(NOWHERE, "return weights, scores.grad", "return weights, torch.zeros_like(scores)"),
    ),
    (
        "10.2",
        "longest counted without its row",
        3,
        "longest times rows",
        but(BUCKETS, "(len(batch) + 1)", "len(batch)"),
    ),
    (
        "10.4",
        "padding alone in a block counts as scores of 0",
        3,
        "padding is heard",
        but(UPDATE, "np.exp(scores -", "np.exp(np.where(np.isneginf(scores), 0, scores) -"),
    ),
    (
        "10.4",
        "only a first block of padding goes wrong",
        3,
        "what is -inf - (-inf)",
        but(UPDATE, "np.where(np.isfinite(new), new, 0)", "np.where(total > 0, new, scores.max(-1))"),
    ),
    ("10.5", "one quadratic product", 3, "two products", but(COST, "2 * n * n * d, ", "n * n * d, ")),
    (
        "10.6",
        "rows of padding share alike",
        0,
        "must look nowhere",
        but(NOWHERE, SOFTMAX, SOFTMAX.replace("* mask", "* (mask | empty)")),
    ),
]
