// Sorting: a press on a heading sorts numbers by data-sort (empty ones last), the largest first unless data-first says
// otherwise, and names from A; another press turns the order.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const isNumber = "sort" in (table.tBodies[0].rows[0]?.cells[column].dataset ?? {});
    const first = heading.dataset.first ?? (isNumber ? "descending" : "ascending");
    const other = first === "ascending" ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [one, two] = [key(a), key(b)];
      if (one === "" || two === "") return (one === "") - (two === "");
      const rises = isNumber ? Number(one) - Number(two) : one.localeCompare(two);
      return order === "descending" ? -rises : rises;
    });
    headings.forEach((each) => each.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", order);
    table.tBodies[0].append(...rows);
  }));
}
// Every metric: its values are in the JSON beside the choice.
for (const box of document.querySelectorAll(".metrics")) {
  const { models, metrics, reasons } = JSON.parse(box.querySelector("script").textContent);
  const choice = box.querySelector("select");
  metrics.forEach((metric) => choice.append(element("option", metric.name)));
  const number = (value) => value.toFixed(3);
  const limits = (low, high) => (low === null ? "none" : `[${number(low)}, ${number(high)}]`);
  const cell = (text, sort, className) => {
    const made = element("td", text, className);
    if (sort !== undefined) made.dataset.sort = sort;
    return made;
  };
  const fill = () => {
    const { formula, values } = metrics[choice.selectedIndex];
    box.querySelector(".formula").textContent = formula;
    box.querySelector("tbody").replaceChildren(...values.map((value, index) => {
      const row = element("tr");
      row.dataset.models = models[index];
      const name = element("th", MODELS[models[index]].label);
      name.scope = "row";
      if (value === null) {
        row.append(name, cell("not measured", ""), cell("", ""), cell("", ""), cell("", ""), cell("", ""), cell(""));
        return row;
      }
      const [estimate, low, high, lowest, highest, n, images, reason] = value;
      row.append(name, cell(estimate === null ? "none" : number(estimate), estimate ?? ""), cell(limits(low, high), low ?? ""),
                 cell(limits(lowest, highest), lowest ?? ""), cell(n, n), cell(images, images), cell(reasons[reason] ?? "", undefined, "reason"));
      return row;
    }));
    hideModels(box);
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
  return rows.map((row) => [...row.cells].filter((cell) => !cell.hidden).flatMap((cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll(".flag, .bar").forEach((part) => part.remove());
    copy.querySelectorAll(".interval").forEach((part) => part.prepend(" "));
    return [copy.textContent.replace(/\s+/g, " ").trim(), ...Array(cell.colSpan - 1).fill("")];
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
