// An answer sheet filled in point by point over the image; every answer is kept on the server at once.

import { announce, byId, counted, el, km2, Line, percent, renewChildren, Turns } from "./dom.js";
import { holds } from "./label_panel.js";

const UNCERTAIN = "uncertain";
const SPAN_PX = 40; // pixels of the map that the view shows around a point
const DEGREE_M = 111_320;
const TWO = ["pervious", "impervious"];
const SAMPLES = [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000]; // points, by the buttons beside the number

export class SheetPanel {
  constructor(service, panel, { jobs, labels }) {
    Object.assign(this, { service, panel, jobs, labels, sheet: null, at: 0, unsaved: {}, turns: new Turns(), line: new Line("sheet-kept", false) });
    this.frame = new PixelFrame(panel.viewport.plane);
    byId("sheet-choice").addEventListener("change", (event) => this.line.tried(() => (event.target.value ? this.open(event.target.value) : this.close())));
    for (const button of document.querySelectorAll(".stepper button")) button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    byId("draw-sample").addEventListener("click", () => this.line.tried(() => this.drawSample()));
    byId("open-sheet").addEventListener("click", () => byId("sheet-file").click());
    byId("sheet-file").addEventListener("change", () => this.line.tried(() => this.read(byId("sheet-file").files[0])));
    byId("previous-point").addEventListener("click", () => this.go(this.at - 1));
    byId("next-point").addEventListener("click", () => this.go(this.at + 1));
    byId("skip-point").addEventListener("click", () => this.goUnanswered());
    byId("sheet-from-labels").addEventListener("click", () => this.line.tried(() => this.answerFromLabels()));
    byId("estimate-sheet").addEventListener("click", () => this.line.tried(() => this.estimate()));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  async fill() {
    const { sheets } = await this.service.json("/sheets");
    renewChildren(byId("sheet-choice"), el("option", { value: "" }, "No sheet"), ...sheets.map(({ id, name }) => el("option", { value: id }, name)));
    byId("sheet-choice").value = this.sheet?.id ?? "";
    byId("draw-sample").disabled = !this.panel.map;
  }

  /** The next round number of points above or below the present one. */
  step(direction) {
    const points = byId("sample-points").valueAsNumber || 0;
    const next = direction > 0 ? SAMPLES.find((each) => each > points) : SAMPLES.findLast((each) => each < points);
    if (next) byId("sample-points").value = next;
    announce(counted(byId("sample-points").valueAsNumber, "point"));
  }

  /** A probability sample of the shown map, drawn by a job of the server. */
  async drawSample() {
    const inputs = { map: this.panel.map.id, points: byId("sample-points").valueAsNumber || 50 };
    const { jobID } = await this.jobs.run("assess", inputs, (text) => this.line.say(text));
    await this.open((await this.service.post("/sheets", { job: jobID })).id);
  }

  /** The answers.csv of `isamap assess sample` or `isamap ask`. */
  async read(file) {
    if (!file) return;
    byId("sheet-file").value = "";
    const classes = this.panel.map?.classes.map(({ name }) => name) ?? TWO;
    await this.open((await this.service.post("/sheets", { name: file.name, classes, csv: await file.text() })).id);
  }

  async open(id) {
    if (Object.keys(this.unsaved).length) throw new Error("Answers of the open sheet are not kept yet: answer one more point, which tries again.");
    this.sheet = await this.service.json(`/sheets/${encodeURIComponent(id)}`);
    await this.fill();
    this.line.say("");
    byId("sheet-report").replaceChildren();
    byId("sheet").hidden = false;
    for (const link of byId("sheet-files").querySelectorAll("a")) link.onclick = (event) => this.download(event, link.dataset.format);
    if (this.sheet.map && this.sheet.map !== this.panel.map?.id) await this.panel.open(this.sheet.map);
    this.panel.setBlind(true);
    this.at = 0;
    this.goUnanswered(true);
  }

  close() {
    this.sheet = null;
    byId("sheet").hidden = true;
    this.frame.point = null;
    this.panel.setBlind(false);
  }

  /** The panel is entered or left: an open sheet hides the map, which would tell its answer. */
  shown(visible) {
    if (this.sheet) this.panel.setBlind(visible);
    this.frame.point = this.sheet && visible ? this.point : null;
    this.panel.viewport.redraw();
  }

  get point() {
    return this.sheet.points[this.at];
  }

  go(index) {
    this.at = (index + this.sheet.points.length) % this.sheet.points.length;
    const { lon, lat } = this.point;
    const step = this.panel.map?.step_m ?? 10;
    Object.assign(this.frame, { point: this.point, step });
    const { viewport } = this.panel;
    const across = (SPAN_PX * step) / DEGREE_M / Math.cos((lat * Math.PI) / 180);
    const wide = viewport.plane.fromLonLat(lon + across, lat)[0] - viewport.plane.fromLonLat(lon, lat)[0];
    viewport.look(...viewport.plane.fromLonLat(lon, lat), viewport.box.clientWidth / wide);
    this.show();
  }

  /** The next point without an answer, from the present one on (with it, where `here`). */
  goUnanswered(here = false) {
    const { points } = this.sheet;
    const order = points.map((_, index) => (this.at + index + (here ? 0 : 1)) % points.length);
    const next = order.find((index) => !points[index].answer);
    this.go(next ?? this.at);
    if (next === undefined) announce("Every point has an answer.");
  }

  show() {
    const { points, classes } = this.sheet;
    const answered = points.filter(({ answer }) => answer).length;
    byId("sheet-progress").value = answered / points.length;
    byId("sheet-words").textContent = `Point ${this.at + 1} of ${points.length}; ${answered} answered`;
    const button = (name, key) => el("button", { type: "button", "data-key": `answer-${name}`, "aria-pressed": String(this.point.answer === name), onclick: () => this.answer(name) }, el("kbd", {}, key), ` ${name}`);
    renewChildren(byId("sheet-answers"), ...classes.map((name, index) => button(name, String(index))), button(UNCERTAIN, "u"));
    byId("estimate-sheet").disabled = !this.sheet.job || answered < points.length;
    announce(`Point ${this.at + 1}${this.point.answer ? `, ${this.point.answer}` : ""}`);
  }

  key(event) {
    if (!this.sheet || byId("label-tab").hidden || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.nodeName)) return;
    const name = event.key === "u" ? UNCERTAIN : /^\d$/.test(event.key) ? this.sheet.classes[Number(event.key)] : undefined;
    if (name) this.answer(name);
    else if (event.key === "n") this.go(this.at + 1);
    else if (event.key === "p") this.go(this.at - 1);
    else if (event.key === "Backspace") this.take({ [this.point.id]: "" });
    else return;
    event.preventDefault();
  }

