// Alignment explorer: two sentences tied by strings, and the map of the weights; t = -1 or i = -1 chooses none.

const ALIGNMENT_WORDS = {
  title: "Alignment explorer",
  how: "Point at a word or a cell; click to choose it. Or Tab to the map and use the arrow keys. Where does each word look?",
  read: "read", written: "written", strings: "The two sentences, tied by strings",
  map: "Map of the weights: words written are rows, words read are columns", all: "all steps",
  row: "step {step}, {word}", cell: "α({source} → {target}) = {weight}",
  seeAll: "All {m} steps. The thicker a string, the larger the weight.",
  seeOne: "One step. The thicker a string, the larger the weight.",
  seeRow: "Step {step} writes {word} and looks most at {source}: {weight}.",
  seeColumn: "{source} is looked at most by {word}: {weight}.", kind: ", {kind}", sure: "a true link",
  possible: "a possible link", none: "no link", entropy: "entropy H", effective: "effective positions exp(H)",
  of: " of {n}", largest: "largest weight", at: "{weight} at {source}", total: "sum of the column",
  by: "largest weight", mass: "weight on the links", nolink: "this step has no link", hit: "brightest cell",
  yes: "a link", no: "no link", hits: "brightest cell is a link", ofSteps: "in {k} of {m} steps",
  effectives: "effective positions, mean", previous: "previous step", next: "next step", play: "play", stop: "stop",
  everything: "all", solid: "sure link", dashed: "possible link",
  odd: "The weights of step {step} ({word}) add up to {total}, not to 1{others}: was the softmax left out, or the mask put on after it?",
  others: " (nor do those of {more} more)",
};

const label = (x, y, text, attributes = {}) => svg("text", { x, y, ...attributes }, text);
const places = (t, i) => ({ "data-t": t, "data-i": i }); // what a pointer finds under it
const TURN = -60; // degrees, of words that have no room lying down
const RISE = Math.sin((-TURN * Math.PI) / 180);
const argmax = (values) => values.indexOf(Math.max(...values));

// --- what is known before anything is drawn ---

function readAlignment(view) {
  const alpha = view.get("alignment");
  const [target, source] = [view.get("target_tokens"), view.get("source_tokens")];
  const kinds = new Map(view.get("possible").map(([t, i]) => [`${t},${i}`, "possible"]));
  for (const [t, i] of view.get("gold")) kinds.set(`${t},${i}`, "sure");
  const linked = (t) => alpha[t].map((_, i) => kinds.has(`${t},${i}`));
  return {
    alpha, target: target.map((token) => shortened(token)), source: source.map((token) => shortened(token)),
    m: target.length, n: source.length, kinds, kind: (t, i) => kinds.get(`${t},${i}`), linked,
    hit: (t) => linked(t)[argmax(alpha[t])],
    odd: alpha.map((row, t) => [t, sum(row)]).filter(([, total]) => Math.abs(total - 1) > 1e-3),
  };
}

// --- two lines of words, tied by strings ---

function wordLine(view, words, size, width) { // where the words of a line stand, if they all lie down
  const widths = words.map((word) => textWidth(word, size, view.root) + 0.8 * size);
  const gap = clamp((width - sum(widths)) / words.length, 0, 22);
  let x = (width - sum(widths) - gap * (words.length - 1)) / 2;
  return { fits: sum(widths) <= width, widths, x: widths.map((w) => { const middle = x + w / 2; x += w + gap; return middle; }) };
}

function wordPlaces(view, data) { // lying down if there is room, else turned and evenly spaced
  const both = [data.source, data.target];
  const aside = Math.max(...["read", "written"].map((name) => textWidth(view.t(name), 11, view.root))) + 10;
  for (const size of [14, 13, 12]) {
    const lines = both.map((words) => wordLine(view, words, size, view.W - aside));
    if (lines.every((line) => line.fits)) return { size, tall: [26, 26], edge: 0, width: view.W, x: lines.map((line) => line.x.map((x) => aside + x)), wide: lines.map((line) => line.widths) };
  }
  const longer = Math.max(data.m, data.n);
  const size = clamp(view.W / longer - 1, 9, 13);
  const wide = both.map((words) => words.map((word) => textWidth(word, size, view.root) + 4));
  const longest = wide.map((widths) => Math.max(...widths));
  const margin = Math.max(...longest) / 2;
  const step = Math.max((view.W - 2 * margin) / longer, size);
  const width = 2 * margin + step * longer;
  const x = both.map((words) => words.map((_, k) => width / 2 + (k - (words.length - 1) / 2) * step));
  return { size, turned: true, tall: longest.map((w) => w * RISE + 10), edge: 14, width, x, wide };
}

