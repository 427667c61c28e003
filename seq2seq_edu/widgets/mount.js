// On a page without a kernel: put the live widget in the place of its static picture.

function pageModel(state) { // what a widget asks of a model, with nobody on the other side
  const listeners = new Map();
  const fire = (name) => [...(listeners.get(name) ?? [])].forEach((react) => react());
  const each = (names, act) => names.split(" ").forEach(act);
  return {
    get: (name) => state[name],
    set: (name, value) => {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = value;
      fire(`change:${name}`);
      fire("change");
    },
    on: (names, react) => each(names, (name) => listeners.set(name, (listeners.get(name) ?? new Set()).add(react))),
    off: (names, react) => each(names, (name) => listeners.get(name)?.delete(react)),
    save_changes: () => {},
  };
}

function mountAll() {
  for (const place of document.querySelectorAll("div.s2s-widget[data-state]")) {
    const draw = registry[place.dataset.widget];
    if (!draw || place.dataset.live) continue;
    place.dataset.live = "yes";
    const still = [...place.childNodes];
    const stage = document.createElement("div");
    place.append(stage);
    try {
      place.model = pageModel(JSON.parse(place.dataset.state));
      draw.render({ model: place.model, el: stage });
      still.forEach((child) => child.remove());
    } catch (error) {
      stage.remove(); // the picture stays
      throw error;
    }
  }
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
else mountAll();
