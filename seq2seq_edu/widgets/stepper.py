"""Decoder stepper: one word comes out, one small step after the other, in Bahdanau's order or in Luong's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from seq2seq_edu.decoding import Translator
from seq2seq_edu.widgets.base import Widget, bar_rows
from seq2seq_edu.widgets.recording import record

STAGES = {
    "bahdanau": ("previous", "scores", "weights", "context", "state", "probabilities"),
    "luong": ("previous", "state", "scores", "weights", "context", "attentional_state", "probabilities"),
}
NAMES = {"previous": "states", "state": "states", "context": "contexts", "attentional_state": "joined"}


class DecoderStepper(Widget):
    r"""Go through the decoding of a sentence, one small computation at a time.

    .. math:: \text{Bahdanau:}\quad y_{t-1}, s_{t-1} \to e_{t,i} \to \alpha_{t,i} \to c_t \to s_t \to p(y_t)
    .. math:: \text{Luong:}\quad y_{t-1}, s_{t-1} \to s_t \to e_{t,i} \to \alpha_{t,i} \to c_t \to \tilde{s}_t

    Left and right go from stage to stage, up and down from word to word. What is not computed yet is not
    shown: time to predict it. :meth:`of` makes the ``recordings``, one translation or one of each ``order``
    ("bahdanau", "luong"); ``t`` is the target step, 1 .. m, and ``stage`` a name of ``STAGES``.

    >>> step = {"order": "bahdanau", "source": ["猫", "睡"], "target": ["cat"], "weights": [[0.88, 0.12]]}
    >>> stepper = DecoderStepper([step], stage="weights")
    >>> stepper.numbers
    array([0.88, 0.12])
    >>> stepper.t = 2
    >>> stepper.problem
    't is 2, expected 1 .. 1: the translation has 1 steps'

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eqs. 4-6; Luong, Pham and Manning (2015),
    arXiv:1508.04025, section 3. Taught in: decoder.
    """

    recordings = traitlets.List(traitlets.Dict())
    t = traitlets.Int(1)
    stage = traitlets.Unicode("previous")
    order = traitlets.Unicode("")

    def __init__(self, recordings: Sequence[Mapping[str, Any]], **state: Any) -> None:
        first = {"order": recordings[0]["order"]} if recordings else {}
        super().__init__(recordings=list(recordings), **{**first, **state})

    @classmethod
    def of(
        cls, translators: Translator | Sequence[Translator], sentence: str, **options: Any
    ) -> DecoderStepper:
        """Translate greedily with one Seq2Seq, or one of each order; what does not fit is shown."""
        several = translators if isinstance(translators, Sequence) else [translators]
        try:
            return cls([record(translator, sentence) for translator in several], **options)
        except ValueError as error:
            return cls([], refused={"recordings": str(error)}, **options)

    def check(self) -> Iterator[str]:
        """Ask for recordings of different orders, and for an order, a step and a stage that they have."""
        if not self.recordings:
            yield "nothing is recorded: use DecoderStepper.of(translator, sentence)"
        orders = [recording["order"] for recording in self.recordings]
        if len(set(orders)) < len(orders):
            yield (
                f"there are {len(orders)} recordings in one order: give one model that asks with s_{{t-1}}, "
                "additive, and one that asks with s_t: dot, general or scaled"
            )
        if self.order not in orders:
            yield f"order is {self.order!r}, and recorded are: {', '.join(orders)}"
        m = len(self.recording["target"])
        if not 1 <= self.t <= m:
            yield f"t is {self.t}, expected 1 .. {m}: the translation has {m} steps"
        if self.stage not in self.stages:
            there = ", ".join(self.stages)
            yield f"stage is {self.stage!r}; in {self.order.capitalize()}'s order there are {there}"

    @property
    def recording(self) -> dict[str, Any]:
        """Return the translation that is shown."""
        return next(dict(made) for made in self.recordings if made["order"] == self.order)

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the names of the stages, in the order in which they are computed."""
        joined = self.recording.get("joined")
        return tuple(name for name in STAGES[self.order] if joined or name != "attentional_state")

    @property
    def numbers(self) -> np.ndarray:
        """Return the numbers of the present stage as they are shown: of a wide vector the first 48."""
        self.require_valid()
        if self.stage == "probabilities":
            return np.array([chance for _, chance in self.recording["top"][self.t - 1]])
        rows = self.recording[NAMES.get(self.stage, self.stage)]
        return np.array(rows[self.t - (self.stage != "state")])  # the first state is s_0

    @property
    def written(self) -> list[str]:
        """Return the tokens that are on paper: y_t is, once its probability is known."""
        self.require_valid()
        return list(self.recording["target"][: self.t - (self.stage != "probabilities")])

    def figure(self) -> Figure:
        """Draw scores, weights and next tokens of the whole step as bars."""
        made, t = self.recording, self.t
        likely, chances = zip(*made["top"][t - 1], strict=True)
        title = f"t = {t} of {len(made['target'])}, {self.order.capitalize()}'s order"
        return bar_rows(
            ("score", made["scores"][t - 1], made["source"], title),
            ("weight", made["weights"][t - 1], made["source"], ""),
            ("p", chances, likely, ""),
        )

    def describe(self) -> str:
        """Say where the decoder looks and what it writes."""
        made, t = self.recording, self.t
        weights = made["weights"][t - 1]
        return self.say(
            "Step {t} of {m} of a decoder in {person}'s order: after {before} it looks most at {word}, "
            "weight {weight:.2f}, and writes {token}, probability {chance:.2f}.",
            t=t,
            m=len(made["target"]),
            person=self.order.capitalize(),
            before=" ".join(made["target"][: t - 1]) or "<bos>",
            word=made["source"][int(np.argmax(weights))],
            weight=max(weights),
            token=made["target"][t - 1],
            chance=made["top"][t - 1][0][1],
        )
