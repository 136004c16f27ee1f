// A page with its maps inside: no server, no request.

import { areaTable, columnChart } from "./charts.js";
import { announce, byId, degrees, el, km2, percent, renewChildren, settled } from "./dom.js";
import { furnish, Marker, SwipeHandle } from "./furniture.js";
import { areasInView, classPalette, GridLayer, probabilityPalette, rampStyle, UNKNOWN } from "./grid_layer.js";
import { LatticePlane } from "./plane.js";
import { decodePng } from "./png.js";
import { Viewport } from "./viewport.js";

const BANDS = { class: "Class", probability: "Probability" };

class OneFile {
  constructor(head) {
    this.head = head;
    this.plane = new LatticePlane(head.grid);
    const fit = Math.min(1, 300 / Math.max(head.grid.width, head.grid.height));
    this.viewport = new Viewport(byId("map"), this.plane, { least: fit / 4, most: 40 });
    this.layers = new Map();
    [this.hidden, this.marker, this.loading] = [new Set(), new Marker(), 0];
    this.left = { map: head.maps.length - 1, band: "class" };
    this.right = head.maps.length > 1 ? { map: 0, band: "class" } : { map: 0, band: "probability" };
    this.swipe = new SwipeHandle(this.viewport);
    this.renewAreas = settled(120, () => this.showAreas());
  }

  async start() {
    furnish(this.viewport);
    this.controls();
    this.viewport.addEventListener("move", this.renewAreas);
    this.viewport.addEventListener("inspect", ({ detail }) => this.inspect(this.viewport.planeAt(detail)));
    this.viewport.fit([0, 0, this.head.grid.width, this.head.grid.height]);
    await this.show();
  }

  controls() {
    const { maps } = this.head;
    const several = maps.length > 1;
    byId("years").hidden = !several;
    if (several) {
      Object.assign(byId("year"), { max: maps.length - 1, value: this.left.map });
      byId("year").addEventListener("input", (event) => this.change({ map: Number(event.target.value) }));
      byId("year-marks").replaceChildren(...maps.map(({ label }) => el("span", {}, label)));
    }
    for (const input of document.querySelectorAll("input[name=band]"))
      input.addEventListener("change", () => this.change({ band: input.value }));
    byId("opacity").addEventListener("input", (event) => this.fade(Number(event.target.value)));
    const choices = maps.flatMap(({ label }, map) =>
      Object.entries(BANDS).map(([band, word]) => el("option", { value: `${map} ${band}` }, `${label}: ${word.toLowerCase()}`)));
    byId("other").replaceChildren(...choices);
    byId("other").value = `${this.right.map} ${this.right.band}`;
    byId("other").addEventListener("change", (event) => this.compare(event.target.value));
    byId("compare").addEventListener("change", (event) => this.toggleSwipe(event.target.checked));
  }

  async change(choice) {
    Object.assign(this.left, choice);
    await this.show();
    announce(this.title(this.left));
  }

  compare(text) {
    const [map, band] = text.split(" ");
    this.right = { map: Number(map), band };
    return this.show();
  }

  toggleSwipe(visible) {
    byId("other-box").hidden = !visible;
    this.swipe.show(visible);
    return this.show();
  }

  fade(percentage) {
    byId("opacity-value").textContent = `${percentage} %`;
    for (const layer of this.layers.values()) layer.opacity = percentage / 100;
    this.viewport.redraw();
  }

  title({ map, band }) {
    const { label } = this.head.maps[map];
    return `${label}, ${BANDS[band].toLowerCase()}`;
  }

  /** The layer of a map's band, decoded when it is first wanted. */
  layer(map, band) {
    const id = `map-${map}-${band}`;
    if (!this.layers.has(id)) this.layers.set(id, this.decoded(id, band));
    return this.layers.get(id);
  }

  async decoded(id, band) {
    const raster = await decodePng(byId(id).textContent.trim());
    const palette = band === "class" ? classPalette(this.head.classes, this.hidden) : probabilityPalette(this.head.probability_steps);
    const layer = new GridLayer(raster, palette);
    layer.opacity = Number(byId("opacity").value) / 100;
    this.layers.set(id, layer);
    return layer;
  }

