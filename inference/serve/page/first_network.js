// A first network for a service without any: patches of the chosen place, then a short training, both as jobs.

import { announce, byId, el, settled } from "./dom.js";
import { minutes } from "./order.js";

const EVERY_MS = 1500;
const OPEN = ["accepted", "running"];
const PATCH_PX = 64;
const EPOCHS = 2;

export class FirstNetwork {
  constructor(service, place, order, jobs) {
    Object.assign(this, { service, place, order, jobs, turn: 0 });
    byId("train-first").addEventListener("click", () => this.train());
    this.price = settled(350, () => this.showPrice());
    order.after = () => this.changed();
  }

  /** The export of the chosen place and period, or null. */
  get patches() {
    const period = this.order.period;
    return this.place.inputs && period ? { ...this.place.inputs, period, size: PATCH_PX, stride: PATCH_PX } : null;
  }

  changed() {
    this.turn += 1;
    byId("train-first").disabled = Boolean(this.patches) || this.busy === true; // until its price is there
    byId("train-price").textContent = this.patches ? "Counting what it takes …" : "";
    if (this.patches && !byId("small-network").hidden && !byId("no-network").hidden) this.price();
  }

  async showPrice() {
    const { turn, patches } = this;
    if (!patches) return;
    try {
      const price = await this.service.post("/processes/export/estimate", { inputs: patches });
      if (turn !== this.turn) return;
      const training = EPOCHS * price.epoch_minutes;
      const total = price.minutes + training;
      byId("train-price").textContent = `${total < 1 ? "Less than a minute" : `About ${minutes(total)}`}: ${minutes(price.minutes)} for ${price.patches} patches, ${minutes(training)} for ${EPOCHS} epochs, on two processor cores with nothing else to do.`;
      byId("train-first").disabled = this.busy === true;
      announce(byId("train-price").textContent);
    } catch (error) {
      if (turn === this.turn) byId("train-price").textContent = error.message;
    }
  }

  async train() {
    const { patches } = this;
    if (!patches) return this.say("Choose a place and a period first: a box of 5 km is enough.", "wrong");
    this.busy = byId("train-first").disabled = true;
    try {
      const { dataset } = await this.finish("export", patches, "1 of 2, patches");
      const { checkpoint } = await this.finish("train", { data: [dataset.value], epochs: EPOCHS }, "2 of 2, training");
      this.say(`The network ${checkpoint.value} is trained.`, "");
      await this.order.fill();
    } catch (error) {
      this.say(error.message, "wrong");
    }
    this.busy = byId("train-first").disabled = false;
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
