// Length curve and cost calculator: cached results by source length above, multiplications by formula below.

const COST_WORDS = {
  title: "What does a longer sentence cost?",
  how: "Move n: drag a vertical line, or Tab to it and use the arrow keys. Who gets worse, who gets dearer, and where do two lines cross?",
  data: "Results on", view: "Work of", step: "one decoder step", sentence: "a whole translation", layer: "one layer",
  multi30k: "Multi30k, de → en", "grammar-long": "grammar, en → zh", reversal: "letters reversed",
  real: "real sentences", generated: "generated sentences", bleu: "BLEU", exact_match: "exact match",
  none: "no attention", additive: "additive attention", dot: "dot attention", recurrent: "recurrent (GRU)",
  self_attention: "self-attention", transformer: "Transformer", model: "model", layers: "layer",
  count: "multiplications", twice: "n doubled", chain: "steps in a chain", range: "seeds, range",
  n: "source length n", m: "target length m", d: "width d", words: "source length n, in tokens",
  bin: "{name} tokens, {count} sentences", untested: "no test sentence is this long", seeds: "{k}: {low}–{high}",
  seed: "one only",
  stepSays: "Without attention a step never looks back: the same work for every n. Additive attention looks at all {n} states: {x} times that work. (Dot starts lower: in Luong's order the GRU does not read the context.)",
  sentenceSays: "Looking back costs n · m = {n} · {m} looks: {share} % of the additive model's work.",
  layerSays: "n {sign} d: self-attention multiplies {factor} times as often as the recurrent layer. They cross at n = d = {d}.",
  scores: "Its n² = {floats} scores take {bytes} a head.",
  note: "Work is counted, not time: parallel hardware waits for the steps in a chain. All widths are d; the output layer, the same for all, is left out.",
  line: "source length {n}",
};

const COST_LOOK = { // colour, dashes and marker, so that no line is known by its colour alone
  none: ["var(--blue)", null, "square"], recurrent: ["var(--blue)", null, "square"],
  additive: ["var(--orange)", null, "circle"], self_attention: ["var(--orange)", null, "circle"],
  dot: ["var(--green)", "6 4", "triangle"], transformer: ["var(--green)", "6 4", "triangle"],
};
const costLook = (name, k) => COST_LOOK[name] ?? [["var(--blue)", null, "circle"], ["var(--orange)", null, "square"], ["var(--green)", "6 4", "triangle"]][k % 3];

// --- counts: the same as `products` in cost.py ---

function costProducts(scores, n, m, d) {
  const gru = 6 * d * d, pairs = 2 * n * n * d;
  const each = (count) => Object.fromEntries(Object.entries(scores).map(([name, one]) => [name, count(one)]));
  const step = (one) => one.step * d * d + n * one.look * d;
  return {
    step: each(step), sentence: each((one) => n * gru + d * d + n * one.key * d * d + m * step(one)),
    layer: { recurrent: n * gru, self_attention: 4 * n * d * d + pairs, transformer: 12 * n * d * d + pairs },
  };
}

const costSteps = (from, to, fine) => [...new Set(Array.from({ length: (to - from) * fine + 1 }, (_, k) => Math.round(2 ** (from + k / fine))))];
const COST_LENGTHS = costSteps(0, 14, 8), COST_WIDTHS = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096];
const costPlace = (values, x) => values.reduce((best, value, k) => (Math.abs(Math.log(value / x)) < Math.abs(Math.log(values[best] / x)) ? k : best), 0);
const costDigits = (x) => Number(x.toPrecision(3)).toLocaleString("en");
const costWhole = (x) => x.toLocaleString("en", { maximumFractionDigits: 0 });

function costBig(x, language) {
  const units = language === "zh" ? [[1e12, " 万亿", 1e12], [1e8, " 亿", 1e8], [1e6, " 万", 1e4]] : [[1e12, " trillion", 1e12], [1e9, " billion", 1e9], [1e6, " million", 1e6]];
  const found = units.find(([least]) => x >= least);
  return found ? costDigits(x / found[2]) + found[1] : costWhole(x);
}

