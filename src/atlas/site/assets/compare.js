"use strict";
// Two or three units beside each other: a table with a column a unit.
(() => {
  const { catalogue, draw, blur, parts, route, search, tray } = atlas;
  const { part } = parts;
  const { text } = draw;

  class Comparison {
    // Fills the element with units; `lost` are addresses that are none of this atlas.
    constructor(element, places, records, list, lost) {
      this.element = element;
      this.places = places;
      this.records = records;
      const page = draw.copy("comparison");
      part(page, ".back").href = list.link;
      part(page, ".back").textContent = list.isAll ? "All units" : `${list.places.length} units found`;
      part(page, ".lost").hidden = lost.length === 0;
      part(page, ".lost").textContent = lost.map((name) => `There is no unit ${name} in this atlas.`).join(" ");
      part(page, ".head").append(...places.map((place) => this.head(place)));
      part(page, "table").hidden = places.length === 0;
      const rows = [...this.pictures(), ...this.answers(), ...this.numbers()];
      part(page, "tbody").append(...rows.filter((row) => row !== null));
      this.form(page);
      element.style.setProperty("--units", places.length);
      element.replaceChildren(page);
      this.blur();
    }

    head(place) {
      const head = draw.copy("compared").firstElementChild;
      const link = part(head, "a");
      link.href = catalogue.link(place);
      link.textContent = catalogue.name(place);
      part(head, ".lead").textContent = catalogue.first(place);
      part(head, ".closed").hidden = !catalogue.closed.has(place);
      const remove = part(head, ".remove");
      remove.href = route.compare(this.places.filter((other) => other !== place));
      remove.setAttribute("aria-label", `Do not compare ${catalogue.name(place)}`);
      const note = catalogue.notes.get(place);
      part(head, ".note").hidden = note === undefined;
      part(head, ".note span").textContent = note ?? "";
      part(head, "[data-action=reveal]").dataset.place = place;
      return head;
    }

    // A row for each picture that any of the units has.
    pictures() {
      const titles = new Set(this.records.flatMap(({ pictures }) => pictures.map(parts.title)));
      const rows = [...titles].map((title) =>
        this.row(title, "", (place, record) => {
          const picture = record.pictures.find((picture) => parts.title(picture) === title);
          return picture && [parts.figure(place, picture, true)];
        }),
      );
      return [...rows, this.row("Example images", "", (_, record) => parts.examples(record), "examples")];
    }

    // A row for each kind of answers; those that several units share stand out.
    answers() {
      const rows = parts.ANSWERS.map(([source, , title]) => {
        const counts = new Map();
        for (const word of this.records.flatMap((record) => record[source])) {
          counts.set(word, (counts.get(word) ?? 0) + 1);
        }
        return this.row(title, "", (_, record) => {
          if (record[source].length === 0) return [];
          const list = parts.chips(record[source]);
          for (const [index, word] of record[source].entries()) {
            list.children[index].classList.toggle("shared", counts.get(word) > 1);
          }
          return [list];
        });
      });
      const labels = this.row("Labels", "", (_, { labels }) => {
        const list = text("ol", "", "bars");
        list.append(...parts.labels(labels));
        return labels.length > 0 && [list];
      });
      const response = this.row("Response", "", (_, record) => {
        const told = parts.response(record);
        return told && [text("p", told)];
      });
      return [...rows, labels, response];
    }

    numbers() {
      return parts.numbers(this.places).map(({ name, about, values }) =>
        this.row(name, about, (place) => [text("span", draw.format(values[place]), "value")]),
      );
    }

    // A row with what `cell` gives for each unit; null where it gives nothing for all.
    row(title, about, cell, name = "") {
      const cells = this.places.map((place, index) => cell(place, this.records[index]) || []);
      if (cells.every((parts) => parts.length === 0)) return null;
      const row = text("tr", "", name);
      const head = text("th", title);
      [head.scope, head.title] = ["row", about];
      row.append(head);
      for (const [index, parts] of cells.entries()) {
        const cell = document.createElement("td");
        cell.dataset.place = this.places[index];
        cell.append(...(parts.length > 0 ? parts : ["–"]));
        row.append(cell);
      }
      return row;
    }

    // Adds the unit of an address, or the first that is found by what is typed.
    form(page) {
      const form = part(page, "form");
      form.hidden = this.places.length >= tray.most;
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const { value } = form.elements.unit;
        const { places } = catalogue.select({ q: value });
        const place = search.addressed(catalogue, value) ?? places.find((one) => !this.places.includes(one));
        form.querySelector(".none").hidden = place !== undefined;
        if (place !== undefined) location.hash = route.compare([...new Set([...this.places, place])]);
      });
    }

    blur() {
      for (const cell of this.element.querySelectorAll("td")) {
        cell.classList.toggle("blurred", blur.isBlurred(Number(cell.dataset.place)));
      }
      for (const button of this.element.querySelectorAll("[data-action=reveal]")) {
        parts.writeSwitch(button, Number(button.dataset.place));
      }
    }

    // Shows or blurs a unit's pictures, or those of all with a content note.
    reveal(place) {
      const noted = this.places.filter((other) => catalogue.notes.has(other));
      const isShown = noted.some((other) => blur.isBlurred(other));
      if (place !== undefined) blur.setShown(place, blur.isBlurred(place));
      else for (const other of noted) blur.setShown(other, isShown);
      this.blur();
    }
  }

  atlas.Comparison = Comparison;
})();
