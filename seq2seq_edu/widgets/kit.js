// What all widgets share: elements, the frame around a picture, sliders, dragging, keys, colours.
// A widget's own file follows this one in the same module; it calls show(context, {words, rebuild, build}).
// Before this one stands CHINESE: what widgets.po has for the English words that occur in the module.

const NS = "http://www.w3.org/2000/svg";
const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(NS, tag), attributes, children);

// Attributes whose name begins with "on" are listeners; true is an empty attribute, false and null are none.
function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child != null));
  return made;
}

function change(made, attributes, text) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) made.removeAttribute(name);
    else if (made.getAttribute(name) !== String(value === true ? "" : value)) made.setAttribute(name, value === true ? "" : value);
  }
  if (text !== undefined && made.textContent !== text) made.textContent = text;
  return made;
}

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const round = (x, digits = 2) => Number(x.toFixed(digits));
const fixed = (x, digits = 2) => (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits).replace("-", "\u2212");
const sum = (values) => values.reduce((a, b) => a + b, 0);

// --- the mathematics that several pictures need ---

function softmax(scores, temperature = 1) {
  const top = Math.max(...scores);
  const powers = scores.map((e) => Math.exp((e - top) / temperature));
  const total = sum(powers);
  return powers.map((power) => power / total);
}

const entropy = (weights) => -sum(weights.map((w) => (w > 0 ? w * Math.log(w) : 0)));
const dot = (a, b) => sum(a.map((x, k) => x * b[k]));
const matvec = (matrix, vector) => matrix.map((row) => dot(row, vector));
const mean = (weights, vectors) => vectors[0].map((_, k) => sum(weights.map((w, i) => w * vectors[i][k])));

// --- colours: from 0, the colour of paper, to 1, a deep violet, as in the figures ---

const RAMP = ["#ffffff", "#dee2f3", "#bbc7f1", "#9ca8f6", "#8585fa", "#775df1", "#6739cb", "#502a8e", "#361e55"];
const GRID = "#d9d9d9"; // between cells, which are light on a dark page, too
const channels = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));

function shade(weight) {
  const place = clamp(Number.isFinite(weight) ? weight : 0, 0, 1) * (RAMP.length - 1);
  const k = Math.min(Math.floor(place), RAMP.length - 2);
  const [a, b] = [channels(RAMP[k]), channels(RAMP[k + 1])];
  return "#" + a.map((x, c) => Math.round(x + (b[c] - x) * (place - k)).toString(16).padStart(2, "0")).join("");
}

function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}

const inkOn = (weight) => (luminance(channels(shade(weight))) < 0.19 ? "#ffffff" : "#111111");

function isDark(element) { // the first painted background behind it decides, whatever the program is called
  for (let at = element; at; at = at.parentElement) {
    const [r, g, b, a = 1] = (getComputedStyle(at).backgroundColor.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    if (a > 0.5) return luminance([r, g, b]) < 0.3;
  }
  return false;
}

// --- words in a picture ---

const pen = document.createElement("canvas").getContext("2d");

function textWidth(text, size, element) { // in the units of a drawing; the element says which letters
  pen.font = `${size}px ${getComputedStyle(element).fontFamily || "sans-serif"}`;
  return pen.measureText(text).width;
}

function shortened(token, most = 14) { // to be seen on one line, even if it is empty
  const letters = [...(token.replaceAll("\n", "\\n") || "\u2205")];
  return letters.length > most ? letters.slice(0, most - 1).join("") + "\u2026" : letters.join("");
}

// "e_{t,i} = v_a^T" with its lowered and raised parts, for a page or (make = svg) for a drawing.
function formula(text, make = html) {
  let low = 0;
  return text.split(/([_^](?:\{[^}]*\}|[^\s{}]))/u).filter(Boolean).map((piece) => {
    const kind = piece.length > 1 ? { _: "sub", "^": "sup" }[piece[0]] : undefined;
    const inner = kind ? piece.slice(1).replace(/[{}]/g, "") : piece;
    if (make === html) return kind ? html(kind, {}, inner) : inner;
    const at = { sub: 3.5, sup: -5 }[kind] ?? 0;
    const part = svg("tspan", { dy: at - low, style: kind ? "font-size:0.74em" : null }, inner);
    low = at;
    return part;
  });
}

