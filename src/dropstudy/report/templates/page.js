"use strict";
// Draws the charts when they come near, fits them to the width, sorts tables, and keeps a served page up to date.

const NARROW = 520; // pixels below which a chart goes without what it can do without
let specs = {};

// --- charts ---

function fit(spec, width) {
  const { panel, panels, spare } = spec.usermeta;
  let { room } = spec.usermeta;
  if (spare && width < NARROW) {
    spec.layer = spec.layer.filter((layer) => !layer.name?.startsWith("wide"));
    room -= spare;
  }
  const limit = (units) => {
    const square = units.width === units.height;
    const share = Math.min(1.3 * units.width, Math.max(140, width / columns - room));
    if (square) units.height = Math.min(share, 1.1 * units.height);
    units.width = square ? units.height : share;
  };
  if (width < NARROW) spec.config.legend.columns = 2;
  const grid = spec.vconcat?.[0] ?? spec;
  const most = grid.columns ?? 1;
  const columns = Math.max(1, Math.min(most, panels, Math.floor((width + 20) / (panel + room))));
  if (grid.columns) grid.columns = columns;
  if (grid.concat) grid.concat.forEach(limit);
  else limit(grid.spec ?? grid);
  if (spec.vconcat && width < NARROW) {
    const key = spec.vconcat[1];
    for (const layer of key.layer) if (layer.encoding?.text) layer.encoding.text.field = "short";
    key.width = width - 60;
  }
  return spec;
}

async function draw(place) {
  const spec = specs[place.dataset.chart];
  if (!spec || place.dataset.drawn) return;
  place.dataset.drawn = "yes";
  const width = Math.floor(place.clientWidth);
  place.dataset.width = width;
  const options = { mode: "vega-lite", renderer: "svg", actions: false, defaultStyle: false, ast: true, tooltip: { disableDefaultStyle: true } };
  const result = await vegaEmbed(place, fit(structuredClone(spec), width), options);
  place.style.minHeight = "";
  place.view = result.view;
  reachable(place);
}

// A legend's entries answer to the keyboard as they do to the mouse.
function reachable(place) {
  // What holds something to press is a group, not the picture that Vega calls it.
  for (const legend of place.querySelectorAll(".role-legend")) legend.setAttribute("role", "group");
  const key = place.querySelectorAll(".role-legend-label text, .mark-text.key text");
  for (const label of key) {
    label.setAttribute("tabindex", "0");
    label.setAttribute("role", "button");
    label.setAttribute("aria-label", `Show ${label.textContent} alone`);
    label.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      label.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    });
  }
}

const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(entry.target);
    }
  },
  { rootMargin: "600px" },
);

function again(place) {
  if (!place.dataset.drawn || Math.abs(place.clientWidth - place.dataset.width) < 24 || !place.clientWidth) return;
  place.view?.finalize();
  delete place.dataset.drawn;
  draw(place);
}

let resized;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => document.querySelectorAll(".plot").forEach(again), 200);
});

// Paper has no clicks: tables and code that are folded on the screen are printed.
let unfolded = [];
addEventListener("beforeprint", () => {
  document.querySelectorAll(".plot").forEach((plot) => { if (plot.clientWidth) draw(plot); });
  unfolded = [...document.querySelectorAll("details.printed:not([open])")];
  for (const details of unfolded) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of unfolded) details.open = false;
});

// --- tables ---

function sortBy(button) {
  const head = button.closest("th");
  const table = head.closest("table");
  const place = [...head.parentNode.children].indexOf(head);
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const value = (row) => row.cells[place].dataset.key ?? row.cells[place].textContent;
  const words = new Intl.Collator(undefined, { numeric: true });
  const rows = [...body.rows].map((row) => [value(row), row]);
  rows.sort(([a], [b]) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what is not known stands last, whichever way
    const order = head.classList.contains("number") ? Number(a) - Number(b) : words.compare(a, b);
    return down ? -order : order;
  });
  body.append(...rows.map(([, row]) => row));
}
addEventListener("click", (event) => {
  const button = event.target.closest?.(".sortable th button");
  if (button) sortBy(button);
});

// A table that is wider than its place says so.
const sized = new ResizeObserver((entries) => {
  for (const { target } of entries) target.previousElementSibling.hidden = target.scrollWidth <= target.clientWidth + 1;
});

// --- the page ---

function begin(root) {
  specs = JSON.parse(root.getElementById("specs").textContent);
  document.querySelectorAll(".plot").forEach((place) => near.observe(place));
  document.querySelectorAll(".wide").forEach((place) => sized.observe(place));
}

async function update(seen) {
  const answer = await fetch("state", { cache: "no-store" });
  if (!answer.ok) return seen;
  const state = await answer.json();
  if (state.version === seen) return seen;
  const text = await (await fetch("./", { cache: "no-store" })).text();
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const open = new Set([...document.querySelectorAll("details[open]")].map((details) => place(details)));
  const top = scrollY;
  document.querySelectorAll(".plot").forEach((plot) => plot.view?.finalize());
  // The line that tells how far the study is stays the same element, so that it is read out when it changes.
  document.getElementById("live").textContent = fresh.getElementById("live").textContent;
  document.title = fresh.title;
  for (const part of ["h1", ".about", "main"]) document.querySelector(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
  document.querySelectorAll("details").forEach((details) => { details.open = open.has(place(details)); });
  begin(fresh);
  scrollTo({ top, behavior: "instant" });
  return state.version;
}
const place = (details) => (details.closest("figure")?.id ?? "") + details.querySelector("summary").textContent;

async function live() {
  let seen = document.documentElement.dataset.live;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    if (document.hidden) continue;
    try {
      seen = await update(seen);
    } catch {
      seen = ""; // once it is back, the whole page anew
      document.getElementById("live").textContent = "The server has stopped; what you see is the last that it told.";
    }
  }
}

begin(document);
if (document.documentElement.dataset.live) live();
