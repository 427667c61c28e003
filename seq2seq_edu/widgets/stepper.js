// Decoder stepper: the stages of one decoder step, top to bottom in the order in which they are computed.

const STEPPER_WORDS = {
  title: "Decoder stepper",
  how: "← → go through the stages of a step, ↑ ↓ from word to word. Before you go on, predict what comes next.",
  order: "order", bahdanau: "Bahdanau: look, then update", luong: "Luong: update, then look", back: "← back",
  on: "on →", before: "↑ word", after: "word ↓", step: "t = {t} of {m}", stages: "stages of this step",
  written: "written so far:", source: "read", previous: "so far", scores: "scores", weights: "weights",
  context: "context", state: "new state", attentional_state: "joined", probabilities: "next word",
  number: "{name}, number {k} of {n}: {x}", at: "{name} of {word}: {x}", below: "below 0",
  above: "above 0: the stronger the colour, the further from 0", first: "the first {k} of {n} numbers",
  unknown: "The model has never seen {words}; it reads <unk> there.",
  begin: "Nothing is written yet: y₀ is {y}. The first state s₀ comes from the end of the encoder.",
  said_previous: "The last word was {y}. The state {old} holds what the decoder knows after it.",
  said_scores: "The state {asks} asks each source word: do I need you now? {best} answers loudest, {score}.",
  said_weights: "The softmax makes shares of the scores: they sum to 1, and {best} gets {weight}.",
  said_context: "The encoder states are averaged, {weight} of it from {best}. Compare the stripes with those of {best}.",
  said_state: "The update takes the old state, the last word {y} and the context. {state} knows what was just seen.",
  said_state_early: "Update first: {state} comes from {old} and {y} alone. The source has not been looked at yet.",
  said_attentional_state: "Only now state and context are joined: what the decoder was about to say, and what it has just seen.",
  said_probabilities: "Every word of the vocabulary gets a probability. {next} has the largest, {chance}; it is written, and {state} goes on to the next step.",
  said_end: "Every word of the vocabulary gets a probability. {next} has the largest, {chance}, and the sentence ends.",
};

const sub = (number) => [...String(number)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
const SYMBOLS = {
  source: "h_i", previous: "s_{t−1}", scores: "e_{t,i}", weights: "α_{t,i}", context: "c_t", state: "s_t",
  attentional_state: "s̃_t", probabilities: "p(y_t)",
};
const STEPPER_STAGES = {
  bahdanau: ["previous", "scores", "weights", "context", "state", "probabilities"],
  luong: ["previous", "state", "scores", "weights", "context", "attentional_state", "probabilities"],
};
const TALL = { previous: 36, scores: 66, weights: 58, context: 36, state: 36, attentional_state: 36, probabilities: 54 };

function feeds(made, stage) { // what a stage is computed from
  const early = made.order === "luong";
  const join = ["previous", "state", "context"];
  return {
    scores: [early ? "state" : "previous", "source"], weights: ["scores"], context: ["weights", "source"],
    state: early ? ["previous"] : ["previous", "context"], attentional_state: join,
    probabilities: made.readout === "state" ? ["state"] : early && made.joined?.length ? ["attentional_state"] : join,
  }[stage] ?? [];
}

function equation(made, stage, t) {
  const early = made.order === "luong";
  const asks = early ? "s_t" : "s_{t−1}";
  const all = "[s_t ; c_t ; E y_{t−1}]";
  const features = made.readout === "state" ? "s_t" : !made.joined?.length ? all : early ? "s̃_t" : `tanh(W_c ${all})`;
  const score = {
    additive: `v_a^⊤ tanh(W_a ${asks} + U_a h_i)`, dot: `${asks}^⊤ h_i`, general: `${asks}^⊤ W_a h_i`,
    scaled: `(W_a ${asks})^⊤ (U_a h_i) / √d_a`,
  }[made.attention] ?? `a(${asks}, h_i)`;
  return {
    previous: t > 1 ? "y_{t−1},  s_{t−1}" : "y_0 = <bos>,  s_0 = tanh(W_s h_n)",
    scores: `e_{t,i} = ${score}`, weights: "α_{t,i} = exp(e_{t,i}) / Σ_j exp(e_{t,j})", context: "c_t = Σ_i α_{t,i} h_i",
    state: early ? "s_t = GRU(E y_{t−1}, s_{t−1})" : "s_t = GRU([E y_{t−1} ; c_t], s_{t−1})",
    attentional_state: `s̃_t = tanh(W_c ${all})`, probabilities: `p(y_t) = softmax(W_o ${features})`,
  }[stage];
}

// Numbers that can be read one by one, with the pointer or with Tab and the arrow keys.
// `box(i)` is where number i is drawn; `text(i)` says it.
function readable({ view, read }, name, label, count, box, text) {
  const ring = svg("rect", { fill: "none", stroke: "var(--ink)", "stroke-width": 1.5, visibility: "hidden" });
  const group = svg("g", {
    tabindex: 0, role: "slider", "aria-readonly": "true", "aria-valuemin": 1, "aria-valuemax": count,
    "aria-label": label, "data-key": `read-${name}`,
  });
  let at = 0;
  const refresh = () => change(group, { "aria-valuenow": at + 1, "aria-valuetext": text(at) });
  const go = (i) => {
    at = clamp(i, 0, count - 1);
    change(ring, { ...box(at), visibility: "visible" });
    refresh();
    read(text(at));
  };
  const leave = () => { change(ring, { visibility: "hidden" }); read(""); };
  const [first, last] = [box(0), box(count - 1)];
  const left = first.x, wide = last.x + last.width - first.x;
  group.addEventListener("focus", () => go(at));
  group.addEventListener("blur", leave);
  group.addEventListener("pointermove", (event) =>
    go(Math.floor(((view.at(event, group.ownerSVGElement)[0] - left) / wide) * count)));
  group.addEventListener("pointerleave", () => document.activeElement === group ? go(at) : leave());
  view.key(group, (key) => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 }[key];
    if (to !== undefined) go(to);
    return to !== undefined;
  });
  group.append(svg("rect", { x: left, y: first.y, width: wide, height: first.height, fill: "transparent" }), ring);
  return Object.assign(group, { refresh: () => (document.activeElement === group ? go(at) : refresh()) });
}