function costBytes(x) {
  const k = clamp(Math.floor(Math.log10(x) / 3), 0, 5);
  return `${costDigits(x / 1000 ** k)} ${["B", "KB", "MB", "GB", "TB", "PB"][k]}`;
}

const costEnd = (bin) => bin.high ?? Math.round(2 * bin.length - bin.low);
const costName = (bin) => (bin.high === null ? `${bin.low}+` : `${Math.max(bin.low, 1)}–${bin.high}`);
const costMiddle = (values) => {
  const [sorted, half] = [[...values].sort((a, b) => a - b), values.length / 2];
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
};

// --- drawing ---

function costMarker([colour, , kind], x, y, r = 5) {
  const look = { fill: colour, stroke: "var(--paper)", "stroke-width": 1.2 };
  if (kind === "circle") return svg("circle", { cx: x, cy: y, r, ...look });
  const points = kind === "square" ? [[-r, -r], [r, -r], [r, r], [-r, r]] : [[0, -r * 1.2], [r * 1.15, r], [-r * 1.15, r]];
  return svg("polygon", { points: points.map(([a, b]) => `${x + a * 0.9},${y + b * 0.9}`).join(" "), ...look });
}

const costSwatch = (look) => svg("svg", { viewBox: "0 0 26 12", class: "s2s-swatch", "aria-hidden": true },
  svg("path", { d: "M1 6H25", stroke: look[0], "stroke-width": 2, "stroke-dasharray": look[1] }), costMarker(look, 13, 6, 4));

const costPath = (look, points) => svg("path", {
  d: points.map(([x, y], k) => `${k ? "L" : "M"}${round(x, 1)} ${round(y, 1)}`).join(""),
  fill: "none", stroke: look[0], "stroke-width": 2, "stroke-dasharray": look[1],
});

// A frame with axes and a movable line; `move(x)` gets a place in the drawing, `keys(key)` returns a length.
function costFrame(view, { tall, name, width, react, byKey }) {
  const [left, right, low] = [42, width - 18, tall + 14];
  const drawing = view.drawing(width, low + 40, {});
  const [grid, lines, points] = [0, 0, 0].map(() => svg("g"));
  const rule = svg("line", { y1: 8, y2: low, stroke: "var(--ink)", "stroke-width": 1.5 });
  const knob = svg("rect", { y: low - 7, width: 14, height: 14, rx: 7, fill: "var(--ink)" });
  const touch = svg("rect", { y: 4, width: 28, height: low + 10, fill: "transparent" });
  const handle = svg("g", { tabindex: 0, role: "slider", "data-key": name, "aria-valuemin": 1 }, rule, knob, touch);
  const field = svg("rect", { x: left, y: 4, width: right - left, height: low, fill: "transparent", style: "cursor:pointer" });
  view.drag(field, (event) => react(view.at(event, drawing)[0]));
  view.drag(handle, (event) => react(view.at(event, drawing)[0]));
  view.key(handle, (key, event) => byKey(key, event.shiftKey));
  drawing.append(grid, lines, field, handle, points);
  const word = (x, y, text, more = {}) => svg("text", { x, y, class: "s2s-small s2s-grey", ...more }, text);
  return {
    drawing, left, right, low, grid, lines, points, word,
    y: (share) => low - share * tall, // 0 at the bottom, 1 at the top
    axes: (xs, ys, title) => grid.replaceChildren(
      ...ys.flatMap(([y, text]) => [svg("line", { x1: left, x2: right, y1: y, y2: y, stroke: "var(--faint)" }), word(left - 6, y + 4, text, { "text-anchor": "end" })]),
      ...xs.flatMap(([x, text]) => [svg("line", { x1: x, x2: x, y1: low, y2: low + 4, stroke: "var(--grey)" }), word(x, low + 17, text, { "text-anchor": "middle" })]),
      word((left + right) / 2, low + 34, title, { "text-anchor": "middle" })),
    at: (x, n, most) => {
      change(rule, { x1: x, x2: x });
      change(knob, { x: x - 7 });
      change(touch, { x: x - 14 });
      change(handle, { "aria-valuenow": Math.min(n, most), "aria-valuemax": most, "aria-valuetext": String(n), "aria-label": view.t("line", { n }) });
    },
  };
}

