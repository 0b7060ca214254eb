"use strict";
// A unit's page.
(() => {
  const { catalogue, draw, blur, copy, parts, spread, tray, route } = atlas;
  const { part } = parts;
  const { text } = draw;
  const NEAR = [
    ["near_weights", "Nearest by weights", "The cosine of their incoming weights."],
    ["near_responses", "Nearest by response", "The correlation of their responses."],
  ];

  class Page {
    // Fills the element with a unit; `list` is where the unit before and the one after come from.
    constructor(element, place, record, list) {
      this.element = element;
      this.place = place;
      this.record = record;
      const page = draw.copy("page");
      this.path(page, list);
      this.head(page);
      this.pictures(page);
      this.answers(page);
      this.numbers(page);
      this.commands(page);
      this.near(page);
      element.replaceChildren(page);
      this.blur();
    }

    path(page, { places, link, isAll }) {
      const back = part(page, ".back");
      back.href = link;
      back.textContent = isAll ? "All units" : `${places.length} units found`;
      const at = places.indexOf(this.place);
      for (const [selector, other] of [[".before", places[at - 1]], [".after", places[at + 1]]]) {
        const step = part(page, selector);
        step.hidden = at < 0 || other === undefined;
        if (step.hidden) continue;
        step.href = catalogue.link(other);
        step.textContent = catalogue.units[other];
        step.setAttribute("aria-label", `Unit ${catalogue.name(other)}`);
      }
    }

    head(page) {
      const { place } = this;
      const { name } = catalogue.tapOf(place);
      const address = catalogue.name(place);
      part(page, ".tap a").textContent = name;
      part(page, ".tap a").href = `#/${encodeURIComponent(name)}`;
      const button = copy.button("copy address", `the address ${address}`, address);
      part(page, ".tap").insertBefore(button, part(page, "[data-action=pin]"));
      part(page, "h1").textContent = catalogue.units[place];
      part(page, ".lead").textContent = catalogue.first(place);
      part(page, ".unopened").hidden = !catalogue.closed.has(place);
      const pin = part(page, "[data-action=pin]");
      pin.dataset.place = place;
      tray.write(pin);
      const note = catalogue.notes.get(place);
      part(page, ".note").hidden = note === undefined;
      part(page, ".note span").textContent = note ?? "";
    }

    pictures(page) {
      const { pictures } = this.record;
      const figures = pictures.map((picture) => parts.figure(this.place, picture));
      if (figures.length === 0) figures.push(text("p", "There is no picture of this unit."));
      part(page, ".pictures").append(...figures);
      const examples = parts.examples(this.record);
      part(page, ".examples").hidden = examples.length === 0;
      part(page, ".examples > div").append(...examples);
    }

    answers(page) {
      const { record } = this;
      const known = parts.ANSWERS.filter(([source]) => record[source].length > 0);
      part(page, ".answers").hidden = known.length === 0;
      for (const [source, title] of known) {
        const words = draw.copy("words").firstElementChild;
        part(words, "h2").textContent = title;
        words.append(parts.chips(record[source]));
        part(page, ".ranked").before(words);
      }
      part(page, ".labels").hidden = record.labels.length === 0;
      part(page, ".labels ol").append(...parts.labels(record.labels));
      const response = parts.response(record);
      part(page, ".response").hidden = response === "";
      part(page, ".response p").textContent = response;
    }

    numbers(page) {
      const { place } = this;
      const tap = catalogue.tapOf(place);
      const known = parts.numbers([place]);
      part(page, ".numbers").hidden = known.length === 0;
      for (const number of known) {
        const value = number.values[place];
        const row = draw.copy("number");
        const link = part(row, "a");
        link.textContent = number.name;
        link.title = number.about;
        link.href = `#/?sort=${number.key}`;
        part(row, ".value").textContent = draw.format(value);
        const among = spread.of(number, tap);
        spread.strip(part(row, ".ends"), among, value);
        const share = Math.round(100 * spread.shareBelow(among.sorted, value));
        const below = `above ${share} % of the units of ${tap.name}`;
        part(row, ".where > .hidden-label").textContent = below;
        part(row, "tr").title = `${number.about}; ${below}`;
        part(page, "tbody").append(row);
        part(page, ".numbers dl").append(text("dt", number.name), text("dd", number.about));
      }
    }

    commands(page) {
      const commands = copy.render(this.place, this.record.pictures);
      part(page, ".commands").hidden = commands.length === 0;
      for (const command of commands) {
        const item = document.createElement("li");
        item.append(text("code", command), copy.button("copy", "the render command", command));
        part(page, ".commands ul").append(item);
      }
    }

    near(page) {
      const tap = catalogue.tapOf(this.place).name;
      for (const [source, title, explained] of NEAR) {
        const near = this.record[source];
        if (near.length === 0) continue;
        const row = draw.copy("row");
        part(row, "h2").textContent = title;
        part(row, ".explained").textContent = explained;
        const places = near.map(({ unit }) => catalogue.find(tap, unit));
        const there = places.filter((place) => place !== undefined && place !== this.place);
        const beside = part(row, ".beside");
        beside.hidden = there.length === 0;
        beside.href = route.compare([this.place, ...there.slice(0, tray.most - 1)]);
        const tiles = near.map((one, index) => neighbour(places[index], one));
        part(row, ".strip-of-tiles").append(...tiles);
        part(page, ".more").append(row);
      }
    }

    // Blurs or shows, as the reader wants it.
    blur() {
      this.element.classList.toggle("blurred", blur.isBlurred(this.place));
      parts.writeSwitch(part(this.element, "[data-action=reveal]"), this.place);
    }

    reveal() {
      blur.setShown(this.place, blur.isBlurred(this.place));
      this.blur();
    }

    // Goes to the unit before (".before") or after (".after").
    step(selector) {
      part(this.element, `${selector}:not([hidden])`)?.click();
    }
  }

  // A unit that may not be in the atlas.
  function neighbour(place, { unit, similarity }) {
    if (place === undefined) return text("span", `${unit} (${draw.format(similarity)})`);
    const tile = draw.tile(place);
    part(tile, "em").textContent = draw.format(similarity);
    return tile;
  }

  atlas.Page = Page;
})();
