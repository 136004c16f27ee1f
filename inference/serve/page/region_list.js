// Regions whose names hold what a person types: a list below the field, for mouse, touch and keys.
// https://www.w3.org/WAI/ARIA/apg/patterns/combobox/

import { announce, byId, el, settled } from "./dom.js";

const MOST = 10;

export class RegionList {
  /** `chosen(name)` is called with the region that a person takes. */
  constructor(service, chosen) {
    Object.assign(this, { service, chosen, field: byId("region"), list: byId("regions"), active: -1, turn: 0 });
    const search = settled(150, () => this.search());
    this.field.addEventListener("input", search);
    this.field.addEventListener("click", search);
    this.field.addEventListener("blur", () => this.close());
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  }

  get options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  async search() {
    const turn = (this.turn += 1);
    const words = this.field.value.trim();
    const { regions } = await this.service.json(`/regions?limit=${MOST}&q=${encodeURIComponent(words)}`).catch(() => ({ regions: [] }));
    if (turn === this.turn && document.activeElement === this.field) this.show(regions, words);
  }

  show(regions, words) {
    const rows = regions.map(({ name, title }) => this.option(name, title));
    this.list.replaceChildren(...(rows.length ? rows : [el("li", { class: "quiet" }, "No region has such a name.")]));
    Object.assign(this.list, { hidden: false }).dataset.words = words;
    this.field.setAttribute("aria-expanded", "true");
    this.activate(-1);
    announce(`${rows.length} regions`);
  }

  option(name, title) {
    const other = title && title.toLowerCase() !== name ? el("span", { class: "quiet" }, title) : "";
    return el("li", { role: "option", id: `region-${name}`, "aria-selected": "false", onclick: () => this.take(name) }, name, " ", other);
  }

  activate(index) {
    this.active = index;
    this.options.forEach((option, each) => option.setAttribute("aria-selected", String(each === index)));
    const option = this.options[index];
    if (!option) return this.field.removeAttribute("aria-activedescendant");
    this.field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    const count = this.options.length;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && count && !this.list.hidden) this.activate((Math.max(this.active, step < 0 ? 0 : -1) + step + count) % count);
    else if (step) this.search();
    else if (event.key === "Escape" && !this.list.hidden) this.close();
    else if (event.key === "Enter") this.enter();
    else return;
    event.preventDefault();
  }

  /** The marked region, or the one whose whole name is typed. */
  enter() {
    const option = this.options[this.active];
    const name = option ? option.id.slice("region-".length) : this.field.value.trim().toLowerCase();
    if (name) this.take(name);
  }

  take(name) {
    this.close();
    this.field.value = name;
    this.chosen(name);
  }

  close() {
    this.turn += 1;
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }
}
