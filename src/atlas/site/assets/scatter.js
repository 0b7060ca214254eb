"use strict";
// Two numbers of the units against each other: a point a unit. Dragging filters by both numbers, a click
// opens a unit, and so do the keys.
(() => {
  const { catalogue, draw } = atlas;
  const REACH = 16; // How far from a point a pointer still means it, in pixels.
  const LEAST_DRAG = 6; // What is shorter is a click.

  class Scatter {
    // `filter` is called with pairs of a number's key and its limits when the reader drags.
    constructor(section, filter) {
      this.section = section;
      this.filter = filter;
      this.canvas = section.querySelector("canvas");
      this.brush = section.querySelector(".brush");
      this.card = section.querySelector(".card");
      this.plot = new atlas.Plot(this.canvas);
      const { canvas } = this;
      canvas.addEventListener("pointerdown", (event) => this.press(event));
      canvas.addEventListener("pointermove", (event) => this.hover(event));
      canvas.addEventListener("keydown", (event) => this.key(event));
      canvas.addEventListener("blur", () => this.point(undefined));
      // The card is there as long as the canvas has the focus.
      this.card.addEventListener("mousedown", (event) => event.preventDefault());
      section.querySelector(".plot").addEventListener("pointerleave", ({ pointerType }) => {
        if (pointerType !== "touch" && document.activeElement !== canvas) this.point(undefined);
      });
    }

    // Shows a query's two numbers, or nothing where it has not two.
    show({ places }, { x, y, tap }) {
      [this.x, this.y] = [catalogue.number(x), catalogue.number(y)];
      this.section.hidden = !this.x || !this.y;
      if (this.section.hidden) return;
      const inside = new Set(places);
      const [from, to] = catalogue.span(tap);
      const points = [];
      for (let place = from; place < to; place++) {
        const point = { place, x: this.x.values[place], y: this.y.values[place], isIn: inside.has(place) };
        if (Number.isFinite(point.x) && Number.isFinite(point.y)) points.push(point);
      }
      this.tell(points, to - from - points.length);
      this.card.hidden = true;
      this.plot.show(points);
    }

    tell(points, missing) {
      const many = (count) => `${count.toLocaleString("en")} ${count === 1 ? "unit" : "units"}`;
      const shown = points.filter(({ isIn }) => isIn).length;
      const { section, canvas } = this;
      const title = `${this.y.name} against ${this.x.name.toLowerCase()}`;
      canvas.setAttribute("aria-label", `${title}: ${many(points.length)}, ${shown} of them as asked for`);
      const without = section.querySelector(".missing");
      without.hidden = missing === 0;
      without.textContent = `${many(missing)} without both numbers.`;
    }

    // Marks a point and shows what it is.
    point(point) {
      if (point === this.plot.current) return;
      this.plot.mark(point);
      this.card.hidden = !point;
      if (!point) return;
      const tile = draw.tile(point.place);
      const told = `${this.x.name} ${draw.format(point.x)}, ${this.y.name} ${draw.format(point.y)}`;
      this.card.replaceChildren(...tile.childNodes);
      this.card.href = tile.href;
      this.card.querySelector("b").textContent = catalogue.name(point.place);
      const also = this.card.querySelector(".also");
      [also.hidden, also.textContent] = [false, told];
      this.put(point);
    }

    // Puts the card beside its point, where there is room.
    put(point) {
      const [x, y] = this.plot.at(point);
      const { offsetWidth: width, offsetHeight: height, style } = this.card;
      const { clientWidth, clientHeight } = this.canvas;
      const left = x + 14 + width > clientWidth ? x - 14 - width : x + 14;
      const top = Math.min(Math.max(0, y - height / 2), Math.max(0, clientHeight - height));
      style.transform = `translate(${Math.max(0, left)}px, ${top}px)`;
    }

    pixel({ clientX, clientY }) {
      const { left, top } = this.canvas.getBoundingClientRect();
      return [clientX - left, clientY - top];
    }

    hover(event) {
      if (event.buttons === 0) this.point(this.plot.nearest(this.pixel(event), REACH));
    }

    // Follows a pointer until it is let go: a click, or a box.
    press(down) {
      if (down.button !== 0) return;
      const start = this.pixel(down);
      const stop = new AbortController();
      const isDrag = (event) =>
        down.pointerType !== "touch" &&
        Math.hypot(...this.pixel(event).map((at, axis) => at - start[axis])) >= LEAST_DRAG;
      const move = (event) => this.box(isDrag(event) && [start, this.pixel(event)]);
      const up = (event) => {
        stop.abort();
        this.box(false);
        if (isDrag(event)) this.drag(start, this.pixel(event));
        else this.tap(start, down.pointerType);
      };
      addEventListener("pointermove", move, { signal: stop.signal });
      addEventListener("pointerup", up, { signal: stop.signal });
      addEventListener("pointercancel", () => (stop.abort(), this.box(false)), { signal: stop.signal });
    }

    box(corners) {
      this.brush.hidden = !corners;
      if (!corners) return;
      this.point(undefined);
      const [[x0, y0], [x1, y1]] = corners;
      const { style } = this.brush;
      style.transform = `translate(${Math.min(x0, x1)}px, ${Math.min(y0, y1)}px)`;
      [style.width, style.height] = [`${Math.abs(x1 - x0)}px`, `${Math.abs(y1 - y0)}px`];
    }

    drag(...corners) {
      const [a, b] = corners.map((corner) => this.plot.value(corner));
      const limits = ["x", "y"].map((axis) =>
        [a[axis], b[axis]].sort((one, other) => one - other).map((value) => Number(value.toPrecision(4))),
      );
      this.filter([
        [this.x.key, limits[0]],
        [this.y.key, limits[1]],
      ]);
    }

    // A finger first shows what a point is; a second tap opens it.
    tap(pixel, pointerType) {
      const before = this.plot.current;
      const point = this.plot.nearest(pixel, REACH);
      this.point(point);
      if (point && (pointerType !== "touch" || point === before)) location.hash = this.card.hash;
    }

    // Left and right go along the one axis, up and down along the other.
    key(event) {
      // It may still have the focus when a unit's page has just taken its place.
      if (!this.canvas.offsetParent) return;
      const axis = { ArrowLeft: "x", ArrowRight: "x", ArrowUp: "y", ArrowDown: "y" }[event.key];
      const { current } = this.plot;
      if (event.key === "Enter" && current) location.hash = this.card.hash;
      else if (event.key === "Escape" && current) this.point(undefined);
      else if (axis || event.key === "Home" || event.key === "End") this.step(event.key, axis ?? "x");
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    step(key, axis) {
      const inside = this.plot.points.filter(({ isIn }) => isIn);
      if (inside.length === 0) return;
      inside.sort((a, b) => a[axis] - b[axis] || a.place - b.place);
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1 };
      const at = inside.indexOf(this.plot.current);
      let to = at < 0 ? 0 : Math.max(0, Math.min(inside.length - 1, at + steps[key]));
      if (key === "Home") to = 0;
      if (key === "End") to = inside.length - 1;
      this.point(inside[to]);
      atlas.copy.say(this.card.textContent.replace(/\s+/g, " "));
    }
  }

  atlas.Scatter = Scatter;
})();