function costTable(head, count) {
  const cells = Array.from({ length: count }, () => head.map((_, c) => html(c ? "td" : "th", c ? {} : { scope: "row" })));
  const table = html("table", { class: "s2s-table" },
    html("thead", {}, html("tr", {}, head.map((text) => html("th", { scope: "col" }, text)))), html("tbody", {}, cells.map((row) => html("tr", {}, row))));
  const put = (rows) => cells.forEach((row, r) => row.forEach((cell, c) => (c ? change(cell, {}, rows[r][c]) : cell.replaceChildren(costSwatch(rows[r][0][0]), rows[r][0][1]))));
  return Object.assign(table, { put });
}

// Quality by length; returns what shows it at a length n, and says it.
function costQuality(view, move) {
  const { t, get } = view;
  const results = get("results");
  const entry = results.find((one) => one.task === get("data")) ?? results[0];
  const { bins, curves, measure } = entry;
  const names = Object.keys(curves);
  const show = (x) => fixed(x, measure === "bleu" ? 1 : 2);
  const tested = costEnd(bins[bins.length - 1]);
  const most = measure === "bleu" ? Math.ceil(Math.max(...Object.values(curves).flat(2), 1) / 10) * 10 : 1;
  const frame = costFrame(view, {
    tall: 130, name: "quality", width: view.W < 560 ? view.W : view.W - 330, react: (x) => move(Math.round(clamp(((x - frame.left) / (frame.right - frame.left)) * tested, 1, tested))),
    byKey: (key, shift) => {
      const n = get("n");
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[key];
      const to = { Home: 1, End: tested }[key] ?? (by && Math.min(n, tested) + by * (shift ? 5 : 1));
      if (to !== undefined) move(clamp(to, 1, tested));
      return to !== undefined;
    },
  });
  const x = (n) => frame.left + (n / tested) * (frame.right - frame.left);
  const y = (score) => frame.y(score / most);
  const gap = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((gap) => tested / gap <= 8) ?? 5000;
  frame.axes(Array.from({ length: Math.floor(tested / gap) + 1 }, (_, k) => [x(k * gap), String(k * gap)]),
    [0, 0.5, 1].map((share) => [frame.y(share), measure === "bleu" ? fixed(share * most, 0) : fixed(share, 1)]), t("words"));
  names.forEach((name, k) => {
    const look = costLook(name, k);
    const middle = bins.map((bin, b) => [x(bin.length), y(costMiddle(curves[name].map((run) => run[b])))]);
    const edge = (pick) => bins.map((bin, b) => `${round(x(bin.length), 1)},${round(y(pick(...curves[name].map((run) => run[b]))), 1)}`);
    const band = svg("polygon", { points: [...edge(Math.min), ...edge(Math.max).reverse()].join(" "), fill: look[0], opacity: 0.2 });
    frame.lines.append(band, costPath(look, middle), ...middle.map(([a, b]) => costMarker(look, a, b, 4)));
  });
  const table = costTable([t("model"), t(measure), t("range")], names.length);
  const where = html("b");
  const kind = html("span", { class: "s2s-tag", "data-real": entry.real }, t(entry.real ? "real" : "generated"));
  const options = results.map((one) => [one.task, t(one.task)]);
  const choice = results.length > 1 ? view.choice(t("data"), "data", options, entry.task, (data) => view.put({ data })) : html("span", {}, `${t("data")} ${t(entry.task)}`);
  view.root.append(html("div", { class: "s2s-row" }, choice, kind), 
    html("div", { class: "s2s-beside" }, frame.drawing, html("div", {}, html("div", {}, where), table)));
  return (n) => {
    frame.at(x(Math.min(n, tested)), n, tested);
    const at = bins.findIndex((bin) => bin.low <= n && n <= costEnd(bin));
    change(where, {}, `n = ${costWhole(n)}: ${at < 0 ? t("untested") : t("bin", { name: costName(bins[at]), count: bins[at].count })}`);
    const scores = names.map((name) => (at < 0 ? [] : curves[name].map((run) => run[at])));
    table.put(names.map((name, k) => [[costLook(name, k), t(name)], at < 0 ? "–" : show(costMiddle(scores[k])),
      at < 0 ? "–" : t(scores[k].length > 1 ? "seeds" : "seed", { k: scores[k].length, low: show(Math.min(...scores[k])), high: show(Math.max(...scores[k])) })]));
    return at < 0 ? [t("untested")] : names.map((name, k) => `${t(name)} ${show(costMiddle(scores[k]))}`);
  };
}

