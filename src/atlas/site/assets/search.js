"use strict";
// What is typed into the search, and how well texts fit it.
(() => {
  // The best fits first; among equal ones, a unit's first answers come before its later ones.
  const [SAME, WORD, BEGINNING, INSIDE] = [0, 100, 200, 300];
  const isEdge = (character) => character === undefined || /[^\p{L}\p{N}]/u.test(character);

  // Without accents and capitals.
  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  // Words, and phrases in quotes.
  function terms(query) {
    const found = fold(query).matchAll(/"([^"]*)"|([^\s"]+)/g);
    return [...found]
      .map(([, phrase, word]) => ({ text: phrase ?? word, exact: phrase !== undefined }))
      .filter((term) => term.text !== "");
  }

  // How far a folded text is from a term; Infinity where it does not have it.
  function score(text, term, exact) {
    if (text === term) return SAME;
    if (exact) return Infinity;
    let best = Infinity;
    for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + 1)) {
      const [begins, ends] = [isEdge(text[at - 1]), isEdge(text[at + term.length])];
      best = Math.min(best, begins && ends ? WORD : begins ? BEGINNING : INSIDE);
    }
    return best;
  }

  // For a term, a function from a unit's place to how far the unit is from it, with the answer that it was
  // found by: its `word`, the `source` of answers and its place `at` in them.
  function matcher(catalogue, { text, exact }) {
    const place = addressed(catalogue, text);
    if (place !== undefined) return (other) => ({ distance: other === place ? 0 : Infinity });
    const scores = catalogue.folded.map((word) => score(word, text, exact));
    const unit = !exact && /^\d+$/.test(text) ? Number(text) : -1;
    return (other) => {
      if (catalogue.units[other] === unit) return { distance: 0 };
      let best = { distance: Infinity };
      for (const source of catalogue.sources) {
        for (const [at, word] of catalogue[source][other].entries()) {
          const distance = scores[word] + at;
          if (distance < best.distance) best = { distance, word, source, at };
        }
      }
      return best;
    };
  }

  // The place of `layer4.5.sum:89` or `layer4.5.sum/89`.
  function addressed(catalogue, text) {
    const cut = Math.max(text.lastIndexOf(":"), text.lastIndexOf("/"));
    const unit = text.slice(cut + 1);
    return cut > 0 && /^\d+$/.test(unit) ? catalogue.find(text.slice(0, cut), Number(unit)) : undefined;
  }

  atlas.search = { fold, terms, matcher, addressed };
})();