function drawStrings(view, data) {
  const { size, turned, tall, edge, width, x, wide } = wordPlaces(view, data); // edge: a line for "read", another for "written"
  const [high, low] = [edge + tall[0], edge + tall[0] + 96];
  const bottom = low + tall[1];
  const drawing = view.drawing(width, bottom + edge, { role: "img", class: "s2s-strings", style: `width:${width / 16}em;max-width:none` });
  const grey = { class: "s2s-grey s2s-small" };
  drawing.append(label(0, turned ? 11 : high - 6, view.t("read"), grey), label(0, turned ? bottom + 12 : low + 16, view.t("written"), grey));
  const strings = data.alpha.map((row, t) => row.map((weight, i) => {
    if (weight < 0.01) return null;
    const [from, to, bend] = [round(x[0][i]), round(x[1][t]), (high + low) / 2];
    const path = `M${from} ${high}C${from} ${bend} ${to} ${bend} ${to} ${low}`;
    const string = svg("path", { d: path, class: "s2s-string", "stroke-width": round(0.8 + 5 * weight), style: `--weight:${round(0.1 + 0.9 * weight)}` });
    drawing.append(string);
    return string;
  }));
  const word = (text, x, y, above, place, width) => {
    const lit = svg("rect", { x: x - width / 2, y: above ? y - 21 : y + 1, width, height: 20, rx: 4, class: "s2s-lit" });
    const at = turned ? { transform: `rotate(${TURN} ${x} ${y})`, "text-anchor": above ? "start" : "end", x: x + (above ? 3 : -3), y: y + size / 3 } : { "text-anchor": "middle", x, y: above ? y - 6 : y + 16 };
    const mark = turned ? { width: size, x: x - size / 2, height: 4, y: y - 2 } : {};
    const letters = label(0, 0, text, { style: `font-size:${size}px`, ...at });
    drawing.append(svg("g", { ...place, class: "s2s-word" }, change(lit, mark), letters));
    return { lit, letters };
  };
  const sources = data.source.map((text, i) => word(text, x[0][i], high, true, places(-1, i), wide[0][i] - 2));
  const targets = data.target.map((text, t) => word(text, x[1][t], low, false, places(t, -1), wide[1][t] - 2));
  return { drawing, width, strings, sources, targets };
}

// --- the map: a grid with its headers, one tab stop ---

