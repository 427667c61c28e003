// What wide boxes need: whatever is wider than its box can be reached by the Tab key, then moved by the arrow keys.
"use strict";

(() => {
  const BOXES = "pre, div.math, span.math, mjx-container, .output, .s2s-scroll, .pst-scrollable-table-container";
  const reach = () => {
    for (const box of document.querySelectorAll(`article :is(${BOXES})`)) {
      const wide = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
      if (wide) box.tabIndex = 0;
      else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    }
  };
  addEventListener("load", () => {
    addEventListener("resize", () => { reach(); setTimeout(reach, 200); }); // widgets are drawn anew
    addEventListener("toggle", reach, true); // an answer is opened
    (window.MathJax?.startup?.promise ?? Promise.resolve()).then(() => {
      reach();
      document.documentElement.dataset.ready = "";
    });
  });
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false; // a page may not read another one
})();
