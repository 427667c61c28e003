// Beam explorer: a search grows step by step; the length penalty ranks what has finished, and nothing else.

const BEAM_WORDS = {
  title: "Beam explorer",
  how: "Start again, then expand and prune step by step. Which will be pruned next? Arrow keys walk over the tree.",
  width: "width", penalty: "length penalty α", tree: "The tree of the search",
  begin: "The search begins. Width {width}: after each step {width} stay open.",
  beginOne: "The search begins. Width 1: after each step one stays open.",
  waiting: "Step {step} is ranked. Which {width} stay open?",
  waitingOne: "Step {step} is ranked. Which one stays open?",
  judged: "Step {step}: {kept} kept, {finished} finished, {pruned} pruned.",
  ended: "Step {step}: {finished} finished, and the search ends.",
  cut: "Nothing has finished in {step} steps, where the search was cut off; the open ones are compared.",
  restart: "start again", back: "back", expand: "expand", prune: "prune", whole: "whole search", kept: "kept",
  finished: "finished", pruned: "pruned", candidate: "waits to be pruned or kept", winner: "winner",
  best: "best so far", root: "the beginning", point: "{word}: the beginning. Point at a box to read it.",
  after: "after “{words}”", node: "{word}, {after}: p = {p}, log p in all {total}, score {score}; {status}",
  sentence: "finished sentences", total: "log p", length: "m", score: "score", none: "nothing yet",
  best_: "{words}: score {score}", formula: "score = log p / m^α",
};

const ROW = 40; // from one row of boxes to the next
const BOX = 34;

// --- the tree ---

function readTree({ width, nodes }) {
  const tree = { width, nodes: nodes.map(([parent, token, total, status]) => ({ parent, token: shortened(token, 12), total, status, children: [] })) };
  tree.nodes.forEach((node, k) => {
    const above = tree.nodes[node.parent];
    node.step = above ? above.step + 1 : 0;
    node.words = above ? `${above.words} ${node.token}`.trim() : ""; // all the way to it
    above?.children.push(k);
  });
  for (const node of tree.nodes) node.children.sort((a, b) => tree.nodes[b].total - tree.nodes[a].total); // stable
  tree.steps = tree.nodes.at(-1).step;
  placeRows(tree.nodes, tree.steps);
  return tree;
}

// In each step the nodes stand in the order of the tree, so that no two lines cross and greedy search runs along
// the top; beside their parent where there is room, and in no more rows than the fullest step needs.
function placeRows(nodes, steps) {
  const columns = Array.from({ length: steps + 1 }, () => []);
  const visit = (k) => { columns[nodes[k].step].push(nodes[k]); nodes[k].children.forEach(visit); };
  visit(0);
  const rows = Math.max(...columns.map((column) => column.length));
  for (const column of columns) {
    let free = 0;
    column.forEach((node, place) => {
      const lowest = rows - (column.length - place); // those behind it need a row, too
      node.row = clamp(nodes[node.parent]?.row ?? 0, free, lowest);
      free = node.row + 1;
    });
  }
}

const path = (nodes, k) => (k <= 0 ? [] : [...path(nodes, nodes[k].parent), k]);
const scoreOf = (node, alpha) => node.total / Math.max(node.step, 1) ** alpha;

function present(view, tree) { // how far the search is, and its ranking
  const step = view.get("step") < 0 ? tree.steps : Math.min(view.get("step"), tree.steps);
  const waiting = !view.get("judged") && step > 0;
  const sure = waiting ? step - 1 : step; // the last step whose nodes are kept, finished or pruned
  const alpha = view.get("length_penalty");
  const { nodes } = tree;
  const all = [...nodes.keys()];
  let ends = all.filter((k) => nodes[k].status === "finished" && nodes[k].step <= sure);
  const whole = step === tree.steps && !waiting;
  const cut = whole && !ends.length;
  if (cut) ends = all.filter((k) => nodes[k].step === step && nodes[k].status === "kept");
  ends.sort((a, b) => scoreOf(nodes[b], alpha) - scoreOf(nodes[a], alpha));
  return { step, waiting, sure, alpha, ends, whole, cut };
}

