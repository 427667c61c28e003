"""Wrong answers that people give to the exercises of chapter 08: the code, its points, the hint it meets."""

# question, what is wrong, points, words of the first message, code
LEAKS = """
def prediction_8_1():
    counts = []
    for test in tests_8_1:
        rest = [j for j in range(9) if j not in test]
        sources, targets = {key(sources_8_1[j]) for j in rest}, {key(targets_8_1[j]) for j in rest}
        counts.append(sum(key(sources_8_1[i]) in sources or BOTH key(targets_8_1[i]) in targets
                          for i in test))
    return counts
"""
LETTERS = "def key(text): return ''.join(c for c in text.lower() if c.isalnum())"
NUMBER = "int(hashlib.sha256(key.encode()).hexdigest(), 16) % 100"
SPLIT = """
import hashlib
def split(pairs, percent):
    sides = [], []
    for source, target in pairs:
        key = "".join(c for c in source.lower() if c.isalnum())
        sides[NUMBER < percent].append((source, target))
    return sides
"""
RANKINGS = """
def rankings(runs):
    lists = {}
    for run in sorted(runs, key=lambda run: -run["bleu"]):
        case = "lc" if run["lowered"] or run["lowercase"] else "mixed"
        words = f"{run['cut']}+{run['tokenize']}" if run["cut"] else run["tokenize"]
        lists.setdefault(f"{run['test']}|case:{case}|tok:{words}", []).append(run["system"])
    return lists
"""
LEARN = """
from collections import Counter
def learn_merges(counts, number):
    words, merges = [(list(word), count) for word, count in counts.items()], []
    while len(merges) < number:
        seen = Counter()
        for parts, count in words:
            for pair in zip(parts, parts[1:]):
                seen[pair] += count
        if not seen:
            break
        pair = min(seen, key=lambda pair: (-seen[pair], pair))
        merges.append(pair)
        for parts, _ in words:
            j = 0
            while j < len(parts) - 1:
                if (parts[j], parts[j + 1]) == pair:
                    parts[j : j + 2] = ["".join(pair)]
                j += 1
    return merges
"""
COPY = """
def copy_distribution(p_gen, p_vocab, weights, source, vocabulary):
    words = list(dict.fromkeys([*vocabulary, *source]))
    ids = np.array([words.index(word) for word in source])
    P = np.zeros((len(p_gen), len(words)))
    P[:, : len(vocabulary)] = p_gen[:, None] * p_vocab
    for t in range(len(p_gen)):
        np.add.at(P[t], ids, (1 - p_gen[t]) * weights[t])
    return words, P
"""
ATTENTION = """
@np.errstate(all="ignore")  # its warnings belong to the mistake
def attention(query, keys, values, mask=None):
    scores = query @ keys.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    e = np.exp(scores - scores.max(-1, keepdims=True))
    weights = e / e.sum(-1, keepdims=True)
    return weights @ values, weights
"""
HEADS = """
@np.errstate(all="ignore")  # its warnings belong to the mistake
def multi_head(x, y, p, heads, ignore):
    W, b = (np.split(p[f"in_proj_{name}"], 3) for name in ("weight", "bias"))
    cut = lambda a: a.reshape(*a.shape[:2], heads, -1).swapaxes(1, 2)
    q, k, v = (cut(a @ W[j].T + b[j]) for j, a in enumerate((x, y, y)))
    context = attention(q, k, v, ~ignore[:, None, None, :])[0]
    return context.swapaxes(1, 2).reshape(x.shape) @ p["out_proj.weight"].T + p["out_proj.bias"]
"""
LOOK = """
@np.errstate(all="ignore")  # its warnings belong to the mistake
def self_attention(x, W_q, W_k, W_v, causal):
    n, d = x.shape
    scores = (x @ W_q.T) @ (x @ W_k.T).T / np.sqrt(d)
    if causal:
        scores = np.where(np.tri(n, dtype=bool), scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ (x @ W_v.T)
"""
PLACES = """
def positions(n, d):
    angles = np.arange(n)[:, None] / 10000 ** (np.arange(0, d, 2) / d)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(n, d)
"""


