"use strict";
// What can be copied: addresses of units, commands that make their pictures, lists.
(() => {
  const { catalogue, draw } = atlas;
  const TOLD_FOR = 1600; // How long a button says what it did, in milliseconds.

  // An argument as a shell reads it.
  const quote = (text) =>
    /^[\w@%+:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

  // A command; null where an argument has characters that a terminal would obey.
  const command = (words) => (/\p{Cc}/u.test(words.join("")) ? null : words.map(quote).join(" "));

  // The commands that make a unit's pictures anew: those that excite it, and those that silence it.
  function render(place, pictures) {
    const { options } = catalogue.tapOf(place);
    if (!options) return [];
    return ["positive", "negative"].flatMap((shows) => {
      const variants = pictures.filter((picture) => picture.shows === shows);
      if (variants.length === 0) return [];
      const words = ["percept", "render", catalogue.name(place), ...options];
      if (shows === "negative") words.push("--negative");
      const last = Math.max(...variants.map(({ variant }) => variant));
      if (last > 0) words.push("--variants", String(last + 1));
      return command(words) ?? [];
    });
  }

  const sidecar = (file) => file.replace(/\.png$/, ".json");

  // The command that makes a picture again, to be run in the atlas' folder.
  const replay = (file) => command(["percept", "replay", sidecar(file)]);

  // Units as `percept` takes them: `layer4.5.sum:3,5,8`.
  function list(places) {
    const units = new Map();
    for (const place of places) {
      const { name } = catalogue.tapOf(place);
      if (!units.has(name)) units.set(name, []);
      units.get(name).push(catalogue.units[place]);
    }
    return [...units].map(([tap, list]) => `${tap}:${list.join(",")}`).join(" ");
  }

  // A text as a field of CSV. Spreadsheets take one that begins like a formula for one.
  const field = (text) => `"${text.replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;

  // Units with their first answers and their numbers.
  function csv(places) {
    const { numbers } = catalogue;
    const lines = [["tap", "unit", "answer", ...numbers.map(({ key }) => key)].join(",")];
    for (const place of places) {
      const values = numbers.map(({ values }) => (Number.isNaN(values[place]) ? "" : values[place]));
      const answer = field(catalogue.first(place));
      lines.push([catalogue.tapOf(place).name, catalogue.units[place], answer, ...values].join(","));
    }
    return `${lines.join("\n")}\n`;
  }

  // Says something to those who do not see it.
  function say(text) {
    document.getElementById("said").textContent = text;
  }

  // Where a page may not write to the clipboard itself, as some from file://, it may copy what is selected.
  function copySelected(text) {
    const area = draw.text("textarea", "", "hidden-label");
    const before = document.activeElement;
    area.value = text;
    area.readOnly = true;
    document.body.append(area);
    area.select();
    let isDone = false;
    try {
      isDone = document.execCommand("copy");
    } finally {
      area.remove();
      before?.focus({ preventScroll: true });
    }
    return isDone;
  }

  async function put(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copySelected(text);
    }
  }

  // Copies, and says so in the button; what cannot be copied is shown, selected.
  async function copy(text, button) {
    if (!(await put(text))) {
      const [dialog, area] = ["by-hand", "by-hand-text"].map((id) => document.getElementById(id));
      area.value = text;
      dialog.showModal();
      area.select();
      return;
    }
    say(`Copied ${text.length > 100 ? "the list" : text}`);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), TOLD_FOR);
  }

  // A button that copies a text; `what` names the text for those who do not see it.
  function button(label, what, text) {
    const element = draw.copy("copy").firstElementChild;
    element.querySelector("span").textContent = label;
    element.setAttribute("aria-label", `Copy ${what}`);
    element.title = text;
    element.addEventListener("click", () => copy(text, element));
    return element;
  }

  atlas.copy = { render, replay, sidecar, list, csv, copy, button, say };
})();
