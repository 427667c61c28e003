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
SUM = "models/test_attention.py::test_weights_sum_to_one_over_real_tokens_and_are_zero_elsewhere"

BUGS = (
    # Attention
    Bug(
        "no mask",
        "models/attention.py",
        SCORES,
        "scores = self.scores(query, memory.keys)",
        "models/test_recurrent.py::test_extra_padding_changes_no_output[additive-narrow]",
        "MaximumEntropy/Seq2Seq-PyTorch#6, pytorch/tutorials#593",
    ),
    Bug(
        "inverted mask",
        "models/attention.py",
        "masked_fill(~memory.mask",
        "masked_fill(memory.mask",
        f"{SUM}[dot]",
        "rasbt/LLMs-from-scratch#1061",
    ),
    Bug(
        "mask after the softmax",
        "models/attention.py",
        f"""{SCORES}
        exact = torch.promote_types(scores.dtype, torch.float32)  # half precision is too coarse for a sum
        weights = torch.softmax(scores, dim=-1, dtype=exact)""",
        """scores = self.scores(query, memory.keys)
        weights = torch.softmax(scores, dim=-1) * memory.mask.unsqueeze(1)""",
        f"{SUM}[scaled]",
    ),
    Bug(
        "softmax over the wrong axis",
        "models/attention.py",
        "torch.softmax(scores, dim=-1,",
        "torch.softmax(scores, dim=1,",
        f"{SUM}[general]",
        "PetrochukM/PyTorch-NLP#2, fastNLP#254",
    ),
    Bug(
        "no tanh in the additive score",
        "models/attention.py",
        "hidden = torch.tanh(self.W_a(query).unsqueeze(2) + keys.unsqueeze(1))",
        "hidden = self.W_a(query).unsqueeze(2) + keys.unsqueeze(1)",
        "models/test_attention.py::test_another_query_gets_other_weights[additive]",
        "AuCson#3",
    ),
    Bug(
        "score that ignores the encoder",
        "models/attention.py",
        "return self.v_a(hidden).squeeze(-1)",
        "return self.W_a(query)[..., : keys.shape[1]]",
        "models/test_attention.py::test_weights_follow_the_source_when_its_words_change_places[additive]",
        "pytorch/tutorials#833, PR 1097",
    ),
    Bug(
        "scaling left out",
        "models/attention.py",
        "self.W_a(query) / math.sqrt(keys.shape[-1])",
        "self.W_a(query)",
        "models/test_attention.py::test_dot_and_scaled_equal_the_product_attention_of_pytorch",
    ),
    Bug(
        "context from keys instead of values",
        "models/attention.py",
        "@ memory.values, weights",
        "@ memory.keys, weights",
        "models/test_attention.py::test_attention_equals_the_equations[additive]",
    ),
    Bug(
        "current state asks in Bahdanau's order",
        "models/attention.py",
        '"additive attention", "previous"',
        '"additive attention", "current"',
        "models/test_recurrent.py::test_previous_state_asks_in_bahdanau_and_the_current_one_in_luong[additive]",
        "tensorflow/models#4130",
    ),
    # Encoder
    Bug(
        "batch read as time",
        "models/recurrent.py",
        f"{PACK}\n        {READ}\n        {UNPACK}\n        {FINAL}",
        """outputs, _ = self.gru(embedded.transpose(0, 1))
        encoder_states = outputs.transpose(0, 1)
        final_state = encoder_states[:, -1]""",
        "models/test_attention.py::test_rows_of_the_encoder_know_nothing_of_each_other",
        "timbmg/Sentence-VAE#15",
    ),
    Bug(
        "state taken at the padding",
        "models/recurrent.py",
        f"{PACK}\n        {READ}\n        {UNPACK}",
        "encoder_states, last = self.gru(embedded)",
        "models/test_attention.py::test_final_state_is_taken_at_the_last_real_token",
        "pytorch#33602, pytorch/tutorials#3643",
    ),
    Bug(
        "rows sorted for packing and not put back",
        "models/recurrent.py",
        f"{PACK}\n        {READ}",
        """order = lengths.argsort(descending=True)
        packed = pack_padded_sequence(embedded[order], lengths[order], batch_first=True)
        outputs, last = self.gru(packed)""",
        "models/test_attention.py::test_order_of_the_rows_is_kept",
        "vsepp PR 36",
    ),
    Bug(
        "view where axes must change places",
        "models/recurrent.py",
        "last.transpose(0, 1).flatten(start_dim=1)",
        "last.reshape(last.shape[1], -1)",
        "models/test_attention.py::test_encoder_equals_gru_steps_in_every_direction[True]",
        "Informer2020#59",
    ),
    Bug(
        "one direction where two are meant",
        "models/recurrent.py",
        "Encoder(c.d_e, c.d_h, c.bidirectional)",
        "Encoder(c.d_e, c.d_h, False)",
        "models/test_recurrent.py::test_both_directions_reach_the_decoder",
    ),
    # Transformer
    Bug(
        "future seen",
        "models/transformer.py",
        "device=src.device).tril()",
        "device=src.device)",
        "models/test_transformer.py::test_the_future_is_never_read[fast]",
    ),
    Bug(
        "every cached step at position zero",
        "models/transformer.py",
        "y_prev.unsqueeze(1), t)",
        "y_prev.unsqueeze(1), 0)",
        "models/test_transformer.py::test_both_paths_give_one_loss_and_one_gradient[apart]",
    ),
    Bug(
        "heads cut without changing axes",
        "models/transformer.py",
        "x.unflatten(-1, (self.heads, -1)).transpose(1, 2)",
        "x.reshape(x.shape[0], self.heads, x.shape[1], -1)",
        "models/test_transformer.py::test_attention_equals_multi_head_attention_of_pytorch",
    ),
    Bug(
        "cross-attention to padding",
        "models/transformer.py",
        "x, memory.mask[:, None, None, :]",
        "x, torch.ones_like(memory.mask)[:, None, None, :]",
        "models/test_transformer.py::test_extra_padding_changes_no_output[apart]",
    ),
    # Targets and loss
    Bug(
        "targets not shifted",
        "data/batches.py",
        "pad([[BOS, *t] for t in targets], m)",
        "pad([[*t, EOS] for t in targets], m)",
        "data/test_batches.py::test_the_input_is_the_target_one_step_later",
        "bentrevett/pytorch-seq2seq#46, MONAI GenerativeModels#314",
    ),
    Bug(
        "eos never learned",
        "data/batches.py",
        "tgt_out = pad([[*t, EOS] for t in targets], m)",
        "tgt_out = pad([[*t, PAD] for t in targets], m)",
        "training/test_loop.py::test_one_batch_is_learned_to_almost_no_loss[0]",
        "bentrevett/pytorch-seq2seq#133, #136",
    ),
    Bug(
        "loss on padding",
        "training/losses.py",
        "F.cross_entropy(exact(logits[real]), batch.tgt_out[real],",
        "F.cross_entropy(exact(logits.flatten(0, 1)), batch.tgt_out.flatten(),",
        "training/test_loop.py::test_extra_padding_changes_no_loss_and_no_gradient[additive-plain]",
        "IBM/pytorch-seq2seq#125",
    ),
    Bug(
        "padding in the denominator",
        "training/losses.py",
        "F.cross_entropy(exact(model.logits(features)), targets, label_smoothing=label_smoothing)",
        "F.cross_entropy(exact(model.logits(features)), targets, label_smoothing=label_smoothing, "
        'reduction="sum") / batch.tgt_out.numel()',
        "training/test_loop.py::test_extra_padding_changes_no_loss_and_no_gradient[additive-fast]",
        "burn#5568, LaTeX-OCR#305",
    ),
    Bug(
        "mean of the means of batches",
        "training/losses.py",
        """total += float(loss_fast(model, batch)) * sum(batch.tgt_lengths)
            count += sum(batch.tgt_lengths)""",
        """total += float(loss_fast(model, batch))
            count += 1""",
        "training/test_loop.py::test_validation_does_not_depend_on_the_batches",
    ),
    Bug(
        "weights shifted by one step",
        "models/base.py",
        "torch.stack(weights, dim=1) if weights else None",
        "torch.stack([weights[-1], *weights[:-1]], dim=1) if weights else None",
        "models/test_recurrent.py::test_forward_is_one_step_after_the_other[additive]",
        "tensor2tensor#898",
    ),
    Bug(
        "optimiser forgotten on resuming",
        "training/checkpointer.py",
        "optimizer=self.state.tensors()",
        "optimizer={}",
        "training/test_loop.py::test_a_stopped_training_goes_on_as_if_nothing_had_happened[4]",
    ),
    # Several processes
    Bug(
        "mean of the means of processes",
        "training/parallel.py",
        "return Batch(*mine), size * tokens / sum(batch.tgt_lengths)",
        "return Batch(*mine), 1.0",
        "training/test_parallel.py::test_shares_make_up_the_batch_and_its_loss",
    ),
    Bug(
        "resuming with another validation set",
        "training/checkpointer.py",
        'sums = {"data": pairs, "validation": validation}',
        'sums = {"data": pairs}',
        "training/test_loop.py::test_another_training_cannot_be_resumed[change5-another validation]",
    ),
    Bug(
        "checkpoint written in place",
        "files.py",
        'temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")',
        "temporary = path",
        "training/test_checkpoints.py::test_a_full_disk_leaves_the_old_file_and_nothing_else[fsync]",
    ),
    # Evaluation
    Bug(
        "gold tokens at evaluation",
        "experiments/scoring.py",
        "outputs = [t.text for t in translations]",
        FORCED,
        "experiments/test_recipes.py::test_gold_targets_do_not_reach_the_predictions",
        "keon/seq2seq#8, sgrvinod/a-PyTorch-Tutorial-to-Image-Captioning#6",
    ),
    Bug(
        "dropout left on at evaluation",
        "models/base.py",
        "    model.eval()\n",
        "",
        "decoding/test_search.py::test_dropout_is_off_and_the_mode_is_put_back",
    ),
    Bug(
        "translations in the order of length",
        "decoding/translator.py",
        "return [done[k] for k in range(len(sources))]",
        "return list(done.values())",
        "decoding/test_translator.py::test_translations_come_in_the_order_of_the_sentences[1]",
    ),
    # Search
    Bug(
        "beam that compares sums, not means",
        "decoding/search_tree.py",
        "score = log_prob / t**self.length_penalty",
        "score = log_prob",
        "decoding/test_search.py::test_the_length_penalty_compares_means",
    ),
    Bug(
        "state not reordered with the beam",
        "decoding/stepping.py",
        "state = state[rows]",
        "state = state[rows.sort().values]",
        "decoding/test_search.py::test_every_hypothesis_is_told_by_the_model[1.0-additive]",
    ),
    Bug(
        "memory left where it was while sentences leave",
        "decoding/stepping.py",
        "memory, sentences = memory.rows(rows), sentences[rows]",
        "memory, sentences = memory.rows(torch.arange(len(rows)) % len(sentences)), sentences[rows]",
        "decoding/test_search.py::test_a_beam_in_a_batch_equals_its_rows_one_by_one[transformer]",
    ),
    Bug(
        "what ended below the beam counted",
        "decoding/search_tree.py",
        "ended[:, :width].nonzero()",
        "ended.nonzero()",
        "decoding/test_search.py::test_beam_search_is_what_a_plain_list_of_prefixes_gives[2-1.0-dot]",
    ),
    Bug(
        "cut output passed off as finished",
        "decoding/search_tree.py",
        "alignment, finished, score",
        "alignment, True, score",
        "decoding/test_search.py::test_the_length_limit_of_a_beam_is_kept_and_said",
    ),
    Bug(
        "temperature that multiplies",
        "decoding/search.py",
        ".double() / temperature",
        ".double() * temperature",
        "decoding/test_search.py::test_samples_are_as_frequent_as_the_softmax_says[None-0.5]",
    ),
    Bug(
        "BLEU arguments swapped",
        "metrics/scores.py",
        "metric.corpus_score(list(hypotheses), [list(references)])",
        "metric.corpus_score(list(references), [list(hypotheses)])",
        "metrics/test_metrics.py::test_bleu_of_swapped_lists_is_another_number_and_names_are_required",
    ),
    Bug(
        "vocabulary from the test set",
        "experiments/recipes.py",
        "Vocabulary.build(e.source for e in train)",
        "Vocabulary.build(e.source for e in examples)",
        "experiments/test_recipes.py::test_words_of_the_test_split_never_reach_a_vocabulary",
    ),
    Bug(
        "subwords from the test set",
        "data/corpora.py",
        "for pair in corpus.train:",
        "for pair in (*corpus.train, *corpus.test):",
        "data/test_corpora.py::test_text_of_the_other_splits_never_reaches_the_subwords",
    ),
    # Generated data
    Bug(
        "clauses with after keep their English order",
        "data/grammar/long_pairs.py",
        "early.chinese + between + late.chinese",
        "late.chinese + between + early.chinese",
        "data/test_grammar_long.py::test_what_comes_after_after_comes_first_in_chinese",
    ),
    Bug(
        "a clause said twice has its links at one place",
        "data/grammar/long_pairs.py",
        "        del waiting[place]\n",
        "",
        "data/test_grammar_long.py::test_every_english_content_word_has_a_sure_link",
    ),
    Bug(
        "long sentences rarer than short ones",
        "data/grammar/long_pairs.py",
        "rng.randint(min_length, max_length), waiting",
        "min(rng.randint(min_length, max_length) for _ in range(2)), waiting",
        "data/test_grammar_long.py::test_every_length_from_5_to_60_is_equally_likely",
    ),
    # Speed
    Bug(
        "the reference computes padding with the loss of padding",
        "bench/styles.py",
        "targets, ignore_index=PAD, label_smoothing",
        "targets, label_smoothing",
        "bench/test_bench.py::test_every_path_gives_the_loss_and_gradients_of_the_plain_one[d2l-0]",
    ),
    Bug(
        "work at padding counted as work done",
        "bench/table.py",
        "zip(b.src_lengths, b.tgt_lengths, strict=True)",
        "zip([b.src.shape[1]] * len(b.index), b.tgt_lengths, strict=True)",
        "bench/test_bench.py::test_padding_is_no_work",
    ),
    Bug(
        "only short buckets timed",
        "bench/table.py",
        "middle = [index[(2 * k + 1) * len(index) // (2 * count)] for k in range(count)]",
        "middle = index[:count]",
        "bench/test_bench.py::test_buckets_hold_as_many_tokens_as_random_batches_and_less_padding",
    ),
    Bug(
        "ratios taken across rounds",
        "bench/table.py",
        "turn[name] / turn[first] for turn",
        "turn[name] / turns[0][first] for turn",
        "bench/test_bench.py::test_ratios_are_taken_within_a_round",
    ),
    Bug(
        "an ablation counted among the seeds",
        "experiments/records.py",
        'changes = json.dumps(record.get("changes", {}), sort_keys=True)',
        "changes = json.dumps({}, sort_keys=True)",
        "experiments/test_records.py::test_runs_of_one_kind_differ_in_the_seed_and_stand_in_its_order",
    ),
    Bug(
        "one seed's score passes for the median",
        "experiments/records.py",
        'return [m[name]["value"] for m in metrics] if all(name in m for m in metrics) else []',
        'return [m[name]["value"] for m in metrics if name in m]',
        "experiments/test_records.py::test_scores_are_those_asked_for_or_none_at_all",
    ),
    Bug(
        "the narrowest interval shown",
        "experiments/records.py",
        "min(lows), max(highs)",
        "max(lows), max(highs)",
        "experiments/test_records.py::test_lengths_are_means_with_the_widest_interval",
    ),
    Bug(
        "the likeliest sum drawn as the winner",
        "plots/tree.py",
        "max(finished, key=lambda node: node.score)",
        "max(finished, key=lambda node: node.log_prob)",
        "plots/test_tree.py::test_the_thick_line_leads_to_the_best_score",
    ),
    Bug(
        "branches of a tree drawn over each other",
        "plots/tree.py",
        "row = max(free[nodes[c].step] for c in line)",
        "row = free[nodes[k].step]",
        "plots/test_tree.py::test_branches_are_packed_and_no_two_boxes_share_a_place",
    ),
    Bug(
        "the least probable child drawn straight on",
        "plots/tree.py",
        "sorted(nodes, key=lambda node: (node.step, -node.log_prob))",
        "sorted(nodes, key=lambda node: (node.step, node.log_prob))",
        "plots/test_tree.py::test_the_most_probable_child_stands_beside_its_parent",
    ),
    # Exercises and grading
    Bug(
        "one set of inputs for every class",
        "grading/questions.py",
        "Student(ask, generator(seed, question.id, check.name), given)",
        'Student(ask, generator("0", question.id, check.name), given)',
        "grading/test_grading.py::test_outcomes_come_in_the_order_of_the_checks_and_the_seed_decides_the_inputs",
    ),
    Bug(
        "one set of numbers for every edition",
        "grading/questions.py",
        'constants(generator(seed, id, "given"))',
        'constants(generator("0", id, "given"))',
        "exercises/test_exercises.py::test_an_edition_for_a_class_carries_its_constants_and_not_its_text",
    ),
    Bug(
        "half of a hidden part reaches the students",
        "grading/questions.py",
        'if "HIDDEN TESTS" in kept:',
        "if False:",
        "exercises/test_exercises.py::test_a_marker_left_open_leaks_no_check",
    ),
    Bug(
        "a truth value that is neither",
        "grading/wire.py",
        'if dtype.kind == "b":',
        "if False:",
        "grading/test_grading.py::test_a_truth_value_is_true_or_false_and_no_third_thing",
    ),
    Bug(
        "a formula for a name",
        "grading/gradebook.py",
        'if text.startswith("\'") or text.lstrip().startswith(FORMULA) else text',
        'if text.startswith("\'") else text',
        "grading/test_reports.py::test_no_cell_is_a_formula_and_none_is_changed[ =cmd|calc]",
    ),
    Bug(
        "feedback that repeats hidden inputs",
        "grading/report.py",
        "if check.hidden:",
        "if False:",
        "grading/test_reports.py::test_of_a_hidden_check_a_page_tells_the_hint_alone",
    ),
)