  async answer(name) {
    const kept = this.take({ [this.point.id]: name });
    this.goUnanswered();
    await kept;
  }

  /** Takes answers by point's id, and keeps them with those that could not be kept before. */
  async take(answers) {
    for (const point of this.sheet.points) if (point.id in answers) point.answer = answers[point.id];
    this.show();
    Object.assign(this.unsaved, answers);
    const path = `/sheets/${encodeURIComponent(this.sheet.id)}`;
    try {
      await this.turns.take(() => this.keep(path));
      this.line.say("Kept on the server.");
    } catch (error) {
      this.line.say(`${counted(Object.keys(this.unsaved).length, "answer")} not kept yet: ${error.message} The next answer tries again.`, "wrong");
    }
  }

  async keep(path) {
    const sent = { ...this.unsaved };
    if (!Object.keys(sent).length) return;
    const headers = { "Content-Type": "application/json" };
    await this.service.ask(path, { method: "PATCH", headers, body: JSON.stringify({ answers: sent }) });
    for (const [id, answer] of Object.entries(sent)) if (this.unsaved[id] === answer) delete this.unsaved[id];
  }

  /** Points without an answer in a drawn polygon get its class. */
  async answerFromLabels() {
    const answers = {};
    for (const { id, lon, lat, answer } of this.sheet.points) {
      const names = new Set(this.labels.features.filter(({ geometry }) => holds(geometry, [lon, lat])).map(({ properties }) => properties.class));
      if (!answer && names.size === 1 && this.sheet.classes.includes([...names][0])) answers[id] = [...names][0];
    }
    const count = Object.keys(answers).length;
    if (!count) return this.line.say("No point without an answer lies in a drawn polygon.", "wrong");
    await this.take(answers);
    this.goUnanswered(true);
    this.line.say(`${counted(count, "point")} answered by the drawn labels.`);
  }

