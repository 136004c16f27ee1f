// Areas as a table with bars, and by year as a chart.

import { el, km2, percent, svg } from "./dom.js";

/** Legend and areas in one: a row for each class with its colour, its km2 in the view and in the whole map. */
export function areaTable(classes, inView, inMap, { hidden = new Set(), ontoggle = null } = {}) {
  const sum = classes.reduce((total, { value }) => total + (inView?.[value] ?? 0), 0);
  const rows = classes.map((each) => areaRow(each, inView?.[each.value], inMap?.[each.value], sum, hidden, ontoggle));
  const head = el("tr", {}, ["Class", "View, km²", "Map, km²"].map((text) => el("th", { scope: "col" }, text)));
  return el("table", { class: "areas" }, el("caption", { class: "unseen" }, "Legend and area of each class"), el("thead", {}, head), el("tbody", {}, rows));
}

function areaRow({ value, name, colour }, inView, inMap, sum, hidden, ontoggle) {
  const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
  swatch.style.backgroundColor = `#${colour.replace("#", "")}`;
  const box = ontoggle && el("input", { type: "checkbox", "data-key": `class-${value}`, checked: !hidden.has(value), onchange: (event) => ontoggle(value, event.target.checked) });
  const bar = el("span", { class: "bar-fill" });
  bar.style.width = `${sum ? (100 * (inView ?? 0)) / sum : 0}%`;
  bar.style.backgroundColor = swatch.style.backgroundColor;
  const share = inView === undefined ? null : el("span", { class: "quiet" }, ` ${percent(inView / sum)}`);
  const label = el("label", { class: "class-name" }, box, swatch, el("span", {}, name));
  return el(
    "tr", {},
    el("th", { scope: "row" }, label, el("span", { class: "bar-line", "aria-hidden": "true" }, bar)),
    el("td", {}, inView === undefined ? "…" : km2(inView), share),
    el("td", {}, inMap === undefined ? "…" : km2(inMap)),
  );
}

/** Areas of each class by district, km². */
export function districtTable(caption, classes, districts) {
  const head = el("tr", {}, ["District", ...classes.map((name) => `${name}, km²`), "not known"].map((text) => el("th", { scope: "col" }, text)));
  const rows = districts.map(({ name, area_km2: areas, nodata_km2: unknown }) =>
    el("tr", {}, el("th", { scope: "row" }, name), classes.map((each) => el("td", {}, km2(areas[each]))), el("td", {}, km2(unknown))));
  return el("table", {}, el("caption", { class: "quiet" }, caption), el("thead", {}, head), el("tbody", {}, rows));
}

const WIDTH = 300;
const HEIGHT = 120;
const [LEFT, BOTTOM, TOP] = [8, 22, 20];

/** Values by label as columns, the one at the index `chosen` strong; a table of the same numbers stands in its description. */
export function columnChart(title, entries, chosen, words) {
  const most = Math.max(...entries.map(({ value }) => value), 1e-12);
  const step = (WIDTH - LEFT * 2) / entries.length;
  const text = entries.map(({ label, value }) => `${label}: ${words(value)}`).join("; ");
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": `${title}. ${text}` });
  chart.append(svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM, class: "axis" }));
  entries.forEach(({ label, value }, index) => {
    const tall = (value / most) * (HEIGHT - BOTTOM - TOP);
    const [middle, wide] = [LEFT + (index + 0.5) * step, Math.min(44, step * 0.7)];
    const strong = index === chosen ? " strong" : "";
    chart.append(svg("rect", { x: middle - wide / 2, y: HEIGHT - BOTTOM - tall, width: wide, height: tall, rx: 2, class: `column${strong}` }));
    if (entries.length > 8 && index % 2 && !strong) return;
    chart.append(svg("text", { x: middle, y: HEIGHT - 7, class: `tick${strong}` }, document.createTextNode(label)));
    if (entries.length < 8 || strong)
      chart.append(svg("text", { x: middle, y: HEIGHT - BOTTOM - tall - 5, class: `figure${strong}` }, document.createTextNode(words(value))));
  });
  return el("figure", { class: "chart-box" }, el("figcaption", {}, title), chart);
}