// A vector as a strip of cells: blue below 0, orange above, stronger further away (1 and more: full).
function strip(place, name, symbol, count, x, y, cell) {
  const cells = Array.from({ length: count }, (_, i) => svg("rect", { x: x + i * cell, y, width: cell, height: 16 }));
  let numbers = [];
  const { t } = place.view;
  const group = readable(place, name, symbol, count, (i) => ({ x: x + i * cell, y, width: cell, height: 16 }),
    (i) => t("number", { name: symbol, k: i + 1, n: count, x: fixed(numbers[i] ?? 0, 3) }));
  group.prepend(svg("rect", { x, y, width: count * cell, height: 16, fill: "var(--soft)", stroke: "var(--faint)" }), ...cells);
  const show = (vector) => {
    numbers = vector;
    cells.forEach((made, i) => colourOf(made, vector[i]));
    group.refresh();
  };
  return { group, show };
}

const colourOf = (cell, x) =>
  change(cell, { fill: x < 0 ? "var(--blue)" : "var(--orange)", "fill-opacity": round(Math.min(Math.abs(x), 1), 3) });

// Numbers of the source positions as bars under their words.
function columns(place, name, words, x, step, y, tall, [low, high], signed) {
  const wide = Math.max(Math.min(step * 0.62, 40), 2);
  const scale = tall / (high - low);
  const zero = y + high * scale;
  const colour = signed ? "var(--grey)" : "var(--blue)";
  const bars = words.map((_, i) => svg("rect", { x: x(i) - wide / 2, width: wide, fill: colour, "data-bar": name }));
  const values = step < 26 ? [] : words.map((_, i) => svg("text", { x: x(i), class: "s2s-small", "text-anchor": "middle" }));
  let numbers = [];
  const { t } = place.view;
  const group = readable(place, name, t(name), words.length, (i) => ({ x: x(i) - step / 2, y: y - 4, width: step, height: tall + 8 }),
    (i) => t("at", { name: signed ? "e" : "α", word: words[i], x: fixed(numbers[i] ?? 0, signed ? 3 : 4) }));
  group.prepend(...bars, svg("line", { x1: x(0) - step / 2, x2: x(words.length - 1) + step / 2, y1: zero, y2: zero, stroke: "var(--grey)" }), ...values);
  const show = (now) => {
    numbers = now;
    now.forEach((number, i) => {
      const long = number * scale;
      change(bars[i], { y: Math.min(zero, zero - long), height: Math.abs(long) });
      if (values.length) change(values[i], { y: long < 0 ? zero - long + 11 : zero - long - 3 }, fixed(number, signed ? 1 : 2));
    });
    group.refresh();
  };
  return { group, show };
}

