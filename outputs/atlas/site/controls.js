"use strict";
// The search, the sorting and the filters: a form that shows a query and makes one.
(() => {
  const { catalogue, draw } = atlas;

  class Controls {
    // `change` is called with a query when the reader makes another.
    constructor(form, change) {
      this.form = form;
      this.fields = form.elements;
      this.query = atlas.route.parse("");
      for (const { key, name } of catalogue.numbers) {
        this.fields.sort.append(new Option(name, key));
      }
      form.querySelector("[data-if=notes]").hidden = catalogue.notes.size === 0;
      this.ranges = new Map(catalogue.numbers.map((number) => [number.key, this.range(number)]));
      form.querySelector("#ranges").hidden = catalogue.numbers.length === 0;
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("input", () => change(this.read()));
    }

    range(number) {
      const fieldset = draw.copy("range").firstElementChild;
      fieldset.querySelector("legend").textContent = number.name;
      fieldset.title = number.about;
      draw.bars(fieldset.querySelector("svg"), draw.spread(number));
      this.form.querySelector("#ranges .panel").append(fieldset);
      return [...fieldset.querySelectorAll("input")];
    }

    read() {
      const { q, tap, sort, only } = this.fields;
      const ranges = new Map();
      for (const [key, inputs] of this.ranges) {
        const limits = inputs.map(({ value }) => (value === "" ? null : Number(value)));
        if (limits.some((limit) => limit !== null)) ranges.set(key, limits);
      }
      const { reversed } = this.query;
      return { q: q.value, tap: tap.value, sort: sort.value, only: only.value, ranges, reversed };
    }

    reversed() {
      return { ...this.read(), reversed: !this.query.reversed };
    }

    withoutRanges() {
      return { ...this.read(), ranges: new Map() };
    }

    // Shows a query, and leaves alone what the reader is just typing.
    write(query) {
      this.query = query;
      const set = (field, value) => {
        if (field !== document.activeElement && field.value !== value) field.value = value;
      };
      for (const name of ["q", "tap", "sort", "only"]) set(this.fields[name], query[name]);
      for (const [key, inputs] of this.ranges) {
        const limits = query.ranges.get(key) ?? [null, null];
        inputs.forEach((input, index) => set(input, String(limits[index] ?? "")));
      }
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
