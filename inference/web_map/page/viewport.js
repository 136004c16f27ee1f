// A map on a canvas: layers drawn in a plane, moved by mouse, touch and keys.

const STEP_PX = 80;
const CLICK_PX = 5; // a pointer that moves less has clicked

/**
 * Layers have `draw(context, view)` and optionally `opacity` and `side` ("left" or "right" of the swipe).
 * A tool may take the pointer first: `down(point)`, `move(point)` and `up(point)` return true where they used it.
 */
export class Viewport extends EventTarget {
  constructor(box, plane, { least, most }) {
    super();
    Object.assign(this, { box, plane, least, most, layers: [], tool: null, swipe: null });
    this.canvas = box.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    [this.x, this.y, this.scale, this.pending] = [0, 0, 1, 0];
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.resize();
  }

  get view() {
    const { clientWidth: width, clientHeight: height } = this.box;
    const [left, top] = [this.x - width / 2 / this.scale, this.y - height / 2 / this.scale];
    const [right, bottom] = [left + width / this.scale, top + height / this.scale];
    return { left, top, right, bottom, width, height, scale: this.scale, ratio: this.ratio };
  }

  /** Shows a rectangle of the plane whole. */
  fit([left, top, right, bottom], margin = 24) {
    const { clientWidth: width, clientHeight: height } = this.box;
    const inner = (length) => Math.max(40, length - 2 * margin);
    this.home = [left, top, right, bottom];
    this.look((left + right) / 2, (top + bottom) / 2, Math.min(inner(width) / (right - left), inner(height) / (bottom - top)));
  }

  look(x, y, scale = this.scale) {
    [this.x, this.y, this.scale] = [x, y, Math.max(this.least, Math.min(this.most, scale))];
    this.redraw();
    this.dispatchEvent(new Event("move"));
  }

  /** Zooms so that the place under a point of the screen stays there. */
  zoom(factor, point = [this.box.clientWidth / 2, this.box.clientHeight / 2]) {
    const [x, y] = this.planeAt(point);
    const scale = Math.max(this.least, Math.min(this.most, this.scale * factor));
    const [right, down] = [point[0] - this.box.clientWidth / 2, point[1] - this.box.clientHeight / 2];
    this.look(x - right / scale, y - down / scale, scale);
  }

  planeAt([right, down]) {
    const view = this.view;
    return [view.left + right / view.scale, view.top + down / view.scale];
  }

  lonLatAt(point) {
    return this.plane.toLonLat(...this.planeAt(point));
  }

  redraw() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.draw());
  }

  /** Draws without waiting for a frame, so that layers ask for what they lack: a page's first frames come late. */
  drawNow() {
    cancelAnimationFrame(this.pending);
    this.draw();
  }

  draw() {
    this.pending = 0;
    const { context, view } = this;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    for (const layer of this.layers) {
      context.save();
      this.clip(layer.side, view);
      context.globalAlpha = layer.opacity ?? 1;
      layer.draw(context, view);
      context.restore();
    }
  }

  clip(side, { width, height }) {
    if (this.swipe === null || !side) return;
    const edge = this.swipe * width;
    this.context.beginPath();
    this.context.rect(side === "left" ? 0 : edge, 0, side === "left" ? edge : width - edge, height);
    this.context.clip();
  }

  resize() {
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.box.clientWidth * this.ratio);
    this.canvas.height = Math.round(this.box.clientHeight * this.ratio);
    this.redraw();
    this.dispatchEvent(new Event("move"));
  }

  listen() {
    const at = (event) => {
      const edge = this.box.getBoundingClientRect();
      return [event.clientX - edge.left - this.box.clientLeft, event.clientY - edge.top - this.box.clientTop];
    };
    this.canvas.addEventListener("pointerdown", (event) => this.down(event, at(event)));
    this.canvas.addEventListener("pointermove", (event) => this.moved(event, at(event)));
    for (const name of ["pointerup", "pointercancel"])
      this.canvas.addEventListener(name, (event) => this.up(event, at(event)));
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(2 ** (-event.deltaY * (event.deltaMode ? 0.05 : 0.0025)), at(event));
    }, { passive: false });
    this.canvas.addEventListener("dblclick", (event) => this.tool?.finish?.() || this.zoom(2, at(event)));
    this.box.addEventListener("keydown", (event) => event.target === this.box && this.key(event));
  }

  down(event, point) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.box.focus({ preventScroll: true });
    this.used = this.pointers.size === 0 && Boolean(this.tool?.down?.(point));
    this.pointers.set(event.pointerId, point);
    this.start = point;
    this.travel = 0;
  }

  moved(event, point) {
    const before = this.pointers.get(event.pointerId);
    if (!before || this.used) {
      this.tool?.move?.(point);
      return;
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
    this.pointers.set(event.pointerId, point);
    this.travel += Math.hypot(point[0] - before[0], point[1] - before[1]);
    if (others.length) this.pinch(before, point, others[0]);
    else if (this.travel > CLICK_PX) this.look(this.x - (point[0] - before[0]) / this.scale, this.y - (point[1] - before[1]) / this.scale);
  }

  pinch(before, point, other) {
    const length = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]);
    if (length(before) > 4) this.zoom(length(point) / length(before), [(point[0] + other[0]) / 2, (point[1] + other[1]) / 2]);
  }

  up(event, point) {
    const alone = this.pointers.size === 1 && this.pointers.delete(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (event.type === "pointercancel") this.used = false;
    else if (this.used) this.tool?.up?.(point);
    else if (alone && this.travel <= CLICK_PX) this.click(point);
  }

  click(point) {
    this.dispatchEvent(new CustomEvent("inspect", { detail: point }));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.tool?.key?.(event.key)) return;
    const far = STEP_PX / this.scale;
    const actions = {
      ArrowLeft: () => this.look(this.x - far, this.y),
      ArrowRight: () => this.look(this.x + far, this.y),
      ArrowUp: () => this.look(this.x, this.y - far),
      ArrowDown: () => this.look(this.x, this.y + far),
      "+": () => this.zoom(2),
      "=": () => this.zoom(2),
      "-": () => this.zoom(0.5),
      Home: () => this.home && this.fit(this.home),
      Enter: () => this.click([this.box.clientWidth / 2, this.box.clientHeight / 2]),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }
}
