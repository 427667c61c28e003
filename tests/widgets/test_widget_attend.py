"""You are the attention: the decoder in the browser is the model, whatever it is told to look at."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from widget_models import translator
from widget_page import Play, playing

from seq2seq_edu.data import BOS, Example
from seq2seq_edu.decoding import Translator, greedy
from seq2seq_edu.models import ModelConfig, Seq2Seq, Transformer, TransformerConfig
from seq2seq_edu.widgets import YouAreTheAttention
from seq2seq_edu.widgets.forced import forced_steps

SENTENCE = "a b c d"
MODELS = {
    "additive": {}, "dot": {}, "general": {}, "scaled": {}, "additive, wide": {"readout": "wide"},
    "scaled, wide": {"readout": "wide"}, "additive, state": {"readout": "state"},
}  # fmt: skip


def built(name: str) -> Translator:
    """Build one of the models above."""
    return translator(name.split(",")[0], **MODELS[name])


def game(name: str = "additive", sentence: Any = SENTENCE, **options: Any) -> YouAreTheAttention:
    """Start a game with one of the models above."""
    return YouAreTheAttention.of(built(name), sentence, **options)


def look(started: YouAreTheAttention, row: Any) -> None:
    """Set the weights of the step that is being decided."""
    started.weights = [*started.weights[: len(started.written)], row]


def overlaps(started: YouAreTheAttention) -> np.ndarray:
    """Return how far the player agrees with the model on each token on paper."""
    done = len(started.written)
    return np.minimum(started.weights, started.played[0]).sum(axis=1)[:done]


def gold_shares(started: YouAreTheAttention) -> list[float]:
    """Return the mean weight, yours and the model's, on gold links of steps with the reference's token."""
    links: dict[int, list[int]] = {}
    for t, i in started.sentence["gold"]:
        if started.tokens[t : t + 1] == started.sentence["reference"][t : t + 1] != []:
            links.setdefault(t, []).append(i)
    both = np.array(started.weights), started.played[0]
    return [float(np.mean([rows[t, i].sum() for t, i in links.items()])) for rows in both]


def random_weights(n: int, seed: int) -> list[float]:
    """Draw weights of sum 1, to six decimals as the browser keeps them."""
    return np.random.default_rng(seed).dirichlet(np.full(n, 0.4)).round(6).tolist()


# --- Python: the decoder is the model ---


@pytest.mark.parametrize("name", MODELS)
def test_a_forced_step_is_the_models_step_with_these_weights(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by, started = built(name), game(name)
    rows = [random_weights(5, seed) for seed in range(4)]
    written = [5, 7, 4]
    owns, all_log_probs = forced_steps(started.decoder, started.sentence, rows, written)
    src = torch.tensor([[*by.source_text.encode(SENTENCE), 2]])
    memory, state = by.model.encode(src, src > 0)
    own = by.model.decoder.attention.forward
    for row, y_prev, looks, log_probs in zip(rows, [BOS, *written], owns, all_log_probs, strict=True):
        given = torch.tensor([row])
        looked = by.model.step(torch.tensor([y_prev]), state, memory).weights
        forced = lambda query, memory, given=given: (given @ memory.values[0], given)  # noqa: E731
        monkeypatch.setattr(by.model.decoder.attention, "forward", forced)
        step = by.model.step(torch.tensor([y_prev]), state, memory)
        monkeypatch.setattr(by.model.decoder.attention, "forward", own)
        state = step.state
        chances = step.logits.softmax(-1)[0].detach().numpy()
        np.testing.assert_allclose(np.exp(log_probs)[2:], chances[2:], atol=2e-3)  # half precision
        np.testing.assert_allclose(looks, looked[0].detach(), atol=2e-3)
        assert (log_probs[:2] == -np.inf).all(), "pad and bos are never written"


@pytest.mark.parametrize("name", ["additive", "scaled"])
def test_with_the_models_own_weights_the_game_is_greedy_search(name: str) -> None:
    by, started = built(name), game(name)
    src = torch.tensor([[*by.source_text.encode(SENTENCE), 2]])
    (best,) = greedy(by.model, src, src > 0)
    while not started.finished:
        look(started, started.played[0][-1])
        started.write()
    assert started.written == best.ids and started.sentence["own"] == started.tokens
    np.testing.assert_allclose(started.weights, best.alignment, atol=2e-3)
    assert started.log_prob == pytest.approx(best.log_prob, abs=0.02)
    assert started.score == pytest.approx(1, abs=1e-5) and started.candidates == {}


def test_the_score_by_hand() -> None:
    started = game()
    assert started.score == 0
    looks = [[0.0, 1.0, 0.0, 0.0, 0.0], [0.25, 0.75, 0.0, 0.0, 0.0]]
    for row, word in zip(looks, ("猫", "狗"), strict=True):
        look(started, row)
        started.write(word)
    own = started.played[0]
    expected = own[0][1] + min(0.25, own[1][0]) + min(0.75, own[1][1])
    assert started.score == pytest.approx(expected / 2)


def test_words_are_written_until_the_end() -> None:
    started = game(sentence=[SENTENCE, "e f"])
    look(started, [0.5, 0.5, 0, 0, 0])
    likely = list(started.candidates)
    started.write()
    started.write("yesterday")
    assert started.tokens == [likely[0], "yesterday"] and len(started.weights) == 3
    for word in ("<bos>", "nonsense"):
        with pytest.raises(ValueError, match=f"no '{word}' that can be written"):
            started.write(word)
    started = game(sentence=["e f", SENTENCE])
    assert started.source == ["e", "f", "<eos>"] and started.weights == [[0.333333] * 3]
    started.write("<eos>")
    assert started.finished and len(started.weights) == 1 and started.problem == ""
    with pytest.raises(ValueError, match="the sentence has ended"):
        started.write()


def test_a_game_that_does_not_end_is_stopped() -> None:
    started = game()
    limit = started.sentence["limit"]
    for _ in range(limit):
        started.write("猫")
    assert started.finished and len(started.weights) == limit and started.problem == ""


def test_nobody_elses_random_numbers_move() -> None:
    started = game()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    _ = started.candidates
    assert torch.rand(1) == expected


def test_the_widgets_are_there_without_pytorch() -> None:
    code = "import sys, seq2seq_edu.widgets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_page_stays_small() -> None:
    by = translator()
    model = Seq2Seq(ModelConfig(13, 100, d_e=24, d_h=48, d_s=32, d_a=32, d_r=32))  # as grammar-additive
    by = Translator(model, by.source_text, type(by.target_text)([f"w{k}" for k in range(96)]))
    page = YouAreTheAttention.of(by, ["a b c d e f g h", "a b"]).fallback()[0]
    state = re.search(r'data-state="([^"]*)"', page)
    assert state is not None and len(state[1]) < 80_000


# --- the browser ---


def bars(play: Play) -> list[float]:
    """Read the weights off the bars: their heights, in units of the axis."""
    heights = (
        play.place()
        .locator('[data-bar="weight"]')
        .evaluate_all("(all) => all.map((bar) => Number(bar.getAttribute('height')))")
    )
    return [height / 96 for height in heights]


def offered(play: Play) -> dict[str, float]:
    """Read the next tokens with their probabilities."""
    labels = (
        play.place()
        .locator(".s2s-candidate:visible")
        .evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    )
    pairs = [re.fullmatch(r"write (.*), probability ([\d.]+)", label).groups() for label in labels]
    return {token: float(chance) for token, chance in pairs}


def agrees(play: Play) -> YouAreTheAttention:
    """Assert that what is shown follows from the state, and return the Python widget in that state."""
    twin: YouAreTheAttention = play.twin()
    assert twin.problem == ""
    place = play.place()
    assert place.locator(".s2s-chip").all_text_contents() == twin.tokens + ["?"] * (not twin.finished)
    if not twin.finished:
        np.testing.assert_allclose(bars(play), twin.weights[-1], atol=1e-6)
        shown, expected = offered(play), twin.candidates
        assert list(shown) == list(expected)
        np.testing.assert_allclose(list(shown.values()), list(expected.values()), atol=6e-4)
    if twin.written:
        shown = [float(x) for x in place.locator("[data-overlap]").all_text_contents()]
        np.testing.assert_allclose(shown, overlaps(twin), atol=0.0051)
    if twin.written and not twin.finished:
        log, overlap = place.locator(".s2s-numbers b").all_text_contents()
        assert float(log.replace("−", "-")) == pytest.approx(twin.log_prob, abs=1e-3)
        assert float(overlap) == pytest.approx(twin.score, abs=0.0051)
    return twin


@pytest.mark.parametrize("name", MODELS)
def test_the_decoder_in_the_browser_is_the_model(browser: Any, name: str) -> None:
    with playing(browser, game(name)) as play:
        for t in range(3):
            rows = [*play.state()["weights"][:t], random_weights(5, 10 * len(name) + t)]
            play.put(weights=rows)
            agrees(play)
            place = play.place()
            labels = [*offered(play)]
            k = next(k for k in (t % 5, 0, 1) if labels[k] != "<eos>")  # also improbable words: other states
            place.locator(".s2s-candidate").nth(k).click()
            assert agrees(play).tokens[-1] == labels[k]
        play.place().get_by_role("button", name="let the model look").click()
        np.testing.assert_allclose(bars(play), agrees(play).played[0][-1], atol=2e-5)


def test_a_weight_is_moved_by_keys_and_the_others_make_room(browser: Any) -> None:
    with playing(browser, game()) as play:
        play.put(weights=[[0.4, 0.3, 0.2, 0.1, 0.0]])
        handle = play.place().get_by_role("slider", name="your weight on a")
        handle.focus()
        moves = {"ArrowUp": 0.45, "ArrowLeft": 0.4, "PageUp": 0.65, "PageDown": 0.4, "Shift+ArrowRight": 0.5}
        for key, weight in moves.items():
            play.page.keyboard.press(key)
            (row,) = play.state()["weights"]
            assert row[0] == pytest.approx(weight) and handle.get_attribute("aria-valuenow") == f"{weight:g}"
            assert row[1:] == pytest.approx([x * (1 - weight) / 0.6 for x in (0.3, 0.2, 0.1, 0.0)], abs=1e-5)
        best, chance = next(iter(agrees(play).candidates.items()))
        said = f"a 0.50. Most probable: {best}, {chance:.2f}"
        play.page.wait_for_function(f"document.querySelector('.s2s-live').textContent === '{said}'")
        play.page.keyboard.press("End")
        assert play.state()["weights"] == [[1, 0, 0, 0, 0]]
        play.page.keyboard.press("Home")
        assert play.state()["weights"] == [[0, 0.25, 0.25, 0.25, 0.25]], "no proportions were left to keep"
        agrees(play)


def test_a_bar_is_dragged(browser: Any) -> None:
    with playing(browser, game()) as play:
        box = play.place().get_by_role("slider", name="your weight on c").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"]
        play.page.mouse.move(x, y - 20)
        play.page.mouse.down()
        play.page.mouse.move(x, y - box["height"] * 0.6, steps=4)
        play.page.mouse.up()
        play.page.mouse.move(x, y - 5)  # released: nothing follows any more
        (row,) = play.state()["weights"]
        assert 0.45 < row[2] < 0.65 and sum(row) == pytest.approx(1, abs=1e-5)
        assert row[0] == row[1] == row[3] == row[4]
        agrees(play)


def test_quick_ways_to_look(browser: Any) -> None:
    with playing(browser, game()) as play:
        play.put(weights=[[0.4, 0.5, 0.1, 0.0, 0.0]])
        button = {name: play.place().get_by_role("button", name=name) for name in ("all on one", "all alike")}
        button["all on one"].click()
        assert play.state()["weights"] == [[0, 1, 0, 0, 0]]
        play.place().locator(".s2s-word").nth(3).click()
        assert play.state()["weights"] == [[0, 0, 0, 1, 0]]
        button["all alike"].click()
        assert play.state()["weights"] == [[0.2] * 5]
        agrees(play)


def finish(play: Play, choose: Callable[[Any], None]) -> None:
    """Write words until the sentence has ended."""
    for _ in range(20):
        if play.place().locator(".s2s-panel").count():
            return
        choose(play.place())
    raise AssertionError("the sentence has not ended")


def model_looks(place: Any) -> None:
    """Let the model look, and take its word."""
    place.get_by_role("button", name="let the model look").click()
    place.locator(".s2s-candidate").first.click()


@pytest.mark.parametrize("name", ["additive", "scaled"])
def test_the_end_of_a_game_that_the_model_has_played(browser: Any, name: str) -> None:
    own = tuple(game(name).sentence["own"][:-1])
    example = Example(tuple(SENTENCE.split()), own, frozenset({(0, 1)}), frozenset({(0, 1)}))
    with playing(browser, game(name, example)) as play:
        finish(play, model_looks)
        twin = agrees(play)
        place = play.place()
        assert "You wrote the sentence that the model writes." in play.text()
        yours, alone = (float(x.replace("−", "-")) for x in place.locator(".s2s-panel b").all_text_contents())
        assert yours == pytest.approx(twin.log_prob, abs=1e-3) == pytest.approx(alone, abs=0.02)
        assert place.locator(".s2s-attend-total").text_content().endswith(": 1.00")
        gold = f"you {gold_shares(twin)[0]:.2f}, the model in your place {gold_shares(twin)[1]:.2f}"
        assert gold in place.locator(".s2s-attend-gold").text_content()
        assert place.locator('[stroke="#d1301a"]').count() == 2, "the gold link is boxed in both maps"
        assert place.locator(".s2s-candidate:visible").count() == 0
        focused = play.page.evaluate("document.activeElement.dataset.key")
        assert focused == "again", "the button that was pressed is gone; the focus is not lost"


def test_the_end_of_a_game_of_ones_own(browser: Any) -> None:
    links = frozenset({(0, 1), (1, 0)})
    example = Example(tuple(SENTENCE.split()), ("狗", "吃"), links, links)
    with playing(browser, game("scaled", example)) as play:
        for t, token in enumerate(["狗", "yesterday"]):
            play.put(weights=[*play.state()["weights"][:t], random_weights(5, t)])
            play.put(written=[*play.state()["written"], play.made[0].decoder["words"].index(token)])
            play.put(weights=[*play.state()["weights"], [0.2] * 5])
            agrees(play)
        play.put(written=[*play.state()["written"], 2])
        twin = agrees(play)
        place = play.place()
        assert twin.finished and "You wrote another sentence." in play.text()
        yours, alone = (float(x.replace("−", "-")) for x in place.locator(".s2s-panel b").all_text_contents())
        assert yours == pytest.approx(twin.log_prob, abs=1e-3)
        assert alone == pytest.approx(twin.sentence["own_log_prob"], abs=1e-3)
        total = place.locator(".s2s-attend-total").text_content().split(": ")[1]
        assert float(total) == pytest.approx(twin.score, abs=0.0051)
        assert gold_shares(twin) == pytest.approx([twin.weights[0][1], twin.played[0][0][1]])
        gold = "you {:.2f}, the model in your place {:.2f}".format(*gold_shares(twin))
        assert gold in place.locator(".s2s-attend-gold").text_content()
        assert place.locator('[stroke="#d1301a"]').count() == 2, "the other word is not the reference's"
        script = "(all) => all.map((one) => Number(one.dataset.weight))"
        maps = np.array(place.locator("[data-weight]").evaluate_all(script)).reshape(2, 3, 5)
        np.testing.assert_allclose(maps[0], twin.weights, atol=6e-5)
        np.testing.assert_allclose(maps[1], twin.played[0], atol=6e-5)
        place.get_by_role("button", name="undo").click()
        assert agrees(play).tokens == ["狗", "yesterday"] and not play.twin().finished
        place.get_by_role("button", name="start again").click()
        assert play.state()["written"] == [] and play.state()["weights"] == [[0.2] * 5]
        agrees(play)


def test_enter_on_a_bar_writes_the_first_word(browser: Any) -> None:
    with playing(browser, game()) as play:
        first = next(iter(offered(play)))
        play.place().get_by_role("slider", name="your weight on b").focus()
        play.page.keyboard.press("Enter")
        assert agrees(play).tokens == [first]
        focused = play.page.evaluate("document.activeElement.dataset.key")
        assert focused == "weight-1", "ready for the next step"


def test_another_sentence_is_chosen(browser: Any) -> None:
    with playing(browser, game(sentence=[SENTENCE, "e f"])) as play:
        play.place().locator(".s2s-candidate").first.click()
        play.place().get_by_role("radio", name="2").check()
        twin = agrees(play)
        assert (twin.chosen, twin.written, len(twin.weights[0])) == (1, [], 3)
        assert play.place().get_by_role("slider").count() == 3


def test_speaks_chinese(browser: Any) -> None:
    with playing(browser, game()) as play:
        play.place().get_by_role("button", name="中文").click()
        assert "让模型来看" in play.text() and "look" not in play.text()
        play.place().get_by_role("button", name="全给一个").click()
        assert play.state()["weights"] == [[1, 0, 0, 0, 0]]


@pytest.mark.parametrize("n", [1, 59])
def test_short_and_long_sentences_on_a_narrow_page(browser: Any, n: int) -> None:
    started = game("scaled", " ".join("abcdefghi"[i % 9] for i in range(n)))
    with playing(browser, started, width=390) as play:
        play.place().locator(".s2s-candidate").first.click()
        assert len(agrees(play).weights[0]) == n + 1
        wide = play.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, "a long drawing is scrolled inside its frame"


# --- odd input ---


def strange() -> list[Any]:
    """Give translators and sentences with which nobody can play, with words of the message."""
    broken = translator()
    with torch.no_grad():
        broken.model.W_o.weight[0, 0] = float("nan")
    config = TransformerConfig(13, 12, d_model=8, heads=2, d_ff=8, layers=1)
    other = Translator(Transformer(config), broken.source_text, broken.target_text)
    return [
        (translator(), "", "sentence 1 is empty"),
        (translator(), [SENTENCE, "x y"], "words that the model has never seen"),
        (translator(), [], "there is no sentence"),
        (translator("none"), "a", "this model has no attention"),
        (other, "a", "Transformer has no state s_t"),
        (broken, "a", "W_o.weight holds a number that is not finite"),
        (translator(d_s=300), "a", "parameters, and a page can carry 200,000"),
    ]


def test_odd_input_is_explained_in_its_place(browser: Any) -> None:
    cases = strange()
    made = [YouAreTheAttention.of(by, sentence) for by, sentence, _ in cases]
    with playing(browser, *made) as play:
        for k, (_, _, words) in enumerate(cases):
            assert words in made[k].problem
            with pytest.raises(ValueError, match=words):
                _ = made[k].played
            assert words in play.place(k).get_by_role("alert").text_content()
            assert play.place(k).locator("svg").count() == 0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([0.5, 0.5, 0.5, 0, 0], "the weights of step 1 sum to 1.5, expected 1: divide them by their sum"),
        (
            [1.5, -0.5, 0, 0, 0],
            "alignment runs from -0.5 to 1.5, expected weights in .0, 1.: are these scores",
        ),
        ([0.5, 0.5], r"weights has shape \(1, 2\), expected \(1, 5\)"),
    ],
)
def test_weights_that_are_none_are_named_and_can_be_mended(row: list[float], words: str) -> None:
    started = game()
    look(started, row)
    assert re.search(words, started.problem)
    with pytest.raises(ValueError, match=words):
        _ = started.candidates
    look(started, [0, 0, 1, 0, 0])
    assert started.problem == "" and len(started.candidates) == 5


def test_numbers_that_are_none_are_refused() -> None:
    started = game()
    with pytest.raises(Exception, match="weights holds nan at"):
        look(started, [float("nan"), 1, 0, 0, 0])
    started.written = [1]
    assert "written holds 1" in started.problem
    started.written = [4]
    assert "weights has shape (1, 5), expected (2, 5)" in started.problem
    started.written, started.chosen = [], 3
    assert "chosen is 3, expected 0 .. 0" in started.problem


def test_an_unknown_word_is_named(browser: Any) -> None:
    with playing(browser, game(sentence="a quark b")) as play:
        assert "never seen quark; it reads <unk>" in play.text()


def test_the_picture_and_its_words() -> None:
    started = game()
    look(started, [0.1, 0.7, 0.2, 0, 0])
    token, chance = next(iter(started.candidates.items()))
    assert started.describe() == (
        "Written so far: -. Step 1: your largest weight, 0.70, is on b; the most probable next token is "
        f"{token}, with {chance:.2f}."
    )
    assert [ax.get_ylabel() for ax in started.figure().axes] == ["your weight", "p"]
    started.language = "zh"
    assert "你的最大权重 0.70 在 b 上" in started.describe()
    started.write("<eos>")
    numbers = f"用你的权重 {started.log_prob:.2f}，模型自己的译文 {started.sentence['own_log_prob']:.2f}"
    assert started.describe().startswith("<eos>。") and numbers in started.describe()
    assert [text.get_text() for text in started.figure().axes[0].texts][:3] == ["0.10", "0.70", "0.20"]
    plt.close("all")
