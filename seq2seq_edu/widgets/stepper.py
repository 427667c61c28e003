"""Decoder stepper: one word comes out, one small step after the other, in Bahdanau's order or in Luong's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from matplotlib.figure import Figure
from traitlets import TraitError

from seq2seq_edu.widgets.base import Widget, bar_rows

if TYPE_CHECKING:
    from seq2seq_edu.decoding import Translator

STAGES = {
    "bahdanau": ("previous", "scores", "weights", "context", "state", "probabilities"),
    "luong": ("previous", "state", "scores", "weights", "context", "attentional_state", "probabilities"),
}
PEOPLE = {"bahdanau": "Bahdanau", "luong": "Luong"}
ROWS = {"states": 1, "scores": 0, "weights": 0, "contexts": 0}  # numbers of each step, and rows beyond m


class Recordings(traitlets.List):  # type: ignore[type-arg]
    """Hold translations as ``recording.record`` returns them: one, or one of each order."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the recordings, or say what is wrong with them."""
        made: list[Any] = super().validate(obj, value) or []
        for number, recording in enumerate(made):
            try:
                check_recording(recording)
            except ValueError as error:
                raise TraitError(f"recording {number + 1}: {error}") from error
        orders = [recording["order"] for recording in made]
        if len(set(orders)) < len(orders):
            raise TraitError(
                f"there are {len(made)} recordings in one order: give one model that asks with s_{{t-1}}, "
                "additive, and one that asks with s_t: dot, general or scaled"
            )
        return made


def check_recording(recording: Mapping[str, Any]) -> None:
    """Refuse a recording in which something is missing, of the wrong shape or not finite."""
    missing = [name for name in (*ROWS, "order", "source", "target", "top") if name not in recording]
    if missing or recording["order"] not in STAGES:
        raise ValueError(f"{', '.join(missing) or 'its order'} is not there: make it with DecoderStepper.of")
    m, n = len(recording["target"]), len(recording["source"])
    if not m or not n:
        raise ValueError(f"it has {n} source and {m} target tokens, expected at least one each")
    for name, more in ROWS.items():
        numbers = np.array(recording[name], dtype=float)
        if len(numbers) != m + more or (name in ("scores", "weights") and numbers.shape[1] != n):
            raise ValueError(f"{name} has shape {numbers.shape}, and there are n={n}, m={m} tokens")
        if not np.isfinite(numbers).all():
            t = int(np.argwhere(~np.isfinite(numbers))[0, 0])
            raise ValueError(
                f"{name} holds {numbers[t][~np.isfinite(numbers[t])][0]} at step {t}, expected finite "
                "numbers: has the training diverged?"
            )


