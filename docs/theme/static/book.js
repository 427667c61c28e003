// What a page of the book does beside being read: menu, colours, boxes that scroll, copying code, the place on the page.
"use strict";

(() => {
  const root = document.documentElement;
  const words = () => document.body.dataset;

  function colours() {
    const button = document.querySelector("button.theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const modes = ["auto", "light", "dark"];
    const show = () => {
      const mode = root.dataset.mode;
      root.dataset.theme = mode === "auto" ? (system.matches ? "dark" : "light") : mode;
      button.setAttribute("aria-label", `${button.dataset.label}: ${button.dataset[mode]}`);
      button.title = button.getAttribute("aria-label");
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.mode = modes[(modes.indexOf(root.dataset.mode) + 1) % modes.length];
      try { localStorage.setItem("book-colours", root.dataset.mode); } catch (error) { /* kept for this page alone */ }
      show();
    });
    system.addEventListener("change", show);
    show();
  }

  function menu() { // on a narrow screen
    const button = document.querySelector("button.menu");
    const contents = document.getElementById("contents");
    const turn = (open) => {
      button.setAttribute("aria-expanded", String(open));
      root.classList.toggle("menu-open", open);
      if (open) (contents.querySelector("a.current") ?? contents.querySelector("a")).focus();
    };
    const isOpen = () => button.getAttribute("aria-expanded") === "true";
    button.addEventListener("click", () => turn(!isOpen()));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && isOpen()) { turn(false); button.focus(); }
    });
    document.addEventListener("click", (event) => {
      if (isOpen() && !contents.contains(event.target) && !button.contains(event.target)) turn(false);
    });
    contents.querySelector("a.current")?.scrollIntoView({ block: "nearest" });
    contents.querySelector("a.current")?.setAttribute("aria-current", "page");
  }

  function sections() { // the button that unfolds "On this page" where it has no column of its own
    const button = document.querySelector("nav.here button");
    if (!button) return;
    const turn = (open) => {
      button.setAttribute("aria-expanded", String(open));
      button.parentElement.classList.toggle("open", open);
    };
    button.addEventListener("click", () => turn(button.getAttribute("aria-expanded") !== "true"));
    button.parentElement.addEventListener("click", (event) => { if (event.target.closest("a")) turn(false); });
  }

  function scrollers() { // whatever is wider than its box can be reached by the Tab key, then moved by the arrow keys
    const boxes = document.querySelectorAll(
      "article pre, article .scroll, article div.math, article mjx-container, article span.math, article .text_html");
    for (const box of boxes) {
      const wide = box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible";
      if (wide && !box.hasAttribute("tabindex")) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", words().scroll);
        box.dataset.scrolls = "";
      } else if (!wide && "scrolls" in box.dataset) {
        for (const name of ["tabindex", "role", "aria-label", "data-scrolls"]) box.removeAttribute(name);
      }
    }
  }

  function formulas() { // a formula wider than the text may use the width of the code; in a line it gets a box
    for (const formula of document.querySelectorAll("article div.math")) {
      formula.classList.remove("wide");
      formula.classList.toggle("wide", formula.scrollWidth > formula.clientWidth);
    }
    for (const formula of document.querySelectorAll("article span.math")) {
      formula.classList.remove("wide");
      const line = formula.parentElement.closest("p, li, td, th, dd, h1, h2, h3, h4, summary, div");
      formula.classList.toggle("wide", formula.getBoundingClientRect().width > line.clientWidth);
    }
  }

  function copying() {
    if (!navigator.clipboard) return;
    for (const code of document.querySelectorAll("article .cell_input .highlight, article div.highlight-default .highlight, article div.highlight-python .highlight")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = words().copy;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(code.querySelector("pre").textContent.replace(/\n$/, ""));
        button.textContent = words().copied;
        setTimeout(() => { button.textContent = words().copy; }, 1500);
      });
      code.append(button);
    }
  }

  function place() { // which heading is being read
    const links = new Map([...document.querySelectorAll("nav.here a[href^='#']")].map((a) => [a.hash.slice(1), a]));
    const parts = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
    if (parts.length < 2 || !("IntersectionObserver" in window)) return;
    const mark = () => {
      const passed = parts.filter((part) => part.getBoundingClientRect().top < 140);
      const now = passed.length > 0 ? passed[passed.length - 1].id : "";
      for (const [id, link] of links) link.classList.toggle("now", id === now);
    };
    new IntersectionObserver(mark, { rootMargin: "-130px 0px 0px 0px", threshold: [0, 1] }).observe(parts[0]);
    addEventListener("scroll", mark, { passive: true });
    mark();
  }

  document.addEventListener("DOMContentLoaded", () => {
    colours();
    menu();
    sections();
    copying();
    place();
    scrollers();
    addEventListener("resize", () => { formulas(); scrollers(); });
    addEventListener("toggle", scrollers, true); // an answer is opened
    (window.MathJax?.startup?.promise ?? Promise.resolve()).then(() => { formulas(); scrollers(); root.dataset.ready = ""; });
  });

  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false; // a page may not read another one
})();

// The search page of Sphinx marks the words found with these two. On other pages no word is marked: it would cut formulas.
var SPHINX_HIGHLIGHT_ENABLED = true;
function _highlightText(node, text, className) {
  const lower = text.toLowerCase();
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) if (walker.currentNode.data.toLowerCase().includes(lower)) found.push(walker.currentNode);
  for (const piece of found) {
    const at = piece.data.toLowerCase().indexOf(lower);
    const rest = piece.splitText(at);
    rest.splitText(text.length);
    const mark = document.createElement("mark");
    mark.className = className;
    rest.replaceWith(mark);
    mark.append(rest);
  }
}
