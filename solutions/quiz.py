"""The quiz before and after the course: sixteen ideas, each in two forms, and answers that are computed.

A question states numbers; the package computes what follows; an option is right if it claims just that.

    python solutions/quiz.py        the page for students, docs/teaching/quiz.md
    python solutions/quiz.py key    the key, with a sentence to discuss for each idea
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from seq2seq_edu.data import Vocabulary, make_batch
from seq2seq_edu.equations import (
    GRUParams,
    additive_score,
    context_vector,
    cross_entropy,
    dot_score,
    gru_step,
    softmax,
)
from seq2seq_edu.metrics import alignment_error_rate, token_accuracy
from seq2seq_edu.models import Encoder, ModelConfig, Seq2Seq

TITLE = """# What do you think attention does?

Two forms of one quiz: **form A** before the first chapter, **form B** after the last. The ideas are the same,
the numbers are not. Twenty minutes, on paper, no computer: logarithms cancel. Where there are options,
exactly one is right. "I do not know" is an honest answer: leave it blank.
"""


@dataclass(frozen=True)
class Question:
    """What is asked, what each option claims (no options: a number is asked for), and what is so."""

    text: str
    found: Any
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def right(self) -> list[str]:
        """Return the letters of the options that claim what is so."""
        return [letter for letter, (_, claim) in self.lettered() if claim == self.found]

    def lettered(self) -> Iterator[tuple[str, tuple[str, Any]]]:
        """Yield each option with its letter."""
        return zip("abcd", self.options, strict=False)

    @property
    def answer(self) -> str:
        """Return the answer as the key prints it: a letter or a number."""
        return " and ".join(self.right) if self.options else f"{self.found:g}"


@dataclass(frozen=True)
class Idea:
    """One misconception: where it is taught, how it is asked (for two sets of numbers), what to discuss."""

    name: str
    chapter: str
    ask: Callable[..., Question]
    A: tuple[Any, ...]
    B: tuple[Any, ...]
    why: str
    turned: bool = False  # form B lists the options backwards

    def question(self, form: str) -> Question:
        """Return the question of form A or B."""
        question = self.ask(*getattr(self, form))
        turn = self.turned and form == "B"
        return replace(question, options=question.options[::-1]) if turn else question


# Each function below is one idea: numbers in, question out.


def only_differences(numbers: Sequence[int], shift: int, which: str) -> Question:
    """Adding a constant to all scores changes no weight."""
    weights = softmax(np.log(numbers) + shift)
    names = ("first", "second", "third")
    listed = ", ".join(f"ln {k}" for k in numbers)
    text = f"""The scores (得分) of three words are {listed}. Somebody adds {shift} to each of the three.
    What is then the attention weight (注意力权重) of the {which} word? Answer with a decimal number."""
    return Question(text, round(float(weights[names.index(which)]), 12))


def zero_is_a_score(words: int, pads: int, k: int, shares: Sequence[str]) -> Question:
    """A zero vector at padding has the score 0, which may be the best."""
    states = np.array([[[-np.log(k)]] * words + [[0.0]] * pads])
    found = softmax(dot_score(np.ones((1, 1)), states))[0, words:].sum()
    text = f"""A sentence of {words} words is filled up with {pads} column{'s' * (pads > 1)} of padding
    (填充), whose states are zero vectors, so that their dot score is 0. Each word has the score −ln {k}.
    There is no mask (掩码). How much of the attention does the padding get in all?"""
    return Question(text, Fraction(float(found)).limit_denominator(99), claims(shares))


def over_the_source(B: int, n: int) -> Question:
    """Weights sum to 1 over the axis of the softmax, and over no other."""
    weights = softmax(np.zeros((B, n)).T).T  # axis 0 became the last one, and came back
    text = f"""The scores of a batch of {B} sentence{'s' * (B > 1)} with {n} words have the shape ({B},
    {n}); all scores are equal. By mistake the softmax runs over axis 0. What do the {n} weights of the
    first sentence add up to? Answer with a number."""
    return Question(text, round(float(weights[0].sum()), 12))


def query_cancels(k: int, first: int, second: int, shown: str) -> Question:
    """Without a tanh the state of the decoder drops out of the softmax."""
    of_words = np.log([1, k])
    before, after = (float(softmax(number + of_words)[1]) for number in (first, second))
    found = "more" if before > after else "less"
    if np.isclose(before, after):
        found = str(Fraction(before).limit_denominator(99))
    text = f"""A score without tanh: $e_{{t,i}} = v^\\top (W s_{{t-1}} + U h_i)$. There are two words, with
    $v^\\top U h_1 = 0$ and $v^\\top U h_2 = \\ln {k}$. At step 1 the decoder's part $v^\\top W s_0$ is
    {minus(first)}, at step 2 $v^\\top W s_1$ is {minus(second)}. How much weight has the second word?"""
    options = (
        ("more at step 1 than at step 2", "more"),
        ("more at step 2 than at step 1", "less"),
        (f"{shown} at both steps", shown),
        ("that depends on more than these numbers", "unknown"),
    )
    return Question(text, found, options)


def a_mean_of_all(states: Sequence[Sequence[int]], points: Sequence[Sequence[int]]) -> Question:
    """A context lies inside the hull of the states: it is a mean of all, not one that was selected."""
    h = np.array(states, float)
    corners = np.vstack([h.T, np.ones(3)])  # three states in the plane: the weights of a point are unique
    inside = []
    for point in points:
        weights = np.linalg.solve(corners, [*point, 1.0])
        if (weights > 0).all():  # then there are scores, ln weights, with which the softmax gives them
            context = context_vector(softmax(np.log(weights))[None], h[None])[0]
            inside.append(tuple(context.round(9).astype(int).tolist()))
    listed = ", ".join(f"$h_{i} = {show(s)}$" for i, s in enumerate(states, start=1))
    text = f"Three encoder states: {listed}. Which of these can be a context vector $c_t$ (上下文向量)?"
    found = inside[0] if len(inside) == 1 else inside
    return Question(text, found, tuple((show(point), tuple(point)) for point in points))


def order_is_forgotten(before: str, after: str) -> Question:
    """Shuffle the words: weights move with them, the context stays."""
    words = before.split()
    order = [words.index(word) for word in after.split()]
    h = np.random.default_rng(0).normal(size=(1, len(words), 2))
    query = np.array([[1.0, -1.0]])
    (old, c_old), (new, c_new) = (
        (weights := softmax(dot_score(query, states)), context_vector(weights, states))
        for states in (h, h[:, order])
    )
    found = (bool(np.allclose(new, old[:, order])), bool(np.allclose(c_old, c_new)))
    text = f"""The states $h_i$ are the embeddings (词嵌入) of the words alone; no encoder has read the
    sentence. {before} becomes {after}, and the query (查询) stays what it was. What happens?"""
    options = (
        ("each position keeps its weight, and the context changes", (False, False)),
        ("each word keeps its weight, and the context changes", (True, False)),
        ("each word keeps its weight, and the context stays", (True, True)),
        ("each position keeps its weight, and the context stays", (False, True)),
    )
    return Question(text, found, options)


def who_asks(order: str, nudge: float) -> Question:
    """In Bahdanau's order the old state asks, in Luong's the new one."""

    def looks(push: float) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        h, state = rng.normal(size=(1, 5, 3)), rng.normal(size=(1, 2))
        score = [rng.normal(size=size) for size in ((7, 2), (7, 3), (7,))]
        gru = GRUParams(*(rng.normal(size=size) for size in ((6, 3), (6, 2), (6,), (6,))))
        seen = []
        for step in range(2):
            if order == "Bahdanau":
                seen.append(softmax(additive_score(state, h, *score)))
                state = gru_step(context_vector(seen[-1], h), state, gru)
            else:  # no input feeding: the update does not need a context
                state = gru_step(h[:, step], state, gru)
            state = state + push * (step == 0)
            if order == "Luong":
                seen.append(softmax(additive_score(state, h, *score)))
        return seen

    found = tuple(not np.allclose(a, b) for a, b in zip(looks(0), looks(nudge), strict=True))
    book = " (the book's)." if order == "Bahdanau" else ""
    text = f"""A decoder (解码器) works in the order of {order} et al.{book} As soon as its state $s_t$ is
    computed, somebody adds {nudge} to it, and everything goes on from there. Which attention weights
    change?"""
    options = (
        ("those of step $t$ only", (True, False)),
        ("those of step $t$ and of step $t+1$", (True, True)),
        ("those of step $t+1$, not those of step $t$", (False, True)),
        ("none: weights depend on the encoder", (False, False)),
    )
    return Question(text, found, options)


def gold_words_flatter(gold: str, says: dict[str, str], pairs: Sequence[tuple[int, int]]) -> Question:
    """Fed the right words, a model gets more words right than alone."""
    words, free = gold.split(), []
    for _ in words:
        free.append(says[free[-1] if free else "<bos>"])
    forced = [says[word] for word in ["<bos>", *words[:-1]]]
    found = tuple(round(token_accuracy([said], [words]) * len(words)) for said in (free, forced))
    table = ", ".join(f"after {code(k)} {code(v)}" for k, v in says.items())
    text = f"""The right output is {code(gold)}. A model says {table}. How many words are right if it reads
    back its own words, and how many if it is fed the right ones (教师强制, teacher forcing)?"""
    return Question(text, found, tuple((f"{a} alone, {b} fed with the right ones", (a, b)) for a, b in pairs))


def shifted_by_one(target: str, say: str, options: Sequence[str]) -> Question:
    """The decoder reads the word before the one that it should say."""
    vocabulary = Vocabulary.build([target])
    batch = make_batch([(vocabulary.encode(target), vocabulary.encode(target))])
    reads, says = (vocabulary.tokens(ids[0].tolist()) for ids in (batch.tgt_in, batch.tgt_out))
    text = f"""In training, with teacher forcing (教师强制), the target is *{target}*. What does the
    decoder read at the step at which it should say {code(say)}?"""
    return Question(text, reads[says.index(say)], tuple((code(option), option) for option in options))


def padding_is_no_word(first: tuple[int, int], second: tuple[int, int], means: Sequence[str]) -> Question:
    """A loss is a mean over real tokens: not over positions, not over sentences."""
    lengths, nats = zip(first, second, strict=True)
    right = np.exp(-np.array(nats, float))[:, None] * np.ones((2, max(lengths)))
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    loss = cross_entropy(np.log(np.stack([right, 1 - right], axis=-1)), np.zeros(mask.shape, int), mask)
    pads = int((~mask).sum())
    text = f"""A batch of two targets. The first has {lengths[0]} words, and the model's surprise at each
    is {nats[0]} nats; the second has {lengths[1]} words, {nats[1]} nat{'s' * (nats[1] > 1)} each. {pads}
    columns of padding fill up the first. What is the loss (损失), in nats per target word?"""
    return Question(text, Fraction(loss).limit_denominator(99), claims(means))


def last_real_state(lengths: tuple[int, int], columns: Sequence[int]) -> Question:
    """The last state of a short sentence is not in the last column."""
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    torch.manual_seed(0)
    with torch.no_grad():
        states, final = Encoder(3, 5, bidirectional=False)(torch.randn(*mask.shape, 3), mask)
    found = [i for i in range(max(lengths)) if torch.allclose(states[0, i], final[0])]
    text = f"""Two sentences, of {lengths[0]} and {lengths[1]} words, are one batch; an encoder (编码器)
    reads them from left to right. Its states have the shape (2, {max(lengths)}, d); columns are counted
    from 0. In which column is the last state of the first sentence, which the decoder should start from?"""
    options = (*((str(c), c) for c in columns), ("in any from there on: padding changes no state", "any"))
    return Question(text, found[0] if len(found) == 1 else "any", options)


def mask_polarity(call: str, n: int) -> Question:
    """One call of PyTorch means True = ignore, the other True = keep."""
    mask, x = torch.arange(n) < n - 1, torch.ones(1, n, n)
    if call == "key_padding_mask":
        layer = torch.nn.MultiheadAttention(n, 1, batch_first=True)
        weights = layer(x, x, x, key_padding_mask=mask[None])[1][0, 0]
        where = "`nn.MultiheadAttention` as `key_padding_mask`"
    else:
        read = torch.nn.functional.scaled_dot_product_attention
        weights = read(x, x, torch.eye(n)[None], attn_mask=mask[None, None])[0, 0]
        where = "`scaled_dot_product_attention` as `attn_mask`"
    found = tuple((weights > 0).tolist())
    text = f"""A sentence of {n - 1} words is filled up with one column of padding. `mask` is `True` at the
    words and `False` at the padding. It is given to PyTorch's {where}, as it is. What does the attention
    read?"""
    options = (
        ("nothing: the result is zero", (False,) * n),
        ("everything: PyTorch wants numbers here", (True,) * n),
        ("the padding and not the words", tuple((~mask).tolist())),
        ("the words and not the padding", tuple(mask.tolist())),
    )
    return Question(text, found, options)


def map_is_no_proof(twins: tuple[int, int], old: Sequence[float], new: Sequence[float]) -> Question:
    """Two maps, one context: the answer cannot tell which was used."""
    h = np.array([[[2.0, 1.0], [0.0, 4.0], [3.0, -2.0]]])
    h[0, twins[1]] = h[0, twins[0]]
    contexts = [context_vector(np.array([weights]), h) for weights in (old, new)]
    found = "same" if np.allclose(*contexts) else "other"
    a, b = (i + 1 for i in twins)
    text = f"""Two of three encoder states are equal, $h_{a} = h_{b}$. With the weights {show(old)} the
    model writes 猫 (*cat*). Somebody replaces the weights of this step by {show(new)}. What does it write
    now?"""
    options = (
        (f"another word: it now looks at word {b}", "other"),
        ("猫 again, though the map is another", "same"),
        ("nothing certain: 猫 becomes less likely", "less"),
        ("that depends on the state of the decoder", "depends"),
    )
    return Question(text, found, options)


def crisp_is_not_right(links: Sequence[int], crisp: Sequence[int], soft: Sequence[int]) -> Question:
    """A map with large weights may be wrong, and a pale one right."""
    n = len(links)
    gold = {(t, i - 1) for t, i in enumerate(links)}
    rates = []
    for best, weight in ((crisp, 0.96), (soft, 0.4)):
        alignment = np.full((n, n), (1 - weight) / (n - 1))
        alignment[range(n), [i - 1 for i in best]] = weight
        rates.append(alignment_error_rate(alignment, gold, gold, has_eos=False))
    found = "equal" if rates[0] == rates[1] else "crisp" if rates[0] < rates[1] else "soft"
    text = f"""Three words are written; the true links go to the source words {in_words(links)}. Map 1 has
    the weight 0.96 on the words {in_words(crisp)}, map 2 the weight 0.40 on {in_words(soft)}; the rest of
    each row is shared equally. Each word is linked to its largest weight. Which map has the lower alignment
    error rate (对齐错误率)?"""
    options = (
        ("map 1", "crisp"),
        ("map 2", "soft"),
        ("both have the same", "equal"),
        ("that cannot be told without the words", "unknown"),
    )
    return Question(text, found, options)


def price_of_a_look(short: int, long: int) -> Question:
    """A step with attention costs more on a longer source; one without it does not."""

    def cost(attention: str, n: int) -> int:
        config = ModelConfig(31, 31, attention=attention, d_e=3, d_h=4, d_s=5, d_a=7, d_r=3, dropout=0.0)
        model, ids = Seq2Seq(config).eval(), torch.full((1, n), 7)
        with torch.no_grad():
            memory, state = model.encode(ids, ids > 0)
            with FlopCounterMode(display=False) as counter:
                model.step(ids[:, 0], state, memory)
        return counter.get_total_flops()

    found = tuple(cost(attention, long) > cost(attention, short) for attention in ("none", "additive"))
    text = f"""Two decoders, one with attention and one without. The source, read once, now has {long}
    words instead of {short}. What happens to the work of **one** decoder step?"""
    options = (
        ("it stays in both", (False, False)),
        ("it grows in both", (True, True)),
        ("it grows without attention, and stays with it", (True, False)),
        ("it grows with attention, and stays without it", (False, True)),
    )
    return Question(text, found, options)


def best_word_best_sentence(
    tree: dict[str, tuple[float, dict[str, float]]], pairs: Sequence[str]
) -> Question:
    """The best word at each step is not the best sentence."""
    sentences = {(a, b): p * q for a, (p, after) in tree.items() for b, q in after.items()}
    word = max(tree, key=lambda a: tree[a][0])
    after = tree[word][1]
    found = f"{sentences[word, max(after, key=after.__getitem__)]:.2f} and {max(sentences.values()):.2f}"
    listed = "; ".join(
        f"{code(a)} {p:g}, and after it " + ", ".join(f"{code(b)} {q:g}" for b, q in after.items())
        for a, (p, after) in tree.items()
    )
    text = f"""A model that writes two words. The first one is {listed}. How probable is the sentence that
    greedy search (贪心搜索) finds, and how probable is the most probable one?"""
    return Question(text, found, tuple((pair, pair) for pair in pairs))


def claims(numbers: Sequence[str]) -> tuple[tuple[str, Fraction], ...]:
    """Return options that are numbers."""
    return tuple((number, Fraction(number)) for number in numbers)


def minus(number: int) -> str:
    """Write a number with a real minus sign."""
    return str(number).replace("-", "−")


def show(vector: Sequence[float]) -> str:
    """Write a vector as one writes it by hand."""
    return "(" + ", ".join(f"{x:g}".replace("-", "−") for x in vector) + ")"


def in_words(numbers: Sequence[int]) -> str:
    """Write three numbers as a list in words."""
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def code(text: str) -> str:
    """Set words in type of their own."""
    return f"`{text}`"


WORDS_A = {"<bos>": "a", "a": "x", "b": "c", "c": "d", "x": "x"}
WORDS_B = {"<bos>": "a", "a": "b", "b": "y", "c": "d", "d": "e", "y": "y"}
TREE_A = {"a": (0.6, {"c": 0.4, "d": 0.3, "e": 0.3}), "b": (0.4, {"c": 0.9, "d": 0.1})}
TREE_B = {
    "a": (0.5, {"d": 0.5, "e": 0.3, "f": 0.2}),
    "b": (0.3, {"d": 0.9, "e": 0.1}),
    "c": (0.2, {"f": 1.0}),
}
IDEAS = (
    Idea("only differences of scores count", "attention_weights", only_differences,
         ((2, 3, 5), 10, "third"), ((1, 3, 4), 7, "second"),
         "exp(e + c) = exp(c) exp(e), and the factor cancels: a stable softmax takes off the largest."),
    Idea("0 at padding is a score like any other", "attention_weights", zero_is_a_score,
         (2, 1, 2, ("0", "1/4", "1/3", "1/2")), (2, 2, 2, ("0", "1/3", "1/2", "2/3")),
         "exp(0) = 1 beats every negative score: mask before the softmax, with minus infinity."),
    Idea("the softmax runs over the source", "attention_weights", over_the_source, (1, 5), (4, 6),
         "Over the batch a single sentence gets 1 everywhere: test with one sentence and with several."),
    Idea("without tanh the query cancels", "attention_weights", query_cancels,
         (3, 2, -1, "3/4"), (4, -3, 5, "4/5"),
         "The decoder's part is one shift for all words: no error, and nobody hears the decoder.", True),
    Idea("a mean of all, not a selected part", "context_vector", a_mean_of_all,
         (((4, 0), (0, 4), (0, 0)), ((3, 3), (8, 0), (1, 2), (0, -1))),
         (((6, 0), (0, 3), (0, 0)), ((2, 1), (-1, 1), (4, 2), (0, 6))),
         "Positive weights that sum to 1: inside the triangle; the box around it is not enough."),
    Idea("the sum forgets the order", "context_vector", order_is_forgotten,
         ("狗 咬 人", "人 咬 狗"), ("我 昨天 见 他", "他 昨天 见 我"),
         "Weights are equivariant, the context invariant: order must be inside the states.", True),
    Idea("which state asks", "decoder", who_asks, ("Bahdanau", 0.1), ("Luong", 0.2),
         "Bahdanau looks with the old state, then updates; Luong updates, then looks. A nudge tells."),
    Idea("gold words at test time flatter", "decoder", gold_words_flatter,
         ("a b c d", WORDS_A, ((3, 3), (1, 3), (1, 1), (3, 1))),
         ("a b c d e", WORDS_B, ((4, 2), (2, 2), (4, 4), (2, 4))),
         "After a mistake the fed model is set straight. Exact match cannot differ; token accuracy can."),
    Idea("targets are shifted by one", "seq2seq", shifted_by_one,
         ("I love you", "you", ("<bos>", "love", "you", "<eos>")),
         ("she sang yesterday", "<eos>", ("<bos>", "sang", "yesterday", "<eos>")),
         "It reads the word before. Without the shift the loss falls to 0, and the model can only repeat."),
    Idea("padding is no word of the loss", "decoder", padding_is_no_word,
         ((2, 3), (6, 1), ("1", "1.5", "2", "6")), ((2, 5), (8, 1), ("1.125", "1.8", "3", "9")),
         "All surprise divided by the number of real words: not of positions, nor sentence by sentence."),
    Idea("the last state is not in the last column", "seq2seq", last_real_state,
         ((3, 5), (2, 3, 4)), ((4, 7), (6, 4, 3)),
         "A recurrent network goes on reading padding: short sentences fail, the longest work."),
    Idea("masks have two polarities", "context_vector", mask_polarity,
         ("key_padding_mask", 3), ("attn_mask", 4),
         "key_padding_mask: True = ignore; boolean attn_mask: True = keep. The wrong one raises no error.",
         True),
    Idea("a map is no explanation", "train_and_look", map_is_no_proof,
         ((0, 1), (0.8, 0.1, 0.1), (0.1, 0.8, 0.1)), ((1, 2), (0.2, 0.7, 0.1), (0.2, 0.1, 0.7)),
         "Weights act through the context alone. Neighbours that know the same make maps ambiguous.", True),
    Idea("crisp is not right", "train_and_look", crisp_is_not_right,
         ((2, 1, 3), (1, 2, 3), (2, 1, 3)), ((3, 1, 2), (3, 2, 1), (3, 2, 1)),
         "The rate asks where the largest weight is, not how large: judge maps by gold links."),
    Idea("attention costs, and is worth it", "making_it_fast", price_of_a_look, (20, 40), (15, 90),
         "Without attention a step never looks back. FAQ 2 of the book has it the wrong way round.", True),
    Idea("the best word is not the best sentence", "decoding", best_word_best_sentence,
         (TREE_A, ("0.24 and 0.24", "0.36 and 0.24", "0.24 and 0.36", "0.36 and 0.36")),
         (TREE_B, ("0.27 and 0.27", "0.25 and 0.27", "0.25 and 0.25", "0.27 and 0.25")),
         "Greedy search cannot turn back; a beam of two keeps the second-best beginning."),
)  # fmt: skip


def page() -> str:
    """Return the page for students."""
    lines = [TITLE]
    for form in "AB":
        lines.append(f"## Form {form}\n")
        for number, idea in enumerate(IDEAS, start=1):
            question = idea.question(form)
            lines.append(f"**{form}{number}.** {' '.join(question.text.split())}\n")
            lines += [f"- {letter}) {words}" for letter, (words, _) in question.lettered()]
            lines.append("" if question.options else "Answer: ______\n")
    return "\n".join(lines).rstrip() + "\n"


def key() -> Iterator[str]:
    """Yield the lines of the key, a Markdown table."""
    yield "| | idea | chapter | A | B | to discuss |\n|---|---|---|---|---|---|"
    for number, idea in enumerate(IDEAS, start=1):
        a, b = (idea.question(form).answer for form in "AB")
        yield f"| {number} | {idea.name} | {idea.chapter} | {a} | {b} | {idea.why} |"


if __name__ == "__main__":
    wanted = "\n".join(key()) + "\n" if sys.argv[1:] == ["key"] else page()
    sys.stdout.buffer.write(wanted.encode())  # the same bytes on every system
