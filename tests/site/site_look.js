// What a test of the site asks each page of itself. Every answer is a list of faults, in words.
(() => {
  document.head.insertAdjacentHTML("beforeend", "<style>* { transition: none !important; }</style>"); // colours at once
  const short = (el) => el.outerHTML.replace(/src="data:[^"]*"/g, 'src="data:"').replace(/\s+/g, " ").slice(0, 160);
  const shown = (el) => el.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const all = (selector) => [...document.querySelectorAll(selector)];

  function formulas() {
    const faults = [];
    for (const math of all(".math")) {
      if (!math.querySelector("mjx-container")) faults.push(`not drawn: ${short(math)}`);
    }
    for (const bad of all("mjx-merror, [data-mml-node='merror'], [data-mjx-error]")) faults.push(`error: ${short(bad)}`);
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { data, parentElement } = walker.currentNode;
      if (parentElement.closest("pre, code, script, style, mjx-container, svg, .s2s")) continue;
      if (/\\[([]|\\[a-z]{3,}|\$[^$\n]+\$/.test(data)) faults.push(`raw: ${data.trim().slice(0, 80)}`);
    }
    return faults;
  }

  function pictures() {
    const faults = [];
    for (const img of all("main img")) {
      const alt = (img.getAttribute("alt") ?? "").trim();
      if (!alt || /^[\w./-]+\.(png|svg|jpe?g|gif)$/i.test(alt)) faults.push(`no text: ${short(img)}`);
      if (!img.complete || img.naturalWidth === 0) faults.push(`not loaded: ${short(img)}`);
      const style = getComputedStyle(img);
      const width = img.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
      const height = img.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
      const stretch = (img.naturalWidth / img.naturalHeight) / (width / height);
      if (shown(img) && Math.abs(Math.log(stretch)) > 0.03) faults.push(`stretched: ${short(img)}`);
    }
    return faults;
  }

  function headings() {
    const faults = [];
    const found = all("main :is(h1, h2, h3, h4, h5, h6, [role='heading'])").filter(shown); // one is for print alone
    const levels = found.map((el) => Number(el.tagName[1] ?? el.getAttribute("aria-level")));
    if (levels.filter((level) => level === 1).length !== 1) faults.push(`${levels.filter((l) => l === 1).length} h1`);
    if (levels[0] !== 1) faults.push(`the first heading is h${levels[0]}`);
    found.forEach((el, k) => {
      if (k > 0 && levels[k] > levels[k - 1] + 1) faults.push(`h${levels[k - 1]} is followed by h${levels[k]}: ${el.textContent}`);
      if (!el.textContent.trim()) faults.push(`empty: ${short(el)}`);
    });
    return faults;
  }

  // Colours: text against what lies behind it. Pairs that occur again are computed once.
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  function inherited(compute) { // computed once for each element, from what its parent has
    const known = new Map();
    const value = (el) => {
      if (!known.has(el)) known.set(el, compute(getComputedStyle(el), () => value(el.parentElement), !el.parentElement));
      return known.get(el);
    };
    return value;
  }
  function contrast() {
    const faults = new Map();
    const ground = inherited((style, parent, top) => {
      const colour = parse(style.backgroundColor);
      return colour[3] === 1 ? colour : over(colour, top ? [255, 255, 255, 1] : parent());
    });
    const opacity = inherited((style, parent, top) => Number(style.opacity) * (top ? 1 : parent()));
    const hidden = inherited((style, parent, top) => style.display === "none" || (!top && parent()));
    const judge = (el, style, words) => {
      const behind = ground(el);
      const ink = parse(style.color);
      const front = over([ink[0], ink[1], ink[2], ink[3] * opacity(el)], behind);
      const [a, b] = [light(front), light(behind)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) faults.set(`${style.color} on ${behind.slice(0, 3).map(Math.round)}`, `${ratio.toFixed(2)}: ${words} ${short(el)}`);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const el = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || hidden(el)) continue;
      if (el.closest("script, style, noscript, mjx-container, svg, :disabled, [aria-disabled='true']")) continue;
      if (el.closest("label, .s2s-slider")?.querySelector(":disabled")) continue; // what cannot be used may be pale
      const style = getComputedStyle(el);
      if (style.visibility !== "visible" || opacity(el) === 0) continue;
      judge(el, style, "");
    }
    for (const input of all("input[placeholder]")) judge(input, getComputedStyle(input, "::placeholder"), "placeholder of");
    return [...faults].map(([pair, text]) => `${pair}, ${text}`);
  }

  function overflow() {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const wide = all("main *").filter((el) => el.getBoundingClientRect().right > width + 1);
    const free = wide.filter((el) => {
      for (let at = el.parentElement; at; at = at.parentElement) if (getComputedStyle(at).overflowX !== "visible") return false;
      return true;
    });
    return [`${document.documentElement.scrollWidth} wide, not ${width}`, ...free.slice(0, 3).map(short)];
  }

  function scrolling() { // what scrolls can be reached by the Tab key
    const boxes = all("main *").filter((el) => {
      const style = getComputedStyle(el);
      const sideways = el.scrollWidth > el.clientWidth + 1 && ["auto", "scroll"].includes(style.overflowX);
      const down = el.scrollHeight > el.clientHeight + 1 && ["auto", "scroll"].includes(style.overflowY);
      return (sideways || down) && shown(el);
    });
    return boxes.filter((el) => el.tabIndex < 0 && !el.querySelector("a, button, input, [tabindex]")).map(short);
  }

  function widgets() {
    return all(".s2s-widget[data-widget]").filter((el) => !el.dataset.live || !el.querySelector(".s2s")).map(short);
  }

  function plain() { // before axe looks: it takes seconds for the spans of coloured code and the paths of formulas
    for (const pre of all(".highlight pre")) pre.textContent = pre.textContent;
    for (const svg of all("mjx-container > svg")) svg.replaceChildren();
    for (const math of all("th mjx-container")) math.replaceChildren("formula"); // axe reads no MathML; screen readers do
  }

  window.look = { formulas, pictures, headings, contrast, overflow, scrolling, widgets, plain };
})();