function drawTree(view, tree) {
  const { nodes, steps } = tree;
  const widths = nodes.map((node) => Math.max(textWidth(node.token, 13, view.root), 34) + 12);
  const columns = Array(steps + 1).fill(0); // the widest box of each
  nodes.forEach((node, k) => (columns[node.step] = Math.max(columns[node.step], widths[k])));
  const lefts = columns.map((_, s) => sum(columns.slice(0, s)) + 20 * s + 3);
  const width = lefts.at(-1) + columns.at(-1) + 4;
  const height = (Math.max(...nodes.map((node) => node.row)) + 1) * ROW;
  const drawing = view.drawing(width, height, { role: "tree", "aria-label": view.t("tree"), style: `width:${width / 16}em;max-width:none` });
  const y = (node) => node.row * ROW + ROW / 2;
  const edges = svg("g", { "aria-hidden": "true" });
  drawing.append(edges);
  const parts = nodes.map((node, k) => {
    const above = nodes[node.parent];
    const edge = above && svg("path", { d: edgePath(lefts[above.step] + widths[node.parent], y(above), lefts[node.step], y(node)), class: "s2s-branch" });
    if (edge) edges.append(edge);
    const middle = lefts[node.step] + widths[k] / 2;
    const centred = { "text-anchor": "middle" };
    const box = svg("rect", { x: lefts[node.step], y: y(node) - BOX / 2, width: widths[k], height: BOX, rx: 6 });
    const word = svg("text", { x: middle, y: y(node) + (above ? -2 : 5), ...centred }, node.token);
    const number = above ? svg("text", { x: middle, y: y(node) + 12, class: "s2s-small", ...centred }, fixed(node.total)) : null;
    const group = svg("g", { role: "treeitem", tabindex: -1, "aria-level": node.step + 1, "data-node": k, "data-key": `node-${k}` }, [box, word, number].filter(Boolean));
    drawing.append(group);
    return { group, edge };
  });
  return { tree, drawing, parts, right: (step) => lefts[step] + columns[step] };
}

function edgePath(x0, y0, x1, y1) {
  const bend = (x0 + x1) / 2;
  return y1 === y0 ? `M${x0} ${y0}H${x1}` : `M${x0} ${y0}C${bend} ${y0} ${bend} ${y1} ${x1} ${y1}`;
}

// --- what is said ---

function describeNode(view, { nodes }, now, k) {
  const node = nodes[k];
  if (k === 0) return view.t("point", { word: node.token });
  const before = nodes[node.parent].words;
  const after = before ? view.t("after", { words: before }) : view.t("root");
  const status = now.waiting && node.step === now.step ? view.t("candidate") : view.t(node.status);
  const p = Math.exp(node.total - nodes[node.parent].total);
  return view.t("node", { word: node.token, after, p: fixed(p, p < 0.01 ? 4 : 2), total: fixed(node.total), score: fixed(scoreOf(node, now.alpha)), status });
}

function describeStep(view, { nodes, width }, now) {
  if (now.step === 0) return view.t(width === 1 ? "beginOne" : "begin", { width });
  if (now.waiting) return view.t(width === 1 ? "waitingOne" : "waiting", { step: now.step, width });
  if (now.cut) return view.t("cut", { step: now.step });
  if (now.whole) return view.t("ended", { step: now.step, finished: now.ends.length });
  const count = (status) => nodes.filter((node) => node.step === now.step && node.status === status).length;
  return view.t("judged", { step: now.step, kept: count("kept"), finished: count("finished"), pruned: count("pruned") });
}

