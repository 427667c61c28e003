// Arrange each slide so that it can be read from the last row, then start reveal.js. Before that all slides stand below each
// other, unseen, and are measured. A slide has parts: text t, code c, output o, closing text k. They stand on top of each other
// ("stack") or with the output on the right ("side"); if neither fits, the output takes the place of the code, one key later.

(() => {
"use strict";

// Pixels of text and of code on a slide of 1280 x 720, from comfortable to the least.
const LEVELS = [[30, 22], [28, 21], [27, 20], [26, 19], [25, 18], [24, 17], [24, 16], [22, 16], [20, 16]];
const [FIRST, MIDDLE, LAST] = [0, 5, LEVELS.length]; // in the middle: text of 24 pixels
const LEAST = 16; // pixels of code
const WIDE = 117; // letters of code in a line of the least size: longer ones are broken
const GRIDS = {
  stack: '"t" auto "c" auto "o" auto "k" 1fr / minmax(0, 1fr)',
  side: '"t o" auto "c o" auto "k o" 1fr / minmax(var(--left), 1fr) auto',
};
const LARGEST = 2.4; // times the natural size of a figure
const LEFT = 380; // pixels that a text needs beside something; beside a widget, which may shrink, see slides.css
const PARTS = "pre, .scroll, .math.display";
const FOLDED = "details:not([open])";

const frames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
const parts = (body, kind) => [...body.children].filter((area) => kind.includes(area.dataset.part));

// One arrangement: {grid, text, code, figure, dense}; state 0 is before the swap, 1 after it.
async function put(body, state, { grid = "stack", text, code, figure = 1, dense = false }) {
  const [line, cell, table] = dense ? [1.25, "0.08em 0.4em", "16px"] : [1.38, "0.28em 0.6em", "17px"];
  const values = { grid: GRIDS[grid], text: `${text}px`, code: `${code}px`, figure, line, cell, table };
  for (const [name, value] of Object.entries(values)) body.style.setProperty(`--${name}${state}`, value);
  body.dataset[`grid${state}`] = grid;
  if (body.widgets) await frames(); // they draw themselves anew
}

function fits(body, side) {
  if (body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 8) return false;
  if ([...body.querySelectorAll(PARTS)].some((part) => part.scrollWidth > part.clientWidth + 1 && !part.closest(FOLDED))) return false;
  return !side || body.widgets || parts(body, "tck").every((area) => area.clientWidth === 0 || area.clientWidth >= LEFT);
}

async function tries(body, state, arrangement) {
  await put(body, state, arrangement);
  return fits(body, arrangement.grid === "side");
}

// The first arrangement that fits, with its figures as large as they can be; null if there is none.
async function first(body, state, arrangements) {
  for (const arrangement of arrangements) {
    if (!(await tries(body, state, arrangement))) continue;
    return arrangement.figure && !body.widgets ? grown(body, state, arrangement) : arrangement;
  }
  return null;
}

async function grown(body, state, arrangement) {
  let [low, high] = [arrangement.figure, LARGEST];
  for (let step = 0; step < 6; step += 1) {
    const figure = (low + high) / 2;
    if (await tries(body, state, { ...arrangement, figure })) low = figure;
    else high = figure;
  }
  const best = { ...arrangement, figure: Math.floor(low * 100) / 100 };
  await put(body, state, best);
  return best;
}

const levels = (body, from, to, more) =>
  LEVELS.slice(from, to).map(([text, code]) => ({ text, code: Math.min(code, body.largest), ...more }));
const dense = { text: 20, code: LEAST, dense: true };

// The largest size at which the lines of code and of what they print are not broken.
function sizeOfCode(body, kinds = "tcok") {
  let longest = 1;
  for (const pre of parts(body, kinds).flatMap((area) => [...area.querySelectorAll("pre")])) {
    const widths = pre.textContent.split("\n").map((line) => line.replace(/[^\x00-\u2fff]/g, "xx").length);
    pre.classList.toggle("broken", Math.max(...widths) > WIDE);
    longest = Math.max(longest, ...widths.filter((width) => width <= WIDE));
  }
  return Math.max(LEAST, Math.floor(1128 / (0.6 * longest)));
}

// Everything at once, if text has 24 pixels and figures 1.25 times their size; else it is better seen in two steps.
function together(body) {
  const some = (from, to, more) => levels(body, from, to, more);
  const natural = body.pictures ? { figure: 1 } : {};
  if (!parts(body, "o").length || !parts(body, "c").length) return [...some(FIRST, LAST, natural), dense];
  if (body.widgets) return playing(body);
  if (!body.pictures) return [...some(FIRST + 1, MIDDLE + 2, {}), ...some(MIDDLE - 1, MIDDLE + 2, { grid: "side" })];
  return [MIDDLE, MIDDLE + 1].flatMap((k) => ["stack", "side"].flatMap((grid) => some(k, k + 1, { figure: 1.25, grid })));
}

const grids = (body) => (parts(body, "tk").some((area) => area.offsetHeight) ? ["side", "stack"] : ["stack"]);

// A widget is drawn anew for each try, so there are few of them.
function playing(body) {
  const [size] = levels(body, MIDDLE, MIDDLE + 1);
  return [1.3, 1.15, 1, 0.9, 0.8].flatMap((figure) => grids(body).map((grid) => ({ ...size, grid, figure })));
}

// After the swap: the arrangement with the largest figure. While the text stays, nothing gets small for its sake.
async function after(body, stays) {
  const end = stays ? MIDDLE + 2 : LAST;
  const some = (from, to, more) => levels(body, from, to, more);
  if (!body.pictures) {
    const tried = [...some(FIRST + 1, end, {}), ...some(MIDDLE, end, { grid: grids(body)[0] })];
    return first(body, 1, stays ? tried : [...tried, dense]);
  }
  const tiers = [[2, MIDDLE + 1, 1.4], [2, MIDDLE + 2, 1.2], [MIDDLE, end, 1], [MIDDLE, end, stays ? 0.85 : 0.65]];
  for (const [from, to, figure] of tiers) {
    const found = [];
    for (const grid of grids(body)) found.push(await first(body, 1, some(from, to, { grid, figure })));
    const best = found.filter(Boolean).sort((a, b) => b.figure - a.figure)[0];
    if (best) {
      await put(body, 1, best);
      return best;
    }
  }
  return null;
}

// Parts that come or leave with the next key.
const step = (areas, way) => areas.forEach((area) => {
  area.classList.add("fragment", way);
  area.dataset.fragmentIndex = 0;
});
const stay = (areas) => areas.forEach((area) => area.classList.remove("fragment", "leaves", "comes"));
const seen = (body, on) => body.querySelectorAll(":scope > .fragment").forEach((area) => area.classList.toggle("visible", on));

// What cannot be made to fit: the slide scrolls, or, beside the text that says what to do with it, a widget.
async function scrolls(body, state) {
  const place = body.widgets && grids(body).includes("side") ? parts(body, "o")[0] : body;
  place.classList.add("scrolls");
  place.tabIndex = 0;
  await put(body, state, place === body ? { text: 22, code: LEAST, figure: 1.2 } : { grid: "side", text: 22, code: LEAST });
}

async function arrange(section) {
  const body = section.querySelector(".body");
  const plain = /^t?c?o?k?$/.test([...body.children].map((area) => area.dataset.part).join(""));
  const own = body.querySelector(".cell.fragment, .result.fragment") !== null; // steps that the author asked for
  body.widgets = body.querySelector(".s2s-widget") !== null;
  body.pictures = body.widgets || body.querySelector("[data-part=o] img, [data-part=o] svg") !== null;
  body.largest = sizeOfCode(body);
  body.classList.toggle("flow", !plain);
  if (own || !plain) {
    const found = await first(body, 0, [...levels(body, FIRST + 1, LAST, body.pictures ? { figure: 0.8 } : {}), dense]);
    return found ?? scrolls(body, 0);
  }
  const [text, code, result] = ["t", "c", "ok"].map((kinds) => parts(body, kinds));
  if (await first(body, 0, together(body))) {
    if (code.length && !body.widgets && section.classList.contains("predict")) step(result, "later");
    return null;
  }
  if (!code.length || !result.length || body.widgets) return scrolls(body, 0);
  step(code, "leaves");
  step(result, "comes");
  if (await first(body, 0, [...levels(body, FIRST + 1, LAST, {}), dense])) return afterwards(body, text);
  stay([...code, ...result]);
  return scrolls(body, 0);
}

// The second state of a slide: with its text, or without it; at worst it scrolls.
async function afterwards(body, text) {
  seen(body, true);
  body.largest = sizeOfCode(body, "tok");
  let found = await after(body, text.length > 0);
  if (!found && text.length) {
    step(text, "leaves");
    seen(body, true);
    found = await after(body);
  }
  if (!found) await scrolls(body, 1);
  seen(body, false);
}

// What reveal.js does not do by itself.

function opened(event, open) {
  for (const part of event.fragments ?? [event.fragment]) if (part.matches("details.unfold")) part.open = open;
}

function scrolled(way) {
  if (Reveal.isOverview()) return way > 0 ? Reveal.down() : Reveal.up();
  const body = Reveal.getCurrentSlide().querySelector(".scrolls");
  const before = body?.scrollTop;
  body?.scrollBy(0, way * 160);
  if (!body || body.scrollTop === before) way > 0 ? Reveal.next() : Reveal.prev();
}

// A widget keeps the keys that are pressed in it; a clicker must turn the slide all the same, and Escape leads out.
function leave(event) {
  const inside = document.activeElement?.closest(".s2s-widget");
  if (!inside || !["PageDown", "PageUp", "Escape"].includes(event.key)) return;
  event.stopImmediatePropagation();
  event.preventDefault();
  document.activeElement.blur();
  if (event.key === "PageDown") Reveal.next();
  if (event.key === "PageUp") Reveal.prev();
}

function fitContents() {
  const list = document.querySelector(".cover nav ol");
  for (let size = 21; size > 13 && list.offsetHeight > 590; size -= 0.5) list.style.fontSize = `${size}px`;
}

// What is wider than its place is scrolled by key; of a slide that is not shown no width can be read.
function reachWide() {
  for (const part of document.querySelectorAll(PARTS)) if (part.scrollWidth > part.clientWidth + 1) part.tabIndex = 0;
}

async function arrangeAll() {
  const all = (what) => [...document.querySelectorAll(what)];
  const answers = all("details.unfold");
  answers.forEach((answer) => (answer.open = true)); // to be measured
  all(".s2s-widget, .scroll, pre").forEach((part) => part.setAttribute("data-prevent-swipe", ""));
  all(".result img").forEach((image) => image.style.setProperty("--wide", image.getAttribute("width") ?? image.naturalWidth));
  await MathJax.startup.promise;
  await MathJax.typesetPromise(all(".math"));
  await document.fonts.ready;
  fitContents();
  for (const section of all(".slides > section > section")) await arrange(section);
  reachWide();
  answers.forEach((answer) => (answer.open = /print-pdf/.test(location.search)));
}

async function start() {
  await arrangeAll().catch((error) => console.error("arranged only in part:", error));
  document.documentElement.classList.remove("fitting");
  await Reveal.initialize({
    width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 6, center: false, hash: true, transition: "none",
    backgroundTransition: "none", navigationMode: "linear", slideNumber: "c/t", controlsTutorial: false, scrollActivationWidth: null,
    pdfSeparateFragments: true, pdfMaxPagesPerSlide: 1, keyboard: { 40: () => scrolled(1), 38: () => scrolled(-1) },
  });
  Reveal.on("slidechanged", reachWide);
  Reveal.on("fragmentshown", (event) => (opened(event, true), reachWide()));
  Reveal.on("fragmenthidden", (event) => opened(event, false));
  document.documentElement.dataset.ready = "yes";
}

window.addEventListener("keydown", leave, true); // before the widgets are there, so that it hears first
window.addEventListener("load", start);
})();