function drawMap(view, data) {
  const { alpha, m, n, source, target } = data;
  const names = target.map((word) => textWidth(word, 13, view.root));
  const left = Math.max(...names, textWidth(view.t("everything"), 13, view.root)) + 14;
  const roomy = clamp((view.W - left - 4) / n, 9, 38);
  const size = clamp(roomy * 0.62, 8, 13);
  const wide = source.map((word) => textWidth(word, size, view.root));
  const turned = Math.max(...wide) > roomy - 2;
  const top = turned ? Math.max(...wide) * RISE + 12 : 22;
  const right = turned ? Math.max(4, ...wide.map((w, i) => w / 2 + 8 - roomy * (n - i - 0.5))) : 4;
  const beside = (view.W - left - right - 215) / n; // leaves room for the numbers at its side
  const cell = clamp(beside < 24 ? (view.W - left - right) / n : beside, 9, 38);
  const [width, height] = [left + n * cell + right, top + m * cell + 4];
  const [x, y] = [(i) => left + i * cell, (t) => top + t * cell];
  const drawing = view.drawing(width, height, { role: "grid", "aria-label": view.t("map"), "aria-rowcount": m + 1, "aria-colcount": n + 1, style: `width:${width / 16}em;max-width:none` });
  const cells = new Map();
  const keep = (t, i, element) => { cells.set(`${t},${i}`, element); return element; };
  const part = (role, t, i, name, ...children) => keep(t, i, svg("g", { role, tabindex: -1, "data-key": `${t},${i}`, "aria-label": name, ...places(t, i) }, children));
  const touch = (x, y, width, height) => svg("rect", { x, y, width, height, fill: "transparent" });
  const corner = part("columnheader", -1, -1, view.t("all"), touch(0, 0, left - 4, top - 2), label(left - 8, top - 7, view.t("everything"), { class: "s2s-grey", "text-anchor": "end", style: "font-size:12px" }));
  const heads = source.map((word, i) => {
    const middle = x(i) + cell / 2;
    const at = turned ? { transform: `rotate(${TURN} ${middle} ${top - 4})`, x: middle + 2, y: top - 4 + size / 3 } : { x: middle, y: top - 7, "text-anchor": "middle" };
    return part("columnheader", -1, i, word, touch(x(i), turned ? top - 16 : 0, cell, turned ? 14 : top - 2), label(0, 0, word, { style: `font-size:${size}px`, ...at }));
  });
  drawing.append(svg("g", { role: "row" }, corner, heads));
  const shown = m * n <= 200 && n <= 16 && cell >= 24;
  const line = cell > 14 ? { stroke: GRID, "stroke-width": 1 } : { "shape-rendering": "crispEdges" };
  for (let t = 0; t < m; t++) {
    const name = part("rowheader", t, -1, "", touch(0, y(t), left - 4, cell), label(left - 8, y(t) + cell / 2 + size / 3, target[t], { "text-anchor": "end", style: `font-size:${size}px` }));
    const row = alpha[t].map((weight, i) => keep(t, i, svg("rect", {
      role: "gridcell", tabindex: -1, "data-key": `${t},${i}`, "aria-label": view.t("cell", { source: source[i], target: target[t], weight: fixed(weight) }) + (data.kind(t, i) ? view.t("kind", { kind: view.t(data.kind(t, i)) }) : ""),
      ...places(t, i), x: x(i), y: y(t), width: cell, height: cell, fill: shade(weight), ...line,
    })));
    drawing.append(svg("g", { role: "row" }, name, row));
  }
  const above = svg("g", { "aria-hidden": "true", style: "pointer-events:none" });
  drawing.append(above);
  if (shown) alpha.forEach((row, t) => row.forEach((weight, i) => above.append(label(x(i) + cell / 2, y(t) + cell / 2 + 4, fixed(weight), {
    "text-anchor": "middle", style: `font-size:${clamp(cell * 0.33, 8.5, 12)}px;fill:${inkOn(weight)};opacity:${weight < 0.005 ? 0.6 : 1}`,
  }))));
  const inner = Math.max(cell * 0.06, 0.8);
  for (const [key, kind] of data.kinds) {
    const [t, i] = key.split(",").map(Number);
    const box = { x: x(i) + inner, y: y(t) + inner, width: cell - 2 * inner, height: cell - 2 * inner, fill: "none" };
    const thick = clamp(cell / 18, 0.9, 2);
    above.append(svg("rect", { ...box, stroke: "#ffffff", "stroke-width": thick * 1.9 }), svg("rect", { ...box, stroke: "#e8452c", "stroke-width": thick, "stroke-dasharray": kind === "sure" ? null : `${cell / 7} ${cell / 10}`, "data-link": kind }));
  }
  const frame = ["#ffffff", "#0072b2"].map((stroke, k) => svg("rect", { fill: "none", stroke, "stroke-width": clamp(cell / 10, 1.2, 2.5) * (k ? 1 : 2), rx: 2, class: "s2s-frame" }));
  above.append(...frame);
  const mark = (t, i) => { // a row, a column or a cell
    const box = { x: i < 0 ? left : x(i), y: t < 0 ? top : y(t), width: i < 0 ? n * cell : cell, height: t < 0 ? m * cell : cell };
    frame.forEach((rect) => change(rect, { ...box, visibility: t < 0 && i < 0 ? "hidden" : null }));
  };
  let last = cells.get("-1,-1");
  const choose = (t, i) => { // the one that Tab comes to
    change(last, { tabindex: -1, "aria-selected": null });
    last = change(cells.get(`${t},${i}`), { tabindex: 0, "aria-selected": "true" });
  };
  return { drawing, cells, mark, choose };
}

// --- what is said beside it ---

