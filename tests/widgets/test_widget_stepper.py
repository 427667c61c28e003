"""Decoder stepper: what was recorded is what the model did, and the browser shows it stage by stage."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from widget_models import translator
from widget_page import Play, playing

from seq2seq_edu.decoding import Translator, greedy
from seq2seq_edu.models import Transformer, TransformerConfig
from seq2seq_edu.widgets import DecoderStepper
from seq2seq_edu.widgets.recording import record

BOTH = [translator("additive"), translator("scaled")]
SENTENCE = "a b c d"
VECTORS = ("previous", "context", "state", "attentional_state")


# --- the recording ---


@pytest.mark.parametrize("attention", ["additive", "dot", "general", "scaled"])
@pytest.mark.parametrize("sentence", ["a", "h i h g a", "a b c d e f g h i"])
def test_a_recording_is_what_greedy_search_does(attention: str, sentence: str) -> None:
    by = translator(attention)
    made = record(by, sentence)
    src = torch.tensor([[*by.source_text.encode(sentence), 2]])
    (hypothesis,) = greedy(by.model, src, src > 0, 60)
    assert made["target"] == by.target_text.tokens(hypothesis.ids)
    np.testing.assert_allclose(made["weights"], hypothesis.alignment, atol=5.1e-5)
    chances = [step[0][1] for step in made["top"]]  # rounded to 4 digits
    log_prob, slack = sum(map(math.log, chances)), sum(6e-5 / p for p in chances)
    assert log_prob == pytest.approx(hypothesis.log_prob, abs=slack)
    assert [step[0][0] for step in made["top"]] == made["target"]
    assert made["order"] == ("bahdanau" if attention == "additive" else "luong")


@pytest.mark.parametrize("attention", ["additive", "general"])
def test_the_numbers_of_a_recording_follow_from_each_other(attention: str) -> None:
    by = translator(attention)
    made = {name: np.array(x) for name, x in record(by, SENTENCE).items() if name not in ("widths", "top")}
    powers = np.exp(made["scores"])
    np.testing.assert_allclose(powers / powers.sum(1, keepdims=True), made["weights"], atol=2e-3)
    np.testing.assert_allclose(made["weights"] @ made["values"], made["contexts"], atol=2e-3)
    words = list(made["target"][:-1])
    y = by.model.target_embedding(torch.tensor([1, *(by.target_text.encode(words))])).detach().numpy()
    states = torch.tensor(made["states"], dtype=torch.float32)
    x = np.hstack([y, made["contexts"]]) if attention == "additive" else y
    update = by.model.decoder.gru(torch.tensor(x, dtype=torch.float32), states[:-1])
    np.testing.assert_allclose(update.detach(), states[1:], atol=1e-2)
    joined = by.model.readout(torch.tensor(np.hstack([states[1:], made["contexts"], y]), dtype=torch.float32))
    np.testing.assert_allclose(joined.detach(), made["joined"], atol=1e-2)


def test_the_model_is_left_as_it_was() -> None:
    by = translator()
    by.model.train()  # with dropout, two recordings would differ
    assert record(by, SENTENCE) == record(by, SENTENCE) and by.model.training


def test_a_wide_vector_is_cut_and_says_so(browser: Any) -> None:
    stepper = DecoderStepper.of(translator(d_s=70), SENTENCE, stage="state")
    assert stepper.numbers.shape == (48,) and stepper.recording["widths"]["state"] == 70
    with playing(browser, stepper) as play:
        assert "the first 48 of 70 numbers" in play.text()


# --- the browser ---


def attributes(play: Play, selector: str, *names: str) -> list[list[str]]:
    """Read attributes of all elements of a selector, in one go."""
    script = "(all, names) => all.map((one) => names.map((name) => one.getAttribute(name)))"
    found: list[list[str]] = play.place().locator(selector).evaluate_all(script, list(names))
    return found


def shown(play: Play, stepper: DecoderStepper) -> np.ndarray:
    """Read the numbers of the present stage off the drawing: colours of cells, lengths of bars."""
    stage = stepper.stage
    if stage in VECTORS:
        cells = attributes(play, f'[data-key="read-{stage}"] rect[fill-opacity]', "fill", "fill-opacity")
        sign = {"var(--blue)": -1, "var(--orange)": 1}
        return np.array([sign[fill] * float(opacity) for fill, opacity in cells])
    if stage == "probabilities":
        bars = np.array(attributes(play, '[data-bar="likely"]', "width"), dtype=float)
        whole = np.array(attributes(play, 'rect:has(+ [data-bar="likely"])', "width"), dtype=float)
        return np.asarray(bars / whole)[:, 0]
    bars = np.array(attributes(play, f'[data-bar="{stage}"]', "y", "height"), dtype=float)
    zero = float(attributes(play, f'[data-key="read-{stage}"] line', "y1")[0][0])
    heights = np.where(bars[:, 0] >= zero - 1e-9, -bars[:, 1], bars[:, 1])
    most = np.abs(stepper.numbers).argmax()  # the unit of the axis: the largest number
    return np.asarray(heights * (stepper.numbers[most] / heights[most]))


def agrees(play: Play) -> DecoderStepper:
    """Assert that what is shown follows from the state, and return the Python widget in that state."""
    twin: DecoderStepper = play.twin()
    assert twin.problem == ""
    expected = np.clip(twin.numbers, -1, 1) if twin.stage in VECTORS else twin.numbers
    np.testing.assert_allclose(shown(play, twin), expected, atol=1e-6)
    place = play.place()
    chips = place.locator(".s2s-chip").all_text_contents()
    assert chips == twin.written + ["?"] * (twin.stage != "probabilities")
    tabs = attributes(play, '[role="tab"]', "data-key", "aria-selected", "tabindex")
    assert tabs == [
        [f"stage-{name}", "true", "0"] if name == twin.stage else [f"stage-{name}", "false", "-1"]
        for name in twin.stages
    ]
    k = twin.stages.index(twin.stage)
    hidden = [shade for _, shade in attributes(play, '[data-key^="read-"]', "data-key", "display")]
    assert hidden == [None if at <= k else "none" for at in range(len(twin.stages) - 1)], "not computed yet"
    assert place.locator('[data-bar="likely"]').first.is_visible() == (twin.stage == "probabilities")
    if twin.stage == "probabilities":
        words = place.locator('g:has(> [data-bar="likely"]) > text').all_text_contents()[::2]
        assert words == [token for token, _ in twin.recording["top"][twin.t - 1]]
    return twin


@pytest.mark.parametrize("order", ["bahdanau", "luong"])
def test_the_right_arrow_walks_through_all_stages_of_all_words(browser: Any, order: str) -> None:
    stepper = DecoderStepper.of(BOTH, SENTENCE, order=order)
    m, stages = len(stepper.recording["target"]), stepper.stages
    assert m > 2
    with playing(browser, stepper) as play:
        play.place().locator('[role="tab"][tabindex="0"]').focus()
        for t in range(1, m + 1):
            for stage in stages:
                assert (play.state()["t"], play.state()["stage"]) == (t, stage)
                if t < 3:
                    agrees(play)
                play.page.keyboard.press("ArrowRight")
        assert (play.state()["t"], play.state()["stage"]) == (m, "probabilities"), "the end is the end"
        for _ in range(m * len(stages)):
            play.page.keyboard.press("ArrowLeft")
        assert (play.state()["t"], play.state()["stage"]) == (1, "previous")
        agrees(play)


def test_buttons_and_the_other_arrows_and_a_click_on_a_stage(browser: Any) -> None:
    with playing(browser, DecoderStepper.of(BOTH[0], SENTENCE)) as play:
        place = play.place()
        place.get_by_role("button", name="on →").click()
        place.get_by_role("button", name="word ↓").click()
        assert (play.state()["t"], play.state()["stage"]) == (2, "scores")
        play.page.keyboard.press("ArrowDown")
        play.page.keyboard.press("ArrowUp")
        play.page.keyboard.press("ArrowUp")
        assert (play.state()["t"], play.state()["stage"]) == (1, "scores")
        assert place.get_by_role("button", name="↑ word").get_attribute("aria-disabled") == "true"
        place.get_by_role("button", name="↑ word").press("Enter")  # nothing before the first word
        place.get_by_role("button", name="← back").click()
        assert (play.state()["t"], play.state()["stage"]) == (1, "previous")
        place.locator('[data-key="stage-state"]').click()
        assert agrees(play).stage == "state"
        place.get_by_role("slider", name="weights").click()  # on the bars
        assert agrees(play).stage == "weights"


def test_the_order_is_switched_where_two_were_recorded(browser: Any) -> None:
    stepper = DecoderStepper.of(BOTH, SENTENCE, t=2, stage="context")
    with playing(browser, stepper) as play:
        play.place().get_by_role("radio", name="Luong").check()
        assert play.state()["order"] == "luong" and play.state()["t"] == 2
        assert agrees(play).stages.index("state") == 1, "Luong updates first"
        play.put(stage="attentional_state")
        agrees(play)
        play.place().get_by_role("radio", name="Bahdanau").check()
        assert agrees(play).stage == "state", "there is no joined state in the other order"
        assert play.place().get_by_role("tab", name="joined").count() == 0
    with playing(browser, DecoderStepper.of(BOTH[0], SENTENCE)) as play:
        assert play.place().get_by_role("radio").count() == 0


EQUATIONS = [
    ("additive", {}, "scores", "et,i = va⊤ tanh(Wa st−1 + Ua hi)"),
    ("dot", {}, "scores", "et,i = st⊤ hi"),
    ("general", {}, "scores", "et,i = st⊤ Wa hi"),
    ("scaled", {}, "scores", "et,i = (Wa st)⊤ (Ua hi) / √da"),
    ("additive", {}, "state", "st = GRU([E yt−1 ; ct], st−1)"),
    ("scaled", {}, "state", "st = GRU(E yt−1, st−1)"),
    ("scaled", {}, "attentional_state", "s̃t = tanh(Wc [st ; ct ; E yt−1])"),
    ("additive", {}, "probabilities", "p(yt) = softmax(Wo tanh(Wc [st ; ct ; E yt−1]))"),
    ("scaled", {}, "probabilities", "p(yt) = softmax(Wo s̃t)"),
    ("scaled", {"readout": "wide"}, "probabilities", "p(yt) = softmax(Wo [st ; ct ; E yt−1])"),
    ("additive", {"readout": "state"}, "probabilities", "p(yt) = softmax(Wo st)"),
]


def test_the_equation_is_that_of_the_model(browser: Any) -> None:
    models = [(translator(attention, **changes), stage) for attention, changes, stage, _ in EQUATIONS]
    with playing(browser, *(DecoderStepper.of(by, "a b", stage=stage) for by, stage in models)) as play:
        for k, (attention, changes, _, equation) in enumerate(EQUATIONS):
            assert play.place(k).locator(".s2s-formula").text_content() == equation
            assert ("joined" in play.text(k)) == (attention != "additive" and not changes)


def test_single_numbers_are_read_by_keys_and_by_pointer(browser: Any) -> None:
    stepper = DecoderStepper.of(BOTH[0], SENTENCE, t=2, stage="context")
    context, weights = stepper.numbers, np.array(stepper.recording["weights"][1])
    with playing(browser, stepper) as play:
        strip = play.place().get_by_role("slider", name="c_t")
        strip.focus()
        for key, k in {"ArrowRight": 1, "End": 9, "ArrowLeft": 8, "Home": 0}.items():
            play.page.keyboard.press(key)
            number = f"{context[k]:.3f}".replace("-", "−")
            assert strip.get_attribute("aria-valuetext") == f"c_t, number {k + 1} of 10: {number}"
            assert play.place().locator(".s2s-legend").text_content() == strip.get_attribute("aria-valuetext")
        assert play.state()["stage"] == "context", "here the arrows read; they do not move on"
        box = play.place().get_by_role("slider", name="weights").bounding_box()
        play.page.mouse.move(box["x"] + box["width"] * 2.5 / 5, box["y"] + box["height"] / 2)
        assert play.place().locator(".s2s-legend").text_content() == f"α of c: {weights[2]:.4f}"


def test_each_stage_is_said_aloud(browser: Any) -> None:
    stepper = DecoderStepper.of(BOTH[0], SENTENCE)
    token, chance = stepper.recording["top"][0][0]
    with playing(browser, stepper) as play:
        play.place().get_by_role("button", name="on →").focus()
        for _ in range(5):
            play.page.keyboard.press("ArrowRight")
        said = f"{token} has the largest, {chance:.2f}"
        assert said in play.text()
        play.page.wait_for_function(f"document.querySelector('.s2s-live').textContent.includes('{said}')")


def test_speaks_chinese(browser: Any) -> None:
    with playing(browser, DecoderStepper.of(BOTH, SENTENCE, stage="weights")) as play:
        play.place().get_by_role("button", name="中文").click()
        assert "softmax 把得分变成份额" in play.text() and "shares" not in play.text()
        assert play.place().get_by_role("tab", name="权重").get_attribute("aria-selected") == "true"
        agrees(play)


@pytest.mark.parametrize("n", [1, 59])
def test_short_and_long_sentences_on_a_narrow_page(browser: Any, n: int) -> None:
    by = translator("scaled", end=-9.0)
    stepper = DecoderStepper.of(by, " ".join("abcdefghi"[i % 9] for i in range(n)), t=2, stage="weights")
    with playing(browser, stepper, width=390) as play:
        assert agrees(play).numbers.shape == (n + 1,)
        wide = play.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, "a long drawing is scrolled inside its frame"


def strange() -> list[Any]:
    """Give translators and sentences that cannot be stepped through, with words of the message."""
    broken = translator()
    with torch.no_grad():
        broken.model.W_s.weight.fill_(float("nan"))
    config = TransformerConfig(13, 12, d_model=8, heads=2, d_ff=8, layers=1)
    other = Translator(Transformer(config), broken.source_text, broken.target_text)
    return [
        (BOTH[0], "", "sentence 1 is empty"),
        (BOTH[0], "x y z", "words that the model has never seen"),
        (BOTH[0], "a " * 61, "61 tokens, more than the limit of 60"),
        (translator("none"), "a", "this model has no attention"),
        (other, "a", "Transformer has no state s_t"),
        (broken, "a b", "a probability is nan, expected finite numbers"),
        ([BOTH[0], BOTH[0]], "a", "2 recordings in one order"),
        ([], "a", "nothing is recorded"),
    ]


def test_odd_input_is_explained_in_its_place(browser: Any) -> None:
    cases = strange()
    made = [DecoderStepper.of(given, sentence) for given, sentence, _ in cases]
    with playing(browser, *made) as play:
        for k, (_, _, words) in enumerate(cases):
            assert words in made[k].problem
            with pytest.raises(ValueError, match=words):
                _ = made[k].numbers
            assert words in play.place(k).get_by_role("alert").text_content()
            assert play.place(k).locator("svg").count() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"t": 0}, "t is 0, expected 1 .. "),
        ({"t": 99}, "t is 99, expected 1 .. "),
        ({"stage": "attentional_state"}, "in Bahdanau's order there are previous, scores, weights"),
        ({"order": "luong"}, "order is 'luong', and recorded are: bahdanau"),
    ],
)
def test_a_place_that_does_not_exist_is_named(change: dict[str, Any], words: str) -> None:
    assert words in DecoderStepper.of(BOTH[0], SENTENCE, **change).problem


def test_an_unknown_word_is_named(browser: Any) -> None:
    stepper = DecoderStepper.of(BOTH[0], "a quark b quark")
    assert stepper.recording["unknown"] == ["quark"] and stepper.problem == ""
    with playing(browser, stepper) as play:
        assert "never seen quark; it reads <unk>" in play.text()


def test_the_picture_and_its_words() -> None:
    stepper = DecoderStepper.of(BOTH[1], SENTENCE, t=2)
    made = stepper.recording
    word = made["source"][int(np.argmax(made["weights"][1]))]
    first, second, m = *made["target"][:2], len(made["target"])
    assert stepper.describe() == (
        f"Step 2 of {m} of a decoder in Luong's order: after {first} it looks most at {word}, weight "
        f"{max(made['weights'][1]):.2f}, and writes {second}, probability {made['top'][1][0][1]:.2f}."
    )
    stepper.language = "zh"
    assert f"最关注 {word}" in stepper.describe()
    figure = stepper.figure()
    assert [ax.get_ylabel() for ax in figure.axes] == ["score", "weight", "p"]
    plt.close(figure)
