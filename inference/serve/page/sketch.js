// Drawing a box or a polygon on the map.

/** A box by dragging; `done(box)` gets W S E N. */
export class BoxTool {
  constructor(viewport, outlines, done) {
    Object.assign(this, { viewport, outlines, done, corner: null });
  }

  down(point) {
    this.corner = this.viewport.lonLatAt(point);
    return true;
  }

  move(point) {
    if (this.corner) this.show(this.box(point));
  }

  up(point) {
    const box = this.corner && this.box(point);
    this.corner = null;
    if (box && box[2] > box[0] && box[3] > box[1]) this.done(box);
  }

  key(key) {
    if (key === "Escape") this.done(null);
    return key === "Escape";
  }

  box(point) {
    const [lon, lat] = this.viewport.lonLatAt(point);
    const [west, south] = [Math.min(lon, this.corner[0]), Math.min(lat, this.corner[1])];
    const [east, north] = [Math.max(lon, this.corner[0]), Math.max(lat, this.corner[1])];
    return [west, south, east, north].map((value) => Number(value.toFixed(6)));
  }

  show([west, south, east, north]) {
    this.outlines.items = [{ rings: [[[west, south], [east, south], [east, north], [west, north], [west, south]]] }];
    this.viewport.redraw();
  }
}

/** A polygon by clicks; a double click or Enter ends it, Escape leaves it. `done(polygon)` gets GeoJSON. */
export class PolygonTool {
  constructor(viewport, outlines, done) {
    Object.assign(this, { viewport, outlines, done, points: [] });
  }

  down(point) {
    const last = this.points.at(-1);
    const near = last && Math.hypot(point[0] - last.screen[0], point[1] - last.screen[1]) < 4;
    if (!near) this.points.push({ screen: point, place: this.viewport.lonLatAt(point) });
    this.show(point);
    return true;
  }

  move(point) {
    this.show(point);
  }

  key(key) {
    if (key === "Enter") return this.finish();
    if (key === "Escape") this.done(null);
    return key === "Escape";
  }

  finish() {
    if (this.points.length < 3) return true;
    const ring = this.points.map(({ place }) => place.map((value) => Number(value.toFixed(6))));
    this.done({ type: "Polygon", coordinates: [[...ring, ring[0]]] });
    return true;
  }

  show(point) {
    const ring = [...this.points.map(({ place }) => place), this.viewport.lonLatAt(point)];
    this.outlines.items = this.points.length ? [{ rings: [[...ring, ring[0]]] }] : [];
    this.viewport.redraw();
  }
}