function readings(view, data, t, i) { // a sentence, then [name, value] pairs
  const { t: say } = view;
  const { alpha, target, source, m, n } = data;
  const effective = (row) => Math.exp(entropy(row));
  const sums = (t) => !data.odd.some(([s]) => s === t);
  if (t < 0 && i < 0) {
    const linked = alpha.map((_, t) => t).filter((t) => data.linked(t).some(Boolean));
    const good = alpha.filter((_, t) => sums(t));
    return [m === 1 ? say("seeOne") : say("seeAll", { m }), [
      [say("effectives"), good.length ? fixed(sum(good.map(effective)) / good.length, 1) + say("of", { n }) : "–"],
      linked.length ? [say("hits"), say("ofSteps", { k: linked.filter((t) => data.hit(t)).length, m: linked.length })] : null,
    ]];
  }
  if (t < 0) {
    const column = alpha.map((row) => row[i]);
    const best = argmax(column);
    return [say("seeColumn", { source: source[i], word: target[best], weight: fixed(column[best]) }), [[say("total"), fixed(sum(column))], [say("by"), say("at", { weight: fixed(column[best]), source: target[best] })]]];
  }
  const row = alpha[t];
  const best = argmax(row);
  const links = data.linked(t);
  const H = sums(t) ? entropy(row) : undefined;
  const sentence = i < 0 ? say("seeRow", { step: t + 1, word: target[t], source: source[best], weight: fixed(row[best]) })
    : say("cell", { source: source[i], target: target[t], weight: fixed(row[i]) }) + (data.kinds.size ? say("kind", { kind: say(data.kind(t, i) ?? "none") }) : "");
  return [sentence, [
    [say("entropy"), H === undefined ? "–" : `${fixed(H)} nat`],
    [say("effective"), H === undefined ? "–" : fixed(Math.exp(H), 1) + say("of", { n })],
    [say("largest"), say("at", { weight: fixed(row[best]), source: source[best] })],
    data.kinds.size ? [say("mass"), links.some(Boolean) ? fixed(sum(row.filter((_, i) => links[i]))) : say("nolink")] : null,
    data.kinds.size && links.some(Boolean) ? [say("hit"), say(links[best] ? "yes" : "no")] : null,
  ]];
}

// --- all together ---

const joined = ([text, pairs]) => [text, ...pairs.filter(Boolean).map((pair) => pair.join(" "))].join("; ");

function listen(view, map, drawings, now) { // pointing previews, a click or a key chooses
  const under = (event) => {
    const at = event.target.closest?.("[data-t]");
    return at && [Number(at.dataset.t), Number(at.dataset.i)];
  };
  const peek = (cell) => { now.preview = cell; now.update(); };
  for (const drawing of drawings) {
    drawing.addEventListener("pointerover", (event) => { const cell = under(event); if (cell) peek(cell); });
    drawing.addEventListener("pointerleave", () => peek(null));
    drawing.addEventListener("click", (event) => {
      const cell = under(event);
      if (!cell) return;
      const again = cell[0] === view.get("t") && cell[1] === view.get("i"); // chosen already: let it go
      now.choose(...(again ? [-1, -1] : cell));
      now.tell();
    });
  }
  view.key(map.drawing, (key) => {
    const [t, i] = [view.get("t"), view.get("i")];
    const [m, n] = [view.get("target_tokens").length, view.get("source_tokens").length];
    const to = {
      ArrowUp: [t - 1, i], ArrowDown: [t + 1, i], ArrowLeft: [t, i - 1], ArrowRight: [t, i + 1],
      Home: [t, 0], End: [t, n - 1], PageUp: [0, i], PageDown: [m - 1, i],
    }[key];
    if (!to) return false;
    now.choose(clamp(to[0], -1, m - 1), clamp(to[1], -1, n - 1));
    map.cells.get(`${view.get("t")},${view.get("i")}`).focus();
    return true;
  });
}

function stepButtons(view, m, now) {
  const walk = (by) => { // after the last step: everything again
    now.choose(((view.get("t") + 1 + by + m + 1) % (m + 1)) - 1, -1, true);
    now.tell();
    return view.get("t");
  };
  const play = view.button(view.t("play"), "play", () => {
    if (now.timer) return now.stop();
    now.timer = setInterval(() => { if (!play.isConnected || walk(1) < 0) now.stop(); }, 1200);
    change(play, { "aria-pressed": "true" }, view.t("stop"));
    if (walk(1) < 0) walk(1);
  });
  now.stop = () => {
    clearInterval(now.timer);
    now.timer = undefined;
    change(play, { "aria-pressed": "false" }, view.t("play"));
  };
  now.stop();
  const button = (name, act) => view.button(view.t(name), name, () => { now.stop(); act(); });
  const all = () => { now.choose(-1, -1); now.tell(); };
  return html("div", { class: "s2s-row" }, button("previous", () => walk(-1)), button("next", () => walk(1)), play, button("everything", all));
}

function linesOfSentences(view, data) { // room for the longest: what one points at must not move away
  const cells = data.target.map((_, t) => [t, argmax(data.alpha[t])]);
  const all = [[-1, -1], ...cells, ...cells.map(([t]) => [t, -1]), ...data.source.map((_, i) => [-1, i])];
  const widths = all.map(([t, i]) => textWidth(readings(view, data, t, i)[0], 15, view.root));
  return Math.ceil((1.15 * Math.max(...widths)) / view.W);
}

