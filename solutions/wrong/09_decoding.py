"""Wrong answers that people give to the exercises of chapter 09, their points, and the hint they meet."""

# right answers, of which the wrong ones below change one line
FAST_BEAM = """
def fast_beam(model, width, length):
    ids, sums = np.zeros((1, 1), dtype=int), np.zeros(1)
    state, cell = np.zeros((2, 1, len(model["U"])))
    for _ in range(length):
        log_probs, state, cell = step(model, ids[:, -1], state, cell)
        candidates = (sums[:, None] + log_probs).ravel()
        best = np.argsort(-candidates)[:width]
        rows, y = np.divmod(best, log_probs.shape[1])
        ids, sums = np.column_stack([ids[rows], y]), candidates[best]
        state, cell = state[rows], cell[rows]
    return ids[0, 1:].tolist(), float(sums[0])
"""
BEAM = """
def beam(table, width, bos, eos):
    open_, finished = [([], 0.0)], []
    for rows in table:
        ranked = []
        for ids, total in open_:
            log_probs = rows[ids[-1] if ids else bos]
            ranked += [([*ids, y], total + float(log_p)) for y, log_p in enumerate(log_probs)]
        ranked.sort(key=lambda hypothesis: -hypothesis[1])
        finished += [(ids, total) for ids, total in ranked[:width] if ids[-1] == eos]
        open_ = [(ids, total) for ids, total in ranked if ids[-1] != eos][:width]
        if len(finished) >= width:
            break
    return max(finished, key=lambda hypothesis: hypothesis[1])
"""
NUCLEUS = """
def nucleus(log_probs, p):
    probs = np.exp(log_probs)
    order = np.argsort(-probs, axis=1)
    ranked = np.take_along_axis(probs, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    kept = np.where(before < p, ranked, 0.0)
    result = np.zeros_like(probs)
    np.put_along_axis(result, order, kept / kept.sum(axis=1, keepdims=True), axis=1)
    return result
"""
WORSE = """
def worse_when_wider():
    table = np.full((4, 6, 6), 1 / 6)
    table[0, 0] = [0.01, 0.01, 0.36, 0.33, 0.28, 0.01]
    table[1, 2] = [0.14, 0.14, 0.22, 0.18, 0.16, 0.16]
    table[1, 4] = [0.02, 0.03, 0.02, 0.32, 0.31, 0.30]
    table[2, 2] = [0.01, 0.95, 0.01, 0.01, 0.01, 0.01]
    table[2, 3:] = [0.12, 0.16, 0.15, 0.20, 0.19, 0.18]
    table[3] = [0, 1, 0, 0, 0, 0]
    return table, [2, 2, 1], [4, 3, 3, 1]
"""