// The most probable next tokens side by side; the one that is written is in bold.
function likely(view, x, wide, y) {
  const size = (token, slot) => clamp((13 * (slot - 8)) / textWidth(token, 13, view.root), 8, 13);
  const group = svg("g", {});
  const show = (top, chosen) => {
    const slot = wide / 5;
    group.replaceChildren(...top.flatMap(([token, chance], k) => [
      svg("text", { x: x + k * slot, y: y + 12, style: `font-size:${size(shortened(token), slot)}px;font-weight:${token === chosen && k === 0 ? 700 : 400}` }, shortened(token)),
      svg("rect", { x: x + k * slot, y: y + 18, width: slot - 10, height: 5, fill: "var(--faint)" }),
      svg("rect", { x: x + k * slot, y: y + 18, width: (slot - 10) * chance, height: 5, fill: "var(--green)", "data-bar": "likely" }),
      svg("text", { x: x + k * slot, y: y + 36, class: "s2s-small s2s-grey" }, fixed(chance, chance > 0 && chance < 0.01 ? 4 : 2)),
    ]));
  };
  return { group, show };
}

function arrow(x, from, to) { // down (or up) along the left edge
  const bend = clamp(8 + Math.abs(to - from) * 0.13, 8, x - 2);
  const path = svg("path", { d: `M ${x} ${from} C ${x - bend} ${from}, ${x - bend} ${to}, ${x - 1} ${to}`, fill: "none" });
  const head = svg("path", { d: `M ${x - 7} ${to - 4} L ${x} ${to} L ${x - 7} ${to + 4} Z`, stroke: "none" });
  return svg("g", { class: "s2s-arrow" }, path, head);
}

// Draw all rows of one recording. Gives the drawing and a function that shows step t up to stage k.
function drawStages(place, made, stages, choose) {
  const { view } = place;
  const { t, W } = view;
  const edge = 36, x0 = edge + (W < 420 ? 70 : 84), words = made.source, n = words.length;
  const wide = Math.max(W - x0 - 32, n * 9);
  const step = Math.min(wide / n, 66);
  const x = (i) => x0 + step * (i + 0.5);
  const heads = headings(words, x, step, view.root);
  const barcodes = (made.values ?? []).length > 0 && step >= 20;
  const places = { source: { y: 0, tall: heads.tall + 4 + (barcodes ? 20 : 0) } };
  let y = places.source.tall + 6;
  for (const stage of stages) {
    places[stage] = { y, tall: TALL[stage] };
    y += TALL[stage] + 5;
  }
  const middle = (name) => places[name].y + (name === "source" ? places.source.tall - 10 : places[name].tall / 2);
  const across = Math.max(W, x0 + step * n + heads.juts + 4);
  const drawing = view.drawing(across, y, { role: "group", "aria-label": t("stages"), class: across > W ? "s2s-stages s2s-wide" : "s2s-stages" });
  const label = (name) => [
    svg("text", { x: edge + 8, y: middle(name) + (name === "source" ? 4 : -1), class: "s2s-symbol" }, formula(SYMBOLS[name], svg)),
    name !== "source" && svg("text", { x: edge + 8, y: middle(name) + 14.5, class: "s2s-small s2s-grey" }, t(name)),
  ].filter(Boolean);
  const tabs = stages.map((stage) => svg("g", { role: "tab", "aria-label": t(stage), "aria-controls": place.id, "data-key": `stage-${stage}`, onclick: () => choose(stage) },
    svg("rect", { x: edge, y: places[stage].y, width: across - edge - 2, height: places[stage].tall, rx: 5 }), ...label(stage)));
  const arrows = stages.flatMap((stage) => feeds(made, stage).map((from) => ({ stage, path: arrow(edge, middle(from), middle(stage)) })));
  drawing.append(
    ...label("source"), ...heads.at(heads.tall - 3), ...(barcodes ? barcodeRow(made.values, x, step, heads.tall + 3) : []),
    ...arrows.map(({ path }) => path), svg("g", { role: "tablist", "aria-label": t("stages") }, ...tabs),
  );
  const rows = stageRows(place, made, stages, { places, x, x0, step, cell: Math.min((W - x0 - 26) / 48, 7), wide: W - x0 - 12 });
  for (const stage of stages) for (const group of rows[stage].groups) {
    group.addEventListener("click", () => choose(stage));
    drawing.append(group);
  }
  return { drawing, show: (step, k) => showRows({ made, stages, tabs, arrows, rows }, step, k) };
}