function lightUp(data, ties, t, i) { // the strings and the words of a step, a position, or both
  const { alpha } = data;
  const on = t >= 0 ? ties.strings[t] : i >= 0 ? ties.strings.map((row) => row[i]) : [];
  ties.on?.forEach((string) => string.classList.remove("s2s-on", "s2s-this"));
  ties.on = on.filter(Boolean);
  ties.on.forEach((string) => string.classList.add("s2s-on"));
  if (t >= 0 && i >= 0) ties.strings[t][i]?.classList.add("s2s-this");
  ties.drawing.classList.toggle("s2s-some", on.length > 0);
  const light = ({ lit, letters }, weight, bold) => {
    lit.style.opacity = weight;
    letters.style.fontWeight = bold ? 700 : 400;
  };
  const most = t >= 0 && i < 0 ? argmax(alpha[t]) : i;
  ties.sources.forEach((word, k) => light(word, t >= 0 ? alpha[t][k] : Number(k === i), k === most));
  ties.targets.forEach((word, k) => light(word, k === t ? 1 : t < 0 && i >= 0 ? alpha[k][i] : 0, k === t));
}

function buildAlignment(view) {
  const { t: say, get } = view;
  const data = readAlignment(view);
  const ties = drawStrings(view, data);
  const map = drawMap(view, data);
  const sentence = html("p", { class: "s2s-note", style: `min-height:${1.4 * linesOfSentences(view, data)}em` });
  const numbers = html("div", { class: "s2s-numbers" });
  const pane = html("div", { class: "s2s-scroll s2s-inset", ...(ties.width > view.W ? { tabindex: 0, role: "group", "aria-label": say("strings") } : {}) }, ties.drawing);
  const now = {
    preview: null, // what the pointer is over
    tell: () => view.say(joined(readings(view, data, get("t"), get("i")))),
    choose: (t, i, playing = false) => {
      if (!playing) now.stop();
      now.preview = null;
      view.put({ t, i });
      now.reveal();
    },
    reveal: () => { // a long sentence moves until the chosen word can be seen
      const word = ties.targets[get("t")] ?? ties.sources[get("i")];
      if (!word) return;
      const [place, frame] = [word.letters, pane].map((element) => element.getBoundingClientRect());
      if (place.left < frame.left || place.right > frame.right) pane.scrollLeft += place.left - frame.left - frame.width / 2;
    },
    update: () => {
      const [t, i] = now.preview ?? [get("t"), get("i")];
      lightUp(data, ties, t, i);
      map.mark(t, i);
      map.choose(get("t"), get("i"));
      const [text, pairs] = readings(view, data, t, i);
      change(sentence, {}, text);
      change(ties.drawing, { "aria-label": text });
      numbers.replaceChildren(...pairs.filter(Boolean).map(([name, value]) => html("span", {}, `${name}: `, html("b", {}, value))));
    },
  };
  const buttons = stepButtons(view, data.m, now);
  listen(view, map, [ties.drawing, map.drawing], now);
  data.target.forEach((word, t) => change(map.cells.get(`${t},-1`), { "aria-label": `${say("row", { step: t + 1, word })}: ${joined(readings(view, data, t, -1))}` }));
  data.source.forEach((word, i) => change(map.cells.get(`-1,${i}`), { "aria-label": `${word}: ${joined(readings(view, data, -1, i))}` }));
  const box = (kind, text) => [html("span", { class: `s2s-box s2s-${kind}` }), ` ${say(text)} `];
  const [t, total] = data.odd[0] ?? [];
  view.root.append(...[
    get("title") ? html("p", { class: "s2s-note" }, html("b", {}, get("title"))) : null,
    data.odd.length ? html("p", { class: "s2s-warning", role: "note" }, say("odd", { step: t + 1, word: data.target[t], total: total.toFixed(3), others: data.odd.length > 1 ? say("others", { more: data.odd.length - 1 }) : "" })) : null,
    pane, sentence, buttons,
    html("div", { class: "s2s-beside" },
      html("div", { class: "s2s-scroll s2s-inset" }, map.drawing),
      html("div", { class: "s2s-aside" }, numbers, data.kinds.size ? html("p", { class: "s2s-note" }, box("solid", "solid"), box("dashed", "dashed")) : null)),
  ].filter(Boolean));
  now.reveal();
  return now.update;
}

export default {
  render: (context) => show(context, { words: ALIGNMENT_WORDS, rebuild: ["alignment", "target_tokens", "source_tokens", "gold", "possible", "title"], build: buildAlignment }),
};
