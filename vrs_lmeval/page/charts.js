// A mark says its numbers where the pointer or the keyboard is: Tab comes to a chart, arrows go from mark to mark.
const hint = element("div", "", "hint");
hint.hidden = true;
hint.setAttribute("aria-hidden", "true"); // screen readers read the mark's own name, the same text
document.body.append(hint);
function showHint(point) {
  hint.textContent = point.getAttribute("aria-label");
  hint.hidden = false;
  const { left, right, top, bottom } = point.querySelector(".hit").getBoundingClientRect();
  const { width, height } = hint.getBoundingClientRect();
  const middle = (left + right - width) / 2;
  hint.style.left = `${Math.max(4, Math.min(middle, document.documentElement.clientWidth - width - 4))}px`;
  hint.style.top = `${top > height + 8 ? top - height - 4 : bottom + 4}px`;
}
const hideHint = () => { hint.hidden = true; };
for (const chart of document.querySelectorAll(".chart")) {
  const list = () => [...chart.querySelectorAll(".point")].filter((point) => !point.closest("[hidden]"));
  const enter = (point) => {
    chart.querySelectorAll(".point[tabindex='0']").forEach((each) => each.setAttribute("tabindex", "-1"));
    point?.setAttribute("tabindex", "0");
  };
  document.addEventListener("filtered", () => enter(list()[0]));
  chart.addEventListener("pointerover", (event) => {
    const point = event.target.closest(".point");
    if (point) showHint(point); else hideHint();
  });
  chart.addEventListener("pointerleave", hideHint);
  chart.addEventListener("focusin", (event) => { enter(event.target); showHint(event.target); });
  chart.addEventListener("focusout", hideHint);
  chart.addEventListener("keydown", (event) => {
    const points = list();
    const place = points.indexOf(event.target);
    const steps = { ArrowRight: place + 1, ArrowDown: place + 1, ArrowLeft: place - 1, ArrowUp: place - 1, Home: 0, End: points.length - 1 };
    if (event.key in steps) {
      event.preventDefault();
      points[steps[event.key]]?.focus();
    }
  });
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideHint(); });
// A focus that scrolls the page keeps its hint; a pointer is elsewhere after scrolling.
document.addEventListener("scroll", () => {
  const focused = document.activeElement?.closest(".point");
  if (focused && !hint.hidden) showHint(focused); else hideHint();
}, { passive: true, capture: true });
// Printing opens what is folded away; undone afterwards.
let unfolded = [];
window.addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not(.browser):not(.filters):not([open])")];
  unfolded.forEach((each) => { each.open = true; });
});
window.addEventListener("afterprint", () => unfolded.forEach((each) => { each.open = false; }));
