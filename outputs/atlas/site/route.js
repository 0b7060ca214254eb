"use strict";
// The address after the #: `#/TAP/UNIT` is a unit, `#/compare/TAP:UNIT/TAP:UNIT` several beside each other,
// `#/` or `#/TAP`, with what is asked for after a question mark, is the index.
(() => {
  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const numberOf = (text) => (text === "" || Number.isNaN(Number(text)) ? null : Number(text));

  // What an index asks for as texts; `x` and `y` are the numbers of its scatter.
  const TEXTS = ["q", "sort", "only", "x", "y"];

  function parse(hash) {
    const [path, search = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
    const [tap = "", unit, ...others] = path.split("/").map(decode);
    if (tap === "compare") {
      return { view: "compare", addresses: [unit, ...others].filter(Boolean) };
    }
    if (unit !== undefined && unit !== "") {
      return { view: "unit", tap, unit: /^\d+$/.test(unit) ? Number(unit) : NaN };
    }
    const query = { view: "index", tap, reversed: false, ranges: new Map() };
    for (const key of TEXTS) query[key] = "";
    for (const [key, value] of new URLSearchParams(search)) {
      if (TEXTS.includes(key)) query[key] = value;
      else if (key === "reversed") query.reversed = true;
      else if (value.includes("..")) query.ranges.set(key, value.split("..", 2).map(numberOf));
    }
    return query;
  }

  function write({ tap, reversed, ranges, ...texts }) {
    const search = new URLSearchParams();
    for (const key of TEXTS) if (texts[key]) search.set(key, texts[key]);
    if (reversed) search.set("reversed", "");
    for (const [key, [from, to]] of ranges) search.set(key, `${from ?? ""}..${to ?? ""}`);
    const text = search.toString();
    return `#/${encodeURIComponent(tap)}${text && `?${text}`}`;
  }

  // The index that has this word or label.
  const search = (word) => `#/?q=${encodeURIComponent(`"${word.replaceAll('"', " ")}"`)}`;

  // These units beside each other.
  const compare = (places) => {
    const names = places.map((place) => encodeURIComponent(atlas.catalogue.name(place)));
    return `#/compare/${names.join("/")}`;
  };

  atlas.route = { parse, write, search, compare };
})();
