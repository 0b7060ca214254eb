"use strict";
// What is shown of one unit, on its own page and beside others.
(() => {
  const { catalogue, draw, copy } = atlas;
  const { text } = draw;
  const part = (page, selector) => page.querySelector(selector);

  // Kinds of answers: their column, what stands above them, and where there is little room.
  const ANSWERS = [
    ["words", "Answers to the words", "Words"],
    ["drawings", "Answers to drawings of", "Drawings"],
    ["line_art", "Answers to line art of", "Line art"],
  ];

  // `positive`, `negative` or `facet`.
  const kindOf = ({ shows }) => (typeof shows === "string" ? shows : "facet");

  // What a picture shows, in a word or two.
  function title(picture) {
    const { shows, variant } = picture;
    const name = { positive: "Excites", negative: "Silences" }[kindOf(picture)] ?? shows.facet;
    return variant > 0 ? `${name} ${variant + 1}` : name;
  }

  // A picture with what is known of it, or, where there is little room, without.
  function figure(place, picture, isBare = false) {
    const { variant, file, width, quality } = picture;
    const kind = kindOf(picture);
    const figure = draw.copy("figure").firstElementChild;
    const image = part(figure, "img");
    image.src = draw.address(file);
    [image.width, image.height] = [width, width];
    const facet = kind === "facet" ? `, facet ${picture.shows.facet}` : "";
    image.alt = `${draw.describe(place, kind)}${facet}; variant ${variant}`;
    part(figure, "a").href = draw.address(file);
    part(figure, "b").textContent = title(picture);
    part(figure, ".closed").hidden = quality.opened !== false;
    part(figure, "figcaption > span").textContent = qualities(quality);
    part(figure, ".recipe").href = draw.address(copy.sidecar(file));
    const replay = copy.replay(file);
    if (replay) part(figure, "figcaption").append(" · ", copy.button("replay", "the replay command", replay));
    if (isBare) part(figure, "figcaption").remove();
    figure.classList.add(kind);
    return figure;
  }

  // The numbers of a picture; those of earlier versions say nothing of the activation alone.
  function qualities({ activation, clean, robust_mean, robust_sd, selectivity }) {
    const isKnown = Number.isFinite(activation);
    const parts = [
      isKnown ? `activation ${draw.format(activation)}` : `objective ${draw.format(clean)}`,
      `robust ${draw.format(robust_mean)} ± ${draw.format(robust_sd)}`,
    ];
    if (selectivity) parts.push(`rank ${selectivity.rank} of ${selectivity.of}`);
    return parts.join(" · ");
  }

  // A word that leads to the units that have it.
  function chip(word) {
    const item = document.createElement("li");
    const link = text("a", word);
    link.href = atlas.route.search(word);
    item.append(link);
    return item;
  }

  // A list of words, best first.
  function chips(words) {
    const list = text("ol", "", "chips");
    list.append(...words.map(chip));
    return list;
  }

  // Labels with bars as long as their scores.
  function labels(labels) {
    const most = Math.max(...labels.map(([, score]) => score));
    return labels.map(([label, score]) => {
      const item = chip(label);
      const bar = text("span", "", "bar");
      bar.style.width = `${Math.max(0, (100 * score) / most)}%`;
      item.append(text("span", draw.format(score)), bar);
      return item;
    });
  }

  // How strongly a unit responds to its picture, and what that is compared with; "" where it was not measured.
  function response({ pictures, statistics }) {
    const measured = pictures.find(({ shows }) => shows === "positive")?.quality.selectivity;
    const usual = statistics ? `${draw.format(statistics.mean)} ± ${draw.format(statistics.sd)}` : "";
    const on = measured?.statistics ?? [...catalogue.statistics].join(", or ");
    const reference = `its usual response${on && ` on ${on}`}${usual && `, ${usual}`}`;
    if (Number.isFinite(measured?.z)) {
      const side = measured.z < 0 ? "below" : "above";
      const far = `${draw.format(Math.abs(measured.z))} standard deviations ${side}`;
      return `On its picture the unit is ${far} ${reference}.`;
    }
    return usual && `${reference[0].toUpperCase()}${reference.slice(1)}.`;
  }

  // Images that the unit responds to most.
  function examples({ examples }) {
    return examples.map((file, index) => {
      const link = text("a", "", "example");
      const image = document.createElement("img");
      link.href = image.src = draw.address(file);
      image.loading = "lazy";
      image.alt = `Example image ${index + 1} of ${examples.length}: ${file}`;
      link.append(image);
      return link;
    });
  }

  // The numbers that any of some units has.
  const numbers = (places) =>
    catalogue.numbers.filter(({ values }) => places.some((place) => Number.isFinite(values[place])));

  // The switch of a unit's content note, as its pictures are.
  function writeSwitch(button, place) {
    const isBlurred = atlas.blur.isBlurred(place);
    button.textContent = isBlurred ? "Show the pictures" : "Blur the pictures";
    button.setAttribute("aria-pressed", !isBlurred);
  }

  atlas.parts = {
    ANSWERS, part, title, figure, chip, chips, labels, response, examples, numbers, writeSwitch,
  };
})();
