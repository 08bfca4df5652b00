"use strict";
(() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim();
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return a.localeCompare(b);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => compare(value(a, column), value(b, column)) * (up ? 1 : -1));
        table.tBodies[0].append(...rows);
      });
    });
  }
  const tools = document.getElementById("filter");
  const cards = [...document.querySelectorAll(".card[data-verdict]")];
  const show = (wanted) => {
    for (const card of cards) card.hidden = wanted !== "all" && card.dataset.verdict !== wanted;
    for (const theme of document.querySelectorAll(".theme")) theme.hidden = !theme.querySelector(".card:not([hidden])");
    const unmeasured = document.getElementById("unmeasured");
    if (unmeasured) unmeasured.open = ["later", "none", "right", "wrong", "partly"].includes(wanted);
    for (const button of tools.children) button.setAttribute("aria-pressed", String(button.dataset.show === wanted));
  };
  for (const [wanted, words] of JSON.parse(tools.dataset.choices)) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.show = wanted;
    button.textContent = words;
    button.addEventListener("click", () => show(wanted));
    tools.append(button);
  }
  tools.hidden = false;
  show("all");
  const save = document.getElementById("save-json");
  save.hidden = false;
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([document.getElementById("data").textContent], { type: "application/json" }));
    link.download = "report.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
})();
