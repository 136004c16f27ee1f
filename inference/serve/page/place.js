// The place of a new map: searched, drawn, typed, or read from a file.

import { announce, byId, km2 } from "./dom.js";
import { boxAround, Finder } from "./finder.js";
import { readGeojson } from "./geojson_file.js";
import { boxOf, Outlines, ringsOf } from "./overlay.js";
import { RegionList } from "./region_list.js";
import { BoxTool, PolygonTool } from "./sketch.js";

const SIDES = ["west", "south", "east", "north"];

export class PlaceChooser {
  /** `changed()` is called whenever another place is chosen, or none. */
  constructor(service, viewport, changed) {
    Object.assign(this, { service, viewport, changed, inputs: null, chosen: [] });
    this.outlines = new Outlines(viewport.plane, { strong: true });
    this.named = [];
    this.finder = new Finder(service);
    this.regions = new RegionList(this.finder, (choice) => (choice.region ? this.chooseRegion(choice.region) : this.choosePoint(choice)));
    byId("draw-box").addEventListener("click", () => this.draw(BoxTool, "Drag a box over the map. Escape leaves."));
    byId("draw-polygon").addEventListener("click", () => this.draw(PolygonTool, "Click the corners; double click or Enter ends, Escape leaves."));
    byId("use-view").addEventListener("click", () => this.useView());
    byId("open-file").addEventListener("click", () => byId("file").click());
    byId("file").addEventListener("change", () => this.read(byId("file").files[0]));
    byId("clear-place").addEventListener("click", () => this.choose(null, ""));
    for (const side of SIDES) byId(side).addEventListener("change", () => this.typed());
    document.addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && this.viewport.tool?.key?.("Escape"));
    document.addEventListener("dragover", (event) => event.preventDefault()); // a miss would leave the page for the file
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      byId("new-button").click();
      this.read(event.dataTransfer.files[0]);
    });
  }

  async chooseRegion(name) {
    try {
      const feature = await this.service.json(`/regions/${encodeURIComponent(name)}`);
      this.choose({ region: name }, `Region ${name}, ${km2(feature.properties.area_km2)} km²`, ringsOf(feature));
      this.lookAt(boxOf(ringsOf(feature)));
    } catch (error) {
      this.say(error.message);
    }
  }

  /** A box of 10 km around a town or degrees; a smaller one can be drawn then. */
  choosePoint({ name, point }) {
    const box = boxAround(point);
    this.choose({ bbox: box }, `10 km around ${name}`, ringsOf(box));
    byId("region").value = name;
    this.lookAt(box);
  }

  draw(Tool, words) {
    const leave = (place) => {
      this.viewport.tool = null;
      this.viewport.box.classList.remove("drawing");
      this.say("");
      if (Array.isArray(place)) this.chooseBox(place);
      else if (place) this.choose({ geometry: place }, "Drawn polygon", ringsOf(place));
      else this.showChosen();
    };
    this.viewport.tool = new Tool(this.viewport, this.outlines, leave);
    this.viewport.box.classList.add("drawing");
    this.viewport.box.scrollIntoView({ block: "nearest" });
    this.viewport.box.focus();
    this.say(words);
  }

  useView() {
    const { left, top, right, bottom } = this.viewport.view;
    const [west, north] = this.viewport.plane.toLonLat(left, top);
    const [east, south] = this.viewport.plane.toLonLat(right, bottom);
    this.chooseBox([west, south, east, north].map((value) => Number(value.toFixed(5))));
  }

  typed() {
    const box = SIDES.map((side) => byId(side).valueAsNumber);
    if (box.every(Number.isFinite) && box[0] < box[2] && box[1] < box[3]) {
      this.chooseBox(box);
      this.lookAt(box);
    }
  }

  chooseBox(box) {
    this.choose({ bbox: box }, `Box of ${box.map((value) => value.toFixed(3)).join(", ")}`, ringsOf(box));
  }

  async read(file) {
    if (!file) return;
    try {
      const geometry = geometryOf(await readGeojson(file));
      const rings = ringsOf(geometry);
      this.choose({ geometry }, `Outline of ${file.name}`, rings);
      this.lookAt(boxOf(rings));
    } catch (error) {
      this.say(error.message);
    }
    byId("file").value = "";
  }

  choose(inputs, words, rings = []) {
    if (!this.viewport.tool) this.say("");
    this.inputs = inputs;
    this.chosen = inputs ? [{ rings }] : [];
    if (!inputs?.region) byId("region").value = "";
    const box = inputs ? boxOf(rings) : [];
    SIDES.forEach((side, index) => (byId(side).value = inputs ? box[index].toFixed(5) : ""));
    byId("place-words").textContent = words || "No place is chosen yet.";
    byId("clear-place").hidden = !inputs;
    if (words) announce(words);
    this.showChosen();
    this.changed();
  }

  /** The outline of the chosen place, also after a drawing that was left. */
  showChosen() {
    this.outlines.items = this.chosen;
    this.viewport.redraw();
  }

  lookAt([west, south, east, north]) {
    const [left, top] = this.viewport.plane.fromLonLat(west, north);
    const [right, bottom] = this.viewport.plane.fromLonLat(east, south);
    this.viewport.fit([left, top, right, bottom]);
  }

  /** What a map of the place may be called: the region, or the smallest one around its middle. */
  get suggestion() {
    if (!this.inputs || this.inputs.region) return this.inputs?.region ?? "";
    const [west, south, east, north] = boxOf(this.chosen[0].rings);
    const [lon, lat] = [(west + east) / 2, (south + north) / 2];
    const around = this.named.filter(({ bbox: [w, s, e, n] }) => w <= lon && lon <= e && s <= lat && lat <= n);
    around.sort((one, other) => one.area_km2 - other.area_km2);
    return around.length ? `Part of ${around[0].name}` : this.finder.near([lon, lat]);
  }

  say(text) {
    Object.assign(byId("map-message"), { textContent: text, hidden: !text });
    if (text) announce(text);
  }
}

/** One Polygon or MultiPolygon of a GeoJSON document; Error where it holds none. */
function geometryOf(document) {
  if (document?.type === "Feature") return geometryOf(document.geometry);
  if (document?.type === "Polygon" || document?.type === "MultiPolygon") return document;
  const parts = document?.type === "FeatureCollection" ? document.features.map(geometryOf) : [];
  if (!parts.length) throw new Error("The file holds no polygon: give GeoJSON with a Polygon or MultiPolygon in degrees.");
  if (parts.length === 1) return parts[0];
  return { type: "MultiPolygon", coordinates: parts.flatMap(({ type, coordinates }) => (type === "Polygon" ? [coordinates] : coordinates)) };
}
