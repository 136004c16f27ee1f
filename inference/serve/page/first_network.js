// A first network for a service without any: patches of the chosen place and a short training, one job of the server.

import { announce, byId, counted, Line, minutes, settled } from "./dom.js";

const PROCESS = "first-network";
const FEW = 40; // patches
const OPEN = ["accepted", "running"];

export class FirstNetwork {
  constructor(service, place, order, jobs) {
    Object.assign(this, { service, place, order, jobs, turn: 0, line: new Line("train-progress") });
    byId("train-first").addEventListener("click", () => this.train());
    this.price = settled(350, () => this.showPrice());
    order.after = () => this.changed();
  }

  /** Place and period, or null. */
  get inputs() {
    const period = this.order.period;
    return this.place.inputs && period ? { ...this.place.inputs, period } : null;
  }

  /** Goes on with a training that an earlier page began. */
  async resume() {
    const { jobs } = await this.service.json(`/jobs?processID=${PROCESS}&limit=1`);
    if (jobs.length && OPEN.includes(jobs[0].status)) this.line.tried(() => this.follow(jobs[0])); // which the page does not wait for
  }

  changed() {
    this.turn += 1;
    if (!this.busy) this.line.say("");
    byId("train-first").disabled = Boolean(this.inputs) || this.busy === true; // until its price is there
    byId("train-price").textContent = this.inputs ? "Counting what it takes …" : "";
    if (this.inputs && !byId("small-network").hidden && !byId("no-network").hidden) this.price();
  }

  async showPrice() {
    const { turn, inputs } = this;
    if (!inputs) return;
    try {
      const price = await this.service.post(`/processes/${PROCESS}/estimate`, { inputs });
      if (turn !== this.turn) return;
      const total = price.minutes < 1 ? "Less than a minute" : `About ${minutes(price.minutes)}`;
      byId("train-price").textContent = `${total} for ${counted(price.patches, "patch", "patches")} and their training, on two processor cores with nothing else to do.${price.patches < FEW ? " That is few: a box of 5 km gives a better network." : ""}`;
      byId("train-first").disabled = this.busy === true;
      announce(byId("train-price").textContent);
    } catch (error) {
      if (turn === this.turn) byId("train-price").textContent = error.message;
    }
  }

  async train() {
    const { inputs } = this;
    if (!inputs) return this.line.say("Choose a place and a period first: a box of 5 km is enough.", "wrong");
    await this.line.tried(async () => this.follow(await this.service.post(`/processes/${PROCESS}/execution`, { inputs })));
  }

  /** Says what the job has come to. */
  async follow(job) {
    this.busy = byId("train-first").disabled = true;
    const ended = this.jobs.ended(job, (text) => this.line.say(text));
    await ended.finally(() => (this.busy = byId("train-first").disabled = false));
    const { checkpoint } = await this.service.json(`/jobs/${job.jobID}/results`);
    this.line.say(`The network ${checkpoint.value} is trained.`, "");
    await this.order.fill();
  }
}
