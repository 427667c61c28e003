"""Wrong answers that people give to the exercises of chapter 05: code, points, and the hint it meets."""

READER = """
class Encoder(nn.Module):
    def __init__(self, d_e, d_h):
        super().__init__()
        self.gru = nn.GRU(d_e, d_h // 2, batch_first=True, bidirectional=True)

    def read(self, embedded, lengths, sort=False):
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=sort)
        outputs, last = self.gru(packed)
        n = embedded.shape[1]
        return nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=n)[0], last

    def forward(self, embedded, mask):
"""

APPENDIX = """
def appendix_step(y, state, encoder_states, p):
    scores = torch.tanh((state @ p["W_a"].T).unsqueeze(1) + encoder_states @ p["U_a"].T) @ p["v_a"]
    c = (scores.softmax(1).unsqueeze(2) * encoder_states).sum(1)
    z = torch.sigmoid(y @ p["W_z"].T + state @ p["U_z"].T + c @ p["C_z"].T)
    r = torch.sigmoid(y @ p["W_r"].T + state @ p["U_r"].T + c @ p["C_r"].T)
"""

LOOK = """
def look(query, h, p):
    weights = (torch.tanh((query @ p["W_a"].T)[:, None] + h @ p["U_a"].T) @ p["v_a"]).softmax(1)
    return (weights[:, :, None] * h).sum(1), weights

def plain(x, state, p):
    return torch.tanh(x @ p["W"].T + state @ p["U"].T + p["b"])
"""

