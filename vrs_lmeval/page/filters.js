"use strict";
// Which models are shown: chosen by their fields and name, kept in the address. The number of a model is its place in MODELS.
const MODELS = JSON.parse(document.getElementById("page:models").textContent);
const CHOSEN = { training: new Set(), size: new Set(), base: new Set(), name: "", question: "", at: "" };
const FIELDS = ["training", "size", "base"];
const isShown = (number) => FIELDS.every((field) => !CHOSEN[field].size || CHOSEN[field].has(MODELS[number][field])) &&
  MODELS[number].label.toLowerCase().includes(CHOSEN.name.toLowerCase());
function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
// Hides what speaks of a model that is not shown, in the page or in a part of it. An attribute: SVG has no `hidden` property.
function hideModels(part = document) {
  const read = (each, name) => each.getAttribute(name).split(" ").map(Number);
  part.querySelectorAll("[data-models]").forEach((each) => each.toggleAttribute("hidden", !read(each, "data-models").every(isShown)));
  part.querySelectorAll("[data-any]").forEach((each) => each.toggleAttribute("hidden", !read(each, "data-any").some(isShown)));
}
// The address: #training=synthetic&size=7B&size=13B&name=llava&question=TASK/ID&at=PLACE; without a choice #PLACE, as everywhere.
function readAddress() {
  const text = location.hash.slice(1);
  if (!text.includes("=")) {
    CHOSEN.at = new URLSearchParams(`at=${text}`).get("at"); // it decodes without throwing at a stray %
    CHOSEN.question = "";
    return;
  }
  const parts = new URLSearchParams(text);
  const exists = (field) => (value) => MODELS.some((model) => model[field] === value); // the page may have changed since
  FIELDS.forEach((field) => { CHOSEN[field] = new Set(parts.getAll(field).filter(exists(field))); });
  ["name", "question", "at"].forEach((name) => { CHOSEN[name] = parts.get(name) ?? ""; });
  if (!filters) CHOSEN.name = ""; // of a page that had a form to take it back
}
function makeAddress() {
  const parts = new URLSearchParams();
  FIELDS.forEach((field) => CHOSEN[field].forEach((value) => parts.append(field, value)));
  if (CHOSEN.name) parts.append("name", CHOSEN.name);
  if (CHOSEN.question) parts.append("question", CHOSEN.question);
  if (!String(parts)) return `#${CHOSEN.at}`;
  if (CHOSEN.at) parts.append("at", CHOSEN.at);
  return `#${parts}`;
}
function writeAddress() {
  const address = makeAddress();
  if (location.hash !== address && (location.hash || address !== "#")) history.replaceState(null, "", address);
}
const filters = document.querySelector(".filters");
function applyFilters() {
  hideModels();
  const count = MODELS.filter((_, number) => isShown(number)).length;
  if (filters) {
    filters.querySelector(".found").textContent = count === MODELS.length ? `all ${count}` : `${count} of ${MODELS.length}`;
    filters.classList.toggle("active", count !== MODELS.length);
  }
  document.dispatchEvent(new Event("filtered"));
}
function showChoice() { // in the form, as the address has it
  if (!filters) return;
  filters.querySelectorAll("input[type=checkbox]").forEach((box) => {
    box.checked = CHOSEN[box.closest("fieldset").dataset.field].has(box.value);
  });
  filters.querySelector(".find").value = CHOSEN.name;
  if (CHOSEN.name || FIELDS.some((field) => CHOSEN[field].size)) filters.open = true;
}
if (filters) {
  const form = filters.querySelector("form");
  const readForm = () => {
    FIELDS.forEach((field) => CHOSEN[field].clear());
    form.querySelectorAll("input:checked").forEach((box) => CHOSEN[box.closest("fieldset").dataset.field].add(box.value));
    CHOSEN.name = form.querySelector(".find").value;
    writeAddress();
    applyFilters();
  };
  form.addEventListener("input", readForm);
  form.addEventListener("reset", () => setTimeout(readForm));
  form.addEventListener("submit", (event) => event.preventDefault());
}
function followAddress() {
  readAddress();
  showChoice();
  writeAddress();
  applyFilters();
  document.dispatchEvent(new Event("addressed"));
  if (CHOSEN.at && location.hash.includes("=")) document.getElementById(CHOSEN.at)?.scrollIntoView();
}
window.addEventListener("hashchange", followAddress);
window.addEventListener("DOMContentLoaded", followAddress); // when the other scripts listen, too
