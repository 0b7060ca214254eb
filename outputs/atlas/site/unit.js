"use strict";
// A unit's page.
(() => {
  const { catalogue, draw, blur } = atlas;
  const SOURCES = [
    ["words", "Answers to the words"],
    ["drawings", "Answers to drawings of"],
    ["line_art", "Answers to line art of"],
  ];
  const NEAR = [
    ["near_weights", "Nearest by weights", "The cosine of their incoming weights."],
    ["near_responses", "Nearest by response", "The correlation of their responses."],
  ];
  const part = (page, selector) => page.querySelector(selector);

  class Page {
    // Fills the element with a unit; `list` is where the unit before and the one after come from.
    constructor(element, place, record, list) {
      this.element = element;
      this.place = place;
      this.record = record;
      const page = draw.copy("page");
      this.head(page, list);
      this.pictures(page);
      this.answers(page);
      this.labels(page);
      this.numbers(page);
      this.more(page);
      element.replaceChildren(page);
      this.blur();
    }

    head(page, { places, link, isAll }) {
      const { place } = this;
      const back = part(page, ".back");
      back.href = link;
      back.textContent = isAll ? "All units" : `${places.length} units found`;
      const at = places.indexOf(place);
      for (const [selector, other] of [[".before", places[at - 1]], [".after", places[at + 1]]]) {
        const step = part(page, selector);
        step.hidden = at < 0 || other === undefined;
        if (step.hidden) continue;
        step.href = catalogue.link(other);
        step.textContent = catalogue.units[other];
        step.setAttribute("aria-label", `Unit ${catalogue.name(other)}`);
      }
      const { name } = catalogue.tapOf(place);
      part(page, ".tap a").textContent = name;
      part(page, ".tap a").href = `#/${encodeURIComponent(name)}`;
      part(page, "h1").textContent = catalogue.units[place];
      part(page, ".lead").textContent = catalogue.first(place);
      const note = catalogue.notes.get(place);
      part(page, ".note").hidden = note === undefined;
      part(page, ".note span").textContent = note ?? "";
    }

    pictures(page) {
      const figures = this.record.pictures.map((picture) => this.figure(picture));
      if (figures.length === 0) figures.push(text("p", "There is no picture of this unit."));
      part(page, ".pictures").append(...figures);
    }

    figure(picture) {
      const { shows, variant, file, width, quality } = picture;
      const kind = typeof shows === "string" ? shows : "facet";
      const figure = draw.copy("figure").firstElementChild;
      const image = part(figure, "img");
      image.src = draw.address(file);
      [image.width, image.height] = [width, width];
      const facet = kind === "facet" ? `, facet ${shows.facet}` : "";
      image.alt = `${draw.describe(this.place, kind)}${facet}; variant ${variant}`;
      part(figure, "a").href = draw.address(file);
      part(figure, ".recipe").href = draw.address(file.replace(/\.png$/, ".json"));
      const name = { positive: "Excites", negative: "Silences" }[kind] ?? shows.facet;
      part(figure, "b").textContent = variant > 0 ? `${name} ${variant + 1}` : name;
      part(figure, "span").textContent = qualities(quality);
      figure.classList.add(kind);
      return figure;
    }

    answers(page) {
      for (const [source, title] of SOURCES) {
        if (this.record[source].length === 0) continue;
        const words = draw.copy("words");
        part(words, "h2").textContent = title;
        part(words, "ul").append(...this.record[source].map(chip));
        part(page, ".answers").append(words);
      }
    }

    labels(page) {
      const { labels } = this.record;
      part(page, ".labels").hidden = labels.length === 0;
      const most = Math.max(...labels.map(([, score]) => score));
      part(page, ".labels ol").append(
        ...labels.map(([label, score]) => {
          const item = chip(label);
          const bar = text("span", "");
          bar.className = "bar";
          bar.style.width = `${Math.max(0, (100 * score) / most)}%`;
          item.append(text("span", draw.format(score)), bar);
          return item;
        }),
      );
    }

    numbers(page) {
      const { place } = this;
      const tap = catalogue.tapOf(place);
      const known = catalogue.numbers.filter(({ values }) => Number.isFinite(values[place]));
      part(page, ".numbers").hidden = known.length === 0;
      for (const number of known) {
        const value = number.values[place];
        const row = draw.copy("number");
        const link = part(row, "a");
        link.textContent = number.name;
        link.title = number.about;
        link.href = `#/?sort=${number.key}`;
        part(row, ".value").textContent = draw.format(value);
        const spread = draw.spread(number, tap);
        draw.bars(part(row, "svg"), spread, value);
        const share = draw.shareBelow(spread.sorted, value);
        const below = `above ${Math.round(100 * share)} % of the units of ${tap.name}`;
        part(row, ".where span").textContent = below;
        part(row, "tr").title = `${number.about}; ${below}`;
        part(page, "tbody").append(row);
        part(page, ".numbers dl").append(text("dt", number.name), text("dd", number.about));
      }
    }

    more(page) {
      const tap = catalogue.tapOf(this.place).name;
      for (const [source, title, explained] of NEAR) {
        const near = this.record[source].map(({ unit, similarity }) => neighbour(tap, unit, similarity));
        if (near.length > 0) part(page, ".more").append(row(title, explained, near));
      }
      const examples = this.record.examples.map((file, index) => {
        const link = document.createElement("a");
        const image = document.createElement("img");
        link.href = image.src = draw.address(file);
        image.loading = "lazy";
        image.alt = `Example image ${index + 1} of ${this.record.examples.length}: ${file}`;
        link.className = "example";
        link.append(image);
        return link;
      });
      if (examples.length === 0) return;
      part(page, ".more").append(row("Example images", "Those that it responds to most.", examples));
    }

    // Blurs or shows, as the reader wants it.
    blur() {
      const isBlurred = blur.isBlurred(this.place);
      this.element.classList.toggle("blurred", isBlurred);
      const button = part(this.element, "[data-action=reveal]");
      button.textContent = isBlurred ? "Show the pictures" : "Blur the pictures";
      button.setAttribute("aria-pressed", !isBlurred);
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

  function qualities({ clean, robust_mean, robust_sd, selectivity }) {
    const parts = [
      `activation ${draw.format(clean)}`,
      `robust ${draw.format(robust_mean)} ± ${draw.format(robust_sd)}`,
    ];
    if (selectivity) parts.push(`rank ${selectivity.rank} of ${selectivity.of}`);
    return parts.join(" · ");
  }

  function text(tag, content) {
    const element = document.createElement(tag);
    element.textContent = content;
    return element;
  }

  // A word that leads to the units that have it.
  function chip(word) {
    const item = document.createElement("li");
    const link = text("a", word);
    link.href = atlas.route.search(word);
    item.append(link);
    return item;
  }

  function row(title, explained, items) {
    const section = draw.copy("row");
    part(section, "h2").textContent = title;
    part(section, ".explained").textContent = explained;
    part(section, ".strip-of-tiles").append(...items);
    return section;
  }

  // A unit that may not be in the atlas.
  function neighbour(tap, unit, similarity) {
    const place = catalogue.find(tap, unit);
    if (place === undefined) return text("span", `${unit} (${draw.format(similarity)})`);
    const tile = draw.tile(place);
    part(tile, "em").textContent = draw.format(similarity);
    return tile;
  }

  atlas.Page = Page;
})();
