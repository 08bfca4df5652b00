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
  const filter = document.getElementById("filter");
  const cards = [...document.querySelectorAll(".card[data-verdict]")];
  const show = (wanted) => {
    for (const card of cards) card.hidden = wanted !== "all" && card.dataset.verdict !== wanted;
    for (const theme of document.querySelectorAll(".theme")) theme.hidden = !theme.querySelector(".card:not([hidden])");
    const unmeasured = document.getElementById("unmeasured");
    if (unmeasured) unmeasured.open = ["later", "none", "right", "wrong", "partly"].includes(wanted);
    for (const button of filter.children) button.setAttribute("aria-pressed", String(button.dataset.show === wanted));
  };
  if (filter) {
    for (const [wanted, words] of JSON.parse(filter.dataset.choices)) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.show = wanted;
      button.textContent = words;
      button.addEventListener("click", () => show(wanted));
      filter.append(button);
    }
    filter.hidden = false;
    show("all");
  }
  const saveAs = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  // A chart with the colours that the page has now, and nothing that it needs from the page.
  const alone = (svg) => {
    const copy = svg.cloneNode(true);
    const { width, height } = svg.viewBox.baseVal;
    const root = getComputedStyle(document.documentElement);
    const filled = (text) => text.replace(/var\((--[\w-]+)\)/g, (_, name) => root.getPropertyValue(name).trim());
    const used = new Set([...svg.querySelectorAll("[class]")].map((each) => `.${each.getAttribute("class")}`));
    const rules = [...document.styleSheets[0].cssRules].filter((each) => used.has(each.selectorText));
    const style = document.createElementNS(svg.namespaceURI, "style");
    style.textContent = filled(["text { font-family: system-ui, sans-serif }", ...rules.map((each) => each.cssText)].join("\n"));
    const paper = document.createElementNS(svg.namespaceURI, "rect");
    for (const [name, value] of [["width", "100%"], ["height", "100%"], ["fill", filled("var(--card)")]]) paper.setAttribute(name, value);
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    copy.prepend(style, paper);
    return { text: new XMLSerializer().serializeToString(copy), width, height };
  };
  const png = async (svg) => {
    const { text, width, height } = alone(svg);
    const picture = new Image();
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await picture.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2 * width, 2 * height];
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  };
  for (const figure of document.querySelectorAll("figure")) {
    const shown = () => [...figure.querySelectorAll(".drawing svg")].find((each) => each.checkVisibility());
    const tools = document.createElement("p");
    tools.className = "tools export";
    const ways = {
      SVG: async () => new Blob([alone(shown()).text], { type: "image/svg+xml" }),
      PNG: () => png(shown()),
    };
    for (const [words, make] of Object.entries(ways)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.setAttribute("aria-label", `Save this chart as ${words}: ${figure.querySelector("figcaption").textContent}`);
      button.addEventListener("click", async () => saveAs(await make(), `${figure.id}.${words.toLowerCase()}`));
      tools.append(button);
    }
    figure.append(tools);
  }
  const save = document.getElementById("save-json");
  if (save) {
    save.hidden = false;
    save.addEventListener("click", () => {
      saveAs(new Blob([document.getElementById("data").textContent], { type: "application/json" }), save.dataset.file);
    });
  }
})();
