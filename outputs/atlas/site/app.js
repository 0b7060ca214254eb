"use strict";
// From the address to what is shown, and from keys and buttons to the address.
(() => {
  const { catalogue, route } = atlas;
  const by = (id) => document.getElementById(id);
  const title = document.title;
  const [index, article, lost] = [by("index"), by("unit"), by("lost")];
  const grid = new atlas.Grid(by("grid"));
  // Typing changes the address without leaving a trail of letters to go back through.
  const controls = new atlas.Controls(by("controls"), (query) => {
    location.replace(route.write(query));
  });

  // What the index last showed, and how far down: where a unit's page leads back to.
  const list = { places: catalogue.select({}).places, link: "#/", isAll: true, scroll: 0 };
  let isListed = false;
  let page = null;
  let wanted = 0;

  function only(section) {
    for (const other of [index, article, lost]) other.hidden = other !== section;
  }

  function showIndex(query) {
    const link = route.write(query);
    const isBack = isListed && link === list.link;
    const opened = page?.place;
    if (!index.hidden) list.scroll = isBack ? scrollY : Math.min(scrollY, index.offsetTop);
    page = null;
    article.replaceChildren();
    isListed = true;
    only(index);
    document.title = title;
    controls.write(query);
    const selection = catalogue.select(query);
    list.places = selection.places;
    list.link = link;
    list.isAll = list.places.length === catalogue.size;
    grid.show(selection, catalogue.number(query.sort));
    const [found, all] = [list.places.length, catalogue.size].map((n) => n.toLocaleString("en"));
    by("count").textContent = list.isAll ? `${all} units` : `${found} of ${all} units`;
    by("nothing").hidden = list.places.length > 0;
    scrollTo(0, isBack ? list.scroll : Math.min(list.scroll, index.offsetTop));
    if (isBack && list.places.includes(opened)) grid.focus(list.places.indexOf(opened));
  }

  async function showUnit({ tap, unit }) {
    const place = catalogue.find(tap, unit);
    if (!index.hidden) list.scroll = scrollY;
    if (place === undefined) return showLost(`There is no unit ${tap}:${unit} in this atlas.`);
    wanted += 1;
    const mine = wanted;
    let record;
    try {
      record = await atlas.record(place);
    } catch (error) {
      return showLost(error.message);
    }
    if (mine !== wanted) return;
    page = new atlas.Page(article, place, record, list);
    only(article);
    document.title = `${catalogue.name(place)} · ${title}`;
    scrollTo(0, 0);
    article.querySelector("h1").focus({ preventScroll: true });
  }

  function showLost(message) {
    page = null;
    only(lost);
    const link = document.createElement("a");
    link.href = "#/";
    link.textContent = "Show all";
    lost.replaceChildren(`${message} `, link);
  }

  function follow() {
    const asked = route.parse(location.hash);
    if (asked.view === "unit") showUnit(asked);
    else {
      wanted += 1;
      showIndex(asked);
    }
  }

  const actions = {
    theme: atlas.toggleTheme,
    keys: () => by("keys").showModal(),
    order: () => location.replace(route.write(controls.reversed())),
    clear: () => location.replace(route.write(controls.withoutRanges())),
    reveal: () => page?.reveal(),
    skip: () => (page ? article.focus() : grid.focus(0)),
    random() {
      const { places } = list;
      location.hash = catalogue.link(places[Math.floor(Math.random() * places.length)] ?? 0);
    },
  };
  document.addEventListener("click", ({ target }) => {
    actions[target.closest("[data-action]")?.dataset.action]?.();
    if (!target.closest("#ranges")) by("ranges").open = false;
  });

  function press(key) {
    const isIndex = !index.hidden;
    switch (key) {
      case "/":
        if (!isIndex) location.hash = list.link;
        // The index is shown when the address has changed, and hidden fields take no focus.
        setTimeout(() => controls.fields.q.focus());
        return true;
      case "Escape":
        if (!isIndex) location.hash = list.link;
        by("ranges").open = false;
        return !isIndex;
      case "?":
        actions.keys();
        return true;
      case "b":
        actions.reveal();
        return true;
      case "r":
        actions.random();
        return true;
      case "t":
        actions.theme();
        return true;
      case "ArrowLeft":
      case "ArrowRight":
        if (page) page.step(key === "ArrowLeft" ? ".before" : ".after");
        return page !== null || (isIndex && grid.move(key));
      default:
        return isIndex && grid.move(key);
    }
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || by("keys").open) return;
    const field = event.target.closest("input, select, textarea");
    if (field) {
      if (event.key === "Escape") field.blur();
      if (event.key === "Enter" && field.type === "search") grid.focus(0);
      return;
    }
    if (press(event.key)) event.preventDefault();
  });

  history.scrollRestoration = "manual";
  addEventListener("hashchange", follow);
  follow();
})();
