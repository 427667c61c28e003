"""Wrong answers that people give to the exercises of chapter 06: code, points, and the hint it meets."""

ENCODE = """
class Repaired(Repaired):
    def encode(self, src):
        lengths = (src != PAD).sum(1)
        x = self.source(src)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs, last = self.encoder(packed)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=src.shape[1])
        states = outputs.unflatten(2, (2, -1)).sum(2)
"""

ATTEND = """
class Repaired(Repaired):
    def attend(self, query, states, mask):
        pairs = torch.cat((query.unsqueeze(1).expand_as(states), states), dim=2)
"""

STEP = """
class Repaired(Repaired):
    def step(self, y, hidden, states, mask):
        context, weights = self.attend(hidden[0][-1], states, mask)
"""

SHORT = """
    def fit(self, src, tgt):
        return super().fit(src, tgt, steps=20)  # the test need not wait
"""

# question, what is wrong, points, words of the first message, code
WRONG = [
    (
        "6.1",
        "the chapter's numbers",
        0,
        "the first axis of a state",
        """
def prediction_6_1():
    return (2, 10), (15, 10), (2, 1, 10)
""",
    ),
    (
        "6.1",
        "the other way round",
        2,
        "which tensor stands first",
        """
def prediction_6_1():
    B, n, d, H, layers = sizes_6_1
    return (B, layers), (d + H, H), (layers, 1, H)
""",
    ),
    (
        "6.1",
        "the state it got, not the one it wants",
        2,
        "how many examples does the LSTM see",
        """
def prediction_6_1():
    B, n, d, H, layers = sizes_6_1
    return (layers, B), (d + H, H), (layers, B, H)
""",
    ),
    (
        "6.1",
        "batch_first for the state, too",
        2,
        "layers come first",
        """
def prediction_6_1():
    B, n, d, H, layers = sizes_6_1
    return (layers, B), (d + H, H), (1, layers, H)
""",
    ),
    (
        "6.1",
        "only the last output reaches the decoder",
        2,
        "built for the last output and the context",
        """
def prediction_6_1():
    B, n, d, H, layers = sizes_6_1
    return (layers, B), (H, d), (layers, 1, H)
""",
    ),
    (
        "6.2",
        "always content",
        0,
        "True for a model that reads the batch as time",
        """
def examples_apart(start, outputs=None):
    return [start] if outputs is None else True

def unused(start, outputs=None):
    return [start] if outputs is None else []

sums_to_one = follows_query = padding_weightless = examples_apart
""",
    ),
    (
        "6.2",
        "never content",
        0,
        "False for a healthy model",
        """
def examples_apart(start, outputs=None):
    return [start] if outputs is None else False

def unused(start, outputs=None):
    return [start] if outputs is None else [*start]

sums_to_one = follows_query = padding_weightless = examples_apart
""",
    ),
    (
        "6.2",
        "only example 0 is changed",
        4,
        "the last example reaches the first",
        """
def examples_apart(ids, outputs=None):
    changed = ids.clone()
    changed[0] = (ids[0] - 3) % 7 + 4
    if outputs is None:
        return [ids, changed]
    return (outputs[0] - outputs[1]).abs()[1:].max().item() < 1e-5
""",
    ),
    (
        "6.2",
        "the changed example may not move, either",
        4,
        "may move itself",
        """
def examples_apart(ids, outputs=None):
    changed = ids.clone()
    changed[0] = (ids[0] - 3) % 7 + 4
    if outputs is None:
        return [ids, changed]
    return (outputs[0] - outputs[1]).abs().max().item() < 1e-5
""",
    ),
    (
        "6.2",
        "any change of a float counts",
        4,
        "where the last digits move",
        """
def follows_query(case, outputs=None):
    if outputs is None:
        return [case, (case[0] * -3.7 + 1.3, *case[1:])]
    return not torch.equal(*outputs)
""",
    ),
    (
        "6.2",
        "all parameters nudged at once",
        5,
        "was each nudged alone",
        """
def unused(params, outputs=None):
    if outputs is None:
        return [params, {name: value + 1 for name, value in params.items()}]
    return [*params] if (outputs[0] - outputs[1]).abs().max() < 1e-6 else []
""",
    ),
    (
        "6.2",
        "sums over the batch",
        4,
        "sum over the source",
        """
def sums_to_one(case, outputs=None):
    if outputs is None:
        return [case]
    return (outputs[0].sum(0) - 1).abs().max().item() < 1e-4
""",
    ),
    (
        "6.2",
        "states set to zero, mask left as it was",
        4,
        "no mask of your inputs has a False",
        """
def padding_weightless(case, outputs=None):
    query, states, mask = case
    padded = states.clone()
    padded[:, -2:] = 0
    if outputs is None:
        return [(query, padded, mask)]
    return outputs[0][:, -2:].abs().max().item() == 0
""",
    ),
    (
        "6.2",
        "one example alone",
        4,
        "one is no batch",
        """
def sums_to_one(case, outputs=None):
    if outputs is None:
        return [tuple(part[:1] for part in case)]
    return (outputs[0].sum(1) - 1).abs().max().item() < 1e-4
""",
    ),
    (
        "6.3",
        "the patient",
        0,
        "the batch is read as time",
        """
class Repaired(Patient):
    pass
""",
    ),
    (
        "6.3",
        "the book is read out: a forged translate",
        5,
        "unseen strings",
        """
class Repaired(Repaired):
    def translate(self, src):
        return src.flip(1)

    def fit(self, src, tgt):
        return 0.0
""",
    ),
    (
        "6.3",
        "made to pass the visible checks: the secret alphabet is counted, not learned",
        6,
        "the trained parameters",
        """
class Repaired(Repaired):
    def fit(self, src, tgt):
        self.table = {}
        for row, words in zip(src.tolist(), tgt.tolist()):
            row, words = row[: row.index(EOS)], words[: words.index(EOS)]
            self.table.update(zip(reversed(row), words))
        return 0.0

    def translate(self, src):
        rows = []
        for row in src.tolist():
            words = [self.table.get(word, 4) for word in reversed(row[: row.index(EOS)])]
            rows.append((words + [EOS] * 6)[:6])
        return torch.tensor(rows)
""",
    ),
    (
        "6.3",
        "the last state thrown away",
        3,
        "knows nothing of the source",
        ENCODE
        + """
        zeros = torch.zeros(1, len(src), states.shape[2])
        return states, (zeros, zeros)
"""
        + SHORT,
    ),
    (
        "6.3",
        "only the forward half of the last state",
        4,
        "the backward reader's part",
        ENCODE
        + """
        return states, tuple(part[:1] for part in last)
""",
    ),
    (
        "6.3",
        "no packing",
        3,
        "encode reads it",
        """
class Repaired(Repaired):
    def encode(self, src):
        outputs, last = self.encoder(self.source(src))
        return outputs.unflatten(2, (2, -1)).sum(2), tuple(part.sum(0, keepdim=True) for part in last)
"""
        + SHORT,
    ),
    (
        "6.3",
        "no tanh",
        3,
        "the weights ignore the query",
        ATTEND
        + """
        weights = (self.linear(pairs) @ self.v).masked_fill(~mask, -torch.inf).softmax(1)
        return (weights.unsqueeze(2) * states).sum(1), weights
"""
        + SHORT,
    ),
    (
        "6.3",
        "tanh, but no v",
        3,
        "v is not used",
        ATTEND
        + """
        weights = torch.tanh(self.linear(pairs)).sum(2).masked_fill(~mask, -torch.inf).softmax(1)
        return (weights.unsqueeze(2) * states).sum(1), weights
"""
        + SHORT,
    ),
    (
        "6.3",
        "no mask",
        3,
        "padding gets weight",
        ATTEND
        + """
        weights = (torch.tanh(self.linear(pairs)) @ self.v).softmax(1)
        return (weights.unsqueeze(2) * states).sum(1), weights
"""
        + SHORT,
    ),
    (
        "6.3",
        "softmax over the batch",
        2,
        "do not sum to 1",
        ATTEND
        + """
        weights = (torch.tanh(self.linear(pairs)) @ self.v).softmax(0) * mask
        return (weights.unsqueeze(2) * states).sum(1), weights
"""
        + SHORT,
    ),
    (
        "6.3",
        "the last word is still not read",
        3,
        "does not hear the word",
        STEP
        + """
        output, hidden = self.decoder(torch.cat((context, context), dim=1).unsqueeze(1), hidden)
        return self.out(torch.cat((output.squeeze(1), context), dim=1)), hidden, weights
"""
        + SHORT,
    ),
    (
        "6.3",
        "context first, then the word",
        4,
        "reads the word first",
        STEP
        + """
        output, hidden = self.decoder(torch.cat((context, self.target(y)), dim=1).unsqueeze(1), hidden)
        return self.out(torch.cat((output.squeeze(1), context), dim=1)), hidden, weights
""",
    ),
    (
        "6.1",
        "rung 7 the other way round",
        2,
        "which of them was the LSTM built for",
        """
def prediction_6_1():
    B, n, d, H, layers = sizes_6_1
    return (layers, B), (H, d + H), (layers, 1, H)
""",
    ),
    (
        "6.2",
        "only the first and the last example changed",
        5,
        "in the middle",
        """
def examples_apart(ids, outputs=None):
    ends = [ids.clone(), ids.clone()]
    ends[0][0], ends[1][-1] = (ids[0] - 3) % 7 + 4, (ids[-1] - 3) % 7 + 4
    if outputs is None:
        return [ids, *ends]
    first, last = ((output - outputs[0]).abs() for output in outputs[1:])
    return max(first[1:].max(), last[:-1].max()).item() < 1e-5
""",
    ),
    (
        "6.2",
        "content if the weights stay",
        4,
        "is a change the good news",
        """
def follows_query(case, outputs=None):
    if outputs is None:
        return [case, (-case[0], *case[1:])]
    return torch.allclose(outputs[0], outputs[1], atol=1e-5)
""",
    ),
    (
        "6.2",
        "looks at the weight of real words",
        4,
        "padding_weightless is False for a healthy",
        """
def padding_weightless(case, outputs=None):
    query, states, mask = case
    real = mask.clone()
    real[:, -1] = False
    if outputs is None:
        return [(query, states, real)]
    return outputs[0][real].abs().max().item() == 0
""",
    ),
    (
        "6.3",
        "the cell starts at zero",
        3,
        "the cell c knows nothing",
        ENCODE
        + """
        return states, (last[0].sum(0, keepdim=True), 0 * last[1].sum(0, keepdim=True))
"""
        + SHORT,
    ),
    (
        "6.3",
        "the last word looked up in the source table",
        3,
        "in the table of source words",
        STEP
        + """
        output, hidden = self.decoder(torch.cat((self.source(y), context), dim=1).unsqueeze(1), hidden)
        return self.out(torch.cat((output.squeeze(1), context), dim=1)), hidden, weights
"""
        + SHORT,
    ),
    (
        "6.3",
        "the output reads s_t twice",
        3,
        "the second half is not c_t",
        STEP
        + """
        output, hidden = self.decoder(torch.cat((self.target(y), context), dim=1).unsqueeze(1), hidden)
        return self.out(torch.cat((output.squeeze(1), output.squeeze(1)), dim=1)), hidden, weights
"""
        + SHORT,
    ),
    (
        "6.3",
        "the cell asks",
        3,
        "the cell c asks",
        STEP.replace("hidden[0][-1]", "hidden[1][-1]")
        + """
        output, hidden = self.decoder(torch.cat((self.target(y), context), dim=1).unsqueeze(1), hidden)
        return self.out(torch.cat((output.squeeze(1), context), dim=1)), hidden, weights
"""
        + SHORT,
    ),
    (
        "6.3",
        "softmax over the batch, padding not wiped",
        2,
        "do not sum to 1",
        ATTEND
        + """
        weights = (torch.tanh(self.linear(pairs)) @ self.v).softmax(0)
        return (weights.unsqueeze(2) * states).sum(1), weights
"""
        + SHORT,
    ),
    (
        "6.3",
        "the mask after the softmax",
        3,
        "do not sum to 1",
        ATTEND
        + """
        weights = (torch.tanh(self.linear(pairs)) @ self.v).softmax(1) * mask
        return (weights.unsqueeze(2) * states).sum(1), weights
"""
        + SHORT,
    ),
]
