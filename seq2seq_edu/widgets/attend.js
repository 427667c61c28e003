// You are the attention: weights set by hand, and a trained decoder that speaks with them, computed here.

const ATTEND_WORDS = {
  title: "You are the attention",
  how: "Where should the decoder look for its next word? Drag the bars, or Tab to one and use the arrow keys. Then choose a word; Enter takes the first.",
  previous: "Bahdanau's order: what you look at goes into the new state.",
  current: "Luong's order: the state is new already; what you look at is joined with it.", sentence: "sentence",
  written: "written so far:", weights: "your weights α", weight: "your weight on {word}: {w}", one: "all on one",
  uniform: "all alike", model: "let the model look", undo: "undo", again: "start again", choose: "next word: choose",
  candidate: "write {word}, probability {p}", heard: "{word} {w}. Most probable: {next}, {p}",
  wrote: "wrote {word}; overlap with the model {o}. Step {t}.", sofar: "where you looked", yours: "where you looked",
  theirs: "where the model would have looked", map: "map: {title}", overlap: "overlap", log: "log p so far",
  mean: "overlap with the model so far", end: "Finished.", cut: "Stopped: the sentence became too long.",
  you: "with your weights", alone: "the model alone", same: "You wrote the sentence that the model writes.",
  other: "You wrote another sentence.", total: "mean overlap with the model's weights: {x}",
  gold: "weight on the gold links: you {you}, the model in your place {it}",
  unknown: "The model has never seen {words}; it reads <unk> there.",
};
const [PAD, BOS, EOS] = [0, 1, 2];

// --- the decoder: the same step as `model.Seq2Seq.step`, with weights that are given ---

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}

function half(bits) { // a number in half precision
  const sign = bits & 0x8000 ? -1 : 1, power = (bits >> 10) & 31, digits = bits & 1023;
  return sign * (power ? 2 ** (power - 15) * (1 + digits / 1024) : 2 ** -24 * digits);
}

const inRows = (numbers, columns) =>
  Array.from({ length: numbers.length / columns }, (_, r) => numbers.slice(r * columns, (r + 1) * columns));

function unpackDecoder({ config, order, parameters }) {
  const machine = { ...config, early: order === "current" };
  for (const [name, [shape, text]] of Object.entries(parameters)) {
    const numbers = Array.from(new Uint16Array(bytesOf(text)), half);
    machine[name] = shape.length > 1 ? inRows(numbers, shape[1]) : numbers;
  }
  return machine;
}

function recall(machine, sentence) { // what the encoder left: its states, the keys made of them, s_0
  const numbers = (text) => Array.from(new Float32Array(bytesOf(text)));
  const values = inRows(numbers(sentence.values), machine.d_h);
  const project = machine["decoder.attention.U_a.weight"] ?? (machine.attention === "general" && machine["decoder.attention.W_a.weight"]);
  return { values, keys: project ? values.map((h) => matvec(project, h)) : values, start: numbers(sentence.start) };
}

function gru(machine, x, state) {
  const d = state.length;
  const affine = (name, vector) => matvec(machine[`decoder.gru.weight_${name}`], vector).map((a, k) => a + machine[`decoder.gru.bias_${name}`][k]);
  const [fromX, fromS] = [affine("ih", x), affine("hh", state)];
  const gate = (k) => 1 / (1 + Math.exp(-fromX[k] - fromS[k]));
  return state.map((old, k) => {
    const z = gate(d + k);
    return (1 - z) * Math.tanh(fromX[2 * d + k] + gate(k) * fromS[2 * d + k]) + z * old;
  });
}

function scoresOf(machine, query, keys) {
  const W = machine["decoder.attention.W_a.weight"];
  if (machine.attention === "additive") {
    const [s, [v]] = [matvec(W, query), machine["decoder.attention.v_a.weight"]];
    return keys.map((key) => dot(v, key.map((k, j) => Math.tanh(s[j] + k))));
  }
  const asks = machine.attention === "scaled" ? matvec(W, query).map((q) => q / Math.sqrt(keys[0].length)) : query;
  return keys.map((key) => dot(asks, key));
}

