"use strict";
// The pictures of a list of units. Only the rows in sight, and some around them, are in the page.
(() => {
  const { catalogue, draw } = atlas;
  const TARGET = 132; // Width of a tile in pixels where there is room.
  const NARROW = 104; // On a phone.
  const LINE = 1.2; // Height of a line of a caption in rem; there are two, and two more for what was searched for.
  const AROUND = 3; // Rows kept above and below those in sight.

  class Grid {
    constructor(element) {
      this.element = element;
      this.places = [];
      this.hits = () => [];
      this.lines = 2;
      this.sort = undefined;
      this.cells = new Map(); // By position in the list.
      this.current = 0;
      new ResizeObserver(() => this.layout()).observe(element);
      addEventListener("scroll", () => this.draw(), { passive: true });
      element.addEventListener("focusin", ({ target }) => {
        const at = Number(target.closest(".tile")?.dataset.at);
        if (!Number.isNaN(at)) this.setCurrent(at);
      });
    }

    // Shows these units, each with the answers that it was found by and the number that it was sorted by.
    show({ places, hits, isSearched }, sort) {
      this.places = places;
      this.hits = hits;
      this.lines = isSearched ? 4 : 2;
      this.sort = sort;
      this.current = 0;
      this.clear();
      this.layout();
    }

    clear() {
      for (const cell of this.cells.values()) cell.remove();
      this.cells.clear();
    }

    layout() {
      const width = this.element.clientWidth;
      if (width === 0) return;
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
      this.gap = width < 600 ? 0.5 * rem : rem;
      const target = width < 600 ? NARROW : TARGET;
      this.columns = Math.max(2, Math.floor((width + this.gap) / (target + this.gap)));
      this.side = (width + this.gap) / this.columns - this.gap;
      this.height = this.side + (0.35 + LINE * this.lines) * rem + this.gap;
      const rows = Math.ceil(this.places.length / this.columns);
      this.element.style.height = `${Math.max(0, rows * this.height - this.gap)}px`;
      for (const [at, cell] of this.cells) this.put(cell, at);
      this.draw();
    }

    put({ style }, at) {
      const [row, column] = [Math.floor(at / this.columns), at % this.columns];
      style.width = `${this.side}px`;
      style.transform = `translate(${column * (this.side + this.gap)}px, ${row * this.height}px)`;
    }

    draw() {
      if (!this.columns || this.element.clientWidth === 0) return;
      const top = -this.element.getBoundingClientRect().top;
      const rowAt = (y) => Math.floor(y / this.height);
      const from = Math.max(0, (rowAt(top) - AROUND) * this.columns);
      const to = Math.min(
        this.places.length,
        (rowAt(top + innerHeight) + 1 + AROUND) * this.columns,
      );
      for (const [at, cell] of this.cells) {
        if (at < from || at >= to) {
          cell.remove();
          this.cells.delete(at);
        }
      }
      for (let at = from; at < to; at++) if (!this.cells.has(at)) this.add(at);
    }

    add(at) {
      const place = this.places[at];
      const tile = draw.tile(place, this.hits(place));
      tile.dataset.at = at;
      tile.tabIndex = at === this.current ? 0 : -1;
      if (this.sort) tile.querySelector("em").textContent = draw.format(this.sort.values[place]);
      const cell = document.createElement("div");
      cell.setAttribute("role", "listitem");
      cell.setAttribute("aria-setsize", this.places.length);
      cell.setAttribute("aria-posinset", at + 1);
      cell.append(tile);
      this.put(cell, at);
      this.cells.set(at, cell);
      // In the order of the list, for those who go from one to the next.
      const next = [...this.cells.keys()].filter((other) => other > at).sort((a, b) => a - b)[0];
      this.element.insertBefore(cell, this.cells.get(next) ?? null);
    }

    tile(at) {
      return this.cells.get(at)?.firstElementChild;
    }

    setCurrent(at) {
      this.tile(this.current)?.setAttribute("tabindex", -1);
      this.current = at;
      this.tile(at)?.setAttribute("tabindex", 0);
    }

    // Moves to a picture and brings it in sight.
    focus(at) {
      if (this.places.length === 0) return;
      const to = Math.max(0, Math.min(this.places.length - 1, at));
      const y = Math.floor(to / this.columns) * this.height;
      const box = this.element.getBoundingClientRect();
      const bar = document.getElementById("controls").getBoundingClientRect().bottom;
      const above = box.top + y - Math.max(0, bar) - this.gap;
      const below = box.top + y + this.height - innerHeight;
      if (above < 0) scrollBy(0, above);
      else if (below > 0) scrollBy(0, below);
      this.draw();
      this.setCurrent(to);
      this.tile(to)?.focus({ preventScroll: true });
    }

    // Moves by a key's name, and says whether it means anything here.
    move(key) {
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
      const isInside = this.element.contains(document.activeElement);
      if (key === "Home") this.focus(0);
      else if (key === "End") this.focus(this.places.length - 1);
      else if (!(key in steps)) return false;
      else if (!isInside) this.focus(this.current);
      else if (this.places[this.current + steps[key]] !== undefined) this.focus(this.current + steps[key]);
      return true;
    }
  }

  atlas.Grid = Grid;
})();
