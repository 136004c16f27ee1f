// The map that is shown: its layers, years, legend, areas, values, files and its way to Earth Engine.

import { AreaCard } from "./area_card.js";
import { announce, byId, counted, degrees, el, localTime, percent, renewChildren, settled } from "./dom.js";
import { SwipeHandle } from "./furniture.js";
import { rampStyle } from "./grid_layer.js";
import { Lane } from "./lane.js";
import { MapEditor } from "./map_editor.js";
import { TileLayer } from "./tile_layer.js";

const FILES = { geotiff: "GeoTIFF (classes)", probability: "GeoTIFF (probability)", share: "GeoTIFF (percent impervious)", gpkg: "GeoPackage", csv: "CSV of areas", png: "PNG" };
const IMAGERY = "imagery";
const WORDS = { class: "class", probability: "probability", share: "percent impervious" };
const RAMPS = { probability: "probability of impervious", share: "impervious share of a pixel" };
const SHARE_STYLE = "linear-gradient(90deg, #d9d9d9, #e31a1c)"; // of NAME_share.tif
const MOST_TILES = 6; // asked for at once, as many as a browser connects
const MOST_IMAGERY = 2;
const MOST_JOINED = 20; // whose areas the service counts at once
const OWN_LINES = ["geotiff", "probability", "share"]; // files that are there already: the browser may fetch them itself

export class MapPanel {
  constructor(service, viewport, { below, above, marker }) {
    Object.assign(this, { service, viewport, below, above, marker, maps: [], map: null, layers: new Map(), turn: 0, shown: [], hidden: new Map() });
    this.tileLane = new Lane(MOST_TILES);
    this.imageryLane = new Lane(MOST_IMAGERY, () => !this.waitingTiles); // the map itself comes first
    this.editor = new MapEditor(this);
    this.areas = new AreaCard(this);
    this.swipe = new SwipeHandle(viewport);
    viewport.addEventListener("move", settled(450, () => this.areas.show()));
    viewport.addEventListener("move", settled(300, () => this.writeLink()));
    viewport.addEventListener("inspect", ({ detail }) => this.ask(detail));
    byId("map-choice").addEventListener("change", (event) => this.open(event.target.value));
    byId("year").addEventListener("input", (event) => this.show(this.years[Number(event.target.value)].id));
    byId("joined").addEventListener("input", () => this.showJoined());
    for (const id of ["opacity", "imagery", "compare", "other"]) byId(id).addEventListener("input", () => this.draw());
    for (const input of document.querySelectorAll("input[name=band]")) input.addEventListener("change", () => this.draw());
  }

  async renew() {
    ({ maps: this.maps } = await this.service.json("/maps"));
    this.maps.sort((one, other) => other.created.localeCompare(one.created));
    renewChildren(byId("map-choice"), ...this.maps.map(({ id, name, period }) => el("option", { value: id }, [name, period].filter(Boolean).join(", "))));
    byId("no-map").hidden = this.maps.length > 0;
    byId("map-cards").hidden = !this.maps.length;
    if (this.map) byId("map-choice").value = this.map.id;
  }

  /** The address of what is shown: the map, and the middle and zoom of the view. */
  writeLink() {
    if (!this.map) return;
    const [lon, lat] = this.viewport.plane.toLonLat(this.viewport.x, this.viewport.y);
    const at = [lat.toFixed(5), lon.toFixed(5), Math.log2(this.viewport.scale).toFixed(2)].join(",");
    history.replaceState(null, "", `#map=${encodeURIComponent(this.map.id)}&at=${at}`);
  }

  /** Moves the view to what such an address says; other text changes nothing. */
  lookAt(text) {
    const [lat, lon, zoom] = (text ?? "").split(",").map(Number);
    if (![lat, lon, zoom].every(Number.isFinite)) return;
    this.viewport.look(...this.viewport.plane.fromLonLat(lon, lat), 2 ** zoom);
  }

  /** Shows a map and moves to its ground, or to the part of it that an address says. */
  open(id, at = "") {
    return this.show(id, () => {
      const { from, to } = this.boxOf({ bbox: this.bbox });
      this.viewport.fit([...from, ...to]);
      this.lookAt(at);
    });
  }

  /** The maps that are shown: the chosen one, before others of its period and classes where all are one. */
  get joined() {
    return byId("joined").checked ? [this.map, ...this.siblings] : [this.map];
  }

  /** Other maps of the same period and classes, whose ground may lie elsewhere. */
  get siblings() {
    return this.maps.filter((other) => other.id !== this.map.id && other.period === this.map.period && sameClasses(other, this.map)).slice(0, MOST_JOINED - 1);
  }

  /** W S E N of all that is shown. */
  get bbox() {
    const boxes = this.joined.map(({ bbox }) => bbox);
    return [Math.min, Math.min, Math.max, Math.max].map((most, side) => boxes.map((box) => box[side]).reduce((one, other) => most(one, other)));
  }

