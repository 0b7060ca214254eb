"use strict";
// How a number is spread over units: strips of bars whose outermost ones hold the outermost hundredths.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const BINS = 40;
  const [WIDTH, HEIGHT] = [120, 24]; // Of a strip's view box.

  // The spread of a number over the units of one tap, or of all: the bars' heights, at most 1, the values
  // between which they lie, and the bar that a value falls into.
  const spreads = new Map();
  function spread(number, tap) {
    const key = `${number.key} ${tap?.name}`;
    if (!spreads.has(key)) spreads.set(key, measure(number, tap));
    return spreads.get(key);
  }

  function measure(number, tap) {
    const all = tap ? number.values.slice(tap.first, tap.first + tap.count) : number.values;
    const sorted = all.filter(Number.isFinite).sort();
    // The outermost hundredth on either side would leave the others no room.
    const low = sorted[Math.floor(0.01 * (sorted.length - 1))];
    const high = sorted[Math.ceil(0.99 * (sorted.length - 1))];
    const bin = (value) =>
      Math.max(0, Math.min(BINS - 1, Math.floor((BINS * (value - low)) / (high - low || 1))));
    const bins = new Array(BINS).fill(0);
    for (const value of sorted) bins[bin(value)] += 1;
    const most = Math.max(...bins);
    // Where the bar of this index begins; the first bar begins at the least value, the last ends at the largest.
    const edge = (index) => low + ((high - low) * index) / BINS;
    const [least, largest] = [sorted[0], sorted.at(-1)];
    return { sorted, bins: bins.map((count) => count / most), bin, edge, least, largest };
  }

  // Draws the bars of a spread into an SVG, the one with `value` marked.
  function bars(svg, { bins, bin }, value) {
    const width = WIDTH / BINS;
    const marked = Number.isFinite(value) ? bin(value) : -1;
    svg.replaceChildren(
      ...bins.map((height, index) => {
        const bar = document.createElementNS(SVG, "rect");
        const tall = index === marked ? HEIGHT : height > 0 ? Math.max(1, 22 * height) : 0;
        const sizes = { x: index * width, y: HEIGHT - tall, width: 0.72 * width, height: tall };
        for (const [name, size] of Object.entries(sizes)) bar.setAttribute(name, size);
        bar.classList.toggle("mark", index === marked);
        return bar;
      }),
    );
  }

  // Fills the template `strip`: bars between the least and the largest value.
  function strip(element, spread, value) {
    const [least, largest] = element.querySelectorAll(".end");
    least.textContent = atlas.draw.format(spread.least);
    largest.textContent = atlas.draw.format(spread.largest);
    bars(element.querySelector("svg"), spread, value);
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

  atlas.spread = { BINS, of: spread, strip, shareBelow };
})();