function decoderStep(machine, { values, keys }, token, state, given) {
  const embedded = machine["target_embedding.weight"][token];
  const asks = machine.early ? gru(machine, embedded, state) : state;
  const own = softmax(scoresOf(machine, asks, keys)); // what the model would look at
  const total = sum(given);
  const context = mean(given.map((weight) => weight / total), values); // what it gets to see
  const next = machine.early ? asks : gru(machine, [...embedded, ...context], state);
  const joined = machine.readout === "state" ? next : [...next, ...context, ...embedded];
  const affine = (name, x) => matvec(machine[`${name}.weight`], x).map((a, k) => a + machine[`${name}.bias`][k]);
  const features = machine.readout === "narrow" ? affine("readout.W_c", joined).map(Math.tanh) : joined;
  const logits = affine("W_o", features);
  const top = Math.max(...logits);
  const norm = top + Math.log(sum(logits.map((x) => Math.exp(x - top))));
  const logProbs = logits.map((x, k) => (k === PAD || k === BOS ? -Infinity : x - norm));
  return { own, state: next, logProbs };
}

// All steps of a game; those that have not changed since the last call are not computed again.
function playGame(machine, memory, done, weights, written) {
  const turns = [];
  weights.forEach((given, t) => {
    const token = t ? written[t - 1] : BOS;
    const old = done[t];
    const kept = old && old.given === given && old.token === token && (t === 0 || old.before === turns[t - 1]);
    const state = t ? turns[t - 1].state : memory.start;
    turns.push(kept ? old : { given, token, before: turns[t - 1], ...decoderStep(machine, memory, token, state, given) });
  });
  return turns;
}

const overlapOf = ({ given, own }) => sum(given.map((w, i) => Math.min(w, own[i])));
const firstFive = (logProbs) => logProbs.map((_, k) => k).sort((a, b) => logProbs[b] - logProbs[a] || a - b).slice(0, 5);
const alike = (n) => Array(n).fill(round(1 / n, 6));

function shared(weights, i, value) { // one weight is set; the others keep their proportions
  const rest = sum(weights) - weights[i];
  return weights.map((w, j) => round(j === i ? value : rest > 1e-6 ? (w * (1 - value)) / rest : (1 - value) / (weights.length - 1), 6));
}

// --- the picture ---

