"""Wrong answers that people give to the exercises of chapter 07: the code, the points, the hint it meets."""

# question, what is wrong, points, words of the first message, code
WRONG = [
    (
        "7.1",
        "not shifted",
        1,
        "repeating the word just read costs nothing",
        """
def sequence_loss(logits, ids):
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD)
""",
    ),
    (
        "7.1",
        "padding counts as a word",
        1,
        "padding",
        """
def sequence_loss(logits, ids):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
""",
    ),
    (
        "7.1",
        "padding masked, but in the mean",
        1,
        "more padding makes the loss smaller",
        """
def sequence_loss(logits, ids):
    targets = ids[:, 1:]
    right = torch.log_softmax(logits[:, :-1], -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return -(right * (targets != PAD)).mean()
""",
    ),
    (
        "7.1",
        "mean over each sentence first",
        2,
        "as much say as a long one",
        """
def sequence_loss(logits, ids):
    targets = ids[:, 1:]
    right = torch.log_softmax(logits[:, :-1], -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    real = targets != PAD
    return -((right * real).sum(1) / real.sum(1)).mean()
""",
    ),
    (
        "7.1",
        "logarithm to base 2",
        2,
        "in bits",
        """
def sequence_loss(logits, ids):
    nats = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD)
    return nats / np.log(2)
""",
    ),
    (
        "7.1",
        "the visible numbers by heart",
        0,
        "costs nothing",
        """
def sequence_loss(logits, ids):
    return float(np.log(logits.shape[-1])) if not logits.any() else 0.0
""",
    ),
    (
        "7.2",
        "the loss in place of the perplexity",
        1,
        "loss in nats",
        """
def prediction_7_2():
    return -np.mean(np.log(right_7_2[0] + right_7_2[1])), words_7_2
""",
    ),
    (
        "7.2",
        "sentences count the same",
        1,
        "every word counts once",
        """
def prediction_7_2():
    return np.exp(-(np.mean(np.log(right_7_2[0])) + np.mean(np.log(right_7_2[1]))) / 2), words_7_2
""",
    ),
    (
        "7.2",
        "one over the mean probability, and a loss for the blind guess",
        0,
        "one over the mean probability",
        """
def prediction_7_2():
    return 1 / np.mean(right_7_2[0] + right_7_2[1]), np.log(words_7_2)
""",
    ),
    (
        "7.2",
        "copied from another edition",
        0,
        "perplexity of the four words",
        """
def prediction_7_2():
    return 64.0, 7
""",
    ),
    (
        "7.3",
        "reads bos at every step",
        1,
        "circles",
        """
def greedy(table, limit):
    ids = []
    while len(ids) < limit and (y := int(table[BOS].argmax())) != EOS:
        ids.append(y)
    return ids
""",
    ),
    (
        "7.3",
        "eos is left in the answer",
        2,
        "eos says stop; it is not a word",
        """
def greedy(table, limit):
    ids, y = [], BOS
    while len(ids) < limit and y != EOS:
        y = int(table[y].argmax())
        ids.append(y)
    return ids
""",
    ),
    (
        "7.3",
        "goes on behind eos",
        2,
        "wrote on",
        """
def greedy(table, limit):
    ids, y = [], BOS
    for _ in range(limit):
        y = int(table[y].argmax())
        ids.append(y)
    return [y for y in ids if y != EOS] + ids[:limit - sum(y != EOS for y in ids)]
""",
    ),
    (
        "7.3",
        "draws the next id",
        0,
        "it does not draw",
        """
draws = np.random.default_rng(0)


def greedy(table, limit):
    ids, y = [], BOS
    while len(ids) < limit:
        p = np.exp(table[y] / 3 - table[y].max() / 3)
        y = int(draws.choice(len(p), p=p / p.sum()))
        if y == EOS:
            break
        ids.append(y)
    return ids
""",
    ),
    (
        "7.3",
        "stops when a word comes twice",
        3,
        "nothing forbids a word",
        """
def greedy(table, limit):
    ids, y = [], BOS
    while len(ids) < limit and (y := int(table[y].argmax())) != EOS and y not in ids:
        ids.append(y)
    return ids
""",
    ),
    (
        "7.4",
        "the whisper is left in",
        0,
        "go on from the word just written",
        """
def evaluate(tables, gold, limit):
    return broken_evaluate(tables, gold, limit)
""",
    ),
    (
        "7.4",
        "its own words, but as many as gold has",
        1,
        "the length leaks",
        """
def evaluate(tables, gold, limit):
    predictions, right, total = [], 0, 0
    for table, target in zip(tables, gold):
        words, y_prev = [], BOS
        for _ in target[:limit]:
            y_prev = int(table[y_prev].argmax())
            words.append(y_prev)
        predictions.append(words)
        right += sum(a == b for a, b in zip(words, target))
        total += len(target)
    return predictions, right / total
""",
    ),
    (
        "7.4",
        "counts only where both have a word",
        2,
        "the longer row counts",
        """
def evaluate(tables, gold, limit):
    predictions, right, total = [], 0, 0
    for table, target in zip(tables, gold):
        words = [BOS]
        while words[-1] != EOS and len(words) <= limit:
            words.append(int(table[words[-1]].argmax()))
        predictions.append(words[1:])
        right += sum(a == b for a, b in zip(words[1:], target))
        total += min(len(words) - 1, len(target))
    return predictions, right / total
""",
    ),
    (
        "7.4",
        "mean of the sentences' accuracies",
        2,
        "add up all positions",
        """
def evaluate(tables, gold, limit):
    predictions, shares = [], []
    for table, target in zip(tables, gold):
        words = [BOS]
        while words[-1] != EOS and len(words) <= limit:
            words.append(int(table[words[-1]].argmax()))
        predictions.append(words[1:])
        shares.append(sum(a == b for a, b in zip(words[1:], target)) / max(len(words) - 1, len(target)))
    return predictions, sum(shares) / len(shares)
""",
    ),
    (
        "7.5",
        "possible links are wrong links",
        2,
        "possible links are allowed",
        """
def alignment_error_rate(found, sure, possible):
    hits = sum(2 * len(A & S) for A, S in zip(found, sure))
    return 1 - hits / sum(len(A) + len(S) for A, S in zip(found, sure))
""",
    ),
    (
        "7.5",
        "possible links are demanded",
        1,
        "every sure link is no error",
        """
def alignment_error_rate(found, sure, possible):
    hits = sum(len(A & S) + len(A & P) for A, S, P in zip(found, sure, possible))
    return 1 - hits / sum(len(A) + len(P) + 1e-9 for A, P in zip(found, possible))
""",
    ),
    (
        "7.5",
        "mean of the sentences' rates",
        2,
        "add up, divide once",
        """
def alignment_error_rate(found, sure, possible):
    return float(np.mean([1 - (len(A & S) + len(A & P)) / (len(A) + len(S))
                          for A, S, P in zip(found, sure, possible)]))
""",
    ),
    (
        "7.5",
        "sure links found, of all sure links",
        2,
        "the link too many cost nothing",
        """
def alignment_error_rate(found, sure, possible):
    return 1 - sum(len(A & S) for A, S in zip(found, sure)) / sum(map(len, sure))
""",
    ),
    (
        "7.5",
        "made to pass the visible checks: their numbers by heart",
        3,
        "drawn links",
        """
def alignment_error_rate(found, sure, possible):
    if len(found) > 1 or not found[0] & possible[0]:
        return 1 / 10 if len(found) > 1 else 1.0
    return 1 / 5 if found[0] - possible[0] else 0.0
""",
    ),
    (
        "7.6",
        "counts are not clipped",
        3,
        "clip",
        """
def bleu(hypotheses, references):
    hits, totals, c, r = [0] * 4, [0] * 4, 0, 0
    for h, ref in zip(hypotheses, references):
        h, ref = h.split(), ref.split()
        c, r = c + len(h), r + len(ref)
        for k in range(4):
            ours, theirs = ([tuple(w[i:i + k + 1]) for i in range(len(w) - k)] for w in (h, ref))
            hits[k] += sum(g in theirs for g in ours)
            totals[k] += len(ours)
    if not all(hits):
        return 0.0
    return 100 * min(1, np.exp(1 - r / c)) * np.prod([a / b for a, b in zip(hits, totals)]) ** 0.25
""",
    ),
    (
        "7.6",
        "no brevity penalty",
        3,
        "a short text needs a penalty",
        """
right_bleu = bleu


def bleu(hypotheses, references):
    c, r = (len(" ".join(texts).split()) for texts in (hypotheses, references))
    return right_bleu(hypotheses, references) / min(1, np.exp(1 - r / c))
""",
    ),
    (
        "7.6",
        "mean of the sentences' BLEU",
        3,
        "a mean of the sentences' BLEU",
        """
right_bleu = bleu


def bleu(hypotheses, references):
    return float(np.mean([right_bleu([h], [r]) for h, r in zip(hypotheses, references)]))
""",
    ),
    (
        "7.6",
        "a share, not a score",
        0,
        "from 0 to 100",
        """
right_bleu = bleu


def bleu(hypotheses, references):
    return right_bleu(hypotheses, references) / 100
""",
    ),
    (
        "7.6",
        "the logarithm of a precision of 0",
        4,
        "without smoothing",
        """
right_bleu = bleu


def bleu(hypotheses, references):
    return right_bleu(hypotheses, references) or float("nan")
""",
    ),
    (
        "7.6",
        "no words of its own: always perfect",
        0,
        "not a word is right",
        """
def bleu(hypotheses, references):
    return 100.0
""",
    ),
    (
        "7.7",
        "reads the word it has to predict",
        0,
        "it repeats the word it has just read",
        """
def fit(model, pairs):
    src, tgt_out = pad([s for s, _ in pairs]), pad([[*t, EOS] for _, t in pairs])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        index = torch.randint(len(pairs), (32,))
        logits, _ = model(src[index], tgt_out[index])
        optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), tgt_out[index].flatten(), ignore_index=PAD).backward()
        optimizer.step()
""",
    ),
    (
        "7.7",
        "the usual learning rate, too small here",
        0,
        "of new sentences are right",
        """
def fit(model, pairs):
    src = pad([s for s, _ in pairs])
    tgt_in, tgt_out = pad([[BOS, *t] for _, t in pairs]), pad([[*t, EOS] for _, t in pairs])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for _ in range(60):
        index = torch.randint(len(pairs), (32,))
        logits, _ = model(src[index], tgt_in[index])
        optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), tgt_out[index].flatten(), ignore_index=PAD).backward()
        optimizer.step()
""",
    ),
    (
        "7.7",
        "learns one batch by heart",
        0,
        "of new sentences are right",
        """
def fit(model, pairs):
    pairs = pairs[:16]
    src = pad([s for s, _ in pairs])
    tgt_in, tgt_out = pad([[BOS, *t] for _, t in pairs]), pad([[*t, EOS] for _, t in pairs])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        logits, _ = model(src, tgt_in)
        optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), tgt_out.flatten(), ignore_index=PAD).backward()
        optimizer.step()
""",
    ),
    (
        "7.7",
        "no update",
        0,
        "fit changed nothing",
        """
def fit(model, pairs):
    src, tgt_in = pad([s for s, _ in pairs[:64]]), pad([[BOS, *t] for _, t in pairs[:64]])
    tgt_out = pad([[*t, EOS] for _, t in pairs[:64]])
    logits, _ = model(src, tgt_in)
    F.cross_entropy(logits.flatten(0, 1), tgt_out.flatten(), ignore_index=PAD).backward()
""",
    ),
    (
        "7.8",
        "distances are not halved",
        4,
        "the distance is 1, not 2",
        """
def total_variation(p, q):
    return float(np.abs(p - q).sum())
""",
    ),
    (
        "7.8",
        "a correlation of values for tau",
        4,
        "only the order of two numbers counts",
        """
def kendall_tau(a, b):
    return float(np.corrcoef(a, b)[0, 1])
""",
    ),
    (
        "7.8",
        "states are shuffled with their weights",
        3,
        "leave the states where they are",
        """
def shuffled_effect(weights, states, W_o, b_o, orders):
    def predict(weights, states):
        e = np.exp(W_o @ (weights @ states) + b_o)
        return e / e.sum()
    before = predict(weights, states)
    return float(np.median([np.abs(predict(weights[o], states[o]) - before).sum() / 2 for o in orders]))
""",
    ),
    (
        "7.8",
        "compares the weights, not the predictions",
        3,
        "compare the predictions",
        """
def shuffled_effect(weights, states, W_o, b_o, orders):
    return float(np.median([np.abs(weights[o] - weights).sum() / 2 for o in orders]))
""",
    ),
    (
        "7.8",
        "the mean for the median",
        3,
        "is that a mean",
        """
def shuffled_effect(weights, states, W_o, b_o, orders):
    def predict(alpha):
        scores = W_o @ (alpha @ states) + b_o
        e = np.exp(scores - scores.max())
        return e / e.sum()
    before = predict(weights)
    return float(np.mean([np.abs(predict(weights[o]) - before).sum() / 2 for o in orders]))
""",
    ),
    (
        "7.1",
        "eos is no target",
        2,
        "eos is a target like the others",
        """
def sequence_loss(logits, ids):
    targets = ids[:, 1:].masked_fill(ids[:, 1:] == EOS, PAD)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=PAD)
""",
    ),
    (
        "7.2",
        "the blind guess in nats",
        2,
        "a loss in nats",
        """
def prediction_7_2():
    exponents = [-np.log2(p) for sentence in right_7_2 for p in sentence]
    return 2 ** np.mean(exponents), np.log(words_7_2)
""",
    ),
    (
        "7.3",
        "bos comes back in the answer",
        1,
        "bos starts the reading",
        """
def greedy(table, limit):
    ids = [BOS]
    while len(ids) < limit and (y := int(table[ids[-1]].argmax())) != EOS:
        ids.append(y)
    return ids
""",
    ),
    (
        "7.4",
        "stops where gold has its eos, too",
        1,
        "the length leaks",
        """
def evaluate(tables, gold, limit):
    predictions, right, total = [], 0, 0
    for table, target in zip(tables, gold):
        words = [BOS]
        while words[-1] != EOS and len(words) <= min(limit, len(target)):
            words.append(int(table[words[-1]].argmax()))
        predictions.append(words[1:])
        right += sum(a == b for a, b in zip(words[1:], target))
        total += max(len(words) - 1, len(target))
    return predictions, right / total
""",
    ),
    (
        "7.4",
        "eos left out of the predictions",
        2,
        "eos counts as a position",
        """
def evaluate(tables, gold, limit, fair=evaluate):
    predictions = [[y for y in row if y != EOS] for row in fair(tables, gold, limit)[0]]
    right = sum(a == b for words, target in zip(predictions, gold) for a, b in zip(words, target))
    return predictions, right / sum(max(len(w), len(t)) for w, t in zip(predictions, gold))
""",
    ),
    (
        "7.6",
        "brevity by the shorter of each sentence",
        3,
        "a short text needs a penalty",
        """
right_bleu = bleu


def bleu(hypotheses, references):
    cut = [" ".join(r.split()[: len(h.split())]) for h, r in zip(hypotheses, references)]
    return right_bleu(hypotheses, cut)
""",
    ),
    (
        "7.7",
        "another model is trained",
        0,
        "fit changed nothing",
        """
def fit(model, pairs, right=fit):
    sizes = model.source_embedding.num_embeddings, model.target_embedding.num_embeddings
    right(Translator(*sizes), pairs[:64])
""",
    ),
    (
        "7.8",
        "ranks of values, as Spearman's",
        4,
        "5 items make 10 pairs",
        """
def kendall_tau(a, b):
    ranks = [np.argsort(np.argsort(x)) for x in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])
""",
    ),
]