function costSays(view, n, m, d, counts) {
  const { t } = view;
  const { step, sentence, layer } = counts;
  if (view.get("view") !== "layer" && !(step.none && step.additive)) return ""; // nothing to compare with
  if (view.get("view") === "step") return t("stepSays", { n: costWhole(n), x: fixed(step.additive / step.none) });
  if (view.get("view") === "sentence") return t("sentenceSays", { n: costWhole(n), m: costWhole(m), share: fixed((100 * 2 * n * m * d) / sentence.additive, 1) });
  const sign = n < d ? "<" : n > d ? ">" : "=";
  return `${t("layerSays", { sign, factor: fixed(layer.self_attention / layer.recurrent), d: costWhole(d) })} ${t("scores", { floats: costWhole(n * n), bytes: costBytes(4 * n * n) })}`;
}

// The work of the present view against n; returns what shows it.
function costWork(view, move) {
  const { t, get } = view;
  const [kind, scores] = [get("view"), get("scores")];
  const names = Object.keys(costProducts(scores, 1, 1, 1)[kind]);
  const looks = Object.fromEntries(names.map((name, k) => [name, costLook(name, k)]));
  const called = (name) => t(name in COST_WORDS ? name : scores[name].title);
  const longest = Math.max(COST_LENGTHS[COST_LENGTHS.length - 1], get("n"));
  const frame = costFrame(view, {
    tall: 150, name: "work", width: view.W, react: (x) => move(Math.round(clamp(longest ** ((x - frame.left) / (frame.right - frame.left)), 1, longest))),
    byKey: (key, shift) => {
      const k = costPlace(COST_LENGTHS, get("n"));
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 8, PageDown: -8 }[key];
      const to = { Home: 0, End: COST_LENGTHS.length - 1 }[key] ?? (by && k + by * (shift ? 4 : 1));
      if (to !== undefined) move(COST_LENGTHS[clamp(to, 0, COST_LENGTHS.length - 1)]);
      return to !== undefined;
    },
  });
  const x = (n) => frame.left + (Math.log(n) / Math.log(longest)) * (frame.right - frame.left);
  const head = [t(kind === "layer" ? "layers" : "model"), t("count"), t("twice"), t("chain")];
  const table = costTable(kind === "step" ? head.slice(0, 3) : head, names.length); // one step is no chain
  const says = html("div", { class: "s2s-note" });
  const ticks = Array.from({ length: Math.floor(Math.log2(longest) / 2) + 1 }, (_, k) => 4 ** k);
  let drawn;
  return {
    longest, parts: [frame.drawing, table, says],
    put: (n, m, d) => {
      const counts = costProducts(scores, n, m, d), twice = costProducts(scores, 2 * n, m, d)[kind];
      const ends = [1, longest].flatMap((end) => Object.values(costProducts(scores, end, m, d)[kind]).map(Math.log10));
      const [low, high] = [Math.floor(Math.min(...ends)), Math.ceil(Math.max(...ends))];
      const y = (count) => frame.y((Math.log10(count) - low) / (high - low));
      if (drawn !== `${m} ${d}`) {
        drawn = `${m} ${d}`;
        const by = Math.ceil((high - low) / 5);
        const powers = Array.from({ length: Math.floor((high - low) / by) + 1 }, (_, k) => low + k * by);
        frame.axes(ticks.map((n) => [x(n), costWhole(n)]), powers.map((p) => [y(10 ** p), "10" + String(p).replace(/\d/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])]), t("n"));
        const lengths = Array.from({ length: 61 }, (_, k) => longest ** (k / 60));
        const crossing = kind === "layer" && d <= longest ? [
          svg("line", { x1: x(d), x2: x(d), y1: frame.y(1), y2: frame.low, stroke: "var(--grey)", "stroke-dasharray": "2 4" }),
          frame.word(x(d), frame.y(1) - 4, "n = d", { "text-anchor": "middle" })] : [];
        frame.lines.replaceChildren(...crossing, ...names.map((name) => costPath(looks[name], lengths.map((n) => [x(n), y(costProducts(scores, n, m, d)[kind][name])]))));
      }
      frame.at(x(n), n, longest);
      frame.points.replaceChildren(...names.map((name) => costMarker(looks[name], x(n), y(counts[kind][name]))));
      const chain = (name) => (kind === "sentence" ? n + m : name === "recurrent" ? n : 1);
      table.put(names.map((name) => [[looks[name], called(name)], costBig(counts[kind][name], get("language")),
        `×${fixed(twice[name] / counts[kind][name])}`, costWhole(chain(name))]));
      change(says, {}, costSays(view, n, m, d, counts));
      return names.map((name) => `${called(name)} ${costBig(counts[kind][name], get("language"))}`);
    },
  };
}

