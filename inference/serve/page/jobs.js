// Jobs: how far they are, what they said, and their end.

import { announce, byId, el } from "./dom.js";

const EVERY_MS = 1500;
const OPEN = ["accepted", "running"];
const WORDS = { accepted: "waiting", running: "running", successful: "done", failed: "failed", dismissed: "cancelled" };

export class Jobs {
  /** `finished(job)` is called once for each job of this page that ends well. */
  constructor(service, finished) {
    Object.assign(this, { service, finished, watched: new Set(), open: new Map(), timer: 0 });
    byId("refresh-jobs").addEventListener("click", () => this.renew());
  }

  watch(job) {
    this.watched.add(job.jobID);
    this.renew();
  }

  /** One renewal at a time: a call meanwhile is followed by one more. */
  async renew() {
    this.wanted = true;
    if (this.busy) return;
    this.busy = true;
    while (this.wanted) {
      this.wanted = false;
      await this.renewOnce();
    }
    this.busy = false;
  }

  async renewOnce() {
    clearTimeout(this.timer);
    try {
      const { jobs } = await this.service.json("/jobs?limit=50");
      this.show(jobs);
      await this.renewLogs();
      this.note(jobs);
      if (jobs.some(({ status }) => OPEN.includes(status)) || this.watched.size) this.timer = setTimeout(() => this.renew(), EVERY_MS);
    } catch (error) {
      byId("job-list").replaceChildren(el("p", { class: "wrong" }, error.message));
      this.timer = setTimeout(() => this.renew(), 4 * EVERY_MS);
    }
  }

  note(jobs) {
    for (const job of jobs.filter(({ jobID }) => this.watched.has(jobID))) {
      this.showProgress(job);
      if (OPEN.includes(job.status)) continue;
      this.watched.delete(job.jobID);
      announce(`The job ${WORDS[job.status]}. ${job.message}`);
      if (job.status === "successful") this.finished(job);
    }
  }

  /** The job that this page began last, below its start button. */
  showProgress({ status, message, progress }) {
    const bar = el("progress", { max: 100, "aria-label": "Progress of the map", ...(status === "running" && progress > 0 ? { value: progress } : {}) });
    byId("progress").hidden = false;
    byId("progress").replaceChildren(
      el("p", { class: status === "failed" ? "wrong" : "" }, el("span", { class: `chip ${status}` }, WORDS[status]), ` ${message}`),
      OPEN.includes(status) ? bar : "",
    );
  }

  show(jobs) {
    const running = jobs.filter(({ status }) => OPEN.includes(status)).length;
    byId("jobs-count").textContent = running ? String(running) : "";
    const focus = document.activeElement?.dataset?.key;
    const rows = jobs.map((job) => this.row(job));
    byId("job-list").replaceChildren(...(rows.length ? rows : [el("p", { class: "quiet" }, "No job has been started yet.")]));
    if (focus) document.querySelector(`[data-key="${focus}"]`)?.focus();
  }

  row(job) {
    const { jobID: id, processID, status, message, progress, inputs } = job;
    const active = OPEN.includes(status);
    const place = inputs.name ?? inputs.region ?? inputs.map ?? (inputs.bbox ? "a box" : inputs.geometry ? "a drawn place" : "");
    const button = (key, text, action) => el("button", { type: "button", class: "slim", "data-key": `${key}-${id}`, onclick: action }, text);
    const opened = this.open.has(id);
    return el(
      "li", { class: "job" },
      el("p", {}, el("span", { class: `chip ${status}` }, WORDS[status]), " ", el("strong", {}, [processID, place, inputs.period].filter(Boolean).join(" · "))),
      el("p", { class: status === "failed" ? "wrong" : "quiet" }, `${message} · ${job.created.replace("T", " ").replace("Z", " UTC")}`),
      active ? el("progress", { max: 100, "aria-label": `Progress of ${processID} ${place}`, ...(progress ? { value: progress } : {}) }) : "",
      el("p", { class: "buttons" },
        processID === "map" && status === "successful" ? button("show", "Show the map", () => this.finished(job)) : "",
        button("log", opened ? "Close the log" : "Log", () => this.toggleLog(id)),
        active && job.mayDismiss ? button("cancel", "Cancel", () => this.cancel(id)) : "",
        active && !job.mayDismiss ? el("span", { class: "quiet" }, "of another token") : ""),
      opened ? el("pre", { class: "log", role: "log", tabindex: "0", "aria-label": "Log of the job" }, this.open.get(id).text || "Nothing has been said yet.") : "",
    );
  }

  async toggleLog(id) {
    this.open.has(id) ? this.open.delete(id) : this.open.set(id, { text: "", offset: 0 });
    await this.renew();
  }

  async renewLogs() {
    for (const [id, log] of this.open) {
      const reply = await this.service.ask(`/jobs/${id}/log?offset=${log.offset}`);
      log.text += await reply.text();
      log.offset = Number(reply.headers.get("X-Next-Offset") ?? log.offset);
      const place = document.querySelector(`[data-key="log-${id}"]`)?.closest("li")?.querySelector(".log");
      if (place) place.textContent = log.text || "Nothing has been said yet.";
    }
  }

  async cancel(id) {
    try {
      await this.service.ask(`/jobs/${id}`, { method: "DELETE" });
      announce("The job is cancelled.");
    } catch (error) {
      announce(error.message);
    }
    await this.renew();
  }
}
