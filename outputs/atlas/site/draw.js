"use strict";
// Small things that both views draw. Text only ever becomes text.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const BINS = 40;
  const { catalogue } = atlas;

  // A fresh copy of what a template holds.
  const copy = (id) => document.getElementById(id).content.cloneNode(true);

  // A path in the atlas' folder as an address.
  const address = (path) => path.split("/").map(encodeURIComponent).join("/");

  // Three significant digits, with a true minus.
  function format(value) {
    if (!Number.isFinite(value)) return "–";
    const isLong = Number.isInteger(value) || Math.abs(value) >= 1000;
    return (isLong ? value.toFixed() : value.toPrecision(3)).replace("-", "−");
  }

  // Which of a unit's pictures the reader has asked to see.
  const shown = new Set();
  const isBlurred = (place) => catalogue.notes.has(place) && !shown.has(place);
  function setShown(place, isShown) {
    if (isShown) shown.add(place);
    else shown.delete(place);
  }

  // Shows the part of a sheet that is a unit's.
  function thumbnail(element, place) {
    const { columns, perSheet } = catalogue.sprites;
    const tap = catalogue.tapOf(place);
    const at = place - tap.first;
    const rows = Math.ceil(Math.min(perSheet, tap.count - at + (at % perSheet)) / columns);
    const [column, row] = [at % columns, Math.floor((at % perSheet) / columns)];
    const percent = (index, count) => `${count > 1 ? (100 * index) / (count - 1) : 0}%`;
    const { style } = element;
    element.classList.toggle("blank", catalogue.blank.has(place));
    element.classList.toggle("blurred", isBlurred(place));
    style.backgroundImage = `url("${address(tap.sheets[Math.floor(at / perSheet)])}")`;
    style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    style.backgroundPosition = `${percent(column, columns)} ${percent(row, rows)}`;
    element.setAttribute("aria-label", describe(place));
  }

  // What a picture of the unit shows, in words.
  function describe(place, kind = "positive") {
    const verb = kind === "negative" ? "silences" : "excites";
    const word = catalogue.first(place);
    const note = catalogue.notes.get(place);
    if (catalogue.blank.has(place)) return `Unit ${catalogue.name(place)}, no picture`;
    return [
      `Picture of what ${verb} unit ${catalogue.name(place)}`,
      word && `it answers to ${word}`,
      note && `content note: ${note}`,
    ]
      .filter(Boolean)
      .join("; ");
  }

  function tile(place, word = catalogue.first(place)) {
    const element = copy("tile").firstElementChild;
    element.href = catalogue.link(place);
    element.dataset.place = place;
    thumbnail(element.querySelector(".thumb"), place);
    element.querySelector("b").textContent = catalogue.units[place];
    element.querySelector("i").textContent = word;
    return element;
  }

  // How a number is spread over the units of one tap, or of all: the heights of bars, at most 1.
  const spreads = new Map();
  function spread(number, tap) {
    const key = `${number.key} ${tap?.name}`;
    if (!spreads.has(key)) {
      const all = tap ? number.values.slice(tap.first, tap.first + tap.count) : number.values;
      const sorted = all.filter(Number.isFinite).sort();
      // The outermost hundredth on either side would leave the others no room.
      const low = sorted[Math.floor(0.01 * (sorted.length - 1))];
      const high = sorted[Math.ceil(0.99 * (sorted.length - 1))];
      const bins = new Array(BINS).fill(0);
      const bin = (value) =>
        Math.max(0, Math.min(BINS - 1, Math.floor((BINS * (value - low)) / (high - low || 1))));
      for (const value of sorted) bins[bin(value)] += 1;
      const most = Math.max(...bins);
      spreads.set(key, { sorted, bins: bins.map((count) => count / most), bin });
    }
    return spreads.get(key);
  }

  // Bars of a spread, the one with `value` marked.
  function bars(svg, { bins, bin }, value) {
    const width = 120 / BINS;
    const marked = Number.isFinite(value) ? bin(value) : -1;
    svg.replaceChildren(
      ...bins.map((height, index) => {
        const bar = document.createElementNS(SVG, "rect");
        const tall = index === marked ? 24 : height > 0 ? Math.max(1, 22 * height) : 0;
        const sizes = { x: index * width, y: 24 - tall, width: 0.72 * width, height: tall };
        for (const [name, size] of Object.entries(sizes)) bar.setAttribute(name, size);
        bar.classList.toggle("mark", index === marked);
        return bar;
      }),
    );
  }

  // The share of sorted numbers that are below a value.
  function shareBelow(sorted, value) {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low / sorted.length;
  }

  Object.assign(atlas, {
    draw: { copy, address, format, thumbnail, describe, tile, spread, bars, shareBelow },
    blur: { isBlurred, setShown },
  });
})();
