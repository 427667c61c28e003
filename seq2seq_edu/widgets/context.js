// Context explorer: drag a query and encoder states in the plane, see scores, weights and the context.

const CONTEXT_WORDS = {
  title: "Context explorer",
  how: "Drag the tip of the query s, or a state. By keys: Tab to one, then arrows (Shift: five times as far).",
  kind: "score", dot: "dot", scaled: "dot / √d", additive: "additive", longer: "twice as long",
  shorter: "half as long", turn: "turn round", tip: "put {name} at the tip", lines: "lines of equal score",
  back: "start again", word: "state", e: "score e", a: "weight α", table: "Scores and weights",
  picture: "Plane with the query, the states, their hull and the context", point: "point in the plane",
  query: "query s", length: "length |s|", long: "s, length {value}", context: "context c", entropy: "entropy H",
  effective: "effective positions", of: " of {n}", state: "{name} at {p}: score {e}, weight {a}",
  one: "One state alone has the weight 1: c is {name}, whatever the query asks.",
  equal: "All weights are equal: c is the plain mean of the states.",
  near: "{top} gets most, though {near} is nearest to the tip: a dot product measures direction and length, not nearness.",
  nearAdditive: "{top} gets most, though {near} is nearest to the tip: an additive score goes by its parameters, and looks where they were taught to.",
  sure: "{top} has nearly all the weight, {value}: c is almost there, and never quite.",
  mixed: "{top} gets most, {value}; the others keep c at a distance of {away} from it.",
  said: "{point}. Context {c}, {n} effective positions.",
};

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const coordinates = (point, digits) => `(${fixed(point[0], digits)}, ${fixed(point[1], digits)})`;

// The score of any point of the plane, as a function of that point.
function contextScore(kind, query, { W_a, U_a, v_a }) {
  if (kind === "dot") return (h) => dot(query, h);
  if (kind === "scaled") return (h) => dot(query, h) / Math.sqrt(query.length);
  const asked = matvec(W_a, query);
  return (h) => sum(asked.map((x, a) => v_a[a] * Math.tanh(x + U_a[a][0] * h[0] + U_a[a][1] * h[1])));
}

function convexHull(points) { // Andrew's monotone chain
  const order = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const left = (a, b, p) => (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) > 0;
  const chain = (sequence) => {
    const found = [];
    for (const p of sequence) {
      while (found.length > 1 && !left(found.at(-2), found.at(-1), p)) found.pop();
      found.push(p);
    }
    return found.slice(0, -1);
  };
  return points.length < 2 ? order : [...chain(order), ...chain(order.reverse())];
}

// Lines on which a function over [-X, X] x [-Y, Y] has round values: [below, at, above 0] as paths.
function equalLines(f, X, Y, place, steps = 44) {
  const xs = Array.from({ length: steps + 1 }, (_, k) => X * ((2 * k) / steps - 1));
  const ys = Array.from({ length: steps + 1 }, (_, k) => Y * ((2 * k) / steps - 1));
  const values = xs.map((x) => ys.map((y) => f([x, y])));
  const [low, high] = [Math.min(...values.flat()), Math.max(...values.flat())];
  const rough = (high - low) / 12;
  const paths = ["", "", ""];
  if (!(rough > 1e-9)) return paths;
  const power = 10 ** Math.floor(Math.log10(rough));
  const gap = [1, 2, 5, 10].find((k) => k * power >= rough) * power;
  for (let k = Math.ceil(low / gap); k * gap <= high; k++) {
    const level = k * gap + gap * 1e-9; // never exactly the value of a corner
    const parts = [];
    for (let i = 0; i < steps; i++) for (let j = 0; j < steps; j++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
      const cuts = corners.flatMap(([a, b], n) => {
        const [c, d] = corners[(n + 1) % 4];
        const [from, to] = [values[a][b] - level, values[c][d] - level];
        if (from > 0 === to > 0) return [];
        const share = from / (from - to);
        return [place([xs[a] + share * (xs[c] - xs[a]), ys[b] + share * (ys[d] - ys[b])])];
      });
      for (let n = 0; n + 1 < cuts.length; n += 2) parts.push(`M${cuts[n].map((p) => p.toFixed(1))}L${cuts[n + 1].map((p) => p.toFixed(1))}`);
    }
    paths[1 + Math.sign(k)] += parts.join("");
  }
  return paths;
}

