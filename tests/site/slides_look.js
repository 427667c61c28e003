// Walks through the slides of a chapter by the right arrow key, and returns what is wrong with any state of any slide.

() => {
  const all = (place, what) => [...place.querySelectorAll(what)];
  const words = (part) => part.textContent.trim().slice(0, 60);
  const size = (part) => parseFloat(getComputedStyle(part).fontSize);
  const seen = (part) => part.offsetHeight > 0 && part.checkVisibility({ visibilityProperty: true });
  const scrolls = (part) => part.closest(".scrolls")?.tabIndex === 0;
  const overflows = (part) => part.scrollWidth > part.clientWidth + 1;
  const drawn = (place) => place.querySelectorAll("mjx-container").length === 1 && !place.querySelector("[data-mjx-error], merror");
  const place = () => JSON.stringify(Reveal.getIndices());
  const found = {
    formulas: all(document, ".math").filter((formula) => !drawn(formula)).map(words),
    pictures: all(document, "img").filter((image) => !image.alt.trim() || !image.naturalWidth).map((image) => image.outerHTML),
    slides: all(document, ".slides > section > section").length,
    hidden: new Set(all(document, ".result").map((result) => result.dataset.cell)), // until they are seen
    cut: [], small: [], cells: [], places: [],
  };

  function look(slide) {
    const body = slide.querySelector(".body");
    const at = (what) => `${slide.id}: ${what}`;
    if (slide.querySelector(".sheet").offsetHeight !== 720 || slide.offsetWidth !== 1280) found.cut.push(at("not 1280 x 720"));
    if (body.scrollHeight > body.clientHeight + 1 && !scrolls(body)) found.cut.push(at("taller than the slide"));
    for (const part of all(slide, "header > *, .cell, .result, .result > *, nav, .keys")) {
      const { left, top, right, bottom } = part.getBoundingClientRect();
      if (!seen(part) || scrolls(part) || (left > -1 && top > -1 && right < 1281 && bottom < 716)) continue;
      found.cut.push(at(`${part.className || part.tagName} from ${left}, ${top} to ${right}, ${bottom}`));
    }
    for (const part of all(slide, "pre, .scroll, .math.display"))
      if (seen(part) && overflows(part) && part.tabIndex !== 0) found.cut.push(at(`wide: ${words(part)}`));
    for (const [what, least] of [[".cell p, .cell li", 20], ["pre, td, th", 16]])
      for (const part of all(slide, what).filter((one) => seen(one) && !one.closest(".s2s-widget")))
        if (size(part) < least) found.small.push(at(`${size(part)} px: ${words(part)}`));
    for (const cell of all(slide, ".cell")) if (seen(cell) || !cell.innerHTML.trim()) found.cells.push(cell.dataset.cell);
    for (const result of all(slide, ".result").filter(seen)) found.hidden.delete(result.dataset.cell);
  }

  while (found.places.at(-1) !== place()) {
    found.places.push(place());
    look(Reveal.getCurrentSlide());
    document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", keyCode: 39, bubbles: true }));
  }
  return { ...found, hidden: [...found.hidden], last: Reveal.isLastSlide() };
}
