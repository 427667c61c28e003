// Axis picker: choose the axis of the softmax and the mask, see what breaks.

const AXIS_WORDS = {
  title: "Mask and axis picker",
  how: "Scores of B sentences, m target words, n source words become weights. Break them: which probe notices?",
  axis: "softmax over", axis0: "axis 0, batch", axis1: "axis 1, target", axis2: "axis 2, source", masking: "mask",
  right: "right", none: "none", inverted: "inverted", after: "after the softmax", sentences: "sentences",
  all: "all {B}", first: "only the first", sentence: "sentence {s}: {real} words and {pads} of padding",
  full: "sentence {s}: {real} words, no padding", sum: "sum", good: "✓ is 1", bad: "✗ not 1", pad: "{word}, padding",
  cell: "Outlined: what shares 1 with “{row} → {column}” of sentence {s} (score {score}, weight {weight}). Choose another cell.",
  probes: "Probes", passes: "✓ passes", fails: "✗ fails", unknown: "? cannot tell",
  rows_sum_to_1: "every sum over the source is 1", padding_is_0: "padding gets exactly 0",
  same_alone: "a sentence alone (B = 1) gives the same as in the batch", finite: "every number is finite",
  noPadding: "there is no padding", oneSentence: "there is one sentence only",
  fine: "Right: every row shares 1 among the words of its own sentence, and padding gets nothing.",
  luck: "Nothing breaks, but only because there is no padding here: this batch cannot tell your mask from the right one.",
  luckToo: "Nothing breaks, but only by luck: these scores cannot tell your choice from the right one.",
  padding: "Padding gets {share} of the weight of “{row}”: without a mask its score 0 beats every negative one.",
  paddingMore: "Padding gets {share} of the weight of “{row}”: nothing told the softmax to leave it out.",
  upside: "Padding gets all the weight and the words get 0: the mask is upside down.",
  thrown: "The row “{row}” sums to {total}: what padding got was thrown away after the softmax, and nobody got it instead.",
  target: "Rows sum to {range}, not to 1: you normalised over the target, so the columns sum to 1.",
  batch: "Rows sum to {range}, not to 1: you normalised over the batch, so a word takes weight from another sentence.",
  alone: "Rows sum to {range}: over the batch a single sentence has nobody to share with, so each weight is 1, whatever the score.",
  nan2: "Sentence {s} has no padding, so the inverted mask leaves its rows nothing to share 1 among: 0/0 = nan.",
  nan1: "In the column “{word}” of sentence {s} every score is masked, and you normalised down the column: 0/0 = nan.",
  nan0: "Source position {i} is masked in every sentence, and you normalised over the batch: 0/0 = nan.",
  range: "{low} to {high}",
};

const AXIS_CODE = {
  right: (axis) => `softmax(np.where(mask[:, None, :], e, -np.inf), axis=${axis})`,
  none: (axis) => `softmax(e, axis=${axis})`,
  inverted: (axis) => `softmax(np.where(~mask[:, None, :], e, -np.inf), axis=${axis})`,
  after: (axis) => `softmax(e, axis=${axis}) * mask[:, None, :]`,
};

const AXIS_INKS = Array.from({ length: 101 }, (_, k) => `--cell:${shade(k / 100)};--on:${inkOn(k / 100)}`);
const near = (a, b) => Math.abs(a - b) < 1e-6;
const same = (a, b) => near(a, b) || (Number.isNaN(a) && Number.isNaN(b));
const blank = (weight) => (Number.isNaN(weight) ? "nan" : fixed(weight));

// The cells [b, t, i] that share 1 with this one.
function company([B, m, n], axis, [b, t, i]) {
  return Array.from({ length: [B, m, n][axis] }, (_, k) => [[k, t, i], [b, k, i], [b, t, k]][axis]);
}

function axisWeights(scores, mask, axis, masking) {
  const sizes = [scores.length, scores[0].length, scores[0][0].length];
  const weights = scores.map((rows) => rows.map((row) => row.map(() => 0)));
  const kept = ([b, , i]) => ({ right: mask[b][i], inverted: !mask[b][i] })[masking] ?? true;
  scores.forEach((rows, b) => rows.forEach((row, t) => row.forEach((_, i) => {
    if ([b, t, i][axis] > 0) return; // each company once, by its first cell
    const cells = company(sizes, axis, [b, t, i]);
    const open = cells.filter(kept);
    if (!open.length) return cells.forEach(([x, y, z]) => (weights[x][y][z] = NaN)); // 0 / 0
    softmax(open.map(([x, y, z]) => scores[x][y][z])).forEach((weight, k) => {
      const [x, y, z] = open[k];
      weights[x][y][z] = masking === "after" && !mask[x][z] ? 0 : weight;
    });
  })));
  return weights;
}