// Everything that follows from the state.
function contextFrom(get) {
  const [query, states] = [get("query"), get("encoder_states")];
  const score = contextScore(get("score"), query, { W_a: get("W_a"), U_a: get("U_a"), v_a: get("v_a") });
  const scores = states.map(score);
  const weights = softmax(scores);
  const nearest = states.map((h) => distance(h, query));
  const order = weights.map((_, i) => i).sort((a, b) => weights[b] - weights[a]);
  const top = order[0];
  const near = nearest.indexOf(Math.min(...nearest));
  return { query, states, score, scores, weights, order, top, near, closer: nearest[near] < 0.95 * nearest[top], context: mean(weights, states), middle: sum(states.map((h) => h[1])) / states.length };
}

function contextNote({ t, get }, { weights, top, near, closer, context, states }) {
  const name = (i) => get("labels")[i];
  if (weights.length === 1) return t("one", { name: name(0) });
  if (Math.max(...weights) - Math.min(...weights) < 0.005) return t("equal");
  if (closer) return t(get("score") === "additive" ? "nearAdditive" : "near", { top: name(top), near: name(near) });
  if (weights[top] > 0.97) return t("sure", { top: name(top), value: weights[top] > 0.9995 ? "> 0.999" : fixed(weights[top], 3) });
  return t("mixed", { top: name(top), value: fixed(weights[top]), away: fixed(distance(context, states[top])) });
}

// The plane: how its units are drawn, and a handle for a point that may be dragged in it.
function contextPlane(view, width, height, reach) {
  const { t } = view;
  const unit = Math.min(width / 2 / reach[0], height / 2 / reach[1]);
  const place = ([x, y]) => [width / 2 + unit * x, height / 2 - unit * y];
  const [X, Y] = [width / 2 / unit, height / 2 / unit];
  const step = 10 ** Math.floor(Math.log10(Math.max(X, Y) / 15));
  const digits = Math.max(2, 1 - Math.round(Math.log10(step)));
  const inside = ([x, y]) => [clamp(x, -X, X), clamp(y, -Y, Y)].map((z) => round(z, digits));
  const shown = (p) => p.map((z) => z * Math.min(1, X / Math.abs(p[0] || 1e-9), Y / Math.abs(p[1] || 1e-9)));
  const drawing = view.drawing(width, height, { role: "group", "aria-label": t("picture") });
  const pointer = (event) => {
    const [x, y] = view.at(event, drawing);
    return [(x - width / 2) / unit, (height / 2 - y) / unit];
  };
  const handle = (name, label, now, set, others = {}) => {
    const made = svg("g", { tabindex: 0, role: "slider", "aria-roledescription": t("point"), "aria-label": label, "aria-valuemin": 0, "data-key": name },
      svg("circle", { r: 18, fill: "transparent" })); // larger than what is seen, for fingers
    let grip = [0, 0];
    view.drag(made, (event) => set(inside(pointer(event).map((z, k) => z + grip[k]))), (event) => {
      grip = shown(now()).map((z, k) => z - pointer(event)[k]);
    });
    return view.key(made, (key, event) => {
      const by = { ArrowUp: [0, 1], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowLeft: [-1, 0] }[key];
      const far = step * (event.shiftKey ? 5 : 1);
      if (by) set(inside(now().map((z, k) => z + by[k] * far)));
      else if (others[key]) set(others[key](now()));
      return Boolean(by || others[key]);
    });
  };
  return { drawing, width, height, place, X, Y, digits, inside, shown, handle, spot: (p) => coordinates(p, digits) };
}

