"use strict";
(() => {
  const element = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("tr.row")];
  const terms = [...document.querySelectorAll(".term")];
  const heading = (each) => each.closest(".table")?.querySelector("h3").textContent ?? "";
  const texts = new Map([...rows, ...terms].map((each) => [each, `${heading(each)} ${each.textContent}`.toLowerCase()]));
  const value = (id) => (element(id) ? element(id).value : "");
  const show = (each, shown) => each.toggleAttribute("data-hidden", !shown);

  function filter() {
    const words = value("search").toLowerCase().split(/\s+/).filter(Boolean);
    const [wanted, model, gaps] = [value("class"), value("model"), element("gaps").checked];
    const has = (each) => words.every((word) => texts.get(each).includes(word));
    const narrowed = wanted || model || gaps;
    let found = 0;
    for (const row of rows) {
      const fits = (!wanted || row.dataset.class === wanted)
        && (!model || JSON.parse(row.dataset.models).includes(model))
        && (!gaps || "gaps" in row.dataset);
      const shown = fits && has(row);
      found += shown && row.id ? 1 : 0;
      show(row, shown);
    }
    for (const term of terms) show(term, !narrowed && has(term));
    for (const part of document.querySelectorAll(".filtered")) {
      show(part, !(narrowed || words.length) || part.querySelector("tr.row:not([data-hidden])"));
    }
    element("found").textContent = narrowed || words.length ? `${found} of ${rows.filter((row) => row.id).length} columns` : "";
  }

  function reveal() {
    const target = element(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.closest("[data-hidden]")) return;
    element("filters").reset();
    filter();
    target.scrollIntoView();
  }

  element("filters").hidden = false;
  element("filters").addEventListener("input", filter);
  element("filters").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", reveal);
  document.addEventListener("keydown", (event) => {
    const typing = /^(input|select|textarea)$/i.test(event.target.tagName);
    if (event.key === "/" && !typing) {
      event.preventDefault();
      element("search").focus();
    } else if (event.key === "Escape") {
      element("filters").reset();
      filter();
    }
  });
  filter();
})();
