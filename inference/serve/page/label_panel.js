// Labels that a person draws: polygons with a class, kept on the server as a GeoPackage, and a network trained on them.

import { byId, counted, el, Line, minutes, renewChildren, Turns } from "./dom.js";
import { boxAround } from "./finder.js";
import { boxOf, Outlines, ringsOf } from "./overlay.js";
import { PolygonTool } from "./sketch.js";

const TWO = [{ name: "pervious", colour: "#d9d9d9" }, { name: "impervious", colour: "#e31a1c" }];
const PROCESS = "first-network";
const FRESH = ""; // the choice of a new set
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/;

export class LabelPanel {
  constructor(service, panel, { order, jobs }) {
    Object.assign(this, { service, panel, order, jobs, viewport: panel.viewport, features: [], sets: [], opened: FRESH, turns: new Turns() });
    [this.line, this.training] = [new Line("label-kept"), new Line("label-training")];
    this.outlines = new Outlines(this.viewport.plane, { strong: true });
    this.sketched = new Outlines(this.viewport.plane, { strong: true });
    byId("label-choice").addEventListener("change", (event) => this.open(event.target.value));
    byId("draw-labels").addEventListener("click", () => (this.tool ? this.leave() : this.draw()));
    byId("undo-label").addEventListener("click", () => this.undo());
    byId("delete-labels").addEventListener("click", () => this.line.tried(() => this.remove()));
    byId("labels-file").addEventListener("click", (event) => this.download(event));
    byId("train-labels").addEventListener("click", () => this.training.tried(() => this.train()));
  }

  async fill() {
    ({ labels: this.sets } = await this.service.json("/labels"));
    renewChildren(byId("label-choice"), el("option", { value: FRESH }, "New labels …"), ...this.sets.map((name) => el("option", { value: name }, name)));
    if (!this.opened && !this.features.length) byId("label-name").value = this.freshName;
    byId("label-choice").value = this.opened;
    this.fillClasses();
    this.show();
  }

  /** A name that no set has, so that none is written over. */
  get freshName() {
    let name = "labels";
    for (let count = 2; this.sets.includes(name); count += 1) name = `labels-${count}`;
    return name;
  }

  /** Classes of the shown map, or the two usual ones. */
  get classes() {
    const names = this.features.map(({ properties }) => properties.class);
    const own = this.panel.map?.classes ?? TWO;
    return names.every((name) => own.some((each) => each.name === name)) ? own : TWO;
  }

  fillClasses() {
    const before = document.querySelector("input[name=label-class]:checked")?.value;
    const chosen = [before, "impervious"].find((name) => this.classes.some((each) => each.name === name)) ?? this.classes[0].name;
    const choices = this.classes.map(({ name, colour }) => {
      const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
      swatch.style.backgroundColor = colour;
      return el("label", { class: "check", "data-key": name }, el("input", { type: "radio", name: "label-class", value: name, checked: name === chosen }), swatch, el("span", {}, name));
    });
    renewChildren(byId("label-classes"), ...choices);
  }

  get name() {
    return byId("label-name").value.trim();
  }

  async open(name) {
    this.opened = name;
    byId("label-name").value = name || this.freshName;
    this.features = name ? (await this.service.json(`/labels/${encodeURIComponent(name)}`)).features : [];
    this.fillClasses();
    this.show();
    if (this.features.length) this.lookAt(boxOf(this.features.flatMap(ringsOf)));
  }

  lookAt([west, south, east, north]) {
    const { plane } = this.viewport;
    this.viewport.fit([...plane.fromLonLat(west, north), ...plane.fromLonLat(east, south)]);
  }

  /** One polygon after the other, until Escape or the button. */
  draw() {
    const done = (geometry) => {
      this.sketched.items = [];
      if (!geometry) return this.leave();
      const { value } = document.querySelector("input[name=label-class]:checked");
      this.features.push({ type: "Feature", properties: { class: value }, geometry });
      this.show();
      this.draw();
      this.line.tried(() => this.keep());
    };
    this.tool = this.viewport.tool = new PolygonTool(this.viewport, this.sketched, done);
    this.viewport.box.classList.add("drawing");
    byId("draw-labels").textContent = "Stop drawing";
    Object.assign(byId("map-message"), { textContent: "Click the corners; double click or Enter ends a polygon, Escape stops.", hidden: false });
    this.viewport.box.focus();
  }

