"""Bugs that people really write, each as one edit of the package, and the test that must notice it.

`old` stands exactly once in the file and `new` takes its place in a copy of the package; `killed_by` passes
on the package as it is and fails on the copy. `seen` names public threads about the same bug, if we know any.
"""

from typing import NamedTuple


class Bug(NamedTuple):
    """One bug: what it is, how to plant it, what must find it, where it was seen."""

    name: str
    file: str
    old: str
    new: str
    killed_by: str
    seen: str = ""


SCORES = "scores = self.scores(query, memory.keys).masked_fill(~memory.mask.unsqueeze(1), -math.inf)"
PACK = "packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)"
READ = "outputs, last = self.gru(packed)"
FINAL = "final_state = last.transpose(0, 1).flatten(start_dim=1)"
UNPACK = "encoder_states, _ = pad_packed_sequence(outputs, batch_first=True, total_length=embedded.shape[1])"
FORCED = """outputs = []
    for source, reference in data.test:
        src = torch.tensor([[*data.source_text.encode(source), 2]])
        tgt_in = torch.tensor([[1, *data.target_text.encode(reference)]])
        logits, _ = model(src, src != 0, tgt_in)
        outputs.append(data.target_text.decode(logits[0].argmax(dim=-1).tolist()))"""
SUM = "test_modules.py::test_weights_sum_to_one_over_real_tokens_and_are_zero_elsewhere"

