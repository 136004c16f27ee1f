// The map that is shown: its layers, years, legend, areas, values, files and its way to Earth Engine.

import { areaTable, columnChart } from "./charts.js";
import { announce, byId, degrees, el, km2, percent, settled } from "./dom.js";
import { SwipeHandle } from "./furniture.js";
import { rampStyle } from "./grid_layer.js";
import { TileLayer } from "./tile_layer.js";

const FILES = { geotiff: "GeoTIFF (classes)", probability: "GeoTIFF (probability)", gpkg: "GeoPackage", csv: "CSV of areas", png: "PNG" };
const IMAGERY = "imagery";
const CHARTED = 8;

export class MapPanel {
  constructor(service, viewport, { below, above, marker }) {
    Object.assign(this, { service, viewport, below, above, marker, maps: [], map: null, layers: new Map(), turn: 0 });
    this.swipe = new SwipeHandle(viewport);
    this.renewAreas = settled(450, () => this.showAreas());
    viewport.addEventListener("move", this.renewAreas);
    viewport.addEventListener("inspect", ({ detail }) => this.ask(detail));
    byId("map-choice").addEventListener("change", (event) => this.open(event.target.value));
    byId("year").addEventListener("input", (event) => this.show(this.years[Number(event.target.value)].id));
    for (const id of ["opacity", "imagery", "compare", "other"]) byId(id).addEventListener("input", () => this.draw());
    for (const input of document.querySelectorAll("input[name=band]")) input.addEventListener("change", () => this.draw());
    byId("publish").addEventListener("submit", (event) => {
      event.preventDefault();
      this.publish();
    });
  }

  async renew() {
    ({ maps: this.maps } = await this.service.json("/maps"));
    this.maps.sort((one, other) => other.created.localeCompare(one.created));
    byId("map-choice").replaceChildren(...this.maps.map(({ id, name, period }) => el("option", { value: id }, [name, period].filter(Boolean).join(", "))));
    byId("no-map").hidden = this.maps.length > 0;
    byId("map-cards").hidden = !this.maps.length;
    if (this.map) byId("map-choice").value = this.map.id;
  }

  /** Shows a map and moves to its ground. */
  open(id) {
    return this.show(id, (map) => {
      const { from, to } = this.boxOf(map);
      this.viewport.fit([...from, ...to]);
    });
  }

  /** Shows a map, where the view is unless it is moved. */
  async show(id, move = () => {}) {
    const turn = (this.turn += 1);
    const map = await this.service.json(`/maps/${id}`);
    if (turn !== this.turn) return;
    this.map = map;
    byId("map-choice").value = id;
    this.years = this.maps.filter((other) => overlap(other.bbox, map.bbox) && sameClasses(other, map)).sort((one, other) => one.period.localeCompare(other.period));
    this.fillYears();
    this.fillOther();
    this.fillFiles();
    this.fillFacts();
    byId("simulated").hidden = !(map.simulated || this.simulatedService);
    byId("simulated").textContent = map.simulated ? "Simulated: this map says nothing about the real place." : "Simulated: new maps of this service say nothing about real places.";
    history.replaceState(null, "", `#map=${encodeURIComponent(id)}`);
    this.viewport.box.dataset.waiting = "?";
    move(map);
    this.draw();
    await this.showAreas();
    if (this.asked) await this.inspect(this.asked);
  }

  fillYears() {
    byId("years").hidden = this.years.length < 2;
    Object.assign(byId("year"), { max: Math.max(0, this.years.length - 1), value: this.years.findIndex(({ id }) => id === this.map.id) });
    byId("shown").textContent = this.map.period || this.map.name;
    byId("year-marks").replaceChildren(...this.years.map(({ period, name }) => el("span", {}, period || name)));
  }

  fillOther() {
    const before = byId("other").value;
    const choices = [
      el("option", { value: `${this.map.id} ${IMAGERY}` }, "Sentinel-2 image"),
      el("option", { value: `${this.map.id} class` }, "this map: class"),
      el("option", { value: `${this.map.id} probability` }, "this map: probability"),
      ...this.years.filter(({ id }) => id !== this.map.id).flatMap(({ id, name, period }) =>
        ["class", "probability"].map((band) => el("option", { value: `${id} ${band}` }, `${period || name} (${name}): ${band}`))),
    ];
    byId("other").replaceChildren(...choices);
    if (choices.some(({ value }) => value === before)) byId("other").value = before;
  }

  fillFiles() {
    byId("files").replaceChildren(...Object.entries(FILES).map(([format, words]) => {
      const path = `/maps/${this.map.id}/download?format=${format}`;
      return el("li", {}, el("a", { href: path, download: true, onclick: (event) => this.save(event, path, format) }, words));
    }));
    byId("asset").value = `projects/local/assets/isa/${this.map.id.replace(/[^\w-]/g, "_")}`;
    byId("published").replaceChildren();
  }

