"use strict";
// A filter for each number: how it is spread, and the two ends between which a unit's has to be.
(() => {
  const { draw, spread } = atlas;
  const { BINS } = spread;

  class Filter {
    // Of a number; `element` is to be put into the page.
    constructor(number) {
      this.number = number;
      this.spread = spread.of(number);
      this.element = draw.copy("range").firstElementChild;
      this.element.querySelector("legend").textContent = number.name;
      this.element.title = number.about;
      spread.strip(this.element.querySelector(".ends"), this.spread);
      this.fields = [...this.element.querySelectorAll("[type=number]")];
      this.sliders = [...this.element.querySelectorAll("[type=range]")];
      for (const [index, slider] of this.sliders.entries()) {
        const end = index === 0 ? "from" : "to";
        slider.max = BINS;
        slider.setAttribute("aria-label", `${number.name}, ${end}`);
        this.fields[index].setAttribute("aria-label", `${number.name}, ${end}`);
        slider.addEventListener("input", () => this.slide(index));
      }
      this.write([null, null]);
    }

    // What is asked for: the least and the largest value, null where any will do.
    read() {
      return this.fields.map(({ value }) => (value === "" ? null : Number(value)));
    }

    write(limits) {
      this.element.classList.toggle("asked", limits.some((limit) => limit !== null));
      for (const [index, limit] of limits.entries()) {
        const [field, slider] = [this.fields[index], this.sliders[index]];
        const text = String(limit ?? "");
        if (field !== document.activeElement && field.value !== text) field.value = text;
        if (slider !== document.activeElement) slider.value = this.position(limit, index);
        const end = index === 0 ? this.spread.least : this.spread.largest;
        slider.setAttribute("aria-valuetext", draw.format(limit ?? end));
      }
    }

    // Where a limit is on the strip, whose outer ends stand for no limit.
    position(limit, index) {
      if (limit === null) return index === 0 ? 0 : BINS;
      const { edge } = this.spread;
      const width = edge(BINS) - edge(0) || 1;
      return Math.max(0, Math.min(BINS, Math.round((BINS * (limit - edge(0))) / width)));
    }

    // Takes a limit from a slider, which stops at the other one.
    slide(index) {
      const [from, to] = this.sliders;
      const slider = this.sliders[index];
      const other = Number(this.sliders[1 - index].value);
      const at = Number(slider.value);
      slider.value = slider === from ? Math.min(at, other) : Math.max(at, other);
      const isOpen = Number(slider.value) === (slider === to ? BINS : 0);
      const edge = this.spread.edge(Number(slider.value));
      const limit = this.number.whole ? Math.round(edge) : Number(edge.toPrecision(3));
      this.fields[index].value = isOpen ? "" : limit;
    }
  }

  atlas.Filter = Filter;
})();