function weightBars(view, words, { move, only, enter }) {
  const { t, W } = view;
  const n = words.length, left = W < 420 ? 30 : 44, tall = 96;
  const step = Math.min(Math.max((W - left - 24) / n, 9), 66);
  const x = (i) => left + step * (i + 0.5);
  const heads = headings(words, x, step, view.root);
  const top = 20, base = top + tall, wide = Math.max(Math.min(step * 0.62, 40), 4);
  const across = Math.max(W, left + step * n + 4);
  const drawing = view.drawing(across, base + heads.tall + 10, { role: "group", "aria-label": t("weights"), class: across > W ? "s2s-wide" : null });
  const small = { class: "s2s-grey s2s-small", "text-anchor": "end" };
  drawing.append(
    svg("text", { x: left - 8, y: top + 4, ...small }, "1"), svg("text", { x: left - 8, y: base, ...small }, "0"),
    svg("line", { x1: left, x2: left + step * n, y1: top, y2: top, stroke: "var(--faint)", "stroke-dasharray": "3 3" }),
    svg("line", { x1: left, x2: left + step * n, y1: base, y2: base, stroke: "var(--grey)" }),
  );
  const bars = words.map((word, i) => {
    const bar = svg("rect", { x: x(i) - wide / 2, width: wide, fill: "var(--blue)", "data-bar": "weight" });
    const knob = svg("rect", { x: x(i) - wide / 2 - 2, width: wide + 4, height: 6, rx: 3, fill: "var(--orange)" });
    const touch = svg("rect", { x: x(i) - step / 2, y: top - 10, width: step, height: tall + 16, fill: "transparent" });
    const handle = svg("g", { tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-valuemax": 1, "data-key": `weight-${i}` }, bar, knob, touch);
    view.drag(handle, (event) => move(i, clamp((base - view.at(event, drawing)[1]) / tall, 0, 1)));
    view.key(handle, (key, event) => {
      if (key === "Enter") { enter(); return true; }
      const by = { ArrowUp: 0.05, ArrowRight: 0.05, ArrowDown: -0.05, ArrowLeft: -0.05, PageUp: 0.25, PageDown: -0.25 }[key];
      const to = { Home: 0, End: 1 }[key];
      if (to === undefined && by === undefined) return false;
      move(i, to ?? ((now) => clamp(round(now + by * (event.shiftKey ? 2 : 1), 2), 0, 1))); // a number, or a change
      return true;
    });
    const value = svg("text", { x: x(i), class: "s2s-small", "text-anchor": "middle", visibility: step < 28 ? "hidden" : null });
    drawing.append(handle, value);
    return { word, bar, knob, handle, value };
  });
  heads.under(base + 5).forEach((text, i) => {
    text.addEventListener("click", () => only(i));
    text.setAttribute("class", "s2s-word");
    drawing.append(text);
  });
  const put = (weights) => bars.forEach(({ word, bar, knob, handle, value }, i) => {
    const y = base - tall * weights[i];
    change(bar, { y, height: base - y });
    change(knob, { y: y - 3 });
    change(handle, { "aria-valuenow": round(weights[i]), "aria-valuetext": fixed(weights[i]), "aria-label": t("weight", { word, w: fixed(weights[i]) }) });
    change(value, { y: y - 7 }, fixed(weights[i]));
  });
  return { drawing, put };
}

// A map of weights: one row a written word, one column a source word, gold links boxed.
function weightMap(view, { title, rows, tokens, words, gold = [], last, wide }) {
  const n = words.length, left = 60, right = last ? 56 : 6, cell = 19;
  const step = Math.min(Math.max((wide - left - right) / n, 9), 46);
  const x = (i) => left + step * (i + 0.5);
  const heads = headings(words, x, step, view.root);
  const y = (r) => heads.tall + 6 + r * cell;
  const across = left + step * n + Math.max(right, heads.juts + 4);
  const drawing = view.drawing(across, y(rows.length) + 4, { role: "img", "aria-label": view.t("map", { title }), class: across > view.W ? "s2s-wide" : null }, ...heads.at(heads.tall));
  rows.forEach((row, r) => {
    drawing.append(svg("text", { x: left - 6, y: y(r) + 14, "text-anchor": "end" }, shortened(tokens[r], 8)), ...row.map((weight, i) =>
      svg("rect", { x: x(i) - step / 2, y: y(r), width: step - 1, height: cell - 1, fill: shade(weight), stroke: GRID, "data-weight": round(weight, 4) })));
    if (step > 25) drawing.append(...row.map((weight, i) => svg("text", {
      x: x(i), y: y(r) + 13, class: "s2s-small", "text-anchor": "middle", style: `fill:${inkOn(weight)}`, opacity: weight < 0.005 ? 0.6 : null }, fixed(weight))));
    if (last) drawing.append(svg("text", { x: x(n) - step / 2 + 8, y: y(r) + 14, "data-overlap": true }, fixed(last[r])));
  });
  for (const [t, i] of gold) drawing.append(svg("rect", {
    x: x(i) - step / 2 + 1, y: y(t) + 1, width: step - 3, height: cell - 3, fill: "none", stroke: "#ffffff", "stroke-width": 3.4 }), svg("rect", {
    x: x(i) - step / 2 + 1, y: y(t) + 1, width: step - 3, height: cell - 3, fill: "none", stroke: "#d1301a", "stroke-width": 1.8 }));
  if (last) drawing.append(svg("text", { x: x(n) - step / 2 + 8, y: heads.tall, class: "s2s-small s2s-grey" }, view.t("overlap")));
  return html("div", { class: "s2s-attend-map" }, html("div", { class: "s2s-caption" }, title), html("div", { class: "s2s-scroll" }, drawing));
}

function candidates(view, choose) {
  const made = Array.from({ length: 5 }, (_, k) => {
    const fill = html("span", { class: "s2s-fill" }), word = html("b"), chance = html("span");
    const button = html("button", { type: "button", class: "s2s-candidate", "data-key": `candidate-${k}`, onclick: () => choose(k) }, fill, word, chance);
    return { button, fill, word, chance };
  });
  const put = (tokens, chances) => made.forEach(({ button, fill, word, chance }, k) => {
    change(button, { hidden: k >= tokens.length });
    if (k >= tokens.length) return;
    fill.style.width = `${round(100 * chances[k], 1)}%`;
    change(word, {}, shortened(tokens[k]));
    change(chance, {}, fixed(chances[k], 3));
    change(button, { "aria-label": view.t("candidate", { word: tokens[k], p: fixed(chances[k], 3) }) });
  });
  return { row: html("div", { class: "s2s-candidates", role: "group", "aria-label": view.t("choose") }, made.map(({ button }) => button)), put };
}

// Gold links of the steps that wrote the token of the reference; the others say nothing about this sentence.
const linked = ({ gold, reference }, tokens) => gold.filter(([t]) => tokens[t] !== undefined && tokens[t] === reference[t]);

function verdict(view, { sentence, tokens, turns, written, finished }) {
  const { t } = view;
  const log = sum(turns.map(({ logProbs }, k) => logProbs[written[k]]));
  const same = tokens.join("\n") === sentence.own.join("\n");
  const links = linked(sentence, tokens);
  const steps = [...new Set(links.map(([k]) => k))];
  const mass = (which) => sum(links.map(([k, i]) => turns[k][which][i])) / steps.length;
  const line = (name, words, x) => html("div", {}, html("span", { class: "s2s-grey" }, `${name}: `), words.join(" "), html("span", { class: "s2s-grey" }, "  log p = "), html("b", {}, fixed(x, 3)));
  return html("div", { class: "s2s-panel", role: "status" },
    html("div", {}, `${tokens.at(-1) === "<eos>" ? t("end") : t("cut")} ${same ? t("same") : t("other")}`),
    line(t("you"), tokens, log), line(t("alone"), sentence.own, sentence.own_log_prob),
    html("div", { class: "s2s-attend-total" }, t("total", { x: fixed(sum(turns.map(overlapOf)) / turns.length) })),
    steps.length > 0 && finished ? html("div", { class: "s2s-attend-gold" }, t("gold", { you: fixed(mass("given")), it: fixed(mass("own")) })) : null);
}

function buildAttend(view) {
  const { t, get, put, W } = view;
  const packed = get("decoder"), sentence = get("sentences")[get("chosen")], words = sentence.source, n = words.length;
  if (view.kept.packed !== packed) view.kept = { packed, machine: unpackDecoder(packed) };
  const { machine } = view.kept;
  const memory = recall(machine, sentence);
  let turns = [], shown = "";
  const ended = (written) => written.includes(EOS) || written.length >= sentence.limit;
  const compute = () => (turns = playGame(machine, memory, turns, get("weights"), get("written")));
  const present = () => get("weights")[get("written").length];
  const look = (weights, i) => {
    put({ weights: [...get("weights").slice(0, get("written").length), weights] });
    const best = firstFive(turns.at(-1).logProbs)[0];
    view.say(t("heard", { word: words[i], w: fixed(weights[i]), next: packed.words[best], p: fixed(Math.exp(turns.at(-1).logProbs[best])) }));
  };
  const only = (i) => look(words.map((_, j) => Number(i === j)), i);
  const most = () => present().indexOf(Math.max(...present()));
  const write = (k) => {
    const token = firstFive(compute().at(-1).logProbs)[k];
    const written = [...get("written"), token];
    const overlap = overlapOf(turns.at(-1));
    put({ written, weights: ended(written) ? [...get("weights")] : [...get("weights"), alike(n)] });
    view.say(t("wrote", { word: packed.words[token], o: fixed(overlap), t: written.length + 1 }));
  };
  const undo = () => get("written").length && put({ weights: get("weights").slice(0, get("written").length), written: get("written").slice(0, -1) });
  const again = (chosen) => put({ chosen, written: [], weights: [alike(get("sentences")[chosen].source.length)] });
  const bars = weightBars(view, words, {
    move: (i, to) => look(n === 1 ? [1] : shared(present(), i, typeof to === "function" ? to(present()[i]) : to), i), only, enter: () => write(0),
  });
  const offer = candidates(view, write);
  const paper = html("div", { class: "s2s-paper" }), past = html("div"), numbers = html("div", { class: "s2s-numbers" });
  const backward = view.button(t("undo"), "undo", undo), anew = view.button(t("again"), "again", () => again(get("chosen")));
  const quick = [["one", () => only(most())], ["uniform", () => look(alike(n), 0)], ["model", () => {
    const own = compute().at(-1).own;
    look(own.map((weight) => round(weight, 6)), own.indexOf(Math.max(...own)));
  }]].map(([name, react]) => view.button(t(name), name, react));
  const playing = html("div", {}, html("div", { class: "s2s-caption" }, t("weights")), html("div", { class: "s2s-scroll" }, bars.drawing),
    html("div", { class: "s2s-row" }, quick), html("div", { class: "s2s-caption" }, t("choose")), offer.row);
  if (get("sentences").length > 1) {
    const options = get("sentences").map((_, k) => [String(k), String(k + 1)]);
    view.root.append(html("div", { class: "s2s-row" }, view.choice(t("sentence"), "sentence", options, String(get("chosen")), (k) => again(Number(k)))));
  }
  if (sentence.unknown.length) view.root.append(html("div", { class: "s2s-warning" }, t("unknown", { words: sentence.unknown.join(", ") })));
  view.root.append(html("div", { class: "s2s-note s2s-grey" }, t(packed.order)), paper, playing, html("div", { class: "s2s-row" }, backward, anew), numbers, past);

  function drawPast(written, tokens, finished) {
    const looks = turns.slice(0, written.length);
    const map = (title, which, more) => weightMap(view, { title, rows: looks.map((turn) => turn[which]), tokens, words, gold: finished ? linked(sentence, tokens) : [], ...more });
    const halves = W > 560 && n <= 20 ? W / 2 + 12 : W;
    const last = looks.map(overlapOf);
    if (finished) past.replaceChildren(verdict(view, { sentence, tokens, turns: looks, written, finished }),
      html("div", { class: "s2s-attend-maps" }, map(t("yours"), "given", { wide: halves, last }), map(t("theirs"), "own", { wide: halves - 50 })));
    else past.replaceChildren(...(written.length ? [map(t("sofar"), "given", { wide: W, last })] : []));
  }

  return () => {
    const [written, weights] = [get("written"), get("weights")];
    const finished = ended(written);
    if (weights.length !== written.length + !finished || weights.some((row) => row.length !== n)) return; // half of a change
    compute();
    const tokens = written.map((k) => packed.words[k]);
    if (finished && playing.contains(document.activeElement)) anew.focus({ preventScroll: true });
    change(playing, { hidden: finished });
    change(backward, { "aria-disabled": written.length ? null : "true" });
    if (!finished) {
      bars.put(weights.at(-1));
      const { logProbs } = turns.at(-1);
      const best = firstFive(logProbs).filter((k) => logProbs[k] > -Infinity);
      offer.put(best.map((k) => packed.words[k]), best.map((k) => Math.exp(logProbs[k])));
    }
    const key = JSON.stringify([written, weights.slice(0, written.length)]);
    if (key === shown && written.length) return; // only the present step has moved
    shown = key;
    paper.replaceChildren(html("span", { class: "s2s-grey" }, t("written")), ...tokens.map((token) => html("span", { class: "s2s-chip" }, token)),
      ...(finished ? [] : [html("span", { class: "s2s-chip s2s-blank" }, "?")]));
    const log = sum(written.map((k, at) => turns[at].logProbs[k]));
    const overlap = sum(turns.slice(0, written.length).map(overlapOf)) / Math.max(written.length, 1);
    const each = written.length && !finished ? [[t("log"), fixed(log, 3)], [t("mean"), fixed(overlap)]] : [];
    numbers.replaceChildren(...each.map(([name, value]) => html("span", {}, `${name}: `, html("b", {}, value))));
    drawPast(written, tokens, finished);
  };
}

export default { render: (context) => show(context, { words: ATTEND_WORDS, rebuild: ["decoder", "sentences", "chosen"], build: buildAttend }) };