  async download(event, format) {
    event.preventDefault();
    await this.line.tried(async () => {
      const reply = await this.service.ask(`/sheets/${encodeURIComponent(this.sheet.id)}/download?format=${format}`);
      el("a", { href: URL.createObjectURL(await reply.blob()), download: `answers.${format}` }).click();
    });
  }

  /** Accuracies and areas by the answers, an assess job of the server. */
  async estimate() {
    const { inputs } = await this.service.json(`/jobs/${this.sheet.job}`);
    const reply = await this.service.ask(`/sheets/${encodeURIComponent(this.sheet.id)}/download`);
    const { jobID } = await this.jobs.run("assess", { ...inputs, answers: await reply.text() }, (text) => this.line.say(text));
    this.line.say("");
    const report = await this.service.json(`/jobs/${jobID}/report`);
    byId("sheet-report").replaceChildren(...reportOf(report));
    announce(byId("sheet-report").textContent);
  }
}

/** Overall accuracy, and the estimated area of each class with its interval beside the map's count. */
function reportOf({ overall, areas: all, area_refused: refused, warnings }) {
  const areas = all.filter(({ name }, index) => all.findIndex((each) => each.name === name) === index); // the first estimator
  const between = (interval, words) => (interval ? `${words(interval[0])} to ${words(interval[1])}` : "no interval");
  const head = el("tr", {}, ["Class", "Map, km²", "Estimate, km²", "95 %"].map((text) => el("th", { scope: "col" }, text)));
  const rows = areas.map((each) => el("tr", {}, el("th", { scope: "row" }, each.name), el("td", {}, km2(each.mapped_km2)), el("td", {}, km2(each.km2)), el("td", {}, between(each.interval_km2, km2))));
  return [
    el("p", {}, el("strong", {}, `Overall accuracy ${percent(overall.value)}`), ` (95 %: ${between(overall.interval, percent)})`),
    rows.length ? el("table", {}, el("caption", { class: "unseen" }, "Areas estimated from the answers"), el("thead", {}, head), el("tbody", {}, rows)) : el("p", {}, refused),
    ...warnings.map((text) => el("p", { class: "quiet" }, text)),
  ];
}

/** The ground of the pixel whose centre a point is. */
class PixelFrame {
  constructor(plane) {
    Object.assign(this, { plane, point: null, step: 10 });
  }

  draw(context, view) {
    if (!this.point) return;
    const { lon, lat } = this.point;
    const [x, y] = this.plane.fromLonLat(lon, lat);
    const half = ((this.plane.fromLonLat(lon + this.step / DEGREE_M / Math.cos((lat * Math.PI) / 180), lat)[0] - x) / 2) * view.scale;
    const [left, top] = [(x - view.left) * view.scale, (y - view.top) * view.scale];
    for (const [colour, width] of [["#10151c", 4], ["#ffffff", 2]]) {
      [context.strokeStyle, context.lineWidth] = [colour, width];
      context.strokeRect(left - half, top - half, 2 * half, 2 * half);
    }
  }
}