BUGS = (
    # Attention
    Bug(
        "no mask",
        "modules.py",
        SCORES,
        "scores = self.scores(query, memory.keys)",
        "test_model.py::test_extra_padding_changes_no_output[additive-narrow]",
        "MaximumEntropy/Seq2Seq-PyTorch#6, pytorch/tutorials#593",
    ),
    Bug(
        "inverted mask",
        "modules.py",
        "masked_fill(~memory.mask",
        "masked_fill(memory.mask",
        f"{SUM}[dot]",
        "rasbt/LLMs-from-scratch#1061",
    ),
    Bug(
        "mask after the softmax",
        "modules.py",
        f"""{SCORES}
        exact = torch.promote_types(scores.dtype, torch.float32)  # half precision is too coarse for a sum
        weights = torch.softmax(scores, dim=-1, dtype=exact)""",
        """scores = self.scores(query, memory.keys)
        weights = torch.softmax(scores, dim=-1) * memory.mask.unsqueeze(1)""",
        f"{SUM}[scaled]",
    ),
    Bug(
        "softmax over the wrong axis",
        "modules.py",
        "torch.softmax(scores, dim=-1,",
        "torch.softmax(scores, dim=1,",
        f"{SUM}[general]",
        "PetrochukM/PyTorch-NLP#2, fastNLP#254",
    ),
    Bug(
        "no tanh in the additive score",
        "modules.py",
        "hidden = torch.tanh(self.W_a(query).unsqueeze(2) + keys.unsqueeze(1))",
        "hidden = self.W_a(query).unsqueeze(2) + keys.unsqueeze(1)",
        "test_modules.py::test_another_query_gets_other_weights[additive]",
        "AuCson#3",
    ),
    Bug(
        "score that ignores the encoder",
        "modules.py",
        "return self.v_a(hidden).squeeze(-1)",
        "return self.W_a(query)[..., : keys.shape[1]]",
        "test_modules.py::test_weights_follow_the_source_when_its_words_change_places[additive]",
        "pytorch/tutorials#833, PR 1097",
    ),
    Bug(
        "scaling left out",
        "modules.py",
        "self.W_a(query) / math.sqrt(keys.shape[-1])",
        "self.W_a(query)",
        "test_modules.py::test_dot_and_scaled_equal_the_product_attention_of_pytorch",
    ),
    Bug(
        "context from keys instead of values",
        "modules.py",
        "@ memory.values, weights",
        "@ memory.keys, weights",
        "test_modules.py::test_attention_equals_the_equations[additive]",
    ),
    Bug(
        "current state asks in Bahdanau's order",
        "modules.py",
        """query_state = "previous"

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__()
        self.W_a""",
        """query_state = "current"

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__()
        self.W_a""",
        "test_model.py::test_previous_state_asks_in_bahdanau_and_the_current_one_in_luong[additive]",
        "tensorflow/models#4130",
    ),
    # Encoder
    Bug(
        "batch read as time",
        "modules.py",
        f"{PACK}\n        {READ}\n        {UNPACK}\n        {FINAL}",
        """outputs, _ = self.gru(embedded.transpose(0, 1))
        encoder_states = outputs.transpose(0, 1)
        final_state = encoder_states[:, -1]""",
        "test_modules.py::test_rows_of_the_encoder_know_nothing_of_each_other",
        "timbmg/Sentence-VAE#15",
    ),
    Bug(
        "state taken at the padding",
        "modules.py",
        f"{PACK}\n        {READ}\n        {UNPACK}",
        "encoder_states, last = self.gru(embedded)",
        "test_modules.py::test_final_state_is_taken_at_the_last_real_token",
        "pytorch#33602, pytorch/tutorials#3643",
    ),
    Bug(
        "rows sorted for packing and not put back",
        "modules.py",
        f"{PACK}\n        {READ}",
        """order = lengths.argsort(descending=True)
        packed = pack_padded_sequence(embedded[order], lengths[order], batch_first=True)
        outputs, last = self.gru(packed)""",
        "test_modules.py::test_order_of_the_rows_is_kept",
        "vsepp PR 36",
    ),
    Bug(
        "view where axes must change places",
        "modules.py",
        "last.transpose(0, 1).flatten(start_dim=1)",
        "last.reshape(last.shape[1], -1)",
        "test_modules.py::test_encoder_equals_gru_steps_in_every_direction[True]",
        "Informer2020#59",
    ),
    Bug(
        "one direction where two are meant",
        "model.py",
        "Encoder(c.d_e, c.d_h, c.bidirectional)",
        "Encoder(c.d_e, c.d_h, False)",
        "test_model.py::test_both_directions_reach_the_decoder",
    ),
    # Targets and loss
    Bug(
        "targets not shifted",
        "batching.py",
        "pad([[BOS, *t] for t in targets], m)",
        "pad([[*t, EOS] for t in targets], m)",
        "test_batching.py::test_the_input_is_the_target_one_step_later",
        "bentrevett/pytorch-seq2seq#46, MONAI GenerativeModels#314",
    ),
    Bug(
        "eos never learned",
        "batching.py",
        "tgt_out = pad([[*t, EOS] for t in targets], m)",
        "tgt_out = pad([[*t, PAD] for t in targets], m)",
        "test_training.py::test_one_batch_is_learned_to_almost_no_loss[0]",
        "bentrevett/pytorch-seq2seq#133, #136",
    ),
    Bug(
        "loss on padding",
        "training.py",
        "F.cross_entropy(_exact(logits[real]), batch.tgt_out[real],",
        "F.cross_entropy(_exact(logits.flatten(0, 1)), batch.tgt_out.flatten(),",
        "test_training.py::test_extra_padding_changes_no_loss_and_no_gradient[additive-plain]",
        "IBM/pytorch-seq2seq#125",
    ),
    Bug(
        "padding in the denominator",
        "training.py",
        "F.cross_entropy(_exact(model.logits(features)), targets, label_smoothing=label_smoothing)",
        "F.cross_entropy(_exact(model.logits(features)), targets, label_smoothing=label_smoothing, "
        'reduction="sum") / batch.tgt_out.numel()',
        "test_training.py::test_extra_padding_changes_no_loss_and_no_gradient[additive-fast]",
        "burn#5568, LaTeX-OCR#305",
    ),
    Bug(
        "mean of the means of batches",
        "training.py",
        """total += float(loss_fast(model, batch)) * sum(batch.tgt_lengths)
            count += sum(batch.tgt_lengths)""",
        """total += float(loss_fast(model, batch))
            count += 1""",
        "test_training.py::test_validation_does_not_depend_on_the_batches",
    ),
    Bug(
        "weights shifted by one step",
        "model.py",
        "torch.stack(weights, dim=1) if weights else None",
        "torch.stack([weights[-1], *weights[:-1]], dim=1) if weights else None",
        "test_model.py::test_forward_is_one_step_after_the_other[additive]",
        "tensor2tensor#898",
    ),
    Bug(
        "optimiser forgotten on resuming",
        "training.py",
        "optimizer=moments,",
        "optimizer={},",
        "test_training.py::test_a_stopped_training_goes_on_as_if_nothing_had_happened[4]",
    ),
    Bug(
        "checkpoint written in place",
        "checkpoints.py",
        'temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")',
        "temporary = path",
        "test_checkpoints.py::test_a_full_disk_leaves_the_old_file_and_nothing_else[fsync]",
    ),
    # Evaluation
    Bug(
        "gold tokens at evaluation",
        "recipes.py",
        "outputs = [t.text for t in translations]",
        FORCED,
        "test_recipes.py::test_gold_targets_do_not_reach_the_predictions",
        "keon/seq2seq#8, sgrvinod/a-PyTorch-Tutorial-to-Image-Captioning#6",
    ),
    Bug(
        "dropout left on at evaluation",
        "model.py",
        "    model.eval()\n",
        "",
        "test_decoding.py::test_dropout_is_off_and_the_mode_is_put_back",
    ),
    Bug(
        "translations in the order of length",
        "decoding.py",
        "return [done[k] for k in range(len(sources))]",
        "return list(done.values())",
        "test_decoding.py::test_translations_come_in_the_order_of_the_sentences",
    ),
    Bug(
        "BLEU arguments swapped",
        "evaluation.py",
        "metric.corpus_score(list(hypotheses), [list(references)])",
        "metric.corpus_score(list(references), [list(hypotheses)])",
        "test_evaluation.py::test_bleu_of_swapped_lists_is_another_number_and_names_are_required",
    ),
    Bug(
        "vocabulary from the test set",
        "recipes.py",
        "Vocabulary.build(e.source for e in train)",
        "Vocabulary.build(e.source for e in examples)",
        "test_recipes.py::test_words_of_the_test_split_never_reach_a_vocabulary",
    ),
    Bug(
        "subwords from the test set",
        "corpora.py",
        "for pair in corpus.train:",
        "for pair in (*corpus.train, *corpus.test):",
        "test_corpora.py::test_text_of_the_other_splits_never_reaches_the_subwords",
    ),
)
