"use strict";
// The search, the sorting, the filters and the scatter's numbers: a form that shows a query and makes one.
(() => {
  const { catalogue } = atlas;
  const NAMES = ["q", "tap", "sort", "only", "x", "y"];

  // The numbers that a scatter begins with, where there are these.
  const FIRST_SCATTER = ["activation", "z"];

  class Controls {
    // `change` is called with a query when the reader makes another.
    constructor(form, change) {
      this.form = form;
      this.fields = form.elements;
      this.query = atlas.route.parse("");
      for (const { key, name } of catalogue.numbers) {
        for (const field of ["sort", "x", "y"]) this.fields[field].append(new Option(name, key));
      }
      this.offer();
      this.filters = new Map(catalogue.numbers.map((number) => [number.key, new atlas.Filter(number)]));
      const panel = form.querySelector("#ranges .panel");
      panel.append(...[...this.filters.values()].map(({ element }) => element));
      form.addEventListener("submit", (event) => event.preventDefault());
      // The scatter's fields are of the form, but elsewhere in the page.
      form.parentElement.addEventListener("input", () => change(this.read()));
    }

    // Shows what there is something to do for.
    offer() {
      const count = catalogue.numbers.length;
      const offers = [
        [catalogue.notes, "flagged", "unflagged"],
        [catalogue.closed, "unopened", "opened"],
      ];
      for (const [places, ...values] of offers) {
        for (const value of values) {
          this.form.querySelector(`[value=${value}]`).hidden = places.size === 0;
        }
      }
      this.fields.only.parentElement.hidden = catalogue.notes.size + catalogue.closed.size === 0;
      this.form.querySelector("#ranges").hidden = count === 0;
      this.fields.scatter.hidden = count < 2;
    }

    read() {
      const query = { reversed: this.query.reversed, ranges: new Map() };
      for (const name of NAMES) query[name] = this.fields[name].value;
      if (!this.isScattered()) query.x = query.y = "";
      for (const [key, filter] of this.filters) {
        const limits = filter.read();
        if (limits.some((limit) => limit !== null)) query.ranges.set(key, limits);
      }
      return query;
    }

    isScattered() {
      return Boolean(catalogue.number(this.query.x) && catalogue.number(this.query.y));
    }

    reversed() {
      return { ...this.read(), reversed: !this.query.reversed };
    }

    withoutRanges() {
      return { ...this.read(), ranges: new Map() };
    }

    // With these limits of some numbers; null for none.
    withRanges(limits) {
      const query = this.read();
      for (const [key, limit] of limits) {
        if (limit) query.ranges.set(key, limit);
        else query.ranges.delete(key);
      }
      return query;
    }

    // With the scatter, or without it where it is shown.
    scattered() {
      const query = this.read();
      if (this.isScattered()) return { ...query, x: "", y: "" };
      const [x, y] = FIRST_SCATTER.every((key) => catalogue.number(key))
        ? FIRST_SCATTER
        : catalogue.numbers.map(({ key }) => key);
      return { ...query, x, y };
    }

    // Shows a query, and leaves alone what the reader is just typing.
    write(query) {
      this.query = query;
      for (const name of NAMES) {
        const field = this.fields[name];
        if (field !== document.activeElement && field.value !== query[name]) field.value = query[name];
      }
      for (const [key, filter] of this.filters) filter.write(query.ranges.get(key) ?? [null, null]);
      this.fields.scatter.setAttribute("aria-pressed", this.isScattered());
      this.fields.sort.options[0].textContent = query.q ? "best match" : "unit";
      const isFalling = Boolean(query.sort) && !catalogue.number(query.sort)?.whole;
      this.fields.order.textContent = isFalling === query.reversed ? "↑" : "↓";
      const badge = this.form.querySelector(".badge");
      badge.hidden = query.ranges.size === 0;
      badge.textContent = query.ranges.size;
    }
  }

  atlas.Controls = Controls;
})();
