"""A score is entered once: one class, and command line, recipes, tables, cost widget and bench know it."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from seq2seq_edu import cli
from seq2seq_edu.bench.machine import decoder_step_cost
from seq2seq_edu.experiments import recipes
from seq2seq_edu.models import ATTENTIONS, Attention, Cost, ModelConfig, Seq2Seq
from seq2seq_edu.widgets import CostExplorer


@pytest.fixture
def cosine() -> Iterator[type[Attention]]:
    """Enter a score that the package does not have."""

    class CosineAttention(Attention):
        name, title, one_width = "cosine", "cosine attention", True

        @staticmethod
        def cost(d_s: int, d_h: int, d_a: int) -> Cost:
            return Cost(look=2 * d_h, floats=2 * d_h)

        def keys(self, encoder_states: Tensor) -> Tensor:
            return torch.nn.functional.normalize(encoder_states, dim=-1)

        def scores(self, query: Tensor, keys: Tensor) -> Tensor:
            return torch.nn.functional.normalize(query, dim=-1) @ keys.transpose(1, 2)

    yield CosineAttention
    del ATTENTIONS["cosine"]


def test_one_class_is_all_that_a_new_score_needs(cosine: type[Attention]) -> None:
    options = cli._parser().parse_args(["train", "--data", "reversal", "--attention", "cosine"])
    config, _ = recipes.configure(recipes.prepare("reversal"), attention=options.attention)
    assert isinstance(config, ModelConfig) and config.attention == "cosine" and config.d_h == config.d_s
    model = Seq2Seq(config)
    assert isinstance(model.decoder.attention, cosine) and not model.decoder.previous

    assert recipes.titles()["cosine"] == "GRU, cosine attention"

    src = torch.tensor([[4, 5, 6, 2]] * 3)
    memory, state = model.encode(src, src > 0)
    with FlopCounterMode(display=False) as counter:
        model.step(src[:, 0], state, memory)
    assert decoder_step_cost(config, 3, 4)[0] == counter.get_total_flops()

    explorer = CostExplorer(n=64, d=256, scores=["none", "cosine"])
    assert explorer.costs["step"] == {"none": 9 * 256**2, "cosine": 6 * 256**2 + 2 * 64 * 256}
    assert "cosine attention 425,984" in explorer.describe()
    assert "no score 'cosin': choose from none, dot," in CostExplorer(scores=["cosin"]).problem


def test_a_score_taken_out_again_is_nowhere() -> None:
    assert list(ATTENTIONS) == ["none", "dot", "general", "scaled", "additive"]