// Everything that follows from the state.
function axisFrom(get) {
  const [scores, mask, axis, masking] = ["scores", "mask", "axis", "masking"].map(get);
  const B = get("sentences") === "first" ? 1 : scores.length;
  const make = (from, to) => axisWeights(scores.slice(from, to), mask.slice(from, to), axis, masking);
  const weights = make(0, B);
  const sums = weights.map((rows) => rows.map(sum));
  const cells = weights.flatMap((rows, b) => rows.flatMap((row, t) => row.map((weight, i) => ({ weight, b, t, i, pad: !mask[b][i] }))));
  const pads = cells.filter((cell) => cell.pad);
  const all = B === scores.length ? weights : make(0, scores.length);
  const probes = {
    rows_sum_to_1: sums.flat().every((total) => near(total, 1)),
    padding_is_0: pads.length ? pads.every((cell) => cell.weight === 0) : null,
    same_alone: scores.length === 1 ? null : weights.every((_, b) => {
      const alone = make(b, b + 1).flat(2);
      return all[b].flat().every((weight, k) => same(weight, alone[k]));
    }),
    finite: cells.every((cell) => Number.isFinite(cell.weight)),
  };
  return { scores, mask, axis, masking, B, weights, sums, cells, pads, probes };
}

// One sentence that says what breaks, and the sign before it.
function axisVerdict({ t, get }, { mask, axis, masking, B, weights, sums, cells, pads, scores, probes }) {
  if (axis === 2 && masking === "right") return ["✓", t("fine")];
  if (!Object.values(probes).includes(false)) return ["?", t(axis === 2 && !pads.length ? "luck" : "luckToo")];
  const [rows, columns] = [get("target_tokens"), get("source_tokens")];
  const lost = cells.find((cell) => Number.isNaN(cell.weight));
  if (lost) return ["✗", t(`nan${axis}`, { i: lost.i + 1, word: columns[lost.b][lost.i], s: lost.b + 1 })];
  const totals = sums.flat();
  const [low, high] = [fixed(Math.min(...totals)), fixed(Math.max(...totals))];
  const range = low === high ? low : t("range", { low, high });
  if (axis === 0) return ["✗", t(B === 1 ? "alone" : "batch", { range })];
  if (axis === 1) return ["✗", t("target", { range })];
  if (masking === "inverted") return ["✗", t("upside")];
  const share = (b, row) => sum(weights[b][row].map((weight, i) => (mask[b][i] ? 0 : weight)));
  const places = sums.flatMap((list, b) => list.map((total, row) => ({ b, row, total, share: share(b, row) })));
  const worst = (by) => places.reduce((a, x) => (by(x) > by(a) ? x : a));
  if (masking === "after") {
    const { b, row, total } = worst((x) => -x.total);
    return ["✗", t("thrown", { row: rows[b][row], total: fixed(total) })];
  }
  const { b, row, share: taken } = worst((x) => x.share);
  const zero = scores[b][row].every((score, i) => mask[b][i] ? score < 0 : score === 0);
  return ["✗", t(zero ? "padding" : "paddingMore", { row: rows[b][row], share: fixed(taken) })];
}

// One heat map: a table whose cells are chosen like those of a grid.
function axisMap(view, b, choose) {
  const { t, get } = view;
  const [rows, columns, mask] = [get("target_tokens")[b], get("source_tokens")[b], get("mask")[b]];
  const fine = columns.length > 12;
  const pads = mask.filter((real) => !real).length;
  const heads = columns.map((word, i) => html("th", { scope: "col", class: mask[i] ? null : "s2s-pad", "aria-label": mask[i] ? null : t("pad", { word }) }, html("span", {}, word)));
  const lines = rows.map((word, row) => {
    const cells = columns.map((_, i) => {
      const cell = html("td", { role: "gridcell", class: mask[i] ? null : "s2s-pad", "data-key": `cell-${b}-${row}-${i}`, onclick: () => choose([b, row, i]) });
      view.key(cell, (key) => {
        const to = { ArrowUp: [b, row - 1, i], ArrowDown: [b, row + 1, i], ArrowLeft: [b, row, i - 1], ArrowRight: [b, row, i + 1], Home: [b, row, 0], End: [b, row, columns.length - 1] }[key];
        if (to) choose(to);
        return Boolean(to);
      });
      return cell;
    });
    const total = html("td", { class: "s2s-total", role: "gridcell" });
    return { cells, total, line: html("tr", { role: "row" }, html("th", { scope: "row" }, word), cells, total) };
  });
  const title = t(pads ? "sentence" : "full", { s: b + 1, real: mask.length - pads, pads });
  const table = html("table", { class: `s2s-map${fine ? " s2s-fine" : ""}`, role: "grid", "aria-label": title },
    html("thead", {}, html("tr", { role: "row" }, html("td"), heads, html("th", { scope: "col" }, t("sum")))), html("tbody", {}, lines.map(({ line }) => line)));
  return { lines, place: html("figure", { class: "s2s-figure" }, html("figcaption", {}, title), html("div", { class: "s2s-scroll" }, table)) };
}

