"use strict";
// The index: one entry a unit in every column, in the order of taps and units. A unit is known by its
// place in the columns.
(() => {
  const { search } = atlas;

  class Catalogue {
    constructor(data) {
      Object.assign(this, data);
      this.size = this.units.length;
      // Kinds of answers, the one that names a unit first.
      this.sources = ["labels", "words", "drawings", "line_art"];
      for (const number of this.numbers) {
        number.values = Float64Array.from(number.values, (value) => value ?? NaN);
      }
      let first = 0;
      for (const tap of this.taps) {
        tap.first = first;
        first += tap.count;
        const units = this.units.slice(tap.first, first);
        tap.places = new Map(units.map((unit, place) => [unit, tap.first + place]));
      }
      this.folded = this.vocabulary.map(search.fold);
      this.notes = new Map(this.flags);
      this.blank = new Set(this.unpictured);
      this.closed = new Set(this.unopened);
    }

    tapOf(place) {
      return this.taps.findLast((tap) => tap.first <= place);
    }

    // The place of a unit, or undefined.
    find(tap, unit) {
      return this.taps.find((known) => known.name === tap)?.places.get(unit);
    }

    name(place) {
      return `${this.tapOf(place).name}:${this.units[place]}`;
    }

    link(place) {
      return `#/${encodeURIComponent(this.tapOf(place).name)}/${this.units[place]}`;
    }

    number(key) {
      return this.numbers.find((number) => number.key === key);
    }

    // What a unit is first said to answer to, or "".
    first(place) {
      for (const source of this.sources) {
        const word = this[source][place][0];
        if (word !== undefined) return this.vocabulary[word];
      }
      return "";
    }

    // The places from the first to the last of a tap, or of all.
    span(tap) {
      const known = this.taps.find((one) => one.name === tap);
      return known ? [known.first, known.first + known.count] : [0, this.size];
    }

    // The places that fit a query, in its order, and for each of them the answers that it was found by.
    select({ tap = "", q = "", only = "", ranges = new Map(), sort = "", reversed = false }) {
      const [from, to] = this.span(tap);
      const matches = search.terms(q).map((term) => search.matcher(this, term));
      const limits = [...ranges].map(([key, range]) => [this.number(key)?.values, range]);
      const places = [];
      const distance = new Float64Array(this.size);
      for (let place = from; place < to; place++) {
        if (!this.isShown(place, only)) continue;
        if (!limits.every(([values, range]) => isWithin(values?.[place], range))) continue;
        let sum = 0;
        for (const match of matches) sum += match(place).distance;
        if (sum === Infinity) continue;
        distance[place] = sum;
        places.push(place);
      }
      this.order(places, sort, reversed, matches.length > 0 && distance);
      return { places, isSearched: matches.length > 0, hits: (place) => this.hits(place, matches) };
    }

    // Whether a unit is one of those that the field "Show" names.
    isShown(place, only) {
      switch (only) {
        case "flagged":
        case "unflagged":
          return (only === "flagged") === this.notes.has(place);
        case "unopened":
        case "opened":
          return (only === "unopened") === this.closed.has(place);
        default:
          return true;
      }
    }

    // The answers that a unit was found by, each once; not the one that names it.
    hits(place, matches) {
      const hits = new Map();
      for (const match of matches) {
        const { word, source, at } = match(place);
        const text = this.vocabulary[word];
        if (text !== undefined && text !== this.first(place)) hits.set(text, { text, source, at });
      }
      return [...hits.values()];
    }

    order(places, sort, reversed, distance) {
      const number = this.number(sort);
      if (!number) {
        if (distance) places.sort((a, b) => distance[a] - distance[b] || a - b);
        if (reversed) places.reverse();
        return;
      }
      // Ranks count from the best; other numbers are best when large.
      const sign = number.whole === reversed ? -1 : 1;
      const { values } = number;
      places.sort((a, b) => {
        const [x, y] = [values[a], values[b]];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a - b;
        return sign * (x - y) || a - b;
      });
    }
  }

  function isWithin(value, [from, to]) {
    return value >= (from ?? -Infinity) && value <= (to ?? Infinity);
  }

  atlas.index = (data) => {
    atlas.catalogue = new Catalogue(data);
  };
})();
