// The way of the shown map to Earth Engine, which is a job of the server.

import { announce, byId, el } from "./dom.js";

const LOCAL = "It is in the local engine of the server's machine. Google has nothing of it: for that start the service with --project and --bucket. In Python, on that machine:";

export class Publisher {
  constructor(service, jobs) {
    Object.assign(this, { service, jobs });
    byId("publish").addEventListener("submit", (event) => {
      event.preventDefault();
      this.publish();
    });
  }

  fill(map, ofGoogle) {
    this.map = map;
    byId("asset").placeholder = `projects/PROJECT/assets/isa/${map.replace(/[^\w-]/g, "_")}`;
    byId("asset").value = ofGoogle ? "" : byId("asset").placeholder.replace("PROJECT", "local");
    this.say();
  }

  async publish() {
    const [map, asset] = [this.map, byId("asset").value.trim()];
    try {
      const { jobID } = await this.jobs.run("publish", { map, asset }, (text) => this.map === map && this.say(el("p", { class: "quiet" }, text)));
      if (this.map === map) await this.tell(jobID, asset);
    } catch (error) {
      if (this.map === map) this.refuse(error.message);
    }
  }

  async tell(jobID, asset) {
    const { code, python } = await this.service.json(`/jobs/${jobID}/results`);
    this.say(el("p", {}, `Published as ${asset}. ${code ? "In the Code Editor:" : LOCAL}`), ...copied(code || python, code ? "Lines for the Code Editor" : "Lines for Python"));
    announce(code ? "The map is published." : "The map is published in the local engine.");
  }

  refuse(text) {
    this.say(el("p", { class: "wrong" }, text));
    announce(text);
  }

  say(...nodes) {
    byId("published").replaceChildren(...nodes);
  }
}

/** Lines in a box of their own, and a button that copies them. */
function copied(lines, label) {
  const copy = () => navigator.clipboard?.writeText(lines).then(() => announce("Copied."));
  return [el("pre", { class: "log", role: "group", tabindex: "0", "aria-label": label }, lines), el("button", { type: "button", class: "slim", onclick: copy }, "Copy")];
}