function buildAxis(view) {
  const { t, get, put } = view;
  const scores = get("scores");
  const sizes = [scores.length, scores[0].length, scores[0][0].length];
  const fine = sizes[2] > 12; // too narrow for numbers: they are read out, not written
  const pick = (values) => {
    put(values);
    view.say(`${sign.textContent} ${words.textContent}`);
  };
  const maps = [];
  const choose = ([b, row, i]) => { // off one map to the next one
    const [B, m, n] = [axisFrom(get).B, sizes[1], sizes[2]];
    if (i >= n && b + 1 < B) [b, i] = [b + 1, 0];
    else if (i < 0 && b > 0) [b, i] = [b - 1, n - 1];
    const cell = [b, clamp(row, 0, m - 1), clamp(i, 0, n - 1)];
    put({ cell });
    maps[cell[0]].lines[cell[1]].cells[cell[2]].focus();
  };
  maps.push(...scores.map((_, b) => axisMap(view, b, choose)));
  const group = (name, options, convert = (x) => x) => view.choice(t(name), name, options, String(get(name)), (value) => pick({ [name]: convert(value) }));
  const groups = {
    axis: group("axis", [2, 1, 0].map((k) => [String(k), t(`axis${k}`)]), Number),
    masking: group("masking", ["right", "none", "inverted", "after"].map((name) => [name, t(name)])),
    sentences: group("sentences", [["all", t("all", { B: sizes[0] })], ["first", t("first")]]),
  };
  const code = html("code");
  const [sign, words] = [html("b", { class: "s2s-sign" }), html("span")];
  const verdict = html("div", { class: "s2s-verdict" }, sign, words);
  const shared = html("div", { class: "s2s-how" });
  const probes = ["rows_sum_to_1", "padding_is_0", "same_alone", "finite"].map((name) => [name, html("b"), html("span")]);
  view.root.append(
    html("div", { class: "s2s-choices" }, Object.values(groups)),
    html("div", { class: "s2s-row s2s-code" }, code),
    verdict,
    html("div", { class: "s2s-beside s2s-maps" }, maps.map(({ place }) => place)),
    shared,
    html("ul", { class: "s2s-probes", "aria-label": t("probes") }, probes.map(([, mark, text]) => html("li", {}, mark, text))),
  );
  return () => {
    const now = axisFrom(get);
    let [b, row, i] = get("cell").length ? get("cell") : [0, 0, 0];
    if (b >= now.B) b = 0;
    const outlined = (s, y, x) => [y === row && x === i, s === b && x === i, s === b && y === row][now.axis];
    for (const name of ["axis", "masking", "sentences"]) groups[name].put(String(get(name)));
    change(code, {}, AXIS_CODE[now.masking](now.axis));
    const [mark, text] = axisVerdict(view, now);
    change(sign, {}, mark);
    change(verdict, { class: mark === "✗" ? "s2s-verdict s2s-broken" : "s2s-verdict" });
    change(words, {}, text);
    maps.forEach(({ lines, place }, s) => {
      change(place, { hidden: s >= now.B });
      if (s < now.B) lines.forEach(({ cells, total }, y) => {
        cells.forEach((cell, x) => {
          const weight = now.weights[s][y][x];
          const stop = y === row && x === i; // one stop for Tab in each map
          const chosen = stop && s === b;
          const joins = outlined(s, y, x);
          const percent = Number.isNaN(weight) ? 101 : Math.round(weight * 100);
          const look = percent * 8 + joins * 4 + stop * 2 + chosen;
          if (cell.look === look) return; // a large map has thousands of cells, and most stay as they are
          cell.look = look;
          const classes = [now.mask[s][x] ? "" : "s2s-pad", percent > 100 ? "s2s-nan" : "", joins ? "s2s-shared" : ""].join(" ").trim();
          change(cell, { class: classes || null, tabindex: stop ? 0 : -1, "aria-selected": chosen ? "true" : null, style: AXIS_INKS[percent] });
          if (fine) cell.ariaLabel = blank(weight);
          else cell.textContent = blank(weight);
        });
        const right = near(now.sums[s][y], 1);
        change(total, { class: right ? "s2s-total" : "s2s-total s2s-wrong" }, `${blank(now.sums[s][y])} ${t(right ? "good" : "bad")}`);
      });
    });
    const score = fixed(scores[b][row][i]);
    change(shared, {}, t("cell", { row: get("target_tokens")[b][row], column: get("source_tokens")[b][i], s: b + 1, score, weight: blank(now.weights[b][row][i]) }));
    for (const [name, result, probe] of probes) {
      const passed = now.probes[name];
      change(result, {}, t(passed === null ? "unknown" : passed ? "passes" : "fails"));
      change(probe, {}, t(name) + (passed === null ? ` (${t(name === "padding_is_0" ? "noPadding" : "oneSentence")})` : ""));
    }
  };
}

export default { render: (context) => show(context, { words: AXIS_WORDS, rebuild: ["scores", "mask", "target_tokens", "source_tokens"], build: buildAxis }) };
