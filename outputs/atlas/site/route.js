"use strict";
// The address after the #: `#/TAP/UNIT` is a unit, `#/` or `#/TAP`, with what is asked for after a
// question mark, is the index.
(() => {
  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const numberOf = (text) => (text === "" || Number.isNaN(Number(text)) ? null : Number(text));

  function parse(hash) {
    const [path, search = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
    const [tap = "", unit] = path.split("/").map(decode);
    if (unit !== undefined && unit !== "") {
      return { view: "unit", tap, unit: /^\d+$/.test(unit) ? Number(unit) : NaN };
    }
    const query = { view: "index", tap, q: "", sort: "", only: "", reversed: false, ranges: new Map() };
    for (const [key, value] of new URLSearchParams(search)) {
      if (key === "q" || key === "sort" || key === "only") query[key] = value;
      else if (key === "reversed") query.reversed = true;
      else if (value.includes("..")) query.ranges.set(key, value.split("..", 2).map(numberOf));
    }
    return query;
  }

  function write({ tap, q, sort, only, reversed, ranges }) {
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries({ q, sort, only })) if (value) search.set(key, value);
    if (reversed) search.set("reversed", "");
    for (const [key, [from, to]] of ranges) search.set(key, `${from ?? ""}..${to ?? ""}`);
    const text = search.toString();
    return `#/${encodeURIComponent(tap)}${text && `?${text}`}`;
  }

  // The index that has this word or label.
  const search = (word) => `#/?q=${encodeURIComponent(`"${word.replaceAll('"', " ")}"`)}`;

  atlas.route = { parse, write, search };
})();
