// A first network for a service without any: patches of the chosen place, then a short training, both as jobs.

import { announce, byId, el } from "./dom.js";

const EVERY_MS = 1500;
const OPEN = ["accepted", "running"];
const PATCH_PX = 64;
const EPOCHS = 2;

export class FirstNetwork {
  constructor(service, place, order, jobs) {
    Object.assign(this, { service, place, order, jobs });
    byId("train-first").addEventListener("click", () => this.train());
  }

  async train() {
    const period = this.order.period;
    if (!this.place.inputs || !period) return this.say("Choose a place and a period first: a box of 5 km is enough.", "wrong");
    byId("train-first").disabled = true;
    try {
      const patches = { ...this.place.inputs, period, size: PATCH_PX, stride: PATCH_PX };
      const { dataset } = await this.finish("export", patches, "1 of 2, patches");
      const { checkpoint } = await this.finish("train", { data: [dataset.value], epochs: EPOCHS }, "2 of 2, training");
      this.say(`The network ${checkpoint.value} is trained.`, "");
      await this.order.fill();
    } catch (error) {
      this.say(error.message, "wrong");
    }
    byId("train-first").disabled = false;
  }

  /** Results of a process, after its job is done; Error with the job's words where it fails. */
  async finish(process, inputs, step) {
    let job = await this.service.post(`/processes/${process}/execution`, { inputs });
    this.jobs.renew();
    while (OPEN.includes(job.status)) {
      this.say(`${step}: ${job.message} …`, "quiet");
      await new Promise((done) => setTimeout(done, EVERY_MS));
      job = await this.service.json(`/jobs/${job.jobID}`);
    }
    if (job.status !== "successful") throw new Error(`${step}: ${job.message}`);
    return this.service.json(`/jobs/${job.jobID}/results`);
  }

  say(text, style) {
    byId("train-progress").replaceChildren(el("p", { class: style }, text));
    announce(text);
  }
}
