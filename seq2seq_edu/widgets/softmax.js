// Softmax explorer: drag scores and temperature, see the weights.

const SOFTMAX_WORDS = {
  title: "Softmax explorer",
  how: "Drag a score up or down, or Tab to it and use the arrow keys. What happens to the other weights?",
  scores: "scores e", weights: "weights α", temperature: "temperature T", score: "score of {name}: {value}",
  said: "{name}: score {score}, weight {weight}; {words} effective positions", entropy: "entropy H",
  effective: "effective positions exp(H)", of: " of {n}", largest: "largest weight",
  cold: "T → 0: the winner takes all", hot: "T → ∞: all alike", equal: "equal scores", shift: "add 1 to all scores",
  back: "start again",
};

function buildSoftmax(view) {
  const { t, get, put, W } = view;
  const labels = get("labels");
  const n = labels.length;
  if (view.kept.labels !== labels.join("\n")) view.kept = { labels: labels.join("\n"), scores: [...get("scores")], temperature: get("temperature") };
  const start = view.kept;
  const left = 78, top = 22, tall = 150, gap = 56, low = 96;
  const step = Math.min((W - left - 8) / n, 84);
  const bar = Math.max(Math.min(step * 0.62, 46), 2);
  const reach = Math.max(5, Math.ceil(Math.max(...get("scores").map(Math.abs))));
  const y = (score) => top + (tall / 2) * (1 - score / reach);
  const floor = top + tall + gap + low;
  const crowded = n > 14; // then the numbers are left out, and of the labels those that would touch
  const every = Math.ceil(15 / step);
  const x = (i) => left + step * (i + 0.5);
  const drawing = view.drawing(W, floor + (crowded ? 8 : 26), {});
  const word = (x, y, text, attributes = {}) => svg("text", { x, y, ...attributes }, text);
  drawing.append(
    word(0, y(0) + 4, t("scores")), word(0, floor - low / 2 + 4, t("weights")),
    ...[reach, 0, -reach].map((e) => word(left - 8, y(e) + 4, fixed(e, 0), { class: "s2s-grey s2s-small", "text-anchor": "end" })),
    ...[1, 0].map((a) => word(left - 8, floor - a * low + 4, fixed(a, 0), { class: "s2s-grey s2s-small", "text-anchor": "end" })),
    svg("line", { x1: left, x2: left + step * n, y1: y(0), y2: y(0), stroke: "var(--grey)" }),
    svg("line", { x1: left, x2: left + step * n, y1: floor, y2: floor, stroke: "var(--grey)" }),
  );
  const move = (i, score) => {
    const scores = [...get("scores")];
    scores[i] = round(clamp(score, -reach, reach));
    put({ scores });
    const weights = softmax(scores, get("temperature"));
    view.say(t("said", { name: labels[i], score: fixed(scores[i]), weight: fixed(weights[i]), words: fixed(Math.exp(entropy(weights)), 1) }));
  };
  const parts = labels.map((label, i) => {
    const middle = { "text-anchor": "middle" };
    const column = svg("rect", { x: x(i) - bar / 2, width: bar, fill: "var(--grey)", opacity: 0.45 });
    const knob = svg("circle", { cx: x(i), r: Math.min(7, Math.max(bar / 2, 3)), fill: "var(--orange)" });
    const touch = svg("rect", { x: x(i) - step / 2, y: top - 8, width: step, height: tall + 16, fill: "transparent" });
    const handle = svg("g", { tabindex: 0, role: "slider", "aria-valuemin": -reach, "aria-valuemax": reach, "data-key": `score-${i}` }, column, knob, touch);
    view.drag(handle, (event) => move(i, (1 - (view.at(event, drawing)[1] - top) / (tall / 2)) * reach));
    view.key(handle, (key, event) => {
      const by = { ArrowUp: 0.1, ArrowRight: 0.1, ArrowDown: -0.1, ArrowLeft: -0.1, PageUp: 1, PageDown: -1 }[key];
      const to = { Home: -reach, End: reach }[key] ?? (by && get("scores")[i] + by * (event.shiftKey ? 5 : 1));
      if (to !== undefined) move(i, to);
      return to !== undefined;
    });
    const weight = svg("rect", { x: x(i) - bar / 2, width: bar, fill: "var(--blue)" });
    const score = word(x(i), 0, "", { class: "s2s-small", ...middle, visibility: crowded ? "hidden" : null });
    const value = word(x(i), 0, "", { ...middle, visibility: crowded ? "hidden" : null });
    const size = clamp((step * 1.7) / Math.max(...labels.map((l) => l.length * (/[^\x00-\xff]/.test(l) ? 1.9 : 1))), 9, 14);
    const turned = crowded ? { transform: `rotate(-60 ${x(i)} ${top + tall + 20})`, style: "font-size:10px" } : { style: `font-size:${size}px` };
    drawing.append(handle, score, weight, value);
    if (i % every === 0) drawing.append(word(x(i), top + tall + 20, label, { ...middle, ...turned }));
    return { handle, column, knob, score, weight, value };
  });
  const temperature = view.slider({
    label: t("temperature"), name: "temperature", low: -1.7, high: 1.7, step: 0.02, value: Math.log10(get("temperature")),
    text: (power) => fixed(10 ** power), react: (power) => put({ temperature: round(10 ** power, 4) }),
  });
  const numbers = [t("entropy"), t("effective"), t("largest")].map((name) => [name, html("b")]);
  const equal = () => put({ scores: labels.map(() => 1) });
  const shift = () => put({ scores: get("scores").map((e) => round(e + 1)) });
  view.root.append(
    drawing,
    html("div", { class: "s2s-row" }, temperature),
    html("div", { class: "s2s-row" },
      view.button(t("cold"), "cold", () => put({ temperature: 0.02 })), view.button(t("hot"), "hot", () => put({ temperature: 50 })),
      view.button(t("equal"), "equal", equal), view.button(t("shift"), "shift", shift),
      view.button(t("back"), "back", () => put({ scores: [...start.scores], temperature: start.temperature }))),
    html("div", { class: "s2s-numbers" }, numbers.map(([name, value]) => html("span", {}, `${name}: `, value))),
  );
  return () => {
    const scores = get("scores");
    if (Math.max(...scores.map(Math.abs)) > reach) return view.rebuild();
    const weights = softmax(scores, get("temperature"));
    parts.forEach((part, i) => {
      const e = clamp(scores[i], -reach, reach);
      change(part.column, { y: Math.min(y(e), y(0)), height: Math.abs(y(e) - y(0)) });
      change(part.knob, { cy: y(e) });
      change(part.handle, { "aria-valuenow": scores[i], "aria-label": t("score", { name: labels[i], value: fixed(scores[i]) }) });
      change(part.score, { y: e < 0 ? y(e) + 20 : y(e) - 11 }, fixed(scores[i]));
      change(part.weight, { y: floor - weights[i] * low, height: weights[i] * low });
      change(part.value, { y: floor - weights[i] * low - 5 }, fixed(weights[i]));
    });
    temperature.put(Math.log10(get("temperature")));
    const H = entropy(weights);
    [`${fixed(H)} nat`, fixed(Math.exp(H)) + t("of", { n }), fixed(Math.max(...weights))].forEach((text, k) => change(numbers[k][1], {}, text));
  };
}

export default { render: (context) => show(context, { words: SOFTMAX_WORDS, rebuild: ["labels"], build: buildSoftmax }) };
