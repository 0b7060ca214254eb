"use strict";
// Points on a canvas between two axes. Colours and letters are those of the style sheet.
(() => {
  const { draw } = atlas;
  const MARGIN = { left: 56, right: 16, top: 12, bottom: 28 };
  const ROOM = 0.03; // Between the outermost points and the axes, as a share of the whole.
  const [TICK_WIDTH, TICK_HEIGHT] = [110, 56]; // The least distance of two ticks in pixels.

  // An axis from the least to the largest of some values, with some room.
  function axis(values) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const room = ROOM * (high - low) || Math.abs(0.1 * high) || 1;
    return { low: low - room, high: high + room };
  }

  // Round values between the ends of an axis, at most `count`.
  function ticks({ low, high }, count) {
    const rough = (high - low) / Math.max(1, count);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const found = [];
    for (let at = Math.ceil(low / step); at * step <= high; at++) found.push(at * step);
    return found;
  }

  class Plot {
    constructor(canvas) {
      this.canvas = canvas;
      this.points = [];
      new ResizeObserver(() => this.draw()).observe(canvas);
      new MutationObserver(() => this.draw()).observe(document.documentElement, {
        attributes: true,
        attributeFilter: ["data-theme"],
      });
    }

    // Shows points of a place each, `x` and `y`; those that are not `isIn` are pale.
    show(points) {
      this.points = points;
      this.x = axis(points.map(({ x }) => x));
      this.y = axis(points.map(({ y }) => y));
      this.current = undefined;
      this.draw();
    }

    // Marks a point, or none.
    mark(point) {
      this.current = point;
      this.draw();
    }

    get inner() {
      const { left, right, top, bottom } = MARGIN;
      const { clientWidth, clientHeight } = this.canvas;
      return { left, top, width: clientWidth - left - right, height: clientHeight - top - bottom };
    }

    // From values to pixels of the canvas.
    at({ x, y }) {
      const { left, top, width, height } = this.inner;
      return [
        left + (width * (x - this.x.low)) / (this.x.high - this.x.low),
        top + height - (height * (y - this.y.low)) / (this.y.high - this.y.low),
      ];
    }

    // From pixels of the canvas to values.
    value([px, py]) {
      const { left, top, width, height } = this.inner;
      return {
        x: this.x.low + ((this.x.high - this.x.low) * (px - left)) / width,
        y: this.y.low + ((this.y.high - this.y.low) * (top + height - py)) / height,
      };
    }

    // The point that is nearest to a pixel, within so many of them.
    nearest([px, py], within) {
      let [best, found] = [within ** 2, undefined];
      for (const point of this.points) {
        const [x, y] = this.at(point);
        // Where points lie upon each other, one that the filters let through.
        const distance = (x - px) ** 2 + (y - py) ** 2 + (point.isIn ? 0 : 1);
        if (distance < best) [best, found] = [distance, point];
      }
      return found;
    }

    draw() {
      const { canvas, inner } = this;
      if (inner.width <= 0) return;
      const ratio = devicePixelRatio;
      // Its size, even if the same, clears a canvas.
      [canvas.width, canvas.height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
      if (this.points.length === 0) return;
      const pen = canvas.getContext("2d");
      pen.scale(ratio, ratio);
      const style = getComputedStyle(canvas);
      this.axes(pen, style);
      const radius = this.points.length < 500 ? 4 : this.points.length < 4000 ? 3 : 2;
      for (const isIn of [false, true]) {
        pen.fillStyle = style.getPropertyValue(isIn ? "--accent" : "--muted");
        pen.globalAlpha = isIn ? 0.7 : 0.25;
        for (const point of this.points) {
          if (point.isIn === isIn) this.dot(pen, point, radius);
        }
      }
      pen.globalAlpha = 1;
      if (!this.current) return;
      pen.fillStyle = style.getPropertyValue("--accent");
      pen.strokeStyle = style.getPropertyValue("--ink");
      pen.lineWidth = 2;
      this.dot(pen, this.current, radius + 2);
      pen.stroke();
    }

    dot(pen, point, radius) {
      pen.beginPath();
      pen.arc(...this.at(point), radius, 0, 2 * Math.PI);
      pen.fill();
    }

    axes(pen, style) {
      const { left, top, width, height } = this.inner;
      pen.font = `12px ${style.fontFamily}`;
      pen.fillStyle = style.getPropertyValue("--muted");
      pen.strokeStyle = style.getPropertyValue("--line");
      pen.lineWidth = 1;
      [pen.textAlign, pen.textBaseline] = ["center", "top"];
      for (const x of ticks(this.x, width / TICK_WIDTH)) {
        const [px] = this.at({ x, y: 0 }).map((pixel) => Math.round(pixel) + 0.5);
        line(pen, px, top, px, top + height);
        pen.fillText(label(x), px, top + height + 8);
      }
      [pen.textAlign, pen.textBaseline] = ["right", "middle"];
      for (const y of ticks(this.y, height / TICK_HEIGHT)) {
        const [, py] = this.at({ x: 0, y }).map((pixel) => Math.round(pixel) + 0.5);
        line(pen, left, py, left + width, py);
        pen.fillText(label(y), left - 8, py);
      }
    }
  }

  // A tick's number without what rounding left behind it.
  const label = (value) => String(Number(value.toPrecision(6))).replace("-", "−");

  function line(pen, ...[x0, y0, x1, y1]) {
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
  }

  atlas.Plot = Plot;
})();
