"use strict";
// Light or dark: the reader's choice, or else the system's. Runs before the page is drawn.
window.atlas = {};
(() => {
  const KEY = "percept-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  // A browser may refuse storage, above all to pages from file://.
  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const store = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      return;
    }
  };

  let chosen = stored();
  const apply = () => {
    root.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
  };
  system.addEventListener("change", apply);
  apply();

  atlas.toggleTheme = () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    store(chosen);
    apply();
  };
})();