// Words over columns that are `step` wide: level where they fit, turned where they do not.
// Gives how tall they are, how far the last one juts out, and functions that write them: on a base line (`at`),
// or hanging from a line (`under`).
function headings(labels, x, step, element) {
  const shown = labels.map((label) => shortened(label));
  const wide = shown.map((word) => textWidth(word, 1, element));
  const level = clamp((step - 3) / Math.max(...wide), 0, 14);
  const turned = level < 10.5;
  const size = turned ? clamp(step, 7, 11.5) : level;
  const style = `font-size:${round(size)}px`;
  const at = (base) => shown.map((word, i) => turned
    ? svg("text", { x: 0, y: 0, style, transform: `translate(${x(i) + size * 0.3} ${base}) rotate(-55)` }, word)
    : svg("text", { x: x(i), y: base, style, "text-anchor": "middle" }, word));
  const under = (top) => shown.map((word, i) => turned
    ? svg("text", { x: 0, y: 0, style, "text-anchor": "end", transform: `translate(${x(i) + size * 0.4} ${top + size}) rotate(-55)` }, word)
    : svg("text", { x: x(i), y: top + 14, style, "text-anchor": "middle" }, word));
  return { at, under, tall: turned ? Math.ceil(Math.max(...wide) * size * 0.82 + size * 0.9) : 18, juts: turned ? wide.at(-1) * size * 0.57 : 0 };
}

// --- the frame ---

