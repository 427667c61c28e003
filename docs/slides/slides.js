// Arrange each slide so that it can be read from the last row, then start reveal.js. Before that all slides stand below each
// other, unseen, and are measured. A slide has parts: text t, code c, output o, closing text k. They stand on top of each other
// ("stack") or with the output on the right ("side"); if neither fits, the output takes the place of the code, one key later.

(() => {
"use strict";

// Pixels of text and of code on a slide of 1280 x 720, from comfortable to the least; of the last, the lines stand closer.
const SIZES = [[30, 22], [28, 21], [27, 20], [26, 19], [25, 18], [24, 17], [24, 16]];
const SMALL = [[22, 16], [20, 16], [20, 16, "dense"]];
// Times the natural size of a figure.
const FIGURES = [2.4, 2.2, 2.05, 1.9, 1.75, 1.6, 1.5, 1.4, 1.32, 1.25, 1.18, 1.12, 1.06, 1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65];
const LEAST = 16; // pixels of code
const WIDE = 117; // letters of code in a line of the least size: longer ones are broken
const GRIDS = {
  stack: '"t" auto "c" auto "o" auto "k" 1fr / minmax(0, 1fr)',
  side: '"t o" auto "c o" auto "k o" 1fr / minmax(var(--left), 1fr) auto',
};
const LEFT = 380; // pixels that a text needs beside something; beside a widget, which may shrink, see slides.css
const PARTS = "pre, .scroll, .math.display";

const all = (what, place = document) => [...place.querySelectorAll(what)];
const frames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
const parts = (body, kind) => [...body.children].filter((area) => kind.includes(area.dataset.part));
const grids = (body) => (parts(body, "tk").some((area) => area.offsetHeight) ? ["stack", "side"] : ["stack"]);

// One arrangement; state 0 is before the swap, 1 after it. Returns whether it fits.
async function tries(body, state, grid, figure, [text, code, dense]) {
  const [line, cell, table] = dense ? [1.25, "0.08em 0.4em", "16px"] : [1.38, "0.28em 0.6em", "17px"];
  const size = { text: `${text}px`, code: `${Math.min(code, body.largest)}px` };
  for (const [name, value] of Object.entries({ grid: GRIDS[grid], figure, line, cell, table, ...size }))
    body.style.setProperty(`--${name}${state}`, value);
  body.dataset[`grid${state}`] = grid;
  if (body.widgets) await frames(); // they draw themselves anew
  if (body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 8) return false;
  if (all(PARTS, body).some((part) => part.scrollWidth > part.clientWidth + 1 && !part.closest("details:not([open])"))) return false;
  return grid !== "side" || body.widgets || parts(body, "tck").every((area) => area.clientWidth === 0 || area.clientWidth >= LEFT);
}

// The first arrangement that fits: figures as large as they can be, then the type. Returns whether there is one.
async function first(body, state, { sizes = SIZES, grids = ["stack"], least = 1, most = 3 }) {
  for (const figure of body.pictures ? FIGURES.filter((times) => times >= least && times <= most) : [1])
    for (const grid of grids) {
      if (!(await tries(body, state, grid, figure, sizes.at(-1)))) continue; // larger type would not fit either
      for (const size of sizes) if (await tries(body, state, grid, figure, size)) return true;
    }
  return false;
}

const firstOrSmall = async (body, state, how) => (await first(body, state, how)) || first(body, state, { ...how, sizes: SMALL });

// The largest size at which the lines of code and of what they print are not broken.
function sizeOfCode(body, kinds) {
  let longest = 1;
  for (const pre of parts(body, kinds).flatMap((area) => all("pre", area))) {
    const widths = pre.textContent.split("\n").map((line) => line.replace(/[^\x00-\u2fff]/g, "xx").length);
    pre.classList.toggle("broken", Math.max(...widths) > WIDE);
    longest = Math.max(longest, ...widths.filter((width) => width <= WIDE));
  }
  return Math.max(LEAST, Math.floor(1128 / (0.6 * longest)));
}

// Parts that come or leave with the next key.
const step = (areas, way) => areas.forEach((area) => {
  area.classList.add("fragment", way);
  area.dataset.fragmentIndex = 0;
});
const stay = (areas) => areas.forEach((area) => area.classList.remove("fragment", "leaves", "comes"));
const seen = (body, on) => all(":scope > .fragment", body).forEach((area) => area.classList.toggle("visible", on));

// What cannot be made to fit: the slide scrolls, or, beside the text that says what to do with it, a widget.
function scrolls(body, state) {
  const place = body.widgets && grids(body).includes("side") ? parts(body, "o")[0] : body;
  place.classList.add("scrolls");
  place.tabIndex = 0;
  return tries(body, state, place === body ? "stack" : "side", 1.2, [22, LEAST]);
}

async function arrange(section) {
  const body = section.querySelector(".body");
  const plain = /^t?c?o?k?$/.test([...body.children].map((area) => area.dataset.part).join(""));
  const own = !plain || body.querySelector(".cell.fragment, .result.fragment"); // steps that the author asked for
  body.widgets = body.querySelector(".s2s-widget") !== null;
  body.pictures = body.widgets || body.querySelector("[data-part=o] img, [data-part=o] svg") !== null;
  body.largest = sizeOfCode(body, "tcok");
  body.classList.toggle("flow", !plain);
  const [code, result] = [parts(body, "c"), parts(body, "ok")];
  if (await atOnce(body, own, code.length && result.length)) {
    if (!own && code.length && !body.widgets && section.classList.contains("predict")) step(result, "later");
  } else if (own || body.widgets || !code.length || !result.length) await scrolls(body, 0);
  else await swap(body, code, result);
}

// Everything at once, if text has 24 pixels and figures 1.25 times their size; else it is better seen in two steps.
function atOnce(body, own, both) {
  if (own) return firstOrSmall(body, 0, { sizes: SIZES.slice(1), least: 0.8 });
  if (body.widgets) return first(body, 0, { sizes: [[24, 17]], grids: grids(body).reverse(), least: 0.8, most: 1.25 });
  if (!both) return firstOrSmall(body, 0, {});
  return first(body, 0, { sizes: SIZES.slice(body.pictures ? -2 : 1), grids: ["stack", "side"], least: 1.25 });
}

// The output takes the place of the code: with the text, or without it; at worst it scrolls.
async function swap(body, code, result) {
  step(code, "leaves");
  step(result, "comes");
  if (!(await firstOrSmall(body, 0, { sizes: SIZES.slice(1), least: 1, most: 1 }))) {
    stay([...code, ...result]);
    return scrolls(body, 0);
  }
  seen(body, true);
  body.largest = sizeOfCode(body, "tok");
  const how = { sizes: SIZES.slice(1), grids: grids(body), least: 0.8 };
  if (!(await first(body, 1, how))) {
    step(parts(body, "t"), "leaves");
    seen(body, true);
    if (!(await firstOrSmall(body, 1, { ...how, grids: grids(body), least: 0.65 }))) await scrolls(body, 1);
  }
  return seen(body, false);
}

// What reveal.js does not do by itself.

function opened({ fragment, fragments = [fragment] }, open) {
  for (const part of fragments) if (part.matches("details.unfold")) part.open = open;
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

// What is wider than its place is scrolled by key; of a slide that is not shown no width can be read.
function reachWide() {
  for (const part of all(PARTS)) if (part.scrollWidth > part.clientWidth + 1) part.tabIndex = 0;
}

async function arrangeAll() {
  const answers = all("details.unfold");
  answers.forEach((answer) => (answer.open = true)); // to be measured
  all(".s2s-widget, .scroll, pre").forEach((part) => part.setAttribute("data-prevent-swipe", ""));
  all(".result img").forEach((image) => image.style.setProperty("--wide", image.getAttribute("width") ?? image.naturalWidth));
  await MathJax.startup.promise;
  await MathJax.typesetPromise(all(".math"));
  await document.fonts.ready;
  const contents = document.querySelector(".cover nav ol");
  for (let size = 21; size > 13 && contents.offsetHeight > 590; size -= 0.5) contents.style.fontSize = `${size}px`;
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