  leave() {
    if (this.viewport.tool === this.tool) this.viewport.tool = null;
    this.tool = null;
    this.sketched.items = [];
    this.viewport.box.classList.remove("drawing");
    byId("draw-labels").textContent = "Draw polygons";
    byId("map-message").hidden = true;
    this.viewport.redraw();
  }

  undo() {
    this.features.pop();
    this.show();
    this.line.tried(() => (this.features.length ? this.keep() : this.remove()));
  }

  async keep() {
    if (!NAME.test(this.name)) throw new Error("Name of the labels: letters, digits, dots, _ and -, up to 60.");
    if (this.name !== this.opened && this.sets.includes(this.name)) throw new Error(`There are labels ${this.name} already: open them above, or choose another name.`);
    this.line.say("Keeping …");
    const headers = { "Content-Type": "application/json" };
    const [path, body] = [this.path, JSON.stringify(this.document)];
    const isLatest = () => body === JSON.stringify(this.document);
    await this.turns.take(() => this.service.ask(path, { method: "PUT", headers, body }));
    if (!isLatest()) return;
    this.opened = decodeURIComponent(path.split("/").pop());
    if (!this.sets.includes(this.opened)) await this.fill();
    if (isLatest()) this.line.say("Kept on the server."); // another polygon may have been drawn while the list was asked for
  }

  async remove() {
    if (this.opened) await this.service.ask(`/labels/${encodeURIComponent(this.opened)}`, { method: "DELETE" });
    [this.features, this.opened] = [[], FRESH];
    await this.fill();
    this.line.say("The labels are deleted.");
  }

  get path() {
    return `/labels/${encodeURIComponent(this.name)}`;
  }

  get document() {
    return { type: "FeatureCollection", features: this.features };
  }

  show() {
    const colour = Object.fromEntries(this.classes.map((each) => [each.name, each.colour]));
    this.outlines.items = this.features.map(({ geometry, properties }) => ({ rings: ringsOf(geometry), colour: colour[properties.class] }));
    const names = this.features.map(({ properties }) => properties.class);
    const counts = [...new Set(names)].map((name) => `${names.filter((each) => each === name).length} ${name}`);
    byId("label-words").textContent = counts.length ? `${counted(this.features.length, "polygon")}: ${counts.join(", ")}` : "No polygon is drawn yet.";
    for (const id of ["undo-label", "train-labels", "delete-labels"]) byId(id).disabled = !this.features.length;
    byId("labels-file").hidden = !this.features.length;
    this.viewport.redraw();
  }

  async download(event) {
    event.preventDefault();
    await this.line.tried(async () => {
      const reply = await this.service.ask(`${this.path}/download`);
      el("a", { href: URL.createObjectURL(await reply.blob()), download: `${this.name}.gpkg` }).click();
    });
  }

  /** The place of the new map, or 10 km around the labels; its period; and the labels. */
  get inputs() {
    const box = boxOf(this.features.flatMap(ringsOf));
    const around = boxAround([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]);
    const wide = [Math.min, Math.min, Math.max, Math.max].map((most, side) => most(box[side], around[side]));
    const place = this.order.place.inputs ?? { bbox: wide };
    return { ...place, period: this.panel.map?.period || this.order.period, labels: this.document, name: this.name };
  }

  /** The first click says what a training takes, the second starts it. */
  async train() {
    const { inputs } = this;
    const asked = JSON.stringify(inputs);
    if (this.priced !== asked) {
      const price = await this.service.post(`/processes/${PROCESS}/estimate`, { inputs });
      this.priced = asked;
      byId("train-labels").textContent = "Start the training";
      return this.training.say(`About ${minutes(price.minutes)} for ${counted(price.patches, "patch", "patches")} of ${inputs.period} and their training. Click once more to start.`);
    }
    this.priced = "";
    byId("train-labels").textContent = "Train a network on them";
    const { jobID } = await this.jobs.run(PROCESS, inputs, (text) => this.training.say(text));
    const { checkpoint } = await this.service.json(`/jobs/${jobID}/results`);
    await this.order.fill();
    this.training.say(`The network ${checkpoint.value} is trained: choose it under “New map”.`, "");
  }
}

/** Whether a polygon of labels holds a place in degrees (the even-odd rule). */
export function holds(geometry, [lon, lat]) {
  let inside = false;
  for (const ring of ringsOf(geometry))
    ring.slice(1).forEach(([x, y], index) => {
      const [before, above] = ring[index];
      if (y > lat !== above > lat && lon < ((before - x) * (lat - y)) / (above - y) + x) inside = !inside;
    });
  return inside;
}
