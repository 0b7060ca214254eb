"use strict";
// What a unit's page shows is loaded when it is asked for, a chunk of units at a time. Scripts can be
// loaded from file://, which other files cannot.
(() => {
  const { catalogue } = atlas;
  const { stamp } = document.documentElement.dataset;
  const pending = new Map();

  atlas.chunk = (tap, index, records) => pending.get(`${tap}/${index}`)?.(records);

  const loads = new Map();
  function load(tap, index) {
    const key = `${tap}/${index}`;
    if (!loads.has(key)) {
      const load = new Promise((resolve, reject) => {
        pending.set(key, resolve);
        const script = document.createElement("script");
        script.src = `site/units/${encodeURIComponent(tap)}/${index}.js?${stamp}`;
        script.onerror = () => {
          loads.delete(key);
          reject(new Error(`site/units/${key}.js cannot be loaded`));
        };
        document.head.append(script);
      });
      loads.set(key, load);
    }
    return loads.get(key);
  }

  // All that is known of a unit.
  atlas.record = async (place) => {
    const tap = catalogue.tapOf(place);
    const at = place - tap.first;
    const { perSheet } = catalogue.sprites;
    const records = await load(tap.name, Math.floor(at / perSheet));
    return records[at % perSheet];
  };
})();