function barcodeRow(values, x, step, y) { // the encoder states in small, drawn as the context will be
  const wide = step - 5;
  return values.flatMap((state, i) => [
    svg("rect", { x: x(i) - wide / 2, y, width: wide, height: 14, fill: "var(--soft)" }),
    ...state.map((number, k) => colourOf(svg("rect", { x: x(i) - wide / 2 + (k * wide) / state.length, y, width: wide / state.length, height: 14 }), number)),
  ]);
}

function stageRows(place, made, stages, { places, x, x0, step, cell, wide }) {
  const all = made.scores.flat();
  const reach = [Math.min(0, ...all), Math.max(0.5, ...all)];
  const vector = (stage, rows, from = x0) => {
    const { group, show } = strip(place, stage, SYMBOLS[stage].replace(/[{}]/g, ""), rows[0].length, from, places[stage].y + 10, cell);
    return { groups: [group], show: (t) => show(rows[t]) };
  };
  const bars = (stage, signed) => {
    const { y, tall } = places[stage];
    const { group, show } = columns(place, stage, made.source, x, step, y + 16, tall - (signed && reach[0] < 0 ? 30 : 21), signed ? reach : [0, 1], signed);
    return { groups: [group], show: (t) => show(made[stage][t - 1]) };
  };
  const rows = {};
  for (const stage of stages) {
    if (stage === "scores" || stage === "weights") rows[stage] = bars(stage, stage === "scores");
    else if (stage === "probabilities") {
      const { group, show } = likely(place.view, x0, wide, places[stage].y + 8);
      rows[stage] = { groups: [group], show: (t) => show(made.top[t - 1], made.target[t - 1]) };
    } else if (stage === "previous") rows[stage] = previousRow(vector, made, places.previous, x0, made.states[0].length * cell);
    else if (stage === "state") rows[stage] = vector(stage, made.states);
    else {
      const { groups, show } = vector(stage, stage === "context" ? made.contexts : made.joined);
      rows[stage] = { groups, show: (t) => show(t - 1) };
    }
  }
  return rows;
}

function previousRow(vector, made, { y }, x0, long) { // s_{t-1} as a strip, and behind it the word y_{t-1}
  const state = vector("previous", made.states);
  const symbol = svg("text", { x: x0 + long + 12, y: y + 23, class: "s2s-symbol" }, ...formula("y_{t−1}", svg));
  const word = svg("text", { x: x0 + long + 44, y: y + 23, style: "font-weight:650", "data-word": "last" });
  const show = (t) => { state.show(t - 1); change(word, {}, shortened(t > 1 ? made.target[t - 2] : "<bos>", 10)); };
  return { groups: [...state.groups, svg("g", {}, symbol, word)], show };
}

function showRows({ made, stages, tabs, arrows, rows }, step, k) {
  stages.forEach((stage, at) => {
    const here = at === k;
    change(tabs[at], { tabindex: here ? 0 : -1, "aria-selected": String(here), class: here ? "s2s-here" : at < k ? "s2s-done" : "s2s-later" });
    for (const group of rows[stage].groups) change(group, { display: at > k ? "none" : null });
    if (at <= k) rows[stage].show(step);
  });
  for (const { stage, path } of arrows) {
    const at = stages.indexOf(stage);
    change(path, { class: `s2s-arrow ${at === k ? "s2s-here" : at < k ? "s2s-done" : "s2s-later"}` });
  }
  for (const { stage, path } of arrows) if (stage === stages[k]) path.parentNode.insertBefore(path, tabs[0].parentNode);
}

