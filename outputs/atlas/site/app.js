"use strict";
// From the address to what is shown, and from keys and buttons to the address.
(() => {
  const { catalogue, copy, route, tray } = atlas;
  const by = (id) => document.getElementById(id);
  const title = document.title;
  const [index, article, lost] = [by("index"), by("unit"), by("lost")];
  const grid = new atlas.Grid(by("grid"));
  // Typing changes the address without leaving a trail of letters to go back through.
  const change = (query) => location.replace(route.write(query));
  const controls = new atlas.Controls(by("controls"), change);
  const filter = (limits) => change(controls.withRanges(limits));
  const scatter = (atlas.scatter = new atlas.Scatter(by("scatter"), filter));

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
    tray.show(true);
    document.title = title;
    controls.write(query);
    const selection = catalogue.select(query);
    list.places = selection.places;
    list.link = link;
    list.isAll = list.places.length === catalogue.size;
    by("layers")?.toggleAttribute("hidden", link !== "#/");
    scatter.show(selection, query);
    grid.show(selection, catalogue.number(query.sort));
    const [found, all] = [list.places.length, catalogue.size].map((n) => n.toLocaleString("en"));
    by("count").textContent = list.isAll ? `${all} units` : `${found} of ${all} units`;
    by("copies").hidden = list.places.length === 0;
    by("nothing").hidden = list.places.length > 0;
    scrollTo(0, isBack ? list.scroll : Math.min(list.scroll, index.offsetTop));
    if (isBack && list.places.includes(opened)) grid.focus(list.places.indexOf(opened));
  }

  // What is known of these units; nothing where the reader wants something else by then, or it is not there.
  async function recordsOf(places) {
    if (!index.hidden) list.scroll = scrollY;
    wanted += 1;
    const mine = wanted;
    try {
      const records = await Promise.all(places.map((place) => atlas.record(place)));
      return mine === wanted ? records : null;
    } catch (error) {
      if (mine === wanted) showLost(error.message);
      return null;
    }
  }

  function showPage(shown, name, isTrayShown) {
    page = shown;
    only(article);
    tray.show(isTrayShown);
    document.title = `${name} · ${title}`;
    scrollTo(0, 0);
    article.querySelector("h1").focus({ preventScroll: true });
  }

  async function showUnit({ tap, unit }) {
    const place = catalogue.find(tap, unit);
    if (place === undefined) return showLost(`There is no unit ${tap}:${unit} in this atlas.`);
    const records = await recordsOf([place]);
    if (!records) return;
    showPage(new atlas.Page(article, place, records[0], list), catalogue.name(place), true);
  }

  async function showComparison({ addresses }) {
    const found = addresses.map((address) => atlas.search.addressed(catalogue, address));
    const known = new Set(found.filter((place) => place !== undefined));
    const places = [...known].slice(0, tray.most);
    const records = await recordsOf(places);
    if (!records) return;
    const unknown = addresses.filter((_, at) => found[at] === undefined);
    tray.set(places);
    const shown = new atlas.Comparison(article, places, records, list, unknown);
    showPage(shown, places.map((place) => catalogue.name(place)).join(", "), false);
  }

  function showLost(message) {
    if (!index.hidden) list.scroll = scrollY;
    page = null;
    wanted += 1;
    only(lost);
    const link = document.createElement("a");
    link.href = "#/";
    link.textContent = "Show all";
    lost.replaceChildren(`${message} `, link);
  }

  function follow() {
    const asked = route.parse(location.hash);
    if (asked.view === "unit") showUnit(asked);
    else if (asked.view === "compare") showComparison(asked);
    else {
      wanted += 1;
      showIndex(asked);
    }
  }

  // The unit that a key means: that of the page, or the picture that has the focus.
  const meant = () => page?.place ?? document.activeElement.closest("#grid .tile")?.dataset.place;

  const actions = {
    theme: atlas.toggleTheme,
    keys: () => by("keys").showModal(),
    order: () => change(controls.reversed()),
    clear: () => change(controls.withoutRanges()),
    scatter: () => change(controls.scattered()),
    list: (button) => copy.copy(copy.list(list.places), button),
    csv: (button) => copy.copy(copy.csv(list.places), button),
    pin: ({ dataset }) => tray.toggle(Number(dataset.place)),
    reveal: ({ dataset }) => page?.reveal(dataset.place && Number(dataset.place)),
    skip: () => (page ? article.focus() : grid.focus(0)),
    random() {
      const { places } = list;
      location.hash = catalogue.link(places[Math.floor(Math.random() * places.length)] ?? 0);
    },
  };
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-action]");
    actions[button?.dataset.action]?.(button);
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
        page?.reveal();
        return true;
      case "c":
        if (meant() !== undefined) tray.toggle(Number(meant()));
        return true;
      case "r":
        actions.random();
        return true;
      case "t":
        actions.theme();
        return true;
      case "ArrowLeft":
      case "ArrowRight":
        page?.step?.(key === "ArrowLeft" ? ".before" : ".after");
        return page !== null || (isIndex && grid.move(key));
      default:
        return isIndex && grid.move(key);
    }
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
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
