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
    # Transformer
    Bug(
        "future seen",
        "transformer.py",
        "device=src.device).tril()",
        "device=src.device)",
        "test_transformer.py::test_the_future_is_never_read[fast]",
    ),
    Bug(
        "every cached step at position zero",
        "transformer.py",
        "y_prev.unsqueeze(1), t)",
        "y_prev.unsqueeze(1), 0)",
        "test_transformer.py::test_both_paths_give_one_loss_and_one_gradient[apart]",
    ),
    Bug(
        "heads cut without changing axes",
        "transformer.py",
        "x.unflatten(-1, (self.heads, -1)).transpose(1, 2)",
        "x.reshape(x.shape[0], self.heads, x.shape[1], -1)",
        "test_transformer.py::test_attention_equals_multi_head_attention_of_pytorch",
    ),
    Bug(
        "cross-attention to padding",
        "transformer.py",
        "x, memory.mask[:, None, None, :]",
        "x, torch.ones_like(memory.mask)[:, None, None, :]",
        "test_transformer.py::test_extra_padding_changes_no_output[apart]",
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
        "F.cross_entropy(exact(logits[real]), batch.tgt_out[real],",
        "F.cross_entropy(exact(logits.flatten(0, 1)), batch.tgt_out.flatten(),",
        "test_training.py::test_extra_padding_changes_no_loss_and_no_gradient[additive-plain]",
        "IBM/pytorch-seq2seq#125",
    ),
    Bug(
        "padding in the denominator",
        "training.py",
        "F.cross_entropy(exact(model.logits(features)), targets, label_smoothing=label_smoothing)",
        "F.cross_entropy(exact(model.logits(features)), targets, label_smoothing=label_smoothing, "
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
        "keeper.py",
        "optimizer=moments,",
        "optimizer={},",
        "test_training.py::test_a_stopped_training_goes_on_as_if_nothing_had_happened[4]",
    ),
    # Fixed shapes and several processes
    Bug(
        "backward half starts at the padding",
        "cuda.py",
        "turned = torch.where(mask, lengths - 1 - place, place)",
        "turned = (embedded.shape[1] - 1 - place).expand_as(mask)",
        "test_cuda.py::test_static_encoder_is_the_packed_one[True]",
    ),
    Bug(
        "rows that fill a batch are counted",
        "cuda.py",
        "batch.tgt_out.masked_fill(~batch.tgt_mask, IGNORED)",
        "batch.tgt_out",
        "test_cuda.py::test_static_loss_and_gradients_are_those_of_the_plain_path[general-torch.float64-0.1]",
    ),
    Bug(
        "mean of the means of processes",
        "parallel.py",
        "return mine, size * tokens / whole",
        "return mine, 1.0",
        "test_parallel.py::test_shares_make_up_the_batch_and_its_loss",
    ),
    Bug(
        "resuming with another validation set",
        "training.py",
        'sums = {"data": pairs, "validation": validation}',
        'sums = {"data": pairs}',
        "test_training.py::test_another_training_cannot_be_resumed[change5-another validation]",
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
        "translator.py",
        "return [done[k] for k in range(len(sources))]",
        "return list(done.values())",
        "test_translator.py::test_translations_come_in_the_order_of_the_sentences[1]",
    ),
    # Search
    Bug(
        "beam that compares sums, not means",
        "search_tree.py",
        "cost = -log_prob / t**length_penalty",
        "cost = -log_prob",
        "test_decoding.py::test_the_length_penalty_compares_means",
    ),
    Bug(
        "state not reordered with the beam",
        "search_tree.py",
        "state = step.state[above]",
        "state = step.state[(groups * k).repeat_interleave(log_probs.shape[1])]",
        "test_decoding.py::test_every_hypothesis_is_told_by_the_model[1.0-additive]",
    ),
    Bug(
        "memory tiled where the beam is interleaved",
        "search_tree.py",
        "(groups * k).repeat_interleave(log_probs.shape[1])",
        "(groups * k).repeat(log_probs.shape[1])",
        "test_decoding.py::test_a_beam_in_a_batch_equals_its_rows_one_by_one[transformer]",
    ),
    Bug(
        "ended hypotheses searched on",
        "search_tree.py",
        "others = ended.byte().argsort(",
        "others = torch.zeros_like(ended).byte().argsort(",
        "test_decoding.py::test_every_hypothesis_is_told_by_the_model[1.0-dot]",
    ),
    Bug(
        "cut output passed off as finished",
        "search_tree.py",
        "not end.cut, -end.cost",
        "True, -end.cost",
        "test_decoding.py::test_the_length_limit_of_a_beam_is_kept_and_said",
    ),
    Bug(
        "temperature that multiplies",
        "decoding.py",
        ".double() / temperature",
        ".double() * temperature",
        "test_decoding.py::test_samples_are_as_frequent_as_the_softmax_says[None-0.5]",
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
    # Generated data
    Bug(
        "clauses with after keep their English order",
        "grammar_long.py",
        "early.chinese + between + late.chinese",
        "late.chinese + between + early.chinese",
        "test_grammar_long.py::test_what_comes_after_after_comes_first_in_chinese",
    ),
    Bug(
        "a clause said twice has its links at one place",
        "grammar_long.py",
        "        del waiting[place]\n",
        "",
        "test_grammar_long.py::test_every_english_content_word_has_a_sure_link",
    ),
    Bug(
        "long sentences rarer than short ones",
        "grammar_long.py",
        "rng.randint(min_length, max_length), waiting",
        "min(rng.randint(min_length, max_length) for _ in range(2)), waiting",
        "test_grammar_long.py::test_every_length_from_5_to_60_is_equally_likely",
    ),
    # Speed
    Bug(
        "the reference computes padding with the loss of padding",
        "bench_styles.py",
        "(losses * batch.tgt_mask.flatten()).sum()",
        "losses.sum()",
        "test_bench.py::test_every_path_gives_the_loss_and_gradients_of_the_plain_one[d2l-0]",
    ),
    Bug(
        "work at padding counted as work done",
        "bench_styles.py",
        "zip(b.src_lengths, b.tgt_lengths, strict=True)",
        "zip([b.src.shape[1]] * len(b.index), b.tgt_lengths, strict=True)",
        "test_bench.py::test_padding_is_no_work",
    ),
    Bug(
        "only short buckets timed",
        "bench.py",
        "middle = [index[(2 * k + 1) * len(index) // (2 * count)] for k in range(count)]",
        "middle = index[:count]",
        "test_bench.py::test_buckets_hold_as_many_tokens_as_random_batches_and_less_padding",
    ),
    Bug(
        "ratios taken across rounds",
        "bench.py",
        "turn[k].tokens / turn[0].tokens for",
        "turn[k].tokens / turns[0][0].tokens for",
        "test_bench.py::test_the_share_of_the_peak_is_work_done_over_work_possible",
    ),
    Bug(
        "an ablation counted among the seeds",
        "records.py",
        'changes = json.dumps(record.get("changes", {}), sort_keys=True)',
        "changes = json.dumps({}, sort_keys=True)",
        "test_records.py::test_runs_of_one_kind_differ_in_the_seed_and_stand_in_its_order",
    ),
    Bug(
        "one seed's score passes for the median",
        "records.py",
        'return [m[name]["value"] for m in metrics] if all(name in m for m in metrics) else []',
        'return [m[name]["value"] for m in metrics if name in m]',
        "test_records.py::test_scores_are_those_asked_for_or_none_at_all",
    ),
    Bug(
        "the narrowest interval shown",
        "records.py",
        '"low": min(lows),',
        '"low": max(lows),',
        "test_records.py::test_lengths_are_means_with_the_widest_interval",
    ),
    Bug(
        "the likeliest sum drawn as the winner",
        "tree_plot.py",
        "max(finished, key=lambda node: node.score)",
        "max(finished, key=lambda node: node.log_prob)",
        "test_tree_plot.py::test_the_thick_line_leads_to_the_best_score",
    ),
    Bug(
        "branches of a tree drawn over each other",
        "tree_plot.py",
        "row = max(free[nodes[c].step] for c in line)",
        "row = free[nodes[k].step]",
        "test_tree_plot.py::test_branches_are_packed_and_no_two_boxes_share_a_place",
    ),
    Bug(
        "the least probable child drawn straight on",
        "tree_plot.py",
        "sorted(shown, key=lambda node: (node.step, -node.log_prob))",
        "sorted(shown, key=lambda node: (node.step, node.log_prob))",
        "test_tree_plot.py::test_the_most_probable_child_stands_beside_its_parent",
    ),
    # Exercises and grading
    Bug(
        "one set of inputs for every class",
        "checking.py",
        "Student(ask, generator(seed, question.id, check.name), given)",
        'Student(ask, generator("0", question.id, check.name), given)',
        "test_grading.py::test_outcomes_come_in_the_order_of_the_checks_and_the_seed_decides_the_inputs",
    ),
    Bug(
        "one set of numbers for every edition",
        "checking.py",
        'constants(generator(seed, id, "given"))',
        'constants(generator("0", id, "given"))',
        "test_exercises.py::test_an_edition_for_a_class_carries_its_constants_and_not_its_text",
    ),
    Bug(
        "half of a hidden part reaches the students",
        "grading/handout.py",
        'if "HIDDEN TESTS" in text:',
        "if False:",
        "test_exercises.py::test_a_marker_left_open_leaks_no_check",
    ),
    Bug(
        "a truth value that is neither",
        "grading/wire.py",
        'if dtype.kind == "b":',
        "if False:",
        "test_grading.py::test_a_truth_value_is_true_or_false_and_no_third_thing",
    ),
    Bug(
        "a formula for a name",
        "grading/gradebook.py",
        "if text.startswith(\"'\") or text.lstrip().startswith(FORMULA) else text",
        "if text.startswith(\"'\") else text",
        "test_reports.py::test_no_cell_is_a_formula_and_none_is_changed[ =cmd|calc]",
    ),
    Bug(
        "feedback that repeats hidden inputs",
        "grading/report.py",
        "if check.hidden:",
        "if False:",
        "test_reports.py::test_of_a_hidden_check_a_page_tells_the_hint_alone",
    ),
)