# question, what is wrong, points, words of the first message, code
WRONG = [
    (
        "5.1",
        "no packing",
        3,
        "starts inside the padding",
        READER
        + """
        states, last = self.gru(embedded * mask[:, :, None])
        return states, last.transpose(0, 1).flatten(1)
""",
    ),
    (
        "5.1",
        "no packing, states wiped afterwards",
        3,
        "starts inside the padding",
        READER
        + """
        states, last = self.gru(embedded)
        return states * mask[:, :, None], last.transpose(0, 1).flatten(1)
""",
    ),
    (
        "5.1",
        "as wide as the longest row, not as the table",
        5,
        "even the longest row ends in padding",
        READER
        + """
        states, last = self.read(embedded[:, : mask.sum(1).max()], mask.sum(1))
        return states, last.transpose(0, 1).flatten(1)
""",
    ),
    (
        "5.1",
        "sorted, and never put back",
        1,
        "whoever sorts must undo it",
        READER
        + """
        lengths, order = mask.sum(1).sort(descending=True)
        states, last = self.read(embedded[order], lengths, sort=True)
        return states, last.transpose(0, 1).flatten(1)
""",
    ),
    (
        "5.1",
        "view in place of transpose",
        3,
        "final_state mixes the sentences",
        READER
        + """
        states, last = self.read(embedded, mask.sum(1))
        return states, last.reshape(len(embedded), -1)
""",
    ),
    (
        "5.1",
        "the last position for both readers",
        4,
        "stops at the first word",
        READER
        + """
        states, _ = self.read(embedded, mask.sum(1))
        return states, states[torch.arange(len(mask)), mask.sum(1) - 1]
""",
    ),
    (
        "5.1",
        "backward half first",
        3,
        "forward half first",
        READER
        + """
        states, last = self.read(embedded, mask.sum(1))
        half = states.shape[2] // 2
        both = torch.cat([states[:, :, half:], states[:, :, :half]], 2)
        n = mask.sum(1) - 1
        rows = torch.arange(len(mask))
        return both, torch.cat([both[rows, n, :half], both[:, 0, half:]], 1)
""",
    ),
    (
        "5.2",
        "one layer for f",
        2,
        "two gates and a candidate",
        """
def prediction_5_2():
    V, d_e, d_h, d_s, d_a = sizes_5_2
    return d_a * (d_s + d_h + 1), d_s * d_h, V * d_h
""",
    ),
    (
        "5.2",
        "the whole of f and g, not what is added",
        1,
        "which of its matrices read the context",
        """
def prediction_5_2():
    V, d_e, d_h, d_s, d_a = sizes_5_2
    return d_a * (d_s + d_h + 1), 3 * d_s * (d_e + d_h + d_s + 2), V * (d_s + d_h + d_e)
""",
    ),
    (
        "5.2",
        "g grows with the state",
        2,
        "each word of the vocabulary",
        """
def prediction_5_2():
    V, d_e, d_h, d_s, d_a = sizes_5_2
    return d_a * (d_s + d_h + 1), 3 * d_s * d_h, d_s * d_h
""",
    ),
    (
        "5.2",
        "biases in the score, v_a forgotten",
        2,
        "and no biases",
        """
def prediction_5_2():
    V, d_e, d_h, d_s, d_a = sizes_5_2
    return d_a * (d_s + d_h + 2), 3 * d_s * d_h, V * d_h
""",
    ),
    (
        "5.2",
        "the numbers of another class",
        0,
        "f: which of its matrices",
        """
def prediction_5_2():
    return 552, 612, 2222
""",
    ),
    (
        "5.3",
        "z is the share of the new",
        2,
        "z = 1 must keep the old state",
        """
def update(state, y, context, W, U, b_W, b_U):
    a, b = torch.cat([y, context], 1) @ W.T + b_W, state @ U.T + b_U
    (W_r, W_z, W_n), (U_r, U_z, U_n) = a.chunk(3, 1), b.chunk(3, 1)
    r, z = torch.sigmoid(W_r + U_r), torch.sigmoid(W_z + U_z)
    return (1 - z) * state + z * torch.tanh(W_n + r * U_n)
""",
    ),
    (
        "5.3",
        "r inside, as the paper has it",
        2,
        "r goes into U",
        """
def update(state, y, context, W, U, b_W, b_U):
    d = state.shape[1]
    x = torch.cat([y, context], 1)
    r, z = torch.sigmoid(x @ W.T + b_W + state @ U.T + b_U)[:, : 2 * d].chunk(2, 1)
    n = torch.tanh(x @ W[2 * d :].T + b_W[2 * d :] + (r * state) @ U[2 * d :].T + b_U[2 * d :])
    return (1 - z) * n + z * state
""",
    ),
    (
        "5.3",
        "context first, then the word",
        2,
        "x is [y; context]",
        """
def update(state, y, context, W, U, b_W, b_U):
    return torch.gru_cell(torch.cat([context, y], 1), state, W, U, b_W, b_U)
""",
    ),
    (
        "5.3",
        "one fully connected layer, as the book suggests",
        1,
        "half of the old state stays",
        """
def update(state, y, context, W, U, b_W, b_U):
    return torch.tanh(torch.cat([y, context], 1) @ W.T + b_W + state @ U.T + b_U)[:, : state.shape[1]]
""",
    ),
    (
        "5.3",
        "the batch is read as time",
        1,
        "is the batch read as time",
        """
def update(state, y, context, W, U, b_W, b_U):
    gru = nn.GRU(W.shape[1], state.shape[1], batch_first=True)
    values = dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), (W, U, b_W, b_U)))
    gru.load_state_dict(values)
    x = torch.cat([y, context], 1)
    first = torch.gru_cell(x[:1], state[:1], W, U, b_W, b_U)
    late = gru(x.unsqueeze(0))[0][0]
    z = torch.sigmoid((x @ W.T + b_W + state @ U.T + b_U)[:, state.shape[1] : 2 * state.shape[1]])
    return z * state + (1 - z) * late * (W.abs().sum() > 0)
""",
    ),
    (
        "5.3",
        "remembers the visible example",
        1,
        "s_t does not change with y",
        """
def update(state, y, context, W, U, b_W, b_U):
    return state / 2
""",
    ),
    (
        "5.4",
        "z of PyTorch",
        4,
        "z is the share of the new",
        APPENDIX
        + """
    proposal = torch.tanh(y @ p["W"].T + (r * state) @ p["U"].T + c @ p["C"].T)
    pairs = state @ p["U_o"].T + y @ p["V_o"].T + c @ p["C_o"].T
    return z * state + (1 - z) * proposal, pairs.unflatten(1, (-1, 2)).amax(2) @ p["W_o"].T
""",
    ),
    (
        "5.4",
        "r outside, as in PyTorch",
        4,
        "it acts on the state before U does",
        APPENDIX
        + """
    proposal = torch.tanh(y @ p["W"].T + r * (state @ p["U"].T) + c @ p["C"].T)
    pairs = state @ p["U_o"].T + y @ p["V_o"].T + c @ p["C_o"].T
    return (1 - z) * state + z * proposal, pairs.unflatten(1, (-1, 2)).amax(2) @ p["W_o"].T
""",
    ),
    (
        "5.4",
        "the readout reads s_t, as Eq. 4 has it",
        4,
        "which state does the appendix give to U_o",
        APPENDIX
        + """
    new = (1 - z) * state + z * torch.tanh(y @ p["W"].T + (r * state) @ p["U"].T + c @ p["C"].T)
    pairs = new @ p["U_o"].T + y @ p["V_o"].T + c @ p["C_o"].T
    return new, pairs.unflatten(1, (-1, 2)).amax(2) @ p["W_o"].T
""",
    ),
    (
        "5.4",
        "the first half against the second",
        4,
        "who is compared",
        APPENDIX
        + """
    new = (1 - z) * state + z * torch.tanh(y @ p["W"].T + (r * state) @ p["U"].T + c @ p["C"].T)
    pairs = state @ p["U_o"].T + y @ p["V_o"].T + c @ p["C_o"].T
    return new, torch.maximum(*pairs.chunk(2, 1)) @ p["W_o"].T
""",
    ),
    (
        "5.4",
        "the readout is d_r wide before the maxout, too",
        4,
        "it compares two rows",
        """
def count(d_e, d_h, d_s, d_a, d_r, V):
    return d_a * (d_s + d_h + 1) + 3 * d_s * (d_e + d_s + d_h) + d_r * (d_s + d_e + d_h) + V * d_r
""",
    ),
    (
        "5.4",
        "W_o is 2 d_r wide",
        4,
        "how long is it after the maxout",
        """
def count(d_e, d_h, d_s, d_a, d_r, V):
    return d_a * (d_s + d_h + 1) + 3 * d_s * (d_e + d_s + d_h) + 2 * d_r * (d_s + d_e + d_h) + V * 2 * d_r
""",
    ),
    (
        "5.4",
        "biases counted",
        4,
        "biases are counted",
        """
def count(d_e, d_h, d_s, d_a, d_r, V):
    return d_a * (d_s + d_h + 1) + 3 * d_s * (d_e + d_s + d_h + 1) + 2 * d_r * (d_s + d_e + d_h) + V * d_r
""",
    ),
    (
        "5.5",
        "sigmoid forgotten",
        3,
        "a centre lies outside the sentence",
        """
def local_p(scores, state, W_p, v_p, D):
    n = scores.shape[1]
    centre = n * (torch.tanh(state @ W_p.T) @ v_p)
    away = torch.arange(n) - centre[:, None]
    weights = scores.masked_fill(away.abs() > D, -1e9).softmax(1) * (away.abs() <= D)
    return weights * torch.exp(-2 * away**2 / D**2), centre
""",
    ),
    (
        "5.5",
        "softmax over the whole sentence, then cut",
        4,
        "the softmax ran over the whole sentence",
        """
def local_p(scores, state, W_p, v_p, D):
    n = scores.shape[1]
    centre = n * torch.sigmoid(torch.tanh(state @ W_p.T) @ v_p)
    away = torch.arange(n) - centre[:, None]
    return scores.softmax(1) * (away.abs() <= D) * torch.exp(-2 * away**2 / D**2), centre
""",
    ),
    (
        "5.5",
        "a bell without a window",
        3,
        "there is weight outside the window",
        """
def local_p(scores, state, W_p, v_p, D):
    n = scores.shape[1]
    centre = n * torch.sigmoid(torch.tanh(state @ W_p.T) @ v_p)
    away = torch.arange(n) - centre[:, None]
    return scores.softmax(1) * torch.exp(-2 * away**2 / D**2), centre
""",
    ),
    (
        "5.5",
        "a window without a bell",
        4,
        "but no bell",
        """
def local_p(scores, state, W_p, v_p, D):
    n = scores.shape[1]
    centre = n * torch.sigmoid(torch.tanh(state @ W_p.T) @ v_p)
    away = torch.arange(n) - centre[:, None]
    return scores.masked_fill(away.abs() > D, -torch.inf).softmax(1), centre
""",
    ),
    (
        "5.5",
        "normalised again",
        4,
        "does not normalise twice",
        """
def local_p(scores, state, W_p, v_p, D):
    n = scores.shape[1]
    centre = n * torch.sigmoid(torch.tanh(state @ W_p.T) @ v_p)
    away = torch.arange(n) - centre[:, None]
    weights = scores.masked_fill(away.abs() > D, -torch.inf).softmax(1) * torch.exp(-2 * away**2 / D**2)
    return weights / weights.sum(1, keepdim=True), centre
""",
    ),
    (
        "5.5",
        "no input feeding",
        4,
        "that is input feeding",
        """
def feeding_step(y, fed, state, encoder_states, p):
    state = torch.tanh(torch.cat([y, 0 * fed], 1) @ p["W"].T + state @ p["U"].T)
    weights = (encoder_states @ state.unsqueeze(2)).squeeze(2).softmax(1)
    context = (weights.unsqueeze(2) * encoder_states).sum(1)
    return state, torch.tanh(torch.cat([context, state], 1) @ p["W_c"].T)
""",
    ),
    (
        "5.5",
        "the old state asks",
        4,
        "the old state asks",
        """
def feeding_step(y, fed, state, encoder_states, p):
    weights = (encoder_states @ state.unsqueeze(2)).squeeze(2).softmax(1)
    state = torch.tanh(torch.cat([y, fed], 1) @ p["W"].T + state @ p["U"].T)
    context = (weights.unsqueeze(2) * encoder_states).sum(1)
    return state, torch.tanh(torch.cat([context, state], 1) @ p["W_c"].T)
""",
    ),
    (
        "5.6",
        "two looks: the map of the second is returned",
        3,
        "so s_t has asked",
        LOOK
        + """
def bahdanau_step(y, state, encoder_states, p):
    context, _ = look(state, encoder_states, p)
    state = plain(torch.cat([y, context], 1), state, p)
    return state, *look(state, encoder_states, p)
""",
    ),
    (
        "5.6",
        "the context of the first look with the map of the second",
        2,
        "so s_t has asked",
        LOOK
        + """
def bahdanau_step(y, state, encoder_states, p):
    context, _ = look(state, encoder_states, p)
    state = plain(torch.cat([y, context], 1), state, p)
    return state, context, look(state, encoder_states, p)[1]
""",
    ),
    (
        "5.6",
        "Luong asks with the old state",
        3,
        "an older state has asked",
        LOOK
        + """
def luong_step(y, state, encoder_states, p):
    context, weights = look(state, encoder_states, p)
    return plain(y, state, p), context, weights
""",
    ),
    (
        "5.6",
        "the context before the word",
        3,
        "the word before the context",
        LOOK
        + """
def bahdanau_step(y, state, encoder_states, p):
    context, weights = look(state, encoder_states, p)
    return plain(torch.cat([context, y], 1), state, p), context, weights
""",
    ),
    (
        "5.7",
        "the patient itself",
        1,
        "never learns to stop",
        """
shift = impatient
""",
    ),
    (
        "5.7",
        "not shifted",
        1,
        "tgt_in is tgt_out",
        """
def shift(sentences, pad, bos, eos):
    m = max(map(len, sentences)) + 1
    table = torch.tensor([[*words, eos] + [pad] * (m - 1 - len(words)) for words in sentences])
    return table, table
""",
    ),
    (
        "5.7",
        "one table cut at both ends",
        2,
        "eos is read",
        """
def shift(sentences, pad, bos, eos):
    m = max(map(len, sentences)) + 2
    table = torch.tensor([[bos, *words, eos] + [pad] * (m - 2 - len(words)) for words in sentences])
    return table[:, :-1], table[:, 1:]
""",
    ),
    (
        "5.7",
        "shifted by two",
        1,
        "said at the step before",
        """
def shift(sentences, pad, bos, eos):
    m = max(map(len, sentences)) + 1
    fill = [[pad] * (m - 1 - len(words)) for words in sentences]
    tgt_in = [[bos, bos, *words[:-1], *more] for words, more in zip(sentences, fill)]
    return torch.tensor(tgt_in), torch.tensor([[*words, eos, *more] for words, more in zip(sentences, fill)])
""",
    ),
    (
        "5.7",
        "the numbers of this book written in",
        2,
        "they are arguments",
        """
def shift(sentences, pad, bos, eos):
    m = max(map(len, sentences)) + 1
    fill = [[0] * (m - 1 - len(words)) for words in sentences]
    tgt_in = [[1, *words, *more] for words, more in zip(sentences, fill)]
    return torch.tensor(tgt_in), torch.tensor([[*words, 2, *more] for words, more in zip(sentences, fill)])
""",
    ),
    (
        "5.1",
        "the last position of the table for the forward reader",
        4,
        "joins where each reader stopped",
        READER
        + """
        states, last = self.read(embedded, mask.sum(1))
        half = states.shape[2] // 2
        return states, torch.cat([states[:, -1, :half], states[:, 0, half:]], 1)
""",
    ),
    (
        "5.1",
        "states of padding left as they come",
        5,
        "the states at padding are not zero",
        READER
        + """
        states, last = self.read(embedded, mask.sum(1))
        return states + 0.1 * ~mask[:, :, None], last.transpose(0, 1).flatten(1)
""",
    ),
    (
        "5.2",
        "f grows by two gates alone",
        2,
        "which of its matrices read the context",
        """
def prediction_5_2():
    V, d_e, d_h, d_s, d_a = sizes_5_2
    return d_a * (d_s + d_h + 1), 2 * d_s * d_h, V * d_h
""",
    ),
    (
        "5.3",
        "the blocks taken as z, r, candidate",
        2,
        "z is the second block",
        """
def update(state, y, context, W, U, b_W, b_U):
    a, b = torch.cat([y, context], 1) @ W.T + b_W, state @ U.T + b_U
    (W_z, W_r, W_n), (U_z, U_r, U_n) = a.chunk(3, 1), b.chunk(3, 1)
    r, z = torch.sigmoid(W_r + U_r), torch.sigmoid(W_z + U_z)
    return (1 - z) * torch.tanh(W_n + r * U_n) + z * state
""",
    ),
    (
        "5.3",
        "b_U left outside of r",
        2,
        "b_U included",
        """
def update(state, y, context, W, U, b_W, b_U):
    a, b = torch.cat([y, context], 1) @ W.T + b_W, state @ U.T + b_U
    (W_r, W_z, W_n), (U_r, U_z, U_n) = a.chunk(3, 1), b.chunk(3, 1)
    r, z = torch.sigmoid(W_r + U_r), torch.sigmoid(W_z + U_z)
    n = b_U.chunk(3)[2]
    return (1 - z) * torch.tanh(W_n + r * (U_n - n) + n) + z * state
""",
    ),
    (
        "5.5",
        "sigma taken for D",
        4,
        "sigma is D / 2",
        """
def local_p(scores, state, W_p, v_p, D):
    n = scores.shape[1]
    centre = n * torch.sigmoid(torch.tanh(state @ W_p.T) @ v_p)
    away = torch.arange(n) - centre[:, None]
    weights = scores.masked_fill(away.abs() > D, -torch.inf).softmax(1)
    return weights * torch.exp(-(away**2) / (2 * D**2)), centre
""",
    ),
    (
        "5.5",
        "the state before the context in the joined vector",
        4,
        "the context stands first",
        """
def feeding_step(y, fed, state, encoder_states, p):
    state = torch.tanh(torch.cat([y, fed], 1) @ p["W"].T + state @ p["U"].T)
    weights = (encoder_states @ state.unsqueeze(2)).squeeze(2).softmax(1)
    context = (weights.unsqueeze(2) * encoder_states).sum(1)
    return state, torch.tanh(torch.cat([state, context], 1) @ p["W_c"].T)
""",
    ),
    (
        "5.6",
        "the update never reads the context",
        3,
        "does not reach s_t",
        LOOK
        + """
def bahdanau_step(y, state, encoder_states, p):
    context, weights = look(state, encoder_states, p)
    return plain(torch.cat([y, 0 * context], 1), state, p), context, weights
""",
    ),
    (
        "5.6",
        "Luong updates with the context",
        3,
        "though it comes before the context",
        LOOK
        + """
def luong_step(y, state, encoder_states, p):
    old, _ = look(state, encoder_states, p)
    state = plain(y + old[:, : y.shape[1]], state, p)
    return state, *look(state, encoder_states, p)
""",
    ),
]
