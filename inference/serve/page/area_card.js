// Legend, areas and chart of what is shown, and areas by districts of a file.

import { areaTable, columnChart, districtTable } from "./charts.js";
import { announce, byId, counted, el, km2, percent, renewChildren } from "./dom.js";
import { Outlines, ringsOf } from "./overlay.js";
import { readGeojson } from "./geojson_file.js";

const CHARTED = 8;

export class AreaCard {
  constructor(panel) {
    Object.assign(this, { panel, service: panel.service, turn: 0 });
    this.outlines = new Outlines(panel.viewport.plane, { strong: true });
    byId("open-districts").addEventListener("click", () => byId("districts-file").click());
    byId("districts-file").addEventListener("change", () => this.readDistricts(byId("districts-file").files[0]));
  }

  /** W S E N of the view's part of what is shown, or null where the view is off it. */
  get viewBox() {
    const { viewport, bbox } = this.panel;
    const { left, top, right, bottom } = viewport.view;
    const [west, north] = viewport.plane.toLonLat(left, top);
    const [east, south] = viewport.plane.toLonLat(right, bottom);
    const box = [Math.max(west, bbox[0]), Math.max(south, bbox[1]), Math.min(east, bbox[2]), Math.min(north, bbox[3])];
    return box[0] < box[2] && box[1] < box[3] ? box : null;
  }

  get isJoined() {
    return this.panel.joined.length > 1;
  }

  async show() {
    if (!this.panel.map || byId("map-tab").hidden) return;
    const turn = (this.turn += 1);
    const box = this.viewBox;
    try {
      const whole = await this.whole();
      const isWhole = box?.every((side, index) => Math.abs(side - this.panel.bbox[index]) < 1e-9);
      const answer = isWhole ? { area_km2: whole } : box ? await this.areasOf(box) : { area_km2: {} };
      if (turn !== this.turn) return;
      const unknown = answer.nodata_km2 > 0 ? el("p", { class: "quiet" }, `Not known: ${km2(answer.nodata_km2)} km² of the view.`) : "";
      const warnings = this.isJoined ? [] : this.panel.map.warnings.map((text) => el("p", { role: "note" }, `${text[0].toUpperCase()}${text.slice(1)}.`));
      renewChildren(byId("areas"), this.table(answer.area_km2, whole), unknown, ...warnings);
      await this.showChart(box, turn);
    } catch (error) {
      if (turn === this.turn) renewChildren(byId("areas"), this.table(undefined, this.isJoined ? undefined : this.panel.map.area_km2), el("p", { class: "quiet" }, error.message));
    }
  }

  /** km2 by class of all that is shown; of maps that are one, counted once. */
  async whole() {
    if (!this.isJoined) return this.panel.map.area_km2;
    const key = this.ids;
    if (this.wholeKey !== key) this.wholeAreas = (await this.areasOf(this.panel.bbox)).area_km2;
    this.wholeKey = key;
    return this.wholeAreas;
  }

  get ids() {
    return this.panel.joined.map(({ id }) => encodeURIComponent(id)).join(",");
  }

  /** The legend, whose marks show and hide classes. */
  table(inView, inMap) {
    const { classes } = this.panel.map;
    const byValue = (areas) => areas && Object.fromEntries(classes.map(({ value, name }) => [value, areas[name] ?? 0]));
    const ontoggle = (value, visible) => this.panel.toggle(value, visible);
    return areaTable(classes, byValue(inView), byValue(inMap), { hidden: this.panel.hiddenOf(this.panel.map), ontoggle });
  }

  areasOf(box) {
    return this.service.json(`/areas?maps=${this.ids}&joined=true&bbox=${box.join(",")}`);
  }

  /** Impervious ground of the view in each map of this place, by period, where all of them know the ground. */
  async showChart(box, turn) {
    const { map, years: all } = this.panel;
    const years = this.isJoined ? [] : all.slice(-CHARTED);
    if (!box || years.length < 2) return byId("chart").replaceChildren();
    const ids = years.map(({ id }) => encodeURIComponent(id)).join(",");
    const answer = await this.service.json(`/areas?maps=${ids}&bbox=${box.join(",")}`);
    if (turn !== this.turn) return;
    const words = `${percent(answer.known_share)} of the view`;
    if (!answer.known_share) return byId("chart").replaceChildren(el("p", { class: "quiet" }, `The ${years.length} maps of this place know no common ground in the view: their areas cannot be compared.`));
    const entries = answer.maps.map(({ area_km2: areas }, index) => ({ label: years[index].period || years[index].name, value: areas.impervious ?? 0 }));
    const title = `Impervious, km², on the ground that all ${years.length} maps know (${words})`;
    byId("chart").replaceChildren(columnChart(title, entries, years.findIndex(({ id }) => id === map.id), km2));
  }

  /** A table of areas by the polygons of a GeoJSON file, which are drawn too. */
  async readDistricts(file) {
    if (!file) return;
    byId("districts-file").value = "";
    try {
      const document = await readGeojson(file);
      const answer = await this.service.post(`/areas?maps=${this.ids}`, document.type === "FeatureCollection" ? document : { type: "FeatureCollection", features: [document] });
      this.outlines.items = [{ rings: ringsOf(document) }];
      this.panel.viewport.redraw();
      this.showDistricts(answer, file.name);
    } catch (error) {
      this.say(error.message);
    }
  }

  showDistricts({ districts, off_map: off, classes, notes }, name) {
    const words = `${counted(districts.length, "district")} of ${name}`;
    const left = off.length ? el("p", { class: "quiet" }, `${off.length} more lie off the map: ${off.slice(0, 5).join(", ")}${off.length > 5 ? " …" : ""}.`) : "";
    const lines = [["district", ...classes.map((each) => `${each}_km2`), "unknown_km2", "off_map_km2"], ...districts.map((row) => [row.name, ...classes.map((each) => row.area_km2[each]), row.nodata_km2, row.off_km2])];
    const csv = lines.map((row) => row.map(quoted).join(",")).join("\n");
    const link = el("a", { href: URL.createObjectURL(new Blob([`${csv}\n`], { type: "text/csv" })), download: "districts.csv" }, "CSV of these areas");
    const clear = el("button", { type: "button", class: "slim", onclick: () => this.clearDistricts() }, "Clear");
    byId("districts").replaceChildren(el("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": "Areas by district" }, districtTable(words, classes, districts)), left, ...notes.map((text) => el("p", { class: "quiet" }, text)), el("p", { class: "buttons" }, link, clear));
    announce(words);
  }

  clearDistricts() {
    this.outlines.items = [];
    this.panel.viewport.redraw();
    byId("districts").replaceChildren();
  }

  say(text) {
    byId("districts").replaceChildren(el("p", { class: "wrong" }, text));
    announce(text);
  }
}

/** A cell of CSV (RFC 4180); a text that a spreadsheet would compute is kept a text. */
function quoted(cell) {
  const text = typeof cell === "string" && /^[=+\-@]/.test(cell) ? `'${cell}` : String(cell);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