def but(code: str, old: str, new: str) -> str:
    """Return a right answer with one mistake in it."""
    assert old in code, f"{old!r} is not in the answer"
    return code.replace(old, new)


WRONG = [
    ("8.1", "sources only", 0, "only the sources were compared", LETTERS + but(LEAKS, "BOTH", "False and")),
    ("8.1", "exact text", 0, "case and punctuation do not count", "key = str" + but(LEAKS, "BOTH", "")),
    (
        "8.1",
        "inside the test too",
        0,
        "only those",
        LETTERS + LEAKS.replace("BOTH", "").replace("j not in test", "j != test[0]"),
    ),
    ("8.1", "one number", 0, "return a list of three counts", "def prediction_8_1():\n    return [4]"),
    (
        "8.2",
        "shuffle and cut",
        1,
        "is on one side, run on the other",
        """
import random
def split(pairs, percent):
    pairs = random.Random(0).sample(pairs, len(pairs))
    cut = len(pairs) * percent // 100
    return pairs[cut:], pairs[:cut]
""",
    ),
    (
        "8.2",
        "shuffle the sentences",
        2,
        "new lines moved an old one",
        """
import random
def split(pairs, percent):
    key = lambda text: "".join(c for c in text.lower() if c.isalnum())
    keys = sorted({key(source) for source, _ in pairs})
    test = set(random.Random(0).sample(keys, len(keys) * percent // 100))
    return [p for p in pairs if key(p[0]) not in test], [p for p in pairs if key(p[0]) in test]
""",
    ),
    (
        "8.2",
        "the first sentences are the test",
        2,
        "another order of the lines",
        """
def split(pairs, percent):
    key = lambda text: "".join(c for c in text.lower() if c.isalnum())
    keys = list(dict.fromkeys(key(source) for source, _ in pairs))
    test = set(keys[: len(keys) * percent // 100])
    return [p for p in pairs if key(p[0]) not in test], [p for p in pairs if key(p[0]) in test]
""",
    ),
    ("8.2", "hash", 3, "take SHA-256 of the key", but(SPLIT, "NUMBER", "hash(key) % 100")),
    (
        "8.2",
        "bytes of the hash",
        3,
        "take SHA-256",
        but(SPLIT, "NUMBER", "hashlib.sha256(key.encode()).digest()[0] * 100 / 256"),
    ),
    (
        "8.2",
        "hash of the raw text",
        2,
        "is on one side, run on the other",
        but(SPLIT, "NUMBER", NUMBER.replace("key", "source")),
    ),
    (
        "8.2",
        "the twelve words by heart",
        0,
        "one side is empty",
        but(
            SPLIT,
            "NUMBER",
            "100 * (source not in 'Go! Run. Wait! Hello. Look! Jump! Listen! 谢谢。'.split())",
        ),
    ),
    (
        "8.2",
        "the test comes first",
        3,
        "train comes first",
        but(but(SPLIT, "NUMBER", NUMBER), "return sides", "return sides[::-1]"),
    ),
    (
        "8.2",
        "a pair only once",
        1,
        "every pair in exactly one of them",
        but(
            but(SPLIT, "NUMBER", NUMBER),
            "for source, target in pairs",
            "for source, target in dict(pairs).items()",
        ),
    ),
    (
        "8.3",
        "as it was",
        0,
        "return a dict",
        'def rankings(runs):\n    return [r["system"] for r in sorted(runs, key=lambda r: -r["bleu"])]',
    ),
    (
        "8.3",
        "what the scorer was told",
        1,
        "stands in one list with a cased one",
        but(
            but(RANKINGS, 'run["lowered"] or ', ""),
            """f"{run['cut']}+{run['tokenize']}" if run["cut"] else """,
            "",
        ),
    ),
    ("8.3", "the cutter alone", 3, "say so in tok", but(RANKINGS, "+{run['tokenize']}", "")),
    (
        "8.3",
        "all test sets together",
        3,
        "belongs to its test set",
        but(RANKINGS, "{run['test']}", "test2016"),
    ),
    ("8.3", "worst first", 3, "the worst comes first", but(RANKINGS, '-run["bleu"]', 'run["bleu"]')),
    (
        "8.3",
        "three kinds of case",
        3,
        "is the same ruler",
        but(RANKINGS, 'case = "lc" if run["lowered"] or', 'case = "by hand" if run["lowered"] else "lc" if'),
    ),
    ("8.4", "each word once", 3, "counted once", but(LEARN, "+= count", "+= 1")),
    (
        "8.4",
        "ties as they come",
        3,
        "smallest pair",
        but(LEARN, "min(seen, key=lambda pair: (-seen[pair], pair))", "max(seen, key=seen.get)"),
    ),
    (
        "8.4",
        "no end",
        4,
        "learn_merges stopped with",
        but(LEARN, "        if not seen:\n            break\n", ""),
    ),
    ("8.4", "counted, never joined", 3, "can be joined again", but(LEARN, '["".join(pair)]', "list(pair)")),
    (
        "8.4",
        "leftmost pair first",
        3,
        "the leftmost pair won",
        """
def encode(text, merges):
    pieces = []
    for word in text.split():
        parts, j = list(word), 0
        while j < len(parts) - 1:
            if (parts[j], parts[j + 1]) in merges:
                parts[j : j + 2] = [parts[j] + parts[j + 1]]
            else:
                j += 1
        pieces += [parts[0], *("·" + part for part in parts[1:])]
    return pieces
""",
    ),
    (
        "8.4",
        "spaces lost",
        4,
        "spaces are lost",
        "def decode(pieces):\n    return ''.join(pieces).replace('·', '')",
    ),
    (
        "8.4",
        "the dot left in",
        4,
        "must give the text back",
        "def decode(pieces):\n    return ' '.join(pieces)",
    ),
    ("8.5", "duplicates lost", 1, "one of its weights", but(COPY, "np.add.at(P[t], ids, ", "P[t, ids] += (")),
    (
        "8.5",
        "saying overwritten",
        3,
        "loses what saying gave it",
        but(COPY, "np.add.at(P[t], ids,", "np.put(P[t], ids, 0), np.add.at(P[t], ids,"),
    ),
    ("8.5", "copying in full", 2, "rows of P must sum to 1", but(COPY, "(1 - p_gen[t]) * ", "")),
    (
        "8.5",
        "vocabulary only",
        0,
        "one column for each",
        """
def copy_distribution(p_gen, p_vocab, weights, source, vocabulary):
    return vocabulary, p_vocab
""",
    ),
    (
        "8.5",
        "the unknown word copied",
        1,
        "p_gen, and no more",
        """
def copy_distribution(p_gen, p_vocab, weights, source, vocabulary):
    words = list(dict.fromkeys([*vocabulary, *source]))
    ids = [vocabulary.index(word) if word in vocabulary else 0 for word in source]
    P = np.zeros((len(p_gen), len(words)))
    P[:, : len(vocabulary)] = p_gen[:, None] * p_vocab
    for i, j in enumerate(ids):
        P[:, j] += (1 - p_gen) * weights[:, i]
    return words, P
""",
    ),
    (
        "8.5",
        "p_gen turned round",
        1,
        "rows of P must sum to 1",
        but(but(COPY, "(1 - p_gen[t])", "p_gen[t]"), "= p_gen[:", "= 1 - p_gen[:"),
    ),
    ("8.6", "not scaled", 3, "not scaled", but(ATTENTION, " / np.sqrt(query.shape[-1])", "")),
    (
        "8.6",
        "mask turned round",
        2,
        "just where the mask is False",
        but(ATTENTION, "np.where(mask,", "np.where(~mask,"),
    ),
    (
        "8.6",
        "mask after the softmax",
        2,
        "exactly 0, and the rest",
        but(
            ATTENTION.replace("if mask is not None:", "if mask is not None and mask.dtype != bool:"),
            "    return weights",
            "    if mask is not None and mask.dtype == bool:\n        weights = weights * mask"
            "\n    return weights",
        ),
    ),
    (
        "8.6",
        "any mask is a bool",
        4,
        "is added to the scores",
        but(ATTENTION, " if mask.dtype == bool else scores + mask", ""),
    ),
    ("8.6", "ignore not turned", 4, "True means padding", but(HEADS, "~ignore", "ignore")),
    (
        "8.6",
        "heads interleaved",
        4,
        "how is the width cut",
        but(HEADS, "heads, -1).swapaxes(1, 2)\n", "-1, heads).transpose(0, 3, 1, 2)\n"),
    ),
    (
        "8.6",
        "overflow",
        4,
        "large scores overflow",
        but(
            ATTENTION,
            "scores - scores.max(-1, keepdims=True)",
            "np.float64(scores).clip(None, 80) * np.where(scores > 80, np.inf, 1)",
        ),
    ),
    (
        "8.6",
        "over the queries",
        3,
        "expected shape",
        but(
            ATTENTION, "return weights @ values, weights", "return weights @ values, weights.swapaxes(-1, -2)"
        ),
    ),
    ("8.7", "no mask", 3, "forbid i > t before", but(LOOK, "if causal", "if False")),
    (
        "8.7",
        "strictly before",
        4,
        "a word sees itself",
        but(LOOK, "np.tri(n, dtype=bool)", "np.tri(n, k=-1, dtype=bool)"),
    ),
    ("8.7", "always masked", 3, "and only if causal", but(LOOK, "if causal", "if True")),
    (
        "8.7",
        "the past hidden",
        3,
        "forbid i > t before",
        but(LOOK, "np.tri(n, dtype=bool)", "np.tri(n, dtype=bool).T"),
    ),
    (
        "8.7",
        "mask after the softmax",
        3,
        "before the softmax",
        """
def self_attention(x, W_q, W_k, W_v, causal):
    e = np.exp((x @ W_q.T) @ (x @ W_k.T).T / np.sqrt(x.shape[1]))
    weights = e / e.sum(-1, keepdims=True)
    return (np.tril(weights) if causal else weights) @ (x @ W_v.T)
""",
    ),
    (
        "8.7",
        "positions inside",
        4,
        "without mask and positions",
        but(LOOK, "n, d = x.shape", "n, d = x.shape\n    x = x + np.sin(np.arange(n))[:, None]"),
    ),
    ("8.7", "no scale", 4, "not scaled", but(LOOK, " / np.sqrt(d)", "")),
    (
        "8.7",
        "sines, then cosines",
        4,
        "side by side",
        but(
            PLACES,
            "np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(n, d)",
            "np.hstack([np.sin(angles), np.cos(angles)])",
        ),
    ),
    (
        "8.7",
        "a ramp",
        4,
        "on the distance alone",
        "def positions(n, d):\n    return np.outer(np.arange(n), np.ones(d)) / n",
    ),
    (
        "8.7",
        "one place for all",
        4,
        "must give other outputs",
        "def positions(n, d):\n    return np.ones((n, d))",
    ),
    (
        "8.2",
        "percent itself as well",
        4,
        "below percent was asked for",
        but(SPLIT, "NUMBER <", NUMBER + " <="),
    ),
    ("8.3", "no test set in the ruler", 1, "belongs to its test set", but(RANKINGS, "{run['test']}|", "")),
    (
        "8.3",
        "another way of writing the ruler",
        2,
        "written as in the text",
        but(RANKINGS, "|case:{case}|tok:", ", {case}, "),
    ),
    (
        "8.5",
        "saying and copying exchanged",
        1,
        "not the other way round",
        but(but(COPY, "(1 - p_gen[t])", "p_gen[t]"), "p_gen[:, None]", "(1 - p_gen[:, None])"),
    ),
]
