"use strict";
// Small things that all views draw. Text only ever becomes text.
(() => {
  const { catalogue } = atlas;

  // How a kind of answers is told beside one of them.
  const KINDS = { labels: "label", words: "written", drawings: "drawn", line_art: "line art" };

  // A fresh copy of what a template holds.
  const copy = (id) => document.getElementById(id).content.cloneNode(true);

  // An element with a text.
  function text(tag, content, className = "") {
    const element = document.createElement(tag);
    element.textContent = content;
    element.className = className;
    return element;
  }

  // A path in the atlas' folder as an address.
  const address = (path) => path.split("/").map(encodeURIComponent).join("/");

  // Three significant digits, with a true minus.
  function format(value) {
    if (!Number.isFinite(value)) return "–";
    const isLong = Number.isInteger(value) || Math.abs(value) >= 1000;
    return (isLong ? value.toFixed() : value.toPrecision(3)).replace("-", "−");
  }

  // 1st, 2nd, 3rd, 4th, 11th, 21st.
  function ordinal(number) {
    const isTeen = Math.floor(number / 10) % 10 === 1;
    return `${number}${(!isTeen && ["th", "st", "nd", "rd"][number % 10]) || "th"}`;
  }

  // Which of a unit's pictures the reader has asked to see.
  const shown = new Set();
  const isBlurred = (place) => catalogue.notes.has(place) && !shown.has(place);
  function setShown(place, isShown) {
    if (isShown) shown.add(place);
    else shown.delete(place);
  }

  // Shows the part of a sheet that is a unit's.
  function thumbnail(element, place) {
    const { columns, perSheet } = catalogue.sprites;
    const tap = catalogue.tapOf(place);
    const at = place - tap.first;
    const rows = Math.ceil(Math.min(perSheet, tap.count - at + (at % perSheet)) / columns);
    const [column, row] = [at % columns, Math.floor((at % perSheet) / columns)];
    const percent = (index, count) => `${count > 1 ? (100 * index) / (count - 1) : 0}%`;
    const { style } = element;
    element.classList.toggle("blank", catalogue.blank.has(place));
    element.classList.toggle("blurred", isBlurred(place));
    style.backgroundImage = `url("${address(tap.sheets[Math.floor(at / perSheet)])}")`;
    style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    style.backgroundPosition = `${percent(column, columns)} ${percent(row, rows)}`;
    element.setAttribute("aria-label", describe(place));
  }

  // What a picture of the unit shows, in words.
  function describe(place, kind = "positive") {
    const verb = kind === "negative" ? "silences" : "excites";
    const word = catalogue.first(place);
    const note = catalogue.notes.get(place);
    const isClosed = kind === "positive" && catalogue.closed.has(place);
    if (catalogue.blank.has(place)) return `Unit ${catalogue.name(place)}, no picture`;
    return [
      `Picture of what ${verb} unit ${catalogue.name(place)}`,
      isClosed && "it never opened",
      word && `it answers to ${word}`,
      note && `content note: ${note}`,
    ]
      .filter(Boolean)
      .join("; ");
  }

  // A unit's picture, its number and its first answer; `hits` are the answers that it was found by.
  function tile(place, hits = []) {
    const element = copy("tile").firstElementChild;
    element.href = catalogue.link(place);
    element.dataset.place = place;
    thumbnail(element.querySelector(".thumb"), place);
    element.querySelector(".closed").hidden = !catalogue.closed.has(place);
    element.querySelector("b").textContent = catalogue.units[place];
    element.querySelector("i").textContent = catalogue.first(place);
    const also = element.querySelector(".also");
    also.hidden = hits.length === 0;
    const told = hits.map(({ text, source, at }) => `${text} (${KINDS[source]}, ${ordinal(at + 1)})`);
    also.textContent = also.title = `also: ${told.join(", ")}`;
    return element;
  }

  Object.assign(atlas, {
    draw: { copy, text, address, format, ordinal, thumbnail, describe, tile },
    blur: { isBlurred, setShown },
  });
})();