function contextAxes({ drawing, place, width, height, X, Y }) {
  const [x0, y0] = place([0, 0]);
  const unit = 10 ** Math.floor(Math.log10(Math.min(X, Y)));
  const line = { stroke: "var(--faint)" };
  drawing.append(
    svg("rect", { width, height, rx: 6, fill: "none", ...line }),
    svg("line", { x1: 0, x2: width, y1: y0, y2: y0, ...line }), svg("line", { x1: x0, x2: x0, y1: 0, y2: height, ...line }),
  );
  const tick = (value, [x, y], anchor) => svg("text", { x, y, "text-anchor": anchor, class: "s2s-grey s2s-small" }, fixed(value, Math.max(0, -Math.log10(unit))));
  for (let k = -9; k <= 9; k++) {
    const [x, y] = place([k * unit, k * unit]);
    if (k && Math.abs(k * unit) < 0.93 * X) drawing.append(tick(k * unit, [x, y0 + 15], "middle"));
    if (k && Math.abs(k * unit) < 0.93 * Y) drawing.append(tick(k * unit, [x0 - 6, y + 4], "end"));
  }
}

// One state: the string to the context, a disc as large as its weight, its name.
function contextState({ get }, plane, i, set) {
  const label = get("labels")[i];
  const string = svg("line", { stroke: "var(--blue)", "stroke-linecap": "round" });
  const disc = svg("circle", { fill: "var(--blue)", stroke: "var(--paper)" });
  const handle = plane.handle(`state-${i}`, label, () => get("encoder_states")[i], set);
  const name = svg("text", { "text-anchor": "middle", class: "s2s-halo", "pointer-events": "none" });
  change(handle, { "aria-valuemax": 1 }).append(disc);
  const draw = ({ states, weights, order, middle, context }, text) => {
    const many = states.length > 12;
    const [x, y] = plane.place(states[i]);
    const [x2, y2] = plane.place(context);
    const r = (many ? 3 : 5) + 12 * Math.sqrt(weights[i]);
    change(string, { x1: x, y1: y, x2, y2, "stroke-width": 0.6 + 5 * weights[i], opacity: 0.15 + 0.75 * weights[i] });
    change(disc, { cx: x, cy: y, r });
    change(handle.firstChild, { cx: x, cy: y, r: Math.max(many ? 8 : 16, r) });
    change(handle, { "aria-valuenow": round(weights[i], 4), "aria-valuetext": text });
    change(name, { x, y: states[i][1] >= middle ? y - r - 6 : y + r + 15, visibility: many && order.indexOf(i) > 2 ? "hidden" : null },
      many ? label : `${label} ${fixed(weights[i])}`);
  };
  return { string, handle, name, draw };
}

// The query: an arrow from the origin; one that is too long is dashed and ends at the border.
function contextArrow({ t, get }, plane, ask, others) {
  const [x0, y0] = plane.place([0, 0]);
  const stem = svg("line", { x1: x0, y1: y0, stroke: "var(--green)", "stroke-width": 2.4 });
  const head = svg("path", { d: "M0 0L-11 5L-11 -5Z", fill: "var(--green)" });
  const name = svg("text", { "text-anchor": "middle", class: "s2s-halo s2s-letter", "pointer-events": "none", style: "fill:var(--green)" });
  const handle = plane.handle("query", t("query"), () => get("query"), ask, others);
  handle.append(head);
  const draw = ({ query }) => {
    const tip = plane.shown(query);
    const [x, y] = plane.place(tip);
    const length = Math.hypot(...query);
    const cut = Math.hypot(...tip) < length * (1 - 1e-9);
    const margin = cut ? 64 : 14;
    change(stem, { x2: x, y2: y, "stroke-dasharray": cut ? "7 4" : null });
    change(head, { transform: `translate(${x} ${y}) rotate(${(Math.atan2(y - y0, x - x0) * 180) / Math.PI})`, opacity: length ? null : 0.4 });
    change(handle.firstChild, { cx: x, cy: y });
    change(handle, { "aria-valuenow": round(length, plane.digits), "aria-valuetext": `${plane.spot(query)}, ${t("length")} ${fixed(length)}` });
    change(name, { x: clamp(x + (cut ? 0 : 14), margin, plane.width - margin), y: clamp(y + (y < y0 ? -10 : 20), 14, plane.height - 6) }, cut ? t("long", { value: fixed(length) }) : "s");
  };
  return { parts: [svg("circle", { cx: x0, cy: y0, r: 3, fill: "var(--green)" }), stem, handle], name, draw };
}