# question, what is wrong, points, words of the first message, code
WRONG = [
    (
        "9.1",
        "the same sentence three times",
        1,
        "follow both words",
        """
def prediction_9_1():
    return ["they win"] * 3
""",
    ),
    (
        "9.1",
        "the beam of 2 as good as trying all",
        1,
        "still misses",
        """
def prediction_9_1():
    return ["they win", "people win", "people win"]
""",
    ),
    (
        "9.1",
        "greedy as the likeliest second word, whatever came first",
        3,
        "likeliest first word",
        """
def prediction_9_1():
    return ["they sleep", "we win", "people win"]
""",
    ),
    (
        "9.1",
        "words without the ending",
        0,
        "two words",
        """
def prediction_9_1():
    return ["they", "we", "people"]
""",
    ),
    (
        "9.2",
        "goes on after eos",
        1,
        "goes on after eos",
        """
def greedy(table, bos, eos, max_length):
    ids, log_prob, y = [], 0.0, bos
    for _ in range(max_length):
        row = table[y]
        y = int(row.argmax())
        ids.append(y)
        log_prob += float(row[y])
    return ids, log_prob
""",
    ),
    (
        "9.2",
        "leaves eos out",
        1,
        "eos is missing",
        """
def greedy(table, bos, eos, max_length):
    ids, log_prob, y = [], 0.0, bos
    while len(ids) < max_length and table[y].argmax() != eos:
        log_prob += float(table[y].max())
        y = int(table[y].argmax())
        ids.append(y)
    return ids, log_prob
""",
    ),
    (
        "9.2",
        "returns the probability",
        2,
        "natural logarithm",
        """
def greedy(table, bos, eos, max_length):
    ids, p, y = [], 1.0, bos
    while y != eos and len(ids) < max_length:
        p *= float(np.exp(table[y].max()))
        y = int(table[y].argmax())
        ids.append(y)
    return ids, p
""",
    ),
    (
        "9.2",
        "always asks what follows bos",
        0,
        "follows the token just chosen",
        """
def greedy(table, bos, eos, max_length):
    ids, log_prob = [], 0.0
    while len(ids) < max_length and eos not in ids:
        ids.append(int(table[bos].argmax()))
        log_prob += float(table[bos].max())
    return ids, log_prob
""",
    ),
    (
        "9.2",
        "has no longest length",
        2,
        "at most max_length",
        """
def greedy(table, bos, eos, max_length):
    ids, log_prob, y = [], 0.0, bos
    while y != eos and len(ids) < 50:
        row = table[y]
        y = int(row.argmax())
        ids.append(y)
        log_prob += float(row[y])
    return ids[:11], log_prob
""",
    ),
    (
        "9.2",
        "never says a token twice",
        2,
        "never said twice",
        """
def greedy(table, bos, eos, max_length):
    ids, log_prob, y = [], 0.0, bos
    while y != eos and len(ids) < max_length:
        row = table[y].copy()
        row[ids] = -np.inf
        y = int(row.argmax())
        ids.append(y)
        log_prob += float(row[y])
    return ids, log_prob
""",
    ),
    (
        "9.2",
        "begins with bos",
        1,
        "no token of the sentence",
        """
def greedy(table, bos, eos, max_length):
    ids, log_prob = [bos], 0.0
    while ids[-1] != eos and len(ids) < max_length:
        row = table[ids[-1]]
        ids.append(int(row.argmax()))
        log_prob += float(row.max())
    return ids, log_prob
""",
    ),
    (
        "9.3",
        "greedy, whatever the width",
        2,
        "carry two beginnings",
        BEAM.replace("for rows in table", "width = 1\n    for rows in table"),
    ),
    (
        "9.3",
        "an eos far down the ranking counts as finished",
        3,
        "not among the best `width`",
        BEAM.replace("in ranked[:width] if", "in ranked if"),
    ),
    (
        "9.3",
        "stops at the first one that finishes",
        2,
        "when one sentence has finished",
        BEAM.replace("len(finished) >= width", "finished"),
    ),
    (
        "9.3",
        "ranks by the last word alone",
        1,
        "feed the sentence back",
        BEAM.replace("total + float(log_p)", "float(log_p)"),
    ),
    (
        "9.3",
        "writes on after eos",
        1,
        "nothing comes after",
        BEAM.replace("if ids[-1] != eos][:width]", "][:width]")
        .replace("len(finished) >= width", "False")
        .replace("return max(finished", "return max(open_"),
    ),
    (
        "9.3",
        "chooses by the mean of a token",
        2,
        "by the mean of a token",
        BEAM.replace("key=lambda hypothesis: hypothesis[1])", "key=lambda h: h[1] / len(h[0]))"),
    ),
    (
        "9.4",
        "the broken one",
        1,
        "feed them back",
        "fast_beam = broken_beam",
    ),
    (
        "9.4",
        "moves neither",
        1,
        "feed them back",
        FAST_BEAM.replace("state, cell = state[rows], cell[rows]", "pass"),
    ),
    (
        "9.4",
        "picks states by token, not by row",
        1,
        "feed them back",
        FAST_BEAM.replace("state[rows], cell[rows]", "state[y % len(state)], cell[y % len(cell)]"),
    ),
    (
        "9.4",
        "starts the cell anew after pruning",
        1,
        "feed them back",
        FAST_BEAM.replace("cell[rows]", "0 * cell[rows]"),
    ),
    (
        "9.4",
        "avoids the bug with width 1",
        1,
        "is the width still used",
        FAST_BEAM.replace("[:width]", "[:1]"),
    ),
    (
        "9.5",
        "worst first",
        1,
        "worst first",
        """
def rank(log_probs, lengths, length_penalty):
    scores = np.array(log_probs) / np.array(lengths, dtype=float) ** length_penalty
    return np.argsort(scores).tolist()
""",
    ),
    (
        "9.5",
        "always the mean",
        2,
        "only the sums count",
        """
def rank(log_probs, lengths, length_penalty):
    return np.argsort(-np.array(log_probs) / np.array(lengths)).tolist()
""",
    ),
    (
        "9.5",
        "a fine on length, added",
        2,
        "the mean of a token",
        """
def rank(log_probs, lengths, length_penalty):
    return np.argsort(-(np.array(log_probs) - length_penalty * np.array(lengths))).tolist()
""",
    ),
    (
        "9.5",
        "a straight line from sum to mean",
        2,
        "to the power",
        """
def rank(log_probs, lengths, length_penalty):
    sums = np.array(log_probs)
    scores = (1 - length_penalty) * sums + length_penalty * sums / np.array(lengths)
    return np.argsort(-scores).tolist()
""",
    ),
    (
        "9.5",
        "half way, by feeling",
        3,
        "not equal",
        """
def prediction_9_5():
    return 0.5
""",
    ),
    (
        "9.5",
        "the ratio the wrong way round",
        3,
        "the tie lies between",
        """
def prediction_9_5():
    (short, m), (long, longer) = short_9_5, long_9_5
    return float(np.log(short / long) / np.log(longer / m))
""",
    ),
    (
        "9.6",
        "drops the token that crosses p",
        0,
        "even a tiny nucleus",
        NUCLEUS.replace("before < p", "before + ranked <= p").replace(
            "kept.sum(", "np.maximum(kept, 1e-9).sum("
        ),
    ),
    (
        "9.6",
        "forgets to divide",
        2,
        "divide what is kept",
        NUCLEUS.replace("kept / kept.sum(axis=1, keepdims=True)", "kept"),
    ),
    (
        "9.6",
        "leaves the tokens in sorted order",
        1,
        "in its own place",
        NUCLEUS.replace("return result", "return kept / kept.sum(axis=1, keepdims=True)"),
    ),
    (
        "9.6",
        "keeps every token above 1 - p, and the best",
        2,
        "has less than p",
        NUCLEUS.replace("before < p", "(ranked > 1 - p) | (before == 0)"),
    ),
    (
        "9.6",
        "one token too many",
        1,
        "which sum is compared",
        NUCLEUS.replace("before < p", "np.pad(before, ((0, 0), (1, 0)))[:, :-1] < p"),
    ),
    (
        "9.6",
        "the same weight for all that are kept",
        1,
        "their ratios",
        NUCLEUS.replace("ranked, 0.0)", "1.0, 0.0)"),
    ),
    (
        "9.7",
        "logarithms in the table",
        0,
        "not logarithms",
        WORSE.replace("return table,", "return np.log(table + 1e-9),"),
    ),
    (
        "9.7",
        "the sentences turned round",
        1,
        "or more so",
        WORSE.replace("[2, 2, 1], [4, 3, 3, 1]", "[4, 3, 3, 1], [2, 2, 1]"),
    ),
    (
        "9.7",
        "made to pass the visible checks: a claim that no beam makes true",
        2,
        "other sentences than you say",
        WORSE.replace("0.36, 0.33, 0.28", "0.46, 0.33, 0.18"),
    ),
    (
        "9.7",
        "rows that do not sum to 1",
        0,
        "must sum to 1",
        WORSE.replace("1 / 6)", "0.2)"),
    ),
    (
        "9.7",
        "no end",
        1,
        "must end with eos",
        WORSE.replace("[2, 2, 1], [4, 3, 3, 1]", "[2, 2], [4, 3, 3]"),
    ),
    (
        "9.1",
        "a beam that keeps all three",
        1,
        "still misses",
        """
def prediction_9_1():
    best, after = 0, {"we": after_we_9_1, "they": after_they_9_1, "people": after_people_9_1}
    for one, p in zip(after, first_9_1):
        for two, q in zip(("know", "sleep", "win"), after[one]):
            if p * q > best:
                best, found = p * q, f"{one} {two}"
    return ["they win", found, found]
""",
    ),
    (
        "9.3",
        "finished sentences take up open places",
        6,
        "take up open places",
        BEAM.replace("in ranked if ids[-1] != eos][:width]", "in ranked[:width] if ids[-1] != eos]"),
    ),
    (
        "9.3",
        "goes on to the last step",
        6,
        "stop there",
        BEAM.replace("len(finished) >= width", "False"),
    ),
    (
        "9.3",
        "each beginning keeps its own best continuations",
        2,
        "carry two beginnings",
        BEAM.replace(
            "for y, log_p in enumerate(log_probs)]",
            "for y, log_p in sorted(enumerate(log_probs), key=lambda pair: -pair[1])[:1]]",
        ),
    ),
    (
        "9.5",
        "log of the length",
        2,
        "to the power",
        """
def rank(log_probs, lengths, length_penalty):
    scores = np.array(log_probs) / (1 + length_penalty * np.log(lengths))
    return np.argsort(-scores).tolist()
""",
    ),
    (
        "9.6",
        "the crossing token kept only where it comes first",
        2,
        "the token that crosses p belongs to it",
        NUCLEUS.replace("before < p", "(before + ranked <= p) | (before == 0)"),
    ),
]
