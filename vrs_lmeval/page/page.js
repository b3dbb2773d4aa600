"use strict";
function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
// Sorting: a press on a heading sorts numbers by data-sort (empty ones last) and names by text.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const descends = heading.getAttribute("aria-sort") !== "descending";
    const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    const isNumber = "sort" in (table.tBodies[0].rows[0]?.cells[column].dataset ?? {});
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [first, second] = [key(a), key(b)];
      if (first === "" || second === "") return (first === "") - (second === "");
      const order = isNumber ? Number(first) - Number(second) : first.localeCompare(second);
      return descends ? -order : order;
    });
    headings.forEach((other) => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", descends ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
  }));
}
// Long tables: show only models whose name or training data hold the words.
for (const input of document.querySelectorAll("input.find")) {
  const section = input.closest("section");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase();
    const rows = [...section.querySelector("table.sortable").tBodies[0].rows];
    for (const row of rows) {
      row.hidden = ![row.cells[0], row.cells[row.cells.length - 1]].some((cell) => cell.textContent.toLowerCase().includes(words));
    }
    section.querySelector(".found").textContent = `${rows.filter((row) => !row.hidden).length} models`;
  });
}
// Every metric: its values are in the JSON beside the choice.
for (const box of document.querySelectorAll(".metrics")) {
  const { models, metrics } = JSON.parse(box.querySelector("script").textContent);
  const choice = box.querySelector("select");
  metrics.forEach((metric) => choice.append(element("option", metric.name)));
  const number = (value) => value.toFixed(3);
  const limits = (pair) => (pair ? `[${number(pair[0])}, ${number(pair[1])}]` : "none");
  const cell = (text, sort) => {
    const made = element("td", text);
    if (sort !== undefined) made.dataset.sort = sort;
    return made;
  };
  const fill = () => {
    const { formula, values } = metrics[choice.selectedIndex];
    box.querySelector(".formula").textContent = formula;
    box.querySelector("tbody").replaceChildren(...values.map((value, index) => {
      const row = element("tr");
      const name = element("th", models[index]);
      name.scope = "row";
      if (value === null) {
        row.append(name, cell("not measured", ""), cell("", ""), cell("", ""), cell("", ""), cell("", ""), cell("", ""));
        return row;
      }
      const { estimate, analytic, bootstrap, n, images, reason } = value;
      const why = cell(reason ?? "");
      why.className = "reason";
      row.append(name, cell(estimate === null ? "none" : number(estimate), estimate ?? ""), cell(limits(analytic), analytic?.[0] ?? ""),
                 cell(limits(bootstrap), bootstrap?.[0] ?? ""), cell(n, n), cell(images, images), why);
      return row;
    }));
  };
  choice.addEventListener("input", fill);
  fill();
}
// Copying: what a table shows at the moment, as text for other programs.
const FORMATS = {
  CSV: (rows) => rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join(",")).join("\n"),
  Markdown: (rows) => {
    const lines = rows.map((row) => `| ${row.map((text) => text.replace(/[\\|]/g, "\\$&")).join(" | ")} |`);
    return [lines[0], `|${"---|".repeat(rows[0].length)}`, ...lines.slice(1)].join("\n");
  },
  LaTeX: (rows) => {
    const names = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" };
    const escape = (text) => text.replace(/[\\~^&%$#_{}]/g, (sign) => names[sign] ?? `\\${sign}`);
    const lines = rows.map((row) => `${row.map(escape).join(" & ")} \\\\`);
    return [`\\begin{tabular}{l${"r".repeat(rows[0].length - 1)}}`, "\\hline", lines[0], "\\hline", ...lines.slice(1), "\\hline", "\\end{tabular}"].join("\n");
  },
};
function readTable(table) {
  const rows = [...table.rows].filter((row) => !row.hidden);
  return rows.map((row) => [...row.cells].map((cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll(".flag, .bar").forEach((part) => part.remove());
    copy.querySelectorAll(".interval").forEach((part) => part.prepend(" "));
    return copy.textContent.replace(/\s+/g, " ").trim();
  }));
}
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // an older browser, or a page that may not
    const area = element("textarea", text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
for (const box of document.querySelectorAll(".scroll")) {
  const line = element("p", "copy this table as ", "copy");
  const said = element("span");
  said.setAttribute("role", "status");
  for (const [name, write] of Object.entries(FORMATS)) {
    const button = element("button", name);
    button.type = "button";
    button.addEventListener("click", async () => {
      await copyText(write(readTable(box.querySelector("table"))));
      said.textContent = ` ${name} copied`;
    });
    line.append(button, " ");
  }
  line.append(said);
  box.after(line);
}
// The sample browser: built from the JSON beside it, text as text.
const PAGE = 20;
function render(sample, files) {
  const box = element("article", undefined, "sample");
  box.append(element("p", sample.question), element("p", "gold: " + sample.golds.join(" | ")));
  const shown = element("div", undefined, "pictures");
  for (const [variant, keys] of sample.pictures) {
    for (const key of keys) {
      const figure = element("figure");
      const picture = element("img");
      picture.src = files[key];
      picture.alt = "what the model was shown as " + variant;
      figure.append(picture, element("figcaption", variant));
      shown.append(figure);
    }
  }
  if (shown.childElementCount) box.append(shown);
  const table = element("table");
  for (const { model, variants } of sample.answers) {
    for (const variant of variants) {
      const row = table.insertRow();
      const judged = variant.parsed ? (variant.correct >= 1 ? "right" : "wrong") : "not readable";
      const asked = variant.asked ? `${variant.name}: ${variant.asked}` : variant.name;
      row.append(element("th", model), element("td", asked), element("td", judged, judged.split(" ")[0]),
                 element("td", variant.text, "answer"));
    }
  }
  box.append(table);
  return box;
}
for (const browser of document.querySelectorAll(".browser")) {
  const { samples, files } = JSON.parse(browser.querySelector("script").textContent);
  const part = (name) => browser.querySelector(name);
  const models = samples.length ? samples[0].answers.map((answer) => answer.model) : [];
  ["every model", ...models].forEach((model) => part(".which").append(element("option", model)));
  if (models.length > 12) part(".which").selectedIndex = 1;
  let shown = PAGE;
  const right = (answer, name) => answer.variants.find((variant) => variant.name === name)?.correct >= 1;
  const tests = {
    all: () => true,
    both: (answer) => right(answer, "real") && right(answer, "shuffled"),
    looks: (answer) => right(answer, "real") && !right(answer, "shuffled"),
    wrong: (answer) => !right(answer, "real"),
    unread: (answer) => answer.variants.some((variant) => !variant.parsed),
  };
  const update = () => {
    const which = part(".which").selectedIndex - 1;
    const words = part(".words").value.toLowerCase();
    const test = tests[part(".show").value];
    const found = samples
      .map((sample) => ({ ...sample, answers: sample.answers.filter((answer, i) => (which < 0 || i === which) && test(answer)) }))
      .filter((sample) => sample.answers.length && sample.question.toLowerCase().includes(words));
    part(".list").replaceChildren(...found.slice(0, shown).map((sample) => render(sample, files)));
    part(".count").textContent = `${found.length} questions`;
    part(".more").hidden = found.length <= shown;
  };
  for (const name of [".which", ".show", ".words"]) {
    part(name).addEventListener("input", () => { shown = PAGE; update(); });
  }
  part(".more").addEventListener("click", () => { shown += PAGE; update(); });
  browser.addEventListener("toggle", update);
}
// Printing: makes charts as wide as the paper, and opens what is folded away; undone afterwards.
const PAPER = 690; // CSS pixels of A4 between its margins
let unfolded = [];
window.addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not(.browser):not([open])")];
  unfolded.forEach((each) => { each.open = true; });
  document.querySelectorAll(".js-plotly-plot").forEach((chart) => Plotly.relayout(chart, { width: PAPER }));
});
window.addEventListener("afterprint", () => {
  unfolded.forEach((each) => { each.open = false; });
  document.querySelectorAll(".js-plotly-plot").forEach((chart) => Plotly.relayout(chart, { width: null, autosize: true }));
});