function contextPicture(view, plane, { ask, setState, others }) {
  const { t, get } = view;
  const contours = ["3 3", null, null].map((dashes, k) =>
    svg("path", { fill: "none", stroke: "var(--grey)", "stroke-width": k === 1 ? 1.8 : 0.8, "stroke-dasharray": dashes, opacity: 0.8 }));
  const hull = svg("polygon", { fill: "var(--blue)", "fill-opacity": 0.1, stroke: "var(--blue)", "stroke-opacity": 0.45, "stroke-linejoin": "round" });
  const states = get("labels").map((_, i) => contextState(view, plane, i, (point) => setState(i, point)));
  const rays = Array.from({ length: 10 }, (_, k) => [k % 2 ? 4.4 : 11, (Math.PI * k) / 5]);
  const corners = rays.map(([r, angle]) => `${(r * Math.sin(angle)).toFixed(2)} ${(-r * Math.cos(angle)).toFixed(2)}`);
  const star = svg("path", { d: `M${corners.join("L")}Z`, fill: "var(--orange)", stroke: "var(--paper)", "pointer-events": "none" });
  const letter = svg("text", { class: "s2s-halo s2s-letter", "pointer-events": "none", style: "fill:var(--orange)" }, "c", svg("tspan", { dy: 4, style: "font-size:10px" }, "t"));
  const arrow = contextArrow(view, plane, ask, others);
  contextAxes(plane);
  plane.drawing.append(...contours, hull, ...states.map((state) => state.string), ...states.map((state) => state.handle), star,
    ...arrow.parts, ...states.map((state) => state.name), letter, arrow.name);
  return (now) => {
    const paths = get("lines") ? equalLines(now.score, plane.X, plane.Y, plane.place) : ["", "", ""];
    contours.forEach((path, k) => change(path, { d: paths[k] }));
    change(hull, { points: convexHull(now.states).map(plane.place).join(" ") });
    const [x, y] = plane.place(now.context);
    change(star, { transform: `translate(${x} ${y})` });
    change(letter, { x: x + 12, y: y + 5 });
    states.forEach((state, i) => state.draw(now, t("state", { name: get("labels")[i], p: plane.spot(now.states[i]), e: fixed(now.scores[i]), a: fixed(now.weights[i]) })));
    arrow.draw(now);
  };
}

function contextTable({ t }, labels) {
  const rows = labels.map((label) => {
    const [score, bar, weight] = [html("td"), html("span", { class: "s2s-bar" }), html("span")];
    const row = html("tr", {}, html("th", { scope: "row" }, label), score, html("td", {}, html("span", { class: "s2s-bars" }, bar), weight));
    return { row, score, bar, weight };
  });
  const heads = ["word", "e", "a"].map((name) => html("th", { scope: "col" }, t(name)));
  const table = html("table", { class: "s2s-states", "aria-label": t("table") }, html("thead", {}, html("tr", {}, heads)), html("tbody", {}, rows.map(({ row }) => row)));
  const long = labels.length > 12 ? { style: "max-height:13em", tabindex: 0, role: "region", "aria-label": t("table") } : {};
  const put = ({ scores, weights, top }) => rows.forEach(({ row, score, bar, weight }, i) => {
    change(row, { class: i === top ? "s2s-top" : null });
    change(score, {}, fixed(scores[i]));
    change(weight, {}, fixed(weights[i]));
    bar.style.transform = `scaleX(${weights[i].toFixed(4)})`;
  });
  return { place: html("div", { class: "s2s-scroll", ...long }, table), put };
}

