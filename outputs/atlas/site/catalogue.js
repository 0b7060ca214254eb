"use strict";
// The index: one entry a unit in every column, in the order of taps and units. A unit is known by its
// place in the columns.
(() => {
  const SOURCES = ["words", "drawings", "line_art", "labels"];

  class Catalogue {
    constructor(data) {
      Object.assign(this, data);
      this.size = this.units.length;
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
      this.folded = this.vocabulary.map(fold);
      this.notes = new Map(this.flags);
      this.blank = new Set(this.unpictured);
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
      for (const source of ["labels", "words", "drawings", "line_art"]) {
        const word = this[source][place][0];
        if (word !== undefined) return this.vocabulary[word];
      }
      return "";
    }

    // The places that fit a query, in its order, and for each of them the text that it was found by.
    select({ tap = "", q = "", only = "", ranges = new Map(), sort = "", reversed = false }) {
      const known = this.taps.find((one) => one.name === tap);
      const from = known ? known.first : 0;
      const to = known ? known.first + known.count : this.size;
      const matches = termsOf(q).map((term) => this.matcher(term));
      const limits = [...ranges].map(([key, range]) => [this.number(key)?.values, range]);
      const places = [];
      const distance = new Float64Array(this.size);
      for (let place = from; place < to; place++) {
        if (only && (only === "flagged") !== this.notes.has(place)) continue;
        if (!limits.every(([values, range]) => isWithin(values?.[place], range))) continue;
        let sum = 0;
        for (const match of matches) sum += match(place).distance;
        if (sum === Infinity) continue;
        distance[place] = sum;
        places.push(place);
      }
      this.order(places, sort, reversed, matches.length > 0 && distance);
      const found = (place) => this.vocabulary[matches[0]?.(place).word] ?? this.first(place);
      return { places, found };
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

    // How far a unit is from a term, Infinity where it does not match, and by which word.
    matcher({ text, exact }) {
      const place = this.addressed(text);
      if (place !== undefined) return (other) => ({ distance: other === place ? 0 : Infinity });
      const scores = this.folded.map((word) => score(word, text, exact));
      const unit = !exact && /^\d+$/.test(text) ? Number(text) : -1;
      return (other) => {
        if (this.units[other] === unit) return { distance: 0 };
        const best = { distance: Infinity };
        for (const source of SOURCES) {
          for (const [at, word] of this[source][other].entries()) {
            if (scores[word] + at < best.distance) {
              best.distance = scores[word] + at;
              best.word = word;
            }
          }
        }
        return best;
      };
    }

    // `layer4.5.sum:89` and `layer4.5.sum/89`.
    addressed(text) {
      const cut = Math.max(text.lastIndexOf(":"), text.lastIndexOf("/"));
      return cut > 0 ? this.find(text.slice(0, cut), Number(text.slice(cut + 1))) : undefined;
    }
  }

  // Without accents and capitals.
  function fold(text) {
    return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  }

  // Words, and phrases in quotes.
  function termsOf(query) {
    const found = fold(query).matchAll(/"([^"]*)"|([^\s"]+)/g);
    return [...found]
      .map(([, phrase, word]) => ({ text: phrase ?? word, exact: phrase !== undefined }))
      .filter((term) => term.text !== "");
  }

  // 0 for the word itself, 100 where a word begins like that, 200 where it is inside one.
  function score(word, text, exact) {
    if (word === text) return 0;
    const at = exact ? -1 : word.indexOf(text);
    if (at < 0) return Infinity;
    return at === 0 || /[^\p{L}\p{N}]/u.test(word[at - 1]) ? 100 : 200;
  }

  function isWithin(value, [from, to]) {
    return value >= (from ?? -Infinity) && value <= (to ?? Infinity);
  }

  atlas.index = (data) => {
    atlas.catalogue = new Catalogue(data);
  };
})();