  async show() {
    const turn = (this.loading += 1);
    const swiping = byId("compare").checked;
    const [left, right] = await Promise.all([this.layer(this.left.map, this.left.band), swiping ? this.layer(this.right.map, this.right.band) : null]);
    if (turn !== this.loading) return;
    const sided = [[left, swiping ? "left" : null], [right, "right"]].filter(([layer]) => layer);
    this.viewport.layers = [...sided.map(([layer, side]) => ({ side, get opacity() { return layer.opacity; }, draw: (...how) => layer.draw(...how) })), this.marker];
    byId("left-name").textContent = this.title(this.left);
    byId("right-name").textContent = swiping ? this.title(this.right) : "";
    byId("right-name").hidden = !swiping;
    const shown = this.head.maps[this.left.map];
    byId("shown").textContent = shown.label;
    byId("ramp").hidden = this.left.band !== "probability" && !(swiping && this.right.band === "probability");
    byId("ramp-line").style.background = rampStyle;
    this.viewport.redraw();
    this.showFacts(shown);
    await this.showAreas();
    if (this.asked) await this.inspect(this.asked);
    document.body.dataset.ready = "true";
  }

  areaAt = (x, y) => this.plane.between(this.head.grid.area_m2, x, y);

  async showAreas() {
    const map = this.head.maps[this.left.map];
    const inView = areasInView(await this.layer(this.left.map, "class"), this.viewport.view, this.areaAt);
    const inMap = Object.fromEntries(this.head.classes.map(({ value, name }) => [value, map.area_km2[name]]));
    const options = { hidden: this.hidden, ontoggle: (value, visible) => this.toggleClass(value, visible) };
    renewChildren(byId("areas"), areaTable(this.head.classes, inView, inMap, options), this.unknownLine(inView, map));
    if (this.head.maps.length > 1) await this.showChart();
  }

  unknownLine(inView, map) {
    const text = `Not known: ${km2(inView[UNKNOWN])} km² of the view, ${km2(map.unknown_km2)} km² of the map.`;
    return el("p", { class: "quiet" }, text);
  }

  /** The chosen class (the impervious one) in the view, by year; decoded one after the other. */
  async showChart() {
    const { value, name } = this.head.classes.find((each) => each.name === "impervious") ?? this.head.classes[0];
    const { view } = this.viewport;
    const entries = [];
    for (const [map, { label }] of this.head.maps.entries())
      entries.push({ label, value: areasInView(await this.layer(map, "class"), view, this.areaAt)[value] });
    byId("chart").replaceChildren(columnChart(`${name} in the view, km²`, entries, this.left.map, km2));
  }

  toggleClass(value, visible) {
    visible ? this.hidden.delete(value) : this.hidden.add(value);
    const palette = classPalette(this.head.classes, this.hidden);
    for (const [id, layer] of this.layers) if (id.endsWith("-class")) layer.recolour?.(palette);
    this.viewport.redraw();
  }

  async inspect([x, y]) {
    this.asked = [x, y];
    this.marker.place = [x, y];
    this.viewport.redraw();
    const rows = [];
    for (const [map, { label }] of this.head.maps.entries()) rows.push([label, ...(await this.valuesAt(map, x, y))]);
    const [lon, lat] = this.plane.toLonLat(x, y);
    const [, className, chance] = rows[this.left.map];
    byId("point").replaceChildren(
      el("p", { class: "answer" }, el("strong", {}, className), chance === null ? "" : ` probability of impervious ${chance}`),
      el("p", { class: "quiet" }, degrees(lon, lat)),
      rows.length > 1 ? historyTable(rows) : "",
    );
    byId("point-box").open = true;
    announce(`${className}${chance === null ? "" : `, probability of impervious ${chance}`}, at ${degrees(lon, lat)}`);
  }

  async valuesAt(map, x, y) {
    const value = (await this.layer(map, "class")).at(x, y);
    const stored = (await this.layer(map, "probability")).at(x, y);
    const name = this.head.classes.find((each) => each.value === value)?.name ?? "not known";
    return [name, stored === UNKNOWN ? null : percent(stored / this.head.probability_steps)];
  }

  showFacts({ facts }) {
    byId("facts").replaceChildren(...facts.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
  }
}

function historyTable(rows) {
  const head = el("tr", {}, ["Period", "Class", "Impervious"].map((text) => el("th", { scope: "col" }, text)));
  const body = rows.map(([period, name, chance]) => el("tr", {}, el("th", { scope: "row" }, period), el("td", {}, name), el("td", {}, chance ?? "–")));
  return el("table", { class: "history" }, el("caption", { class: "unseen" }, "This place in each map"), el("thead", {}, head), el("tbody", {}, body));
}

new OneFile(JSON.parse(byId("head").textContent)).start();