function buildContext(view) {
  const { t, get, put, W } = view;
  const labels = get("labels");
  const n = labels.length;
  if (view.kept.labels !== labels.join("\n")) {
    view.kept = { labels: labels.join("\n"), query: get("query"), states: get("encoder_states"), last: contextFrom(get).order.at(-1) };
  }
  const start = view.kept;
  const beside = W > 560; // room for the table at the side
  const far = [0, 1].map((k) => 1.3 * Math.max(...get("encoder_states").map((h) => Math.abs(h[k]))));
  const most = Math.max(...far) || 2;
  const plane = contextPlane(view, beside ? W - 270 : W, Math.round(clamp(W * 0.8, 250, 330)), far.map((x) => Math.max(x, 0.6 * most)));
  const speak = (point) => {
    const { context, weights } = contextFrom(get);
    view.say(t("said", { point, c: plane.spot(context), n: fixed(Math.exp(entropy(weights)), 1) }));
  };
  const ask = (query) => {
    put({ query: query.map((x) => round(x, plane.digits)) });
    speak(`${t("query")} ${plane.spot(get("query"))}`);
  };
  const setState = (i, point) => {
    put({ encoder_states: get("encoder_states").map((h, k) => (k === i ? point : [...h])) });
    speak(`${labels[i]} ${plane.spot(point)}`);
  };
  const scale = (by) => (query) => (Math.hypot(...query) * by > 100 * plane.X ? query : query.map((x) => x * by));
  const draw = contextPicture(view, plane, { ask, setState, others: { PageUp: scale(1.25), PageDown: scale(0.8), Home: () => [0, 0] } });
  const table = contextTable(view, labels);
  const kind = view.choice(t("kind"), "score", ["dot", "scaled", "additive"].map((name) => [name, t(name)]), get("score"), (score) => {
    put({ score });
    speak(t(score));
  });
  const numbers = ["query", "length", "context", "entropy", "effective"].map((name) => [t(name), html("b")]);
  const note = html("div", { class: "s2s-note" });
  const longer = (name, by) => view.button(t(name), name, () => ask(scale(by)(get("query"))));
  const lines = view.button(t("lines"), "lines", () => put({ lines: !get("lines") }));
  view.root.append(
    html("div", { class: "s2s-row" }, kind),
    html("div", { class: "s2s-beside" }, plane.drawing, html("div", {}, table.place,
      html("div", { class: "s2s-numbers", style: beside ? "flex-direction:column" : null }, numbers.map(([name, value]) => html("span", {}, `${name}: `, value))))),
    note,
    html("div", { class: "s2s-row" },
      longer("longer", 2), longer("shorter", 0.5), longer("turn", -1),
      n > 1 ? view.button(t("tip", { name: labels[start.last] }), "tip", () => setState(start.last, plane.inside(get("query")))) : null,
      lines, view.button(t("back"), "back", () => put({ query: [...start.query], encoder_states: start.states.map((h) => [...h]) }))),
  );
  return () => {
    if (get("encoder_states").length !== n) return; // the labels are still to come
    const now = contextFrom(get);
    if (now.states.some(([x, y]) => Math.abs(x) > plane.X || Math.abs(y) > plane.Y)) {
      view.rebuild();
      return;
    }
    draw(now);
    table.put(now);
    kind.put(get("score"));
    change(lines, { "aria-pressed": get("lines") ? "true" : "false" });
    change(note, {}, contextNote(view, now));
    const [H, length] = [entropy(now.weights), Math.hypot(...now.query)];
    const values = [plane.spot(now.query), fixed(length), plane.spot(now.context), `${fixed(H)} nat`, fixed(Math.exp(H)) + t("of", { n })];
    numbers.forEach(([, value], k) => change(value, {}, values[k]));
  };
}

export default { render: (context) => show(context, { words: CONTEXT_WORDS, rebuild: ["labels"], build: buildContext }) };
