for (const box of document.querySelectorAll(".command")) {
  const code = box.querySelector("code"), button = box.querySelector("button");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

// Tables: a click on a heading sorts by its column, another one the other way round. What has no number comes last, and
// a column without any is not sorted by.
for (const table of document.querySelectorAll(".numbers")) {
  const body = table.tBodies[0], original = [...body.rows];
  for (const head of table.tHead.rows[table.tHead.rows.length - 1].cells) {
    const column = head.cellIndex + (table.tHead.rows.length - 1);
    const value = (row) => parseFloat(row.cells[column].textContent.replace("[", ""));
    if (original.every((row) => Number.isNaN(value(row)))) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.ariaSort ?? "none"];
      for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      if (next !== "none") head.ariaSort = next;
      const sign = next === "descending" ? -1 : 1;
      const compare = (a, b) => Number.isNaN(a) - Number.isNaN(b) || sign * (a - b);
      const sorted = next === "none" ? original : [...original].sort((a, b) => compare(value(a), value(b)) || 0);
      body.append(...sorted);
    });
  }
}

// The gallery: filters, order, and cards that a link leads to.
const filters = document.querySelector(".filters"), gallery = document.querySelector(".gallery");
const cards = [...gallery.children];
function choose() {
  const { words, dataset, loss, order } = Object.fromEntries(new FormData(filters));
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of cards) {
    const text = card.querySelector("summary").textContent.toLowerCase();
    const other = (dataset && card.dataset.dataset !== dataset) || (loss && card.dataset.loss !== loss);
    card.hidden = other || !wanted.every((word) => text.includes(word));
    shown += !card.hidden;
  }
  const error = (card) => (card.dataset.error === "" ? Infinity : Number(card.dataset.error));
  gallery.append(...(order === "error" ? [...cards].sort((a, b) => error(a) - error(b) || 0) : cards));
  filters.querySelector(".shown").textContent = `${shown} of ${cards.length} shown`;
}
function openTarget() {
  const card = document.getElementById(location.hash.slice(1));
  if (card?.classList.contains("card")) {
    card.hidden = false;
    card.open = true;
    card.scrollIntoView();
  }
}
filters.hidden = false;
filters.addEventListener("input", choose);
filters.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", openTarget);
choose();
openTarget();