function buildCost(view) {
  const { t, get, put } = view;
  const move = (n) => put({ n });
  const quality = get("results").length ? costQuality(view, move) : () => [];
  const slider = (name, values) => view.slider({
    label: t(name), name, low: 0, high: values.length - 1, step: 1, value: costPlace(values, get(name)),
    text: (k) => costWhole(costPlace(values, get(name)) === k ? get(name) : values[k]), react: (k) => put({ [name]: values[k] }),
  });
  const sliders = [["n", COST_LENGTHS], ["m", COST_LENGTHS.filter((m) => m <= 4096)], ["d", COST_WIDTHS]].map(([name, values]) => [name, values, slider(name, values)]);
  const work = costWork(view, move);
  const kinds = ["step", "sentence", "layer"].map((kind) => [kind, t(kind)]);
  view.root.append(
    html("div", { class: "s2s-row s2s-below" }, view.choice(t("view"), "view", kinds, get("view"), (kind) => put({ view: kind }))),
    ...work.parts, html("div", { class: "s2s-row" }, sliders.map(([, , made]) => made)), html("div", { class: "s2s-how" }, t("note")));
  const targets = sliders[1][2].querySelector("input");
  let first = true;
  return () => {
    const [n, m, d] = ["n", "m", "d"].map(get);
    if (n > work.longest) return view.rebuild();
    targets.disabled = get("view") !== "sentence";
    sliders.forEach(([name, values, made]) => made.put(costPlace(values, get(name))));
    const said = [...quality(n), ...work.put(n, m, d)];
    if (!first) view.say(`n = ${costWhole(n)}, m = ${costWhole(m)}, d = ${costWhole(d)}: ${said.join("; ")}`);
    first = false;
  };
}

export default { render: (context) => show(context, { words: COST_WORDS, rebuild: ["results", "data", "view", "scores"], build: buildCost }) };
