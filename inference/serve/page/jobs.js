// Jobs: how far they are, what they said, and their end.

import { announce, byId, el, localTime, minutes, renewChildren } from "./dom.js";

const EVERY_MS = 1500;
const OPEN = ["accepted", "running"];
const WORDS = { accepted: "waiting", running: "running", successful: "done", failed: "failed", dismissed: "cancelled" };

const LEAST_PERCENT = 5; // of a job from whose speed the rest is foretold
const LEAST_S = 5;

/** How long a running job may still take by its speed so far; "" where that says nothing yet. */
export function remaining({ status, progress, started }, now = Date.now()) {
  const seconds = (now - Date.parse(started)) / 1000;
  if (status !== "running" || progress < LEAST_PERCENT || !(seconds >= LEAST_S)) return "";
  return `${minutes((seconds * (100 - progress)) / progress / 60)} left`;
}

/** What is known beyond the status. */
function said(job) {
  return [job.message === WORDS[job.status] ? "" : job.message, remaining(job)].filter(Boolean).join(", ");
}

export class Jobs {
  /** `finished(job)` is called once for each job of this page that ends well. */
  constructor(service, finished) {
    Object.assign(this, { service, finished, watched: new Map(), open: new Map(), timer: 0 });
    byId("refresh-jobs").addEventListener("click", () => this.renew());
  }

  /** `follow(job)` is told of every change of the job, in place of the bar below the start button. */
  watch(job, follow = null) {
    this.watched.set(job.jobID, follow);
    this.renew();
  }

  /** The job of a process once it has ended well; meanwhile `say` tells how far it is. Error: why it failed. */
  async run(process, inputs, say) {
    return this.ended(await this.service.post(`/processes/${process}/execution`, { inputs }), say);
  }

  ended(job, say) {
    return new Promise((resolve, reject) => {
      const follow = (each) => {
        if (OPEN.includes(each.status)) say(`${each.message} …`);
        else each.status === "successful" ? resolve(each) : reject(new Error(each.message));
      };
      OPEN.includes(job.status) ? this.watch(job, follow) : follow(job);
    });
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
      renewChildren(byId("job-list"), el("p", { class: "wrong" }, error.message));
      this.timer = setTimeout(() => this.renew(), 4 * EVERY_MS);
    }
  }

  note(jobs) {
    for (const job of jobs.filter(({ jobID }) => this.watched.has(jobID))) {
      const follow = this.watched.get(job.jobID);
      follow ? follow(job) : this.showProgress(job);
      if (OPEN.includes(job.status)) continue;
      this.watched.delete(job.jobID);
      announce(`The job ${WORDS[job.status]}. ${job.message}`);
      if (job.status === "successful" && !follow) this.finished(job);
    }
  }

  /** The job that this page began last, below its start button. */
  showProgress(job) {
    const { status, progress } = job;
    const bar = el("progress", { max: 100, "aria-label": "Progress of the map", ...(status === "running" && progress > 0 ? { value: progress } : {}) });
    byId("progress").hidden = false;
    renewChildren(
      byId("progress"),
      el("p", { class: status === "failed" ? "wrong" : "" }, el("span", { class: `chip ${status}` }, WORDS[status]), ` ${said(job)}`),
      OPEN.includes(status) ? bar : "",
    );
  }

  show(jobs) {
    const running = jobs.filter(({ status }) => OPEN.includes(status)).length;
    byId("jobs-count").textContent = running ? String(running) : "";
    const rows = jobs.map((job) => this.row(job));
    renewChildren(byId("job-list"), ...(rows.length ? rows : [el("p", { class: "quiet" }, "No job has been started yet.")]));
  }

  row(job) {
    const { jobID: id, processID, status, progress, inputs } = job;
    const active = OPEN.includes(status);
    const place = inputs.name ?? inputs.region ?? inputs.map ?? (inputs.bbox ? "a box" : inputs.data ? "" : "a drawn place");
    const button = (key, text, action) => el("button", { type: "button", class: "slim", "data-key": `${key}-${id}`, onclick: action }, text);
    const opened = this.open.has(id);
    return el(
      "li", { class: "job", "data-key": id },
      el("p", {}, el("span", { class: `chip ${status}` }, WORDS[status]), " ", el("strong", {}, [processID, place].filter(Boolean).join(" · "), inputs.period ? " · " : "", el("span", { class: "whole" }, inputs.period ?? ""))),
      el("p", { class: status === "failed" ? "wrong" : "quiet" }, said(job), said(job) ? " · " : "", localTime(job.created)),
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
