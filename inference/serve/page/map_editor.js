// What may be changed of a map: its name, and that it is there; and the link to what is shown.

import { announce, byId, Line } from "./dom.js";

const SURE_MS = 6000;

export class MapEditor {
  constructor(panel) {
    Object.assign(this, { panel, line: new Line("changed") });
    byId("rename").addEventListener("submit", (event) => {
      event.preventDefault();
      this.line.tried(() => this.rename());
    });
    byId("delete-map").addEventListener("click", () => this.line.tried(() => this.remove()));
    byId("copy-link").addEventListener("click", () => this.line.tried(() => this.copyLink()));
  }

  fill(name) {
    byId("new-name").value = name;
    this.ask(false);
    this.line.say("");
  }

  async rename() {
    const { panel } = this;
    const name = byId("new-name").value.trim();
    const headers = { "Content-Type": "application/json" };
    await panel.service.ask(this.path, { method: "PATCH", headers, body: JSON.stringify({ name }) });
    await panel.renew();
    await panel.show(panel.map.id);
    this.line.say(`The map is called ${name} now.`);
  }

  /** At the first click the button asks once more, for a few seconds. */
  async remove() {
    if (!this.asked) return this.ask(true);
    const { panel } = this;
    await panel.service.ask(this.path, { method: "DELETE" });
    announce(`The map ${panel.map.name} is deleted.`);
    this.ask(false);
    panel.map = null;
    await panel.renew();
    if (panel.maps.length) await panel.open(panel.maps[0].id);
    else panel.leave();
  }

  ask(asked) {
    clearTimeout(this.timer);
    this.asked = asked;
    byId("delete-map").textContent = asked ? "Delete it for ever?" : "Delete the map";
    if (asked) this.timer = setTimeout(() => this.ask(false), SURE_MS);
  }

  async copyLink() {
    this.panel.writeLink();
    await navigator.clipboard.writeText(location.href);
    this.line.say("The link is copied. It holds no token.");
  }

  get path() {
    return `/maps/${encodeURIComponent(this.panel.map.id)}`;
  }
}
