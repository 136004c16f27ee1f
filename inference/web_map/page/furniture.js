// What stands on every map: scale bar, north, zoom buttons, swipe handle, marker.

import { byId, el, svg } from "./dom.js";
import { metresPerUnit, northAngle } from "./plane.js";

const BAR_PX = 130;

/** Keeps scale bar and north arrow right while the map moves. */
export function furnish(viewport) {
  const bar = el("div", { class: "scale-bar" }, el("span"));
  const needle = svg("svg", { viewBox: "-12 -16 24 32", class: "north", role: "img", "aria-label": "North" });
  needle.append(svg("path", { d: "M0 -14 L7 12 L0 7 L-7 12 Z" }));
  const north = el("div", { class: "compass" }, needle, el("span", { "aria-hidden": "true" }, "N"));
  viewport.box.append(el("div", { class: "corner" }, bar, north), zoomButtons(viewport));
  const renew = () => {
    const { metres, words } = roundLength(viewport);
    bar.style.width = `${metres}px`;
    bar.firstChild.textContent = words;
    needle.style.transform = `rotate(${northAngle(viewport.plane, viewport.x, viewport.y, 20 / viewport.scale).toFixed(2)}deg)`;
  };
  viewport.addEventListener("move", renew);
  renew();
}

function roundLength(viewport) {
  const metresPerPx = metresPerUnit(viewport.plane, viewport.x, viewport.y, BAR_PX / viewport.scale) / viewport.scale;
  const rough = BAR_PX * metresPerPx;
  const power = 10 ** Math.floor(Math.log10(rough));
  const length = Math.max(...[1, 2, 5].map((factor) => factor * power).filter((metres) => metres <= rough));
  return { metres: length / metresPerPx, words: length < 1000 ? `${length} m` : `${length / 1000} km` };
}

function zoomButtons(viewport) {
  const button = (name, text, action) => el("button", { type: "button", "aria-label": name, title: name, onclick: action }, text);
  return el(
    "div",
    { class: "zoom", role: "group", "aria-label": "Zoom" },
    button("Zoom in", "+", () => viewport.zoom(2)),
    button("Zoom out", "−", () => viewport.zoom(0.5)),
    button("Show the whole map", "⤢", () => viewport.home && viewport.fit(viewport.home)),
  );
}

/** The handle between the left and the right map; `show(true)` brings it in. */
export class SwipeHandle {
  constructor(viewport) {
    this.viewport = viewport;
    this.line = el("div", {
      class: "swipe", role: "slider", tabindex: "0", "aria-label": "Border between the left and the right map",
      "aria-valuemin": "0", "aria-valuemax": "100", hidden: true,
      onpointerdown: (event) => this.line.setPointerCapture(event.pointerId),
      onpointermove: (event) => event.buttons && this.drag(event),
      onkeydown: (event) => this.key(event),
    }, el("span", { class: "grip", "aria-hidden": "true" }, "⇆"));
    viewport.box.append(this.line);
  }

  show(visible) {
    this.line.hidden = !visible;
    this.put(visible ? 0.5 : null);
  }

  put(share) {
    this.viewport.swipe = share === null ? null : Math.max(0, Math.min(1, share));
    if (share !== null) {
      this.line.style.left = `${this.viewport.swipe * 100}%`;
      this.line.setAttribute("aria-valuenow", Math.round(this.viewport.swipe * 100));
    }
    this.viewport.redraw();
  }

  drag(event) {
    const edge = this.viewport.box.getBoundingClientRect();
    this.put((event.clientX - edge.left) / edge.width);
  }

  key(event) {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageUp: 0.1, PageDown: -0.1, Home: -1, End: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.put(this.viewport.swipe + step);
  }
}

/** A ring on the place that was asked about. */
export class Marker {
  constructor() {
    this.place = null;
  }

  draw(context, view) {
    if (!this.place) return;
    const [x, y] = [(this.place[0] - view.left) * view.scale, (this.place[1] - view.top) * view.scale];
    for (const [colour, width] of [["#ffffff", 5], ["#10151c", 2]]) {
      context.beginPath();
      context.arc(x, y, 8, 0, 2 * Math.PI);
      [context.strokeStyle, context.lineWidth] = [colour, width];
      context.stroke();
    }
  }
}

/** Where a message of the map stands, above its lower edge. */
export function mapMessage(text) {
  const place = byId("map-message");
  if (place) [place.textContent, place.hidden] = [text, !text];
}
