"""The loss of a batch by two paths, and of a whole validation set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from seq2seq_edu.data import Batch, IdPair, length_buckets, make_batch
from seq2seq_edu.models import EncoderDecoder, evaluating, exact

Loss = Callable[[EncoderDecoder, Batch, float], Tensor]  # of a batch, with label smoothing


def loss_plain(model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    r"""Return the cross entropy by the plain path, one decoder step after the other.

    .. math:: L = -\frac{1}{\sum_b m_b} \sum_b \sum_{t \le m_b} \log p(y_t \mid y_{<t}, x)

    Parameters
    ----------
    model, batch : EncoderDecoder, and Batch on its device.
    label_smoothing : float. As in ``torch.nn.functional.cross_entropy``.

    Returns
    -------
    loss : scalar Tensor. Nats per real target token (eos counts, padding does not).
    """
    logits, _ = model(batch.src, batch.src_mask, batch.tgt_in)
    real = batch.tgt_mask
    return F.cross_entropy(exact(logits[real]), batch.tgt_out[real], label_smoothing=label_smoothing)


def loss_fast(model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Return the same loss as :func:`loss_plain`, computed at real target positions only.

    Parameters
    ----------
    model, batch, label_smoothing : as there.

    Returns
    -------
    loss : scalar Tensor. Nats per real target token.
    """
    features = model.readouts(batch.src, batch.src_mask, batch.tgt_in, batch.tgt_lengths)
    targets = pack_padded_sequence(batch.tgt_out, torch.tensor(batch.tgt_lengths), batch_first=True).data
    return F.cross_entropy(exact(model.logits(features)), targets, label_smoothing=label_smoothing)


@torch.no_grad()
def validate(model: EncoderDecoder, pairs: Sequence[IdPair], tokens: int = 4000) -> float:
    """Return the mean negative log-probability of gold targets under teacher forcing.

    Parameters
    ----------
    model : EncoderDecoder. Its mode (training or evaluation) is put back afterwards.
    pairs : sequence of (source ids, target ids). For instance the validation split.
    tokens : int. Target positions a batch.

    Returns
    -------
    nll : float. Nats per target token, eos included; no label smoothing. ValueError if there are no pairs.
    """
    if not pairs:
        raise ValueError("there are no pairs to measure the loss on")
    device = next(model.parameters()).device
    total, count = 0.0, 0
    with evaluating(model):
        for index in length_buckets(pairs, tokens, (0,)):
            batch = make_batch([pairs[k] for k in index]).to(device)
            total += float(loss_fast(model, batch)) * sum(batch.tgt_lengths)
            count += sum(batch.tgt_lengths)
    return total / count
