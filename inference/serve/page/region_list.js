// Regions and towns whose names hold what a person types: a list below the field, for mouse, touch and keys.
// https://www.w3.org/WAI/ARIA/apg/patterns/combobox/

import { announce, byId, counted, el, renewChildren, settled } from "./dom.js";

const NOTHING = "No region or town has such a name. Degrees work too: 6.69, -1.62.";

export class RegionList {
  /** `chosen(choice)` is called with the one that a person takes; `finder` knows them. */
  constructor(finder, chosen) {
    Object.assign(this, { finder, chosen, choices: [], field: byId("region"), list: byId("regions"), active: -1, turn: 0 });
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
    const choices = await this.finder.choices(words).catch(() => []);
    if (turn === this.turn && document.activeElement === this.field) this.show(choices, words);
  }

  show(choices, words) {
    this.choices = choices;
    const rows = choices.map((choice) => this.option(choice));
    renewChildren(this.list, ...(rows.length ? rows : [el("li", { class: "quiet" }, NOTHING)]));
    Object.assign(this.list, { hidden: false }).dataset.words = words;
    this.field.setAttribute("aria-expanded", "true");
    this.activate(-1);
    announce(rows.length ? counted(rows.length, "place") : NOTHING);
  }

  option(choice) {
    const words = el("span", { class: "quiet" }, choice.words);
    return el("li", { role: "option", "data-key": JSON.stringify(choice), id: `region-${choice.id}`, "aria-selected": "false", onclick: () => this.take(choice) }, choice.name, " ", words);
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

  /** The marked place, or the first of those that the typed words find; without any the sentence stays. */
  async enter() {
    const words = this.field.value.trim();
    if (!words) return;
    const marked = this.choices[this.active];
    const choices = marked ? [] : await this.finder.choices(words).catch(() => []);
    const choice = marked ?? choices.find(({ name }) => name.toLowerCase() === words.toLowerCase()) ?? choices[0];
    if (choice) this.take(choice);
    else this.show([], words);
  }

  take(choice) {
    this.close();
    this.field.value = choice.name;
    this.chosen(choice);
  }

  close() {
    this.turn += 1;
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }
}