  /** Shows all maps of the period as one, or the chosen one alone, whole. */
  async showJoined() {
    const { from, to } = this.boxOf({ bbox: this.bbox });
    this.viewport.fit([...from, ...to]);
    this.draw();
    await this.areas.show();
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
    byId("simulated").hidden = !(map.simulation || this.simulatedService);
    byId("simulated").textContent = map.simulation || "Simulated: new maps of this service say nothing about real places.";
    this.viewport.box.dataset.waiting = "?";
    byId("joined-box").hidden = !this.siblings.length;
    byId("joined").checked &&= this.siblings.length > 0;
    byId("joined-words").textContent = `All ${this.siblings.length + 1} maps of ${map.period || "no period"} as one`;
    move();
    this.draw();
    this.viewport.drawNow();
    this.writeLink();
    await this.areas.show();
    if (this.asked) await this.inspect(this.asked);
  }

  /** Shows no map. */
  leave() {
    [this.map, this.shown, this.asked, this.marker.place] = [null, [], null, null];
    for (const id of ["years", "right-name", "loading"]) byId(id).hidden = true;
    byId("left-name").textContent = "";
    history.replaceState(null, "", location.pathname);
    this.viewport.layers = [...this.below, ...this.above];
    this.viewport.redraw();
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
      el("option", { value: `${this.map.id} ${numbers(this.map)}` }, `this map: ${WORDS[numbers(this.map)]}`),
      ...this.years.filter(({ id }) => id !== this.map.id).flatMap(({ id, name, period, bands }) =>
        bands.map((band) => el("option", { value: `${id} ${band}` }, `${period || name} (${name}): ${WORDS[band]}`))),
    ];
    renewChildren(byId("other"), ...choices);
    if (choices.some(({ value }) => value === before)) byId("other").value = before;
  }

  fillFiles() {
    const absent = numbers(this.map) === "share" ? "probability" : "share";
    byId("files").replaceChildren(...Object.entries(FILES).filter(([format]) => format !== absent).map(([format, words]) => {
      const path = `/maps/${this.map.id}/download?format=${format}`;
      return el("li", {}, el("a", { href: path, download: true, onclick: (event) => this.save(event, path, format) }, words));
    }));
    this.publisher?.fill(this.map.id, this.ofGoogle);
  }

  /** With a token a link alone would be refused: the file is fetched with it. */
  async save(event, path, format) {
    if (!this.service.token && OWN_LINES.includes(format)) return;
    event.preventDefault();
    const [link, words] = [event.target, event.target.textContent];
    link.textContent = `${words} is being made …`;
    announce(link.textContent);
    try {
      const reply = await this.service.ask(path);
      const name = /filename="([^"]+)"/.exec(reply.headers.get("content-disposition") ?? "")?.[1] ?? `${this.map.id}.${format}`;
      const address = URL.createObjectURL(await reply.blob());
      el("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      link.textContent = words;
    } catch (error) {
      link.textContent = `${words}: ${error.message}`;
      announce(error.message);
    }
  }

  fillFacts() {
    const { name, period, checkpoint, created, step_m: step, simulation, id } = this.map;
    const rows = { Name: name, Period: period, Network: checkpoint, Made: localTime(created), "Pixels": `${step} m`, Simulated: simulation || "no", Id: id };
    byId("facts").replaceChildren(...Object.entries(rows).filter(([, text]) => text).flatMap(([word, text]) => [el("dt", {}, word), el("dd", {}, text)]));
    this.editor.fill(name);
  }

  boxOf({ bbox: [west, south, east, north] }) {
    return { from: this.viewport.plane.fromLonLat(west, north), to: this.viewport.plane.fromLonLat(east, south) };
  }

  /** Values of classes that are not drawn: at first pervious ground, under which the image shows, unless it is all. */
  hiddenOf(map) {
    const key = map.classes.map(({ name }) => name).join();
    const clear = ({ name }) => name === "pervious" && map.area_km2.impervious > 0;
    if (!this.hidden.has(key)) this.hidden.set(key, new Set(map.classes.filter(clear).map(({ value }) => value)));
    return this.hidden.get(key);
  }

  /** Shows the image alone, as who judges a map by points may not see what it says there. */
  setBlind(blind) {
    this.blind = blind;
    this.draw();
  }

  toggle(value, visible) {
    visible ? this.hiddenOf(this.map).delete(value) : this.hiddenOf(this.map).add(value);
    this.draw();
  }

  layer(id, band) {
    const hidden = band === "class" ? [...this.hiddenOf(this.map)].sort() : [];
    const key = `${id} ${band} ${hidden}`;
    if (!this.layers.has(key)) {
      const map = this.maps.find((each) => each.id === id) ?? this.map;
      const finest = Math.ceil(Math.log2((40075016.686 * Math.cos((map.bbox[1] * Math.PI) / 180)) / (256 * map.step_m)));
      const address = (z, x, y) => `/maps/${encodeURIComponent(id)}/tiles/${band}/${z}/${x}/${y}.png${hidden.length ? `?hide=${hidden}` : ""}`;
      const changed = () => this.tilesChanged();
      this.layers.set(key, new TileLayer({ service: this.service, address, bbox: this.boxOf(map), least: 0, most: Math.min(22, finest + (band === IMAGERY ? 0 : 1)), changed, lane: band === IMAGERY ? this.imageryLane : this.tileLane }));
    }
    return this.layers.get(key);
  }

  /** Tiles of classes and probabilities that are shown and not there yet. */
  get waitingTiles() {
    return this.shown.filter(({ lane }) => lane === this.tileLane).reduce((sum, { waiting }) => sum + waiting, 0);
  }

  tilesChanged() {
    const waiting = this.shown.reduce((sum, { waiting: count }) => sum + count, 0);
    this.viewport.box.dataset.waiting = waiting;
    byId("loading").hidden = !waiting;
    byId("loading-words").textContent = this.waitingTiles ? "Loading the map" : `Loading the image, ${counted(waiting, "tile")}`;
    this.imageryLane.next();
    const failure = this.shown.map((each) => each.failure).find(Boolean) ?? "";
    if (!this.viewport.tool) Object.assign(byId("map-message"), { textContent: failure, hidden: !failure });
    this.viewport.redraw();
  }

  draw() {
    if (!this.map) return;
    const band = document.querySelector("input[name=band]:checked").value === "class" ? "class" : numbers(this.map);
    const swiping = byId("compare").checked;
    const [otherId, otherBand] = byId("other").value.split(" ");
    byId("opacity-value").textContent = `${byId("opacity").value} %`;
    byId("other-box").hidden = !swiping;
    if (swiping === this.swipe.line.hidden) this.swipe.show(swiping);
    const opacity = Number(byId("opacity").value) / 100;
    const ids = this.joined.map(({ id }) => id);
    const left = this.blind ? [] : ids.map((id) => this.layer(id, band));
    const right = swiping && !this.blind ? [this.layer(otherId, otherBand)] : [];
    const under = byId("imagery").checked || this.blind ? ids.map((id) => this.layer(id, IMAGERY)) : [];
    this.shown = [...left, ...right, ...under];
    const over = [...left.map((layer) => sided(layer, swiping ? "left" : null, opacity)), ...right.map((layer) => sided(layer, "right", otherBand === IMAGERY ? 1 : opacity))];
    this.viewport.layers = [...this.below, ...under.map((layer) => sided(layer, null, 1)), ...over.reverse(), ...this.above, this.marker];
    const name = ids.length > 1 ? `${ids.length} maps` : this.map.name;
    byId("left-name").textContent = `${name}${this.map.period ? `, ${this.map.period}` : ""}: ${this.blind ? "image" : WORDS[band]}`;
    byId("right-name").textContent = right.length ? byId("other").selectedOptions[0].textContent : "";
    byId("right-name").hidden = !right.length;
    const ramps = [band, swiping ? otherBand : null].filter((each) => each in RAMPS);
    byId("ramp").hidden = !ramps.length;
    byId("ramp-line").style.background = ramps[0] === "share" ? SHARE_STYLE : rampStyle;
    byId("ramp-words").textContent = RAMPS[ramps[0]] ?? "";
    byId("numbers-word").textContent = numbers(this.map) === "share" ? "Percent" : "Probability";
    this.viewport.redraw();
  }

  /** What a click asks: the answer is brought into view. */
  async ask(point) {
    if (this.blind) return;
    await this.inspect(this.viewport.planeAt(point));
    if (this.map && !byId("map-tab").hidden) byId("point-box").scrollIntoView({ block: "nearest" });
  }

  async inspect([x, y]) {
    if (!this.map) return;
    this.asked = this.marker.place = [x, y];
    this.viewport.redraw();
    const [lon, lat] = this.viewport.plane.toLonLat(x, y);
    byId("point-box").open = true;
    const { id } = this.joined.find(({ bbox: [w, s, e, n] }) => w <= lon && lon <= e && s <= lat && lat <= n) ?? this.map;
    try {
      const answer = await this.service.json(`/maps/${encodeURIComponent(id)}/point?lon=${lon.toFixed(7)}&lat=${lat.toFixed(7)}`);
      const number = answer[numbers(this.map)];
      const words = numbers(this.map) === "share" ? " impervious share of the pixel" : " probability of impervious";
      const chance = number === null ? "" : `${words} ${percent(number)}`;
      const rows = answer.history.length > 1 ? [pointHistory(answer.history)] : [];
      byId("point").replaceChildren(el("p", { class: "answer" }, el("strong", {}, answer.class), chance), el("p", { class: "quiet" }, degrees(lon, lat)), ...rows);
      announce(`${answer.class}${chance}`);
    } catch (error) {
      byId("point").replaceChildren(el("p", {}, error.message), el("p", { class: "quiet" }, degrees(lon, lat)));
      announce(error.message);
    }
  }
}

/** What a map says of a pixel beside its class: a probability, or the share of a network that learned shares. */
function numbers(map) {
  return map.bands[1];
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
  const body = rows.map(({ period, class: name, probability, share }) => el("tr", {}, el("th", { scope: "row" }, period), el("td", {}, name), el("td", {}, (share ?? probability ?? null) === null ? "–" : percent(share ?? probability))));
  return el("table", { class: "history" }, el("caption", { class: "unseen" }, "This place in every map"), el("thead", {}, head), el("tbody", {}, body));
}
