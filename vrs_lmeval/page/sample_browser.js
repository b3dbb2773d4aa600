// Questions and answers: a table from the JSON beside it, a row a question and a column a variant; text stays text.
const PAGE = 20;
const [UNREAD, WRONG, RIGHT] = [0, 1, 2];
const JUDGED = [["unread", "?", "not readable"], ["wrong", "\u2717", "wrong"], ["right", "\u2713", "right"]];
for (const browser of document.querySelectorAll(".browser")) {
  const { models, variants, texts, samples, files } = JSON.parse(browser.querySelector("script").textContent);
  const part = (name) => browser.querySelector(name);
  const judge = (code) => (code < 0 ? undefined : code % 3);
  const places = { real: variants.indexOf("real"), shuffled: variants.indexOf("shuffled") };
  const right = (answers, name) => judge(answers[places[name]]) === RIGHT;
  const tests = {
    all: () => true,
    both: (answers) => right(answers, "real") && right(answers, "shuffled"),
    looks: (answers) => right(answers, "real") && !right(answers, "shuffled"),
    wrong: (answers) => !right(answers, "real"),
    unread: (answers) => answers.some((code) => judge(code) === UNREAD),
  };
  const renderAnswer = (code, name) => {
    const [className, mark, words] = JUDGED[judge(code)];
    const line = element("p", undefined, `given ${className}`);
    const sign = element("span", mark, "mark");
    sign.setAttribute("role", "img");
    sign.setAttribute("aria-label", words);
    line.append(sign, " ");
    if (name) line.append(element("b", name), " ");
    line.append(element("span", texts[Math.floor(code / 3)], "answer"));
    return line;
  };
  const renderPrompts = (sample) => {
    const box = element("details");
    box.append(element("summary", sample.prompts.length > 1 ? `${sample.prompts.length} prompts` : "prompt"));
    for (const [text, ...answers] of sample.prompts) {
      const of = new Set(answers.map((place) => variants[place % variants.length]));
      const who = new Set(answers.map((place) => MODELS[models[Math.floor(place / variants.length)]].label));
      if (answers.length) box.append(element("p", `${[...of].join(", ")}${who.size < models.length ? `, ${[...who].join(", ")}` : ""}:`));
      box.append(element("pre", texts[text]));
    }
    return box;
  };
  const renderSample = (sample, chosen, isOne) => {
    const row = element("tr");
    const head = element("th");
    head.scope = "row";
    head.append(element("p", texts[sample.question]), element("p", `gold: ${sample.golds.map((gold) => texts[gold]).join(" | ")}`, "gold"));
    const link = element("a", "link to this question");
    const question = `${browser.dataset.task}/${sample.id}`;
    link.href = `#question=${encodeURIComponent(question)}`; // to be copied: it opens the question among all models
    link.addEventListener("click", (event) => {
      event.preventDefault();
      CHOSEN.question = question;
      CHOSEN.at = "";
      location.hash = makeAddress();
    });
    if (sample.prompts.length) head.append(renderPrompts(sample));
    head.append(link);
    row.append(head);
    variants.forEach((variant, column) => {
      const cell = element("td");
      const asked = sample.asked?.[variant];
      if (asked !== undefined) cell.append(element("p", `asked: ${texts[asked]}`, "asked"));
      for (const key of sample.pictures?.[variant] ?? []) {
        const picture = element("img");
        picture.src = files[key];
        picture.alt = `what the model was shown as ${variant}`;
        cell.append(picture);
      }
      for (const place of chosen) {
        const code = sample.answers[place][column];
        if (code >= 0) cell.append(renderAnswer(code, isOne ? "" : MODELS[models[place]].label));
      }
      row.append(cell);
    });
    return row;
  };
  let shown = PAGE;
  let only = ""; // the question that the address names
  let isFilled = false;
  const fillChoice = () => {
    const before = part(".which").value;
    const options = models.filter(isShown).map((number) => new Option(MODELS[number].label, number));
    part(".which").replaceChildren(new Option("every model", ""), ...options);
    part(".which").value = options.some((option) => option.value === before) ? before : "";
    if (!isFilled && options.length > 12) part(".which").selectedIndex = 1; // later the reader may have chosen all
    isFilled = true;
  };
  const update = () => {
    if (!browser.open) return;
    const which = part(".which").value;
    const words = part(".words").value.toLowerCase();
    const test = tests[part(".show").value];
    const chosen = models.map((_, place) => place).filter((place) => (which === "" ? isShown(models[place]) : String(models[place]) === which));
    const found = samples
      .filter((sample) => (only ? sample.id === only : texts[sample.question].toLowerCase().includes(words)))
      .map((sample) => [sample, chosen.filter((place) => only || test(sample.answers[place]))])
      .filter(([, places]) => places.length);
    const table = element("table");
    const heading = table.createTHead().insertRow();
    heading.append(...["question", ...variants].map((name) => {
      const made = element("th", name);
      made.scope = "col";
      return made;
    }));
    const body = table.createTBody();
    body.append(...found.slice(0, shown).map(([sample, places]) => renderSample(sample, places, which !== "")));
    part(".list").replaceChildren(...(found.length ? [table] : []));
    part(".count").textContent = found.length === 1 ? "1 question" : `${found.length} questions`;
    if (only) {
      const all = element("button", "show all questions");
      all.type = "button";
      all.addEventListener("click", () => { CHOSEN.question = ""; CHOSEN.at = ""; only = ""; writeAddress(); update(); });
      part(".count").append(" ", all);
      if (!found.length) part(".count").firstChild.textContent = "That question is not among those that this page holds.";
    }
    part(".more").hidden = found.length <= shown;
  };
  for (const name of [".which", ".show", ".words"]) {
    part(name).addEventListener("input", () => { shown = PAGE; only = ""; update(); });
  }
  part(".more").addEventListener("click", () => { shown += PAGE; update(); });
  browser.addEventListener("toggle", update);
  document.addEventListener("filtered", () => { fillChoice(); update(); });
  document.addEventListener("addressed", () => {
    const [task, id] = CHOSEN.question.split("/");
    only = task === browser.dataset.task ? id : "";
    if (only) {
      part(".which").value = "";
      browser.open = true;
      browser.scrollIntoView();
    }
    update();
  });
}
