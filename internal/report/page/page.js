// Folding and filtering. Without it the page shows everything.
"use strict";
const rows = [...document.querySelectorAll(".requirements tbody")];
const tools = document.getElementById("tools");
const find = document.getElementById("find");
const unfold = document.getElementById("unfold");

const button = (row) => row.querySelector("button");
const open = (row) => button(row).getAttribute("aria-expanded") === "true";

function fold(row, wanted) {
  button(row).setAttribute("aria-expanded", String(wanted));
  row.querySelector(".more").hidden = !wanted;
  unfold.textContent = rows.every(open) ? "Fold all" : "Unfold all";
}

function filter() {
  const state = tools.elements.show.value;
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !((state === "all" || row.dataset.state === state) && words.every((w) => text.includes(w)));
    shown += row.hidden ? 0 : 1;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
  document.getElementById("none").hidden = shown > 0;
}

function unfoldNamed() {
  const row = rows.find((r) => r.id === location.hash.slice(1));
  if (row) fold(row, true);
}

for (const row of rows) {
  fold(row, row.dataset.state === "work");
  button(row).addEventListener("click", () => fold(row, !open(row)));
}
tools.hidden = false;
tools.addEventListener("input", filter);
tools.addEventListener("submit", (event) => event.preventDefault());
unfold.addEventListener("click", () => {
  const wanted = !rows.every(open);
  rows.forEach((row) => fold(row, wanted));
});
addEventListener("hashchange", unfoldNamed);

// Paper folds nothing and filters nothing.
let before = null;
addEventListener("beforeprint", () => {
  const log = document.querySelector(".console");
  before = { rows: rows.map((row) => [row, open(row), row.hidden]), log: log && log.open };
  rows.forEach((row) => { fold(row, true); row.hidden = false; });
  if (log) log.open = true;
});
addEventListener("afterprint", () => {
  for (const [row, wanted, hidden] of before.rows) { fold(row, wanted); row.hidden = hidden; }
  const log = document.querySelector(".console");
  if (log) log.open = before.log;
});

filter();
unfoldNamed();