class DecoderStepper(Widget):
    r"""Go through the decoding of a sentence, one small computation at a time.

    .. math::

        \text{Bahdanau:}\quad y_{t-1}, s_{t-1} \to e_{t,i} \to \alpha_{t,i} \to c_t \to s_t \to p(y_t) \\
        \text{Luong:}\quad y_{t-1}, s_{t-1} \to s_t \to e_{t,i} \to \alpha_{t,i} \to c_t \to \tilde{s}_t
        \to p(y_t)

    Left and right go from stage to stage, up and down from word to word. What is not computed yet is not
    shown: time to predict it.

    Parameters
    ----------
    recordings : sequence of dict
        One translation, or one of each order; :meth:`of` makes them.
    t : int
        Target step, 1 .. m, as on the screen.
    stage : str
        ``previous``, ``scores``, ``weights``, ``context``, ``state``, ``attentional_state`` (Luong's order
        only) or ``probabilities``.
    order : {"bahdanau", "luong"}
        Which recording to show; by default the first.
    **state : object
        ``language`` ("en", "zh") and ``size`` ("normal", "large").

    Examples
    --------
    >>> step = {"order": "bahdanau", "source": ["猫", "睡"], "target": ["cat"], "top": [[["cat", 0.8]]],
    ...         "states": [[0.5], [0.9]], "scores": [[2.0, 0.0]], "weights": [[0.88, 0.12]],
    ...         "contexts": [[0.7]]}
    >>> stepper = DecoderStepper([step], stage="weights")
    >>> stepper.numbers
    array([0.88, 0.12])
    >>> stepper.t = 2
    >>> stepper.problem
    't is 2, expected 1 .. 1: the translation has 1 steps'

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eqs. 4-6; Luong, Pham and Manning (2015),
    arXiv:1508.04025, section 3. Taught in: decoder.
    """

    _module = "stepper"

    recordings = Recordings(traitlets.Dict()).tag(sync=True)
    t = traitlets.Int(1).tag(sync=True)
    stage = traitlets.Unicode("previous").tag(sync=True)
    order = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        recordings: Sequence[Mapping[str, Any]],
        t: int = 1,
        stage: str = "previous",
        order: str | None = None,
        **state: object,
    ) -> None:
        made = [dict(recording) for recording in recordings]
        if order is None:
            order = str(made[0].get("order", "")) if made else ""
        super().__init__(recordings=made, t=t, stage=stage, order=order, **state)

    @classmethod
    def of(
        cls, translators: Translator | Sequence[Translator], sentence: str, **options: Any
    ) -> DecoderStepper:
        """Translate greedily with one Seq2Seq, or one of each order; what does not fit is shown."""
        from seq2seq_edu.widgets.recording import record

        several = translators if isinstance(translators, Sequence) else [translators]
        try:
            return cls([record(translator, sentence) for translator in several], **options)
        except ValueError as error:
            return cls.refusing(error, [], **options)

    def check(self) -> None:
        """Raise ValueError if there is no recording, or no such order, step or stage."""
        if not self.recordings:
            raise ValueError(
                self._reason or "nothing is recorded: use DecoderStepper.of(translator, sentence)"
            )
        orders = [recording["order"] for recording in self.recordings]
        if self.order not in orders:
            raise ValueError(f"order is {self.order!r}, and recorded are: {', '.join(orders)}")
        if not 1 <= self.t <= len(self.recording["target"]):
            m = len(self.recording["target"])
            raise ValueError(f"t is {self.t}, expected 1 .. {m}: the translation has {m} steps")
        if self.stage not in self.stages:
            raise ValueError(
                f"stage is {self.stage!r}; in {PEOPLE[self.order]}'s order there are {', '.join(self.stages)}"
            )

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
        made, t = self.recording, self.t
        if self.stage == "probabilities":
            return np.array([chance for _, chance in made["top"][t - 1]])
        where = {"previous": ("states", t - 1), "state": ("states", t), "context": ("contexts", t - 1)}
        where |= {"attentional_state": ("joined", t - 1)}
        name, row = where.get(self.stage, (self.stage, t - 1))
        return np.array(made[name][row])

    @property
    def likely(self) -> list[str]:
        """Return the five most probable next tokens, best first; the first one is written."""
        self.require_valid()
        return [token for token, _ in self.recording["top"][self.t - 1]]

    @property
    def written(self) -> list[str]:
        """Return the tokens that are on paper: y_t is, once its probability is known."""
        self.require_valid()
        return list(self.recording["target"][: self.t - (self.stage != "probabilities")])

    def figure(self) -> Figure:
        """Draw scores, weights and next tokens of the whole step as bars."""
        made, t = self.recording, self.t
        likely, chances = zip(*made["top"][t - 1], strict=True)
        title = f"t = {t} of {len(made['target'])}, {PEOPLE[self.order]}'s order"
        return bar_rows(
            ("score", made["scores"][t - 1], made["source"], title),
            ("weight", made["weights"][t - 1], made["source"], ""),
            ("p", chances, likely, ""),
        )

    def describe(self) -> str:
        """Say where the decoder looks and what it writes."""
        made, t = self.recording, self.t
        weights = made["weights"][t - 1]
        most = int(np.argmax(weights))
        return self.say(
            "Step {t} of {m} of a decoder in {person}'s order: after {before} it looks most at {word}, "
            "weight {weight}, and writes {token}, probability {chance}.",
            t=t,
            m=len(made["target"]),
            person=PEOPLE[self.order],
            before=" ".join(made["target"][: t - 1]) or "<bos>",
            word=made["source"][most],
            weight=f"{weights[most]:.2f}",
            token=made["target"][t - 1],
            chance=f"{made['top'][t - 1][0][1]:.2f}",
        )