function ranking(view, { nodes }, now, point) { // a table, best first
  const cells = (k, place) => [
    html("th", { scope: "row", class: "s2s-wraps" }, nodes[k].words, place ? "" : html("span", { class: "s2s-tag" }, view.t(now.whole ? "winner" : "best"))),
    html("td", {}, fixed(nodes[k].total)), html("td", {}, String(nodes[k].step)), html("td", {}, html(place ? "span" : "b", {}, fixed(scoreOf(nodes[k], now.alpha), 3))),
  ];
  const rows = now.ends.map((k, place) => html("tr", { onpointerenter: () => point(k), onpointerleave: () => point(null) }, cells(k, place)));
  const empty = html("tr", {}, html("th", { scope: "row" }, view.t("none")), [1, 2, 3].map(() => html("td")));
  return [
    html("thead", {}, html("tr", {}, ["sentence", "total", "length", "score"].map((name) => html("th", { scope: "col" }, view.t(name))))),
    html("tbody", {}, rows.length ? rows : empty),
  ];
}

// --- all together ---

function stepButtons(view, now, tell) {
  const go = (step, judged) => {
    view.put({ step, judged });
    tell();
  };
  const forward = () => {
    const { step, waiting, whole } = now();
    if (!whole) go(waiting ? step : step + 1, waiting);
  };
  const back = () => {
    const { step, waiting } = now();
    if (step > 0) go(waiting ? step - 1 : step, waiting);
  };
  const next = view.button("", "next", forward);
  const before = view.button(view.t("back"), "back", back);
  const row = html("div", { class: "s2s-row" }, view.button(view.t("restart"), "restart", () => go(0, true)), before, next, view.button(view.t("whole"), "whole", () => go(-1, true)));
  const put = ({ step, waiting, whole }) => {
    change(next, { "aria-disabled": whole && "true" }, view.t(waiting ? "prune" : "expand"));
    change(before, { "aria-disabled": step === 0 && "true" });
  };
  return { row, put };
}

function walkTree(view, shown, pick) { // arrow keys: to the parent, the likeliest child, the neighbours of a step
  const seen = (k) => k !== undefined && k >= 0 && shown.picture.parts[k].group.style.display !== "none";
  return (key) => {
    const { nodes } = shown.picture.tree;
    const at = nodes[shown.chosen];
    const column = [...nodes.keys()].filter((k) => nodes[k].step === at.step && seen(k)).sort((a, b) => nodes[a].row - nodes[b].row);
    const beside = (by) => column[column.indexOf(shown.chosen) + by];
    const to = { ArrowLeft: at.parent, ArrowRight: at.children.find(seen), ArrowUp: beside(-1), ArrowDown: beside(1), Home: 0, End: column.at(-1) };
    if (!(key in to)) return false;
    if (seen(to[key])) pick(to[key]);
    return true;
  };
}

