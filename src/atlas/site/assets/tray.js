"use strict";
// Units that were put aside, to be seen beside each other.
(() => {
  const { catalogue, draw, copy, route } = atlas;
  const MOST = 3;

  class Tray {
    constructor(element) {
      this.element = element;
      this.places = [];
      element.addEventListener("click", ({ target }) => {
        const place = target.closest("[data-remove]")?.dataset.remove;
        if (place !== undefined) this.toggle(Number(place));
      });
    }

    has(place) {
      return this.places.includes(place);
    }

    // Puts a unit aside, or back.
    toggle(place) {
      const name = catalogue.name(place);
      if (this.has(place)) {
        this.set(this.places.filter((other) => other !== place));
        copy.say(`${name} is no longer compared`);
      } else if (this.places.length === MOST) {
        copy.say(`Three units at most: remove one before you add ${name}`);
      } else {
        this.set([...this.places, place]);
        copy.say(`${name} is compared`);
      }
    }

    set(places) {
      this.places = places;
      this.element.querySelector("ul").replaceChildren(...places.map((place) => this.item(place)));
      this.element.querySelector(":scope > a").href = route.compare(places);
      this.show(this.isShown);
      for (const button of document.querySelectorAll("[data-action=pin]")) this.write(button);
    }

    item(place) {
      const item = draw.copy("kept").firstElementChild;
      draw.thumbnail(item.querySelector(".thumb"), place);
      item.querySelector("a").href = catalogue.link(place);
      item.querySelector("a").append(String(catalogue.units[place]));
      const remove = item.querySelector("button");
      remove.dataset.remove = place;
      remove.setAttribute("aria-label", `Do not compare ${catalogue.name(place)}`);
      return item;
    }

    // Whether units that were put aside are in sight.
    show(isShown) {
      this.isShown = isShown;
      this.element.hidden = !isShown || this.places.length === 0;
    }

    // A button that puts its unit aside.
    write(button) {
      const isKept = this.has(Number(button.dataset.place));
      button.setAttribute("aria-pressed", isKept);
      button.textContent = isKept ? "compared" : "compare";
    }
  }

  atlas.Tray = Tray;
  atlas.tray = new Tray(document.getElementById("tray"));
  atlas.tray.most = MOST;
})();