function buildStepper(view) {
  const { t, get, put } = view;
  const recordings = get("recordings");
  const made = recordings.find(({ order }) => order === get("order")) ?? recordings[0];
  const stagesOf = (one) => STEPPER_STAGES[one.order].filter((stage) => stage !== "attentional_state" || one.joined?.length);
  const stages = stagesOf(made), m = made.target.length;
  const now = () => ({ step: clamp(get("t"), 1, m), k: Math.max(stages.indexOf(get("stage")), 0) });
  const move = (by) => {
    const { step, k } = now();
    const at = clamp((step - 1) * stages.length + k + by, 0, m * stages.length - 1);
    put({ t: Math.floor(at / stages.length) + 1, stage: stages[at % stages.length] });
  };
  const jump = (by) => put({ t: clamp(now().step + by, 1, m) });
  const switchTo = (order) => {
    const other = recordings.find((one) => one.order === order);
    put({ stage: stagesOf(other).includes(get("stage")) ? get("stage") : "state", t: clamp(get("t"), 1, other.target.length), order });
  };
  const note = html("div", { class: "s2s-note s2s-legend" });
  const legend = () => {
    const cut = [["state", made.states[0]], ["context", made.contexts[0]]].find(([name, row]) => (made.widths?.[name] ?? 0) > row.length);
    const box = (colour, text) => html("span", {}, html("span", { class: "s2s-swatch", style: `background:var(--${colour})` }), text);
    return [box("blue", t("below")), box("orange", t("above")), cut && html("span", {}, t("first", { k: cut[1].length, n: made.widths[cut[0]] }))].filter(Boolean);
  };
  const place = { view, id: `stepper-${(buildStepper.serial = (buildStepper.serial ?? 0) + 1)}`, read: (text) => note.replaceChildren(...(text ? [text] : legend())) };
  const { drawing, show } = drawStages(place, made, stages, (stage) => put({ stage }));
  const count = html("span", { class: "s2s-count" });
  const paper = html("div", { class: "s2s-paper" });
  const formulaLine = html("div", { class: "s2s-formula" }), saying = html("div", { class: "s2s-saying" });
  const panel = html("div", { id: place.id, role: "tabpanel", class: "s2s-panel" }, formulaLine, saying);
  const buttons = {
    back: view.button(t("back"), "back", () => move(-1)), on: view.button(t("on"), "on", () => move(1)),
    before: view.button(t("before"), "before", () => jump(-1)), after: view.button(t("after"), "after", () => jump(1)),
  };
  const body = html("div", {},
    html("div", { class: "s2s-row" }, buttons.back, buttons.on, buttons.before, count, buttons.after),
    panel, html("div", { class: "s2s-scroll" }, drawing), note, paper);
  view.key(body, (key) => {
    const act = { ArrowRight: () => move(1), ArrowLeft: () => move(-1), ArrowDown: () => jump(1), ArrowUp: () => jump(-1) }[key];
    const tab = document.activeElement?.getAttribute("role") === "tab";
    act?.();
    if (tab) drawing.querySelector('[aria-selected="true"]').focus({ preventScroll: true }); // focus goes with the stage
    return act !== undefined;
  });
  if (recordings.length > 1) {
    view.root.append(html("div", { class: "s2s-row" }, view.choice(t("order"), "order", recordings.map(({ order }) => [order, t(order)]), made.order, switchTo)));
  }
  if (made.unknown?.length) view.root.append(html("div", { class: "s2s-warning" }, t("unknown", { words: made.unknown.join(", ") })));
  view.root.append(body);
  place.read("");
  return () => {
    const { step, k } = now();
    show(step, k);
    const text = stepperSays(view, made, stages[k], step);
    formulaLine.replaceChildren(...formula(equation(made, stages[k], step)));
    change(saying, {}, text);
    change(panel, { "aria-label": t(stages[k]) });
    change(count, {}, t("step", { t: step, m }));
    const ends = { back: step === 1 && k === 0, on: step === m && k === stages.length - 1, before: step === 1, after: step === m };
    for (const [name, end] of Object.entries(ends)) change(buttons[name], { "aria-disabled": end ? "true" : null });
    const done = stages[k] === "probabilities";
    paper.replaceChildren(html("span", { class: "s2s-grey" }, t("written")), ...made.target.slice(0, step - !done).map((token, j) =>
      html("span", { class: j === step - 1 ? "s2s-chip s2s-new" : "s2s-chip" }, token)), ...(done ? [] : [html("span", { class: "s2s-chip s2s-blank" }, "?")]));
    if (view.kept.text !== undefined && view.kept.text !== text) view.say(`${t("step", { t: step, m })}, ${t(stages[k])}. ${text}`);
    view.kept.text = text;
  };
}

function stepperSays(view, made, stage, step) {
  const weights = made.weights[step - 1], scores = made.scores[step - 1];
  const best = weights.indexOf(Math.max(...weights));
  const early = made.order === "luong";
  const y = step > 1 ? made.target[step - 2] : "<bos>";
  if (stage === "previous" && step === 1) return view.t("begin", { y });
  const end = made.target[step - 1] === "<eos>";
  const name = { state: early ? "said_state_early" : "said_state", probabilities: end ? "said_end" : "said_probabilities" }[stage];
  return view.t(name ?? `said_${stage}`, {
    y, old: `s${sub(step - 1)}`, state: `s${sub(step)}`, asks: `s${sub(early ? step : step - 1)}`, best: made.source[best],
    score: fixed(scores[best], 1), weight: fixed(weights[best]), next: made.target[step - 1], chance: fixed(made.top[step - 1][0][1]),
  });
}

export default { render: (context) => show(context, { words: STEPPER_WORDS, rebuild: ["recordings", "order"], build: buildStepper }) };