function buildBeam(view) {
  const { t, get, put } = view;
  const trees = get("trees").map(readTree);
  const widths = trees.map((tree) => tree.width);
  const pictures = new Map(); // of the widths that were looked at
  const pane = html("div", { class: "s2s-scroll s2s-inset" });
  const [sentence, detail] = [html("p", { class: "s2s-note" }), html("p", { class: "s2s-note s2s-two" })];
  const table = html("table", { class: "s2s-table" });
  const shown = { chosen: 0, pointed: null };
  const now = () => present(view, shown.picture.tree);
  const reveal = () => { // the newest step of a long search
    const scale = pane.scrollWidth / Math.max(shown.picture.drawing.viewBox.baseVal.width, 1);
    const right = shown.picture.right(now().step) * scale;
    if (right > pane.scrollLeft + pane.clientWidth || right < pane.scrollLeft + 60) pane.scrollLeft = right - pane.clientWidth + 20;
  };
  const tell = () => {
    const { nodes } = shown.picture.tree;
    const state = now();
    const best = state.ends.length ? t("best_", { words: nodes[state.ends[0]].words, score: fixed(scoreOf(nodes[state.ends[0]], state.alpha)) }) : "";
    view.say(`${describeStep(view, shown.picture.tree, state)} ${best}`);
    reveal();
  };
  const pick = (k) => {
    shown.chosen = k;
    update();
    shown.picture.parts[k].group.focus();
  };
  const point = (k) => { shown.pointed = k; explain(now()); };
  const buttons = stepButtons(view, now, tell);
  const width = view.slider({
    label: t("width"), name: "width", low: 0, high: widths.length - 1, step: 1, value: 0, text: (k) => String(widths[k] ?? ""),
    react: (k) => { put({ width: widths[k] }); tell(); },
  });
  const penalty = view.slider({ label: t("penalty"), name: "penalty", low: 0, high: 2, step: 0.05, value: 1, text: (a) => fixed(a), react: (a) => { put({ length_penalty: round(a) }); tell(); } });
  const swatch = (kind) => html("span", {}, html("span", { class: `s2s-swatch s2s-node-${kind}` }), t(kind));
  view.root.append(
    html("div", { class: "s2s-row" }, widths.length > 1 ? width : `${t("width")} ${widths[0]}`, penalty), buttons.row, sentence, pane,
    html("div", { class: "s2s-legend" }, ["kept", "pruned", "finished", "winner"].map(swatch)), detail,
    html("p", { class: "s2s-caption" }, formula(t("formula"))), html("div", { class: "s2s-scroll" }, table),
  );

  function alive(picture) {
    const under = (event) => event.target.closest?.("[data-node]")?.dataset.node;
    picture.drawing.addEventListener("pointerover", (event) => { if (under(event)) point(Number(under(event))); });
    picture.drawing.addEventListener("pointerleave", () => point(null));
    picture.drawing.addEventListener("click", (event) => { if (under(event)) pick(Number(under(event))); });
    view.key(picture.drawing, walkTree(view, shown, pick));
    return picture;
  }

  function explain(state) { // the node under the pointer, else the chosen one
    const { picture } = shown;
    const k = shown.pointed ?? shown.chosen;
    change(detail, {}, describeNode(view, picture.tree, state, k));
    const lit = new Set(path(picture.tree.nodes, k));
    const won = new Set(state.ends.length ? path(picture.tree.nodes, state.ends[0]) : []);
    picture.parts.forEach(({ group, edge }, n) => {
      group.classList.toggle("s2s-pointed", n === k);
      if (edge) change(edge, { class: `s2s-branch${won.has(n) ? " s2s-won" : ""}${lit.has(n) ? " s2s-lit-branch" : ""}` });
    });
  }

  function update() {
    const tree = trees[widths.indexOf(get("width"))];
    if (shown.picture?.tree !== tree) {
      if (!pictures.has(tree)) pictures.set(tree, alive(drawTree(view, tree)));
      Object.assign(shown, { picture: pictures.get(tree), chosen: 0, pointed: null });
      pane.replaceChildren(shown.picture.drawing);
    }
    const state = now();
    while (tree.nodes[shown.chosen].step > state.step) shown.chosen = tree.nodes[shown.chosen].parent;
    shown.picture.parts.forEach(({ group, edge }, k) => {
      const node = tree.nodes[k];
      const away = node.step > state.step ? "none" : "";
      group.style.display = away;
      if (edge) edge.style.display = away;
      const kind = state.waiting && node.step === state.step ? "waiting" : node.status;
      change(group, { class: `s2s-node-${kind}`, "aria-label": describeNode(view, tree, state, k), tabindex: k === shown.chosen ? 0 : -1, "aria-selected": k === shown.chosen ? "true" : "false" });
    });
    explain(state);
    buttons.put(state);
    width.put(widths.indexOf(tree.width));
    penalty.put(state.alpha);
    change(sentence, {}, describeStep(view, tree, state));
    table.replaceChildren(...ranking(view, tree, state, point));
  }
  return update;
}

export default { render: (context) => show(context, { words: BEAM_WORDS, rebuild: ["trees"], build: buildBeam }) };
