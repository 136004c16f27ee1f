// A new map: place, period and network; what it takes, before it begins; its start.

import { announce, byId, counted, el, km2, minutes, renewChildren, settled } from "./dom.js";

const SEASONS = { DJF: "winter (DJF)", MAM: "spring (MAM)", JJA: "summer (JJA)", SON: "autumn (SON)" };
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const [FIRST_YEAR, USUAL_YEAR] = [2015, 2020]; // Sentinel-2's first

export class Order {
  /** `started(job)` gets the job's statusInfo. */
  constructor(service, place, started) {
    Object.assign(this, { service, place, started, turn: 0 });
    this.price = settled(350, () => this.showPrice());
    const years = Array.from({ length: new Date().getFullYear() - FIRST_YEAR + 1 }, (_, index) => String(FIRST_YEAR + index));
    byId("year-of-map").replaceChildren(...years.reverse().map((value) => el("option", { value, selected: Number(value) === USUAL_YEAR }, value)));
    byId("span").replaceChildren(
      el("option", { value: "" }, "whole year"),
      ...Object.entries(SEASONS).map(([value, text]) => el("option", { value }, text)),
      ...MONTHS.map((text, index) => el("option", { value: String(index + 1).padStart(2, "0"), selected: index === 5 }, text)),
    );
    for (const id of ["year-of-map", "span", "checkpoint", "name"]) byId(id).addEventListener("input", () => this.changed());
    byId("order").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
  }

  async fill() {
    const { checkpoints } = await this.service.json("/checkpoints");
    this.checkpoints = new Map(checkpoints.map((each) => [each.name, each]));
    const chosen = byId("checkpoint").value;
    renewChildren(byId("checkpoint"), ...checkpoints.map(({ name, network, size_m: size }) => el("option", { value: name, selected: name === chosen }, `${name} (${network}, ${size} m)`)));
    for (const [id, hidden] of Object.entries({ "no-network": checkpoints.length > 0, networks: !checkpoints.length })) byId(id).hidden = hidden;
    this.changed();
  }

  /** Such as 2020-06, 2020-JJA or 2020. */
  get period() {
    return [byId("year-of-map").value, byId("span").value].filter(Boolean).join("-");
  }

  get inputs() {
    const checkpoint = byId("checkpoint").value;
    if (!this.place.inputs || !checkpoint) return null;
    const name = byId("name").value.trim() || this.place.suggestion;
    return { checkpoint, ...this.place.inputs, period: this.period, ...(name && { name }) };
  }

  changed() {
    this.after?.();
    const chosen = this.checkpoints?.get(byId("checkpoint").value);
    byId("checkpoint-words").textContent = chosen ? describe(chosen) : "";
    byId("name").placeholder = this.place.suggestion;
    byId("start").disabled = true;
    this.turn += 1;
    if (this.checkpoints && !this.checkpoints.size) return this.say("Without a network no map can be made: see 3.");
    if (!this.inputs) return this.say("Choose a place, a period and a network to see what the map takes.");
    this.say("Counting what it takes …");
    this.price();
  }

  async showPrice() {
    const turn = this.turn;
    const inputs = this.inputs;
    if (!inputs) return;
    try {
      const price = await this.service.post("/processes/map/estimate", { inputs });
      if (turn !== this.turn) return;
      byId("price").replaceChildren(...priceRows(price));
      byId("start").disabled = false;
      this.lookUp(inputs, turn);
      announce(`${counted(price.tiles, "tile")}, about ${minutes(price.minutes)}`);
    } catch (error) {
      if (turn === this.turn) this.say(error.message, true);
    }
  }

  /** Tells of a period without images before it is mapped; the price does not wait for that. */
  async lookUp(inputs, turn) {
    const { lack } = await this.service.post("/processes/map/lack", { inputs }).catch(() => ({ lack: "" }));
    if (turn !== this.turn || !lack) return;
    byId("start").disabled = true;
    this.say(lack, true);
  }

  async start() {
    const inputs = this.inputs;
    if (!inputs) return;
    byId("start").disabled = true;
    try {
      byId("progress").scrollIntoView({ block: "nearest" });
      this.started(await this.service.post("/processes/map/execution", { inputs }));
    } catch (error) {
      this.say(error.message, true);
    }
    byId("start").disabled = false;
  }

  say(text, wrong = false) {
    byId("price").replaceChildren(el("p", { class: wrong ? "wrong" : "quiet" }, text));
    if (wrong) announce(text);
  }
}

function describe({ classes, bands, simulated }) {
  return `${bands} bands, ${classes.length} classes${simulated ? "; trained on simulated images" : ""}`;
}

function priceRows({ tiles, area_km2: area, minutes: count, eecu_hours: hours, requests, bytes, notes }) {
  const figures = { Area: `${km2(area)} km²`, Tiles: tiles, Requests: requests, Time: minutes(count), "EECU-hours": hours ? `at most ${hours.toPrecision(3)}` : "none", Storage: `${(bytes / 1e6).toPrecision(2)} MB` };
  const rows = Object.entries(figures).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value))));
  const list = notes.length ? el("details", {}, el("summary", {}, "How this is counted"), el("ul", {}, notes.map((text) => el("li", {}, text)))) : "";
  return [el("dl", { class: "figures" }, rows), list];
}