// widget.words: messages in English, by name, with `title` and `how`; widget.rebuild: names of traits that
// change what there is to draw; widget.build(view): draw once, return a function that shows the present state.
function show({ model, el }, widget) {
  const root = html("div", { class: "s2s" });
  const keys = new WeakMap();
  let update = () => {};
  let drawn = 0;
  let placed = false; // notebook programs draw first and put it on the page later
  let speaking;
  const live = html("div", { class: "s2s-live", "aria-live": "polite" });

  const view = {
    model, root,
    kept: {}, // survives a new drawing: what a widget wants to remember
    rebuild: () => build(),
    t: (name, values = {}) => { // a message in the present language, its {names} filled in
      const english = widget.words[name] ?? name;
      const text = (model.get("language") === "zh" && CHINESE[english]) || english;
      return text.replace(/\{(\w+)\}/g, (_, part) => values[part]);
    },
    get: (name) => model.get(name),
    put: (values) => { // every value a new object: the model compares
      for (const [name, value] of Object.entries(values)) model.set(name, value);
      model.save_changes();
    },
    say: (text) => {
      clearTimeout(speaking);
      speaking = setTimeout(() => (live.textContent = text), 250);
    },
    key: (element, react) => { keys.set(element, react); return element; },
    drag: (element, move, start = () => {}) => {
      element.style.touchAction = "none";
      element.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        element.setPointerCapture(event.pointerId);
        element.focus({ preventScroll: true });
        start(event);
        move(event);
      });
      element.addEventListener("pointermove", (event) => element.hasPointerCapture(event.pointerId) && move(event));
      return element;
    },
    // Pointer position in the units of a drawing.
    at: (event, drawing) => {
      const box = drawing.getBoundingClientRect();
      const [, , width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
      return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    },
    drawing: (width, height, attributes, ...children) =>
      svg("svg", { viewBox: `0 0 ${width} ${height}`, style: `width:${width / 16}em`, ...attributes }, ...children),
    slider: ({ label, name, low, high, step, value, text, react }) => {
      const number = html("output", {}, text(value));
      const range = html("input", { type: "range", min: low, max: high, step, value, "aria-label": label, "data-key": name });
      const put = (x) => { // from outside
        range.value = x;
        change(range, { "aria-valuetext": text(x) });
        number.textContent = text(x);
      };
      range.addEventListener("input", () => { put(Number(range.value)); react(Number(range.value)); });
      put(value);
      return Object.assign(html("label", { class: "s2s-slider" }, html("span", {}, label), range, number), { put });
    },
    button: (label, name, react) =>
      html("button", { type: "button", "data-key": name, onclick: react }, label),
    choice: (label, name, options, value, react) => { // options: [value, text] pairs, as radio buttons
      const inputs = options.map(([option, text]) =>
        html("label", {}, html("input", {
          type: "radio", name: `${name}-${serial}`, value: option, "data-key": `${name}-${option}`,
          checked: option === value, onchange: () => react(option),
        }), html("span", {}, text)));
      const put = (now) => inputs.forEach((label, k) => (label.firstChild.checked = options[k][0] === now));
      const group = html("div", { class: "s2s-choice", role: "radiogroup", "aria-label": label }, html("span", {}, label), inputs);
      return Object.assign(group, { put });
    },
  };

  const serial = (show.serial = (show.serial ?? 0) + 1);
  const em = () => parseFloat(getComputedStyle(root).fontSize) || 16;
  const width = () => clamp(Math.floor((root.clientWidth || 640) / (em() / 16)), 300, 680);

  function build() {
    const language = model.get("language") === "zh" ? "zh" : "en";
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    change(root, { lang: language === "zh" ? "zh-CN" : "en", role: "group", "aria-label": view.t("title"), "data-size": model.get("size") });
    change(root, { "data-dark": isDark(root) });
    const other = language === "zh" ? ["English", "en"] : ["中文", "zh-CN"];
    const switcher = html("button", {
      type: "button", class: "s2s-language", lang: other[1], "data-key": "language",
      onclick: () => view.put({ language: language === "zh" ? "en" : "zh" }),
    }, other[0]);
    const head = html("div", { class: "s2s-head" }, html("span", { class: "s2s-title" }, view.t("title")), switcher);
    root.replaceChildren(head);
    drawn = width();
    placed = root.clientWidth > 0;
    view.W = drawn;
    if (model.get("problem")) {
      update = () => {};
      root.append(html("div", { class: "s2s-problem", role: "alert" }, model.get("problem")));
    } else {
      root.append(html("div", { class: "s2s-how" }, view.t("how")));
      update = widget.build(view);
      update();
    }
    root.append(live);
    if (focused) root.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  }

  // Notebook programs act on plain keys (arrows move between cells, "x" cuts one). Keys pressed in a widget
  // are the widget's; Tab, Escape and everything with Ctrl, Alt, Meta or Shift+Enter stay the program's.
  function guard(event) {
    if (!root.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (["Tab", "Escape"].includes(event.key) || (event.shiftKey && event.key === "Enter")) return;
    event.stopImmediatePropagation();
    for (let at = event.target; at !== root; at = at.parentNode) {
      if (keys.get(at)?.(event.key, event)) { event.preventDefault(); return; }
    }
  }

  const rebuild = ["language", "size", "problem", ...(widget.rebuild ?? [])];
  const names = rebuild.map((name) => `change:${name}`).join(" ");
  let waiting = false; // several traits that change together are drawn once
  const again = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; build(); });
  };
  const refresh = () => { if (!waiting && !model.get("problem")) update(); };
  const restyle = () => change(root, { "data-dark": isDark(root) });
  const resized = new ResizeObserver(() => {
    if (root.clientWidth && (!placed || Math.abs(width() - drawn) > 8)) build();
  });
  const themed = new MutationObserver(restyle);
  el.append(root);
  build();
  model.on(names, again);
  model.on("change", refresh);
  window.addEventListener("keydown", guard, true);
  resized.observe(root);
  for (const place of [document.documentElement, document.body]) themed.observe(place, { attributes: true });
  return () => {
    model.off(names, again);
    model.off("change", refresh);
    window.removeEventListener("keydown", guard, true);
    resized.disconnect();
    themed.disconnect();
    root.remove();
  };
}