  /** With a token a link alone would be refused: the file is fetched with it. */
  async save(event, path, format) {
    if (!this.service.token) return;
    event.preventDefault();
    try {
      const reply = await this.service.ask(path);
      const name = /filename="([^"]+)"/.exec(reply.headers.get("content-disposition") ?? "")?.[1] ?? `${this.map.id}.${format}`;
      const address = URL.createObjectURL(await reply.blob());
      el("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    } catch (error) {
      announce(error.message);
    }
  }

  fillFacts() {
    const { name, period, checkpoint, created, step_m: step, simulated, id } = this.map;
    const rows = { Name: name, Period: period, Network: checkpoint, Made: created.replace("T", " ").replace("Z", " UTC"), "Pixels": `${step} m`, Simulated: simulated ? "yes: it says nothing about the real place" : "no", Id: id };
    byId("facts").replaceChildren(...Object.entries(rows).filter(([, text]) => text).flatMap(([word, text]) => [el("dt", {}, word), el("dd", {}, text)]));
  }

  boxOf({ bbox: [west, south, east, north] }) {
    return { from: this.viewport.plane.fromLonLat(west, north), to: this.viewport.plane.fromLonLat(east, south) };
  }

  layer(id, band) {
    const key = `${id} ${band}`;
    if (!this.layers.has(key)) {
      const map = this.maps.find((each) => each.id === id) ?? this.map;
      const finest = Math.ceil(Math.log2((40075016.686 * Math.cos((map.bbox[1] * Math.PI) / 180)) / (256 * map.step_m)));
      const address = (z, x, y) => `/maps/${encodeURIComponent(id)}/tiles/${band}/${z}/${x}/${y}.png`;
      const changed = () => this.tilesChanged();
      this.layers.set(key, new TileLayer({ service: this.service, address, bbox: this.boxOf(map), least: 0, most: Math.min(22, finest + (band === IMAGERY ? 0 : 1)), changed }));
    }
    return this.layers.get(key);
  }

  tilesChanged() {
    const waiting = this.shown.reduce((sum, { waiting: count }) => sum + count, 0);
    this.viewport.box.dataset.waiting = waiting;
    const failure = this.shown.map((each) => each.failure).find(Boolean) ?? "";
    if (!this.viewport.tool) Object.assign(byId("map-message"), { textContent: failure, hidden: !failure });
    this.viewport.redraw();
  }

  draw() {
    if (!this.map) return;
    const band = document.querySelector("input[name=band]:checked").value;
    const swiping = byId("compare").checked;
    const [otherId, otherBand] = byId("other").value.split(" ");
    byId("opacity-value").textContent = `${byId("opacity").value} %`;
    byId("other-box").hidden = !swiping;
    if (swiping === this.swipe.line.hidden) this.swipe.show(swiping);
    const opacity = Number(byId("opacity").value) / 100;
    const left = this.layer(this.map.id, band);
    const right = swiping ? this.layer(otherId, otherBand) : null;
    const under = byId("imagery").checked ? [sided(this.layer(this.map.id, IMAGERY), null, 1)] : [];
    this.shown = [left, right, under.length ? this.layer(this.map.id, IMAGERY) : null].filter(Boolean);
    const over = [sided(left, right ? "left" : null, opacity), right && sided(right, "right", otherBand === IMAGERY ? 1 : opacity)].filter(Boolean);
    this.viewport.layers = [...this.below, ...under, ...over, ...this.above, this.marker];
    byId("left-name").textContent = `${this.map.name}${this.map.period ? `, ${this.map.period}` : ""}: ${band}`;
    byId("right-name").textContent = right ? byId("other").selectedOptions[0].textContent : "";
    byId("right-name").hidden = !right;
    byId("ramp").hidden = band !== "probability" && otherBand !== "probability";
    byId("ramp-line").style.background = rampStyle;
    this.viewport.redraw();
  }

  /** W S E N of the view's part of the map, or null where the view is off it. */
  viewBox() {
    const { left, top, right, bottom } = this.viewport.view;
    const [west, north] = this.viewport.plane.toLonLat(left, top);
    const [east, south] = this.viewport.plane.toLonLat(right, bottom);
    const [w, s, e, n] = this.map.bbox;
    const box = [Math.max(west, w), Math.max(south, s), Math.min(east, e), Math.min(north, n)];
    return box[0] < box[2] && box[1] < box[3] ? box : null;
  }

  async showAreas() {
    if (!this.map || byId("map-tab").hidden) return;
    const turn = (this.areaTurn = (this.areaTurn ?? 0) + 1);
    const { classes, area_km2: whole, bbox } = this.map;
    const byValue = (areas) => Object.fromEntries(classes.map(({ value, name }) => [value, areas[name] ?? 0]));
    const box = this.viewBox();
    const isWhole = box && box.every((side, index) => Math.abs(side - bbox[index]) < 1e-9);
    try {
      const answer = isWhole ? { area_km2: whole, nodata_km2: null } : box ? await this.areasOf(this.map.id, box) : { area_km2: {} };
      if (turn !== this.areaTurn) return;
      byId("areas").replaceChildren(areaTable(classes, byValue(answer.area_km2), byValue(whole)));
      if (box) await this.showChart(box, turn);
    } catch (error) {
      if (turn === this.areaTurn) byId("areas").replaceChildren(areaTable(classes, undefined, byValue(whole)), el("p", { class: "quiet" }, error.message));
    }
  }

  areasOf(id, box) {
    return this.service.json(`/maps/${encodeURIComponent(id)}/area?bbox=${box.join(",")}`);
  }

  /** Impervious ground of the view in each map of this place, by period. */
  async showChart(box, turn) {
    const years = this.years.slice(-CHARTED);
    if (years.length < 2) return byId("chart").replaceChildren();
    const entries = [];
    for (const { id, period, name } of years) {
      const { area_km2: areas } = await this.areasOf(id, box).catch(() => ({ area_km2: {} }));
      if (turn !== this.areaTurn) return;
      entries.push({ label: period || name, value: areas.impervious ?? 0 });
    }
    byId("chart").replaceChildren(columnChart("Impervious in the view, km²", entries, this.map.period || this.map.name, km2));
  }

  /** What a click asks: the answer is brought into view. */
  async ask(point) {
    await this.inspect(this.viewport.planeAt(point));
    if (this.map && !byId("map-tab").hidden) byId("point-box").scrollIntoView({ block: "nearest" });
  }

  async inspect([x, y]) {
    if (!this.map) return;
    this.asked = this.marker.place = [x, y];
    this.viewport.redraw();
    const [lon, lat] = this.viewport.plane.toLonLat(x, y);
    byId("point-box").open = true;
    try {
      const answer = await this.service.json(`/maps/${encodeURIComponent(this.map.id)}/point?lon=${lon.toFixed(7)}&lat=${lat.toFixed(7)}`);
      const chance = answer.probability === null ? "" : ` probability of impervious ${percent(answer.probability)}`;
      const rows = answer.history.length > 1 ? [pointHistory(answer.history)] : [];
      byId("point").replaceChildren(el("p", { class: "answer" }, el("strong", {}, answer.class), chance), el("p", { class: "quiet" }, degrees(lon, lat)), ...rows);
      announce(`${answer.class}${chance}`);
    } catch (error) {
      byId("point").replaceChildren(el("p", {}, error.message), el("p", { class: "quiet" }, degrees(lon, lat)));
      announce(error.message);
    }
  }

  async publish() {
    const [map, asset] = [this.map.id, byId("asset").value.trim()];
    const say = (...nodes) => byId("published").replaceChildren(...nodes);
    try {
      let job = await this.service.post("/processes/publish/execution", { inputs: { map, asset } });
      while (["accepted", "running"].includes(job.status)) {
        say(el("p", { class: "quiet" }, `${job.message} …`));
        await new Promise((done) => setTimeout(done, 1000));
        job = await this.service.json(`/jobs/${job.jobID}`);
      }
      if (job.status !== "successful") throw new Error(job.message);
      const { code } = await this.service.json(`/jobs/${job.jobID}/results`);
      const copy = el("button", { type: "button", class: "slim", onclick: () => navigator.clipboard?.writeText(code).then(() => announce("Copied.")) }, "Copy");
      say(el("p", {}, `Published as ${asset}. In the Code Editor:`), el("pre", { class: "log", role: "group", tabindex: "0", "aria-label": "Lines for the Code Editor" }, code), copy);
      announce("The map is published.");
    } catch (error) {
      say(el("p", { class: "wrong" }, error.message));
      announce(error.message);
    }
  }
}

function sided(layer, side, opacity) {
  return { side, opacity, draw: (context, view) => layer.draw(context, view) };
}

function overlap(one, other) {
  return one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
}

function sameClasses(one, other) {
  return one.classes.map(({ name }) => name).join() === other.classes.map(({ name }) => name).join();
}

function pointHistory(rows) {
  const head = el("tr", {}, ["Period", "Class", "Impervious"].map((text) => el("th", { scope: "col" }, text)));
  const body = rows.map(({ period, class: name, probability }) => el("tr", {}, el("th", { scope: "row" }, period), el("td", {}, name), el("td", {}, probability === null ? "–" : percent(probability))));
  return el("table", { class: "history" }, el("caption", { class: "unseen" }, "This place in every map"), el("thead", {}, head), el("tbody", {}, body));
}
