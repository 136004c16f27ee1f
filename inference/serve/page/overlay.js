// Lines over the map: graticule, named regions, the chosen place and what is being drawn.

const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45];

const BUTTONS_PX = 56; // at the map's right edge: a label there would be cut

export function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["ink", "quiet", "line", "edge", "accent", "card", "land", "water", "river", "border"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** Rings of a GeoJSON Polygon or MultiPolygon, or of a box W S E N. */
export function ringsOf(place) {
  if (Array.isArray(place)) {
    const [west, south, east, north] = place;
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]];
  }
  if (place?.type === "Feature") return ringsOf(place.geometry);
  if (place?.type === "FeatureCollection") return place.features.flatMap(ringsOf);
  if (place?.type === "Polygon") return place.coordinates;
  return place?.type === "MultiPolygon" ? place.coordinates.flat() : [];
}

export function boxOf(rings) {
  const points = rings.flat();
  const [lon, lat] = [points.map(([value]) => value), points.map(([, value]) => value)];
  const most = (values, choose) => values.reduce((one, other) => choose(one, other));
  return [most(lon, Math.min), most(lat, Math.min), most(lon, Math.max), most(lat, Math.max)];
}

export class Graticule {
  constructor(plane) {
    this.plane = plane;
  }

  draw(context, view) {
    const [west, north] = this.plane.toLonLat(view.left, view.top);
    const [east, south] = this.plane.toLonLat(view.right, view.bottom);
    const step = STEPS.find((each) => (east - west) / each <= 7) ?? 45;
    const { line, quiet } = colours();
    [context.strokeStyle, context.fillStyle, context.lineWidth, context.font] = [line, quiet, 1, "11px system-ui, sans-serif"];
    const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
    const values = (low, high) => Array.from({ length: Math.max(0, Math.floor(high / step) - Math.ceil(low / step) + 1) }, (_, index) => (Math.ceil(low / step) + index) * step);
    for (const lon of values(west, east)) {
      const x = (this.plane.fromLonLat(lon, 0)[0] - view.left) * view.scale;
      strokeLine(context, [x, 0], [x, view.height]);
      const label = `${Math.abs(lon).toFixed(digits)}°${lon < 0 ? "W" : "E"}`;
      const end = x + 4 + context.measureText(label).width;
      if (end < view.width - BUTTONS_PX) context.fillText(label, x + 4, view.height - 50);
    }
    for (const lat of values(Math.max(south, -85), Math.min(north, 85))) {
      const y = (this.plane.fromLonLat(0, lat)[1] - view.top) * view.scale;
      strokeLine(context, [0, y], [view.width, y]);
      if (y > 48) context.fillText(`${Math.abs(lat).toFixed(digits)}°${lat < 0 ? "S" : "N"}`, 6, y - 4);
    }
  }
}

function strokeLine(context, from, to) {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

const LEAST_PX = 90; // of a named outline: smaller ones would clutter the map
const LEAST_SCALE = 16; // at which named outlines are drawn: before it the world is

/** Outlines in degrees; `items` are {rings, name, colour}. */
export class Outlines {
  constructor(plane, { strong = false } = {}) {
    Object.assign(this, { plane, strong, items: [], points: null });
  }

  draw(context, view) {
    const { accent, edge, quiet, card } = colours();
    for (const { rings, name, colour } of this.items) {
      if (name && (view.scale < LEAST_SCALE || this.widthPx(view, rings) < LEAST_PX)) continue;
      context.beginPath();
      for (const ring of rings) this.trace(context, view, ring);
      if (colour) {
        [context.fillStyle, context.globalAlpha] = [colour, 0.45];
        context.fill("evenodd");
        context.globalAlpha = 1;
      }
      if (this.strong) {
        [context.strokeStyle, context.lineWidth] = [card, 5];
        context.stroke();
      }
      [context.strokeStyle, context.lineWidth] = [colour ?? (this.strong ? accent : edge), this.strong ? 2.5 : 1];
      context.stroke();
      if (name) this.write(context, view, rings, { name, quiet });
    }
  }

  widthPx(view, rings) {
    const [west, , east] = boxOf(rings);
    return (this.plane.fromLonLat(east, 0)[0] - this.plane.fromLonLat(west, 0)[0]) * view.scale;
  }

  trace(context, view, ring) {
    ring.forEach(([lon, lat], index) => {
      const [x, y] = this.plane.fromLonLat(lon, lat);
      context[index ? "lineTo" : "moveTo"]((x - view.left) * view.scale, (y - view.top) * view.scale);
    });
  }

  write(context, view, rings, { name, quiet }) {
    const [west, , , north] = boxOf(rings);
    const [left, top] = this.plane.fromLonLat(west, north);
    [context.fillStyle, context.font] = [quiet, "12px system-ui, sans-serif"];
    context.fillText(name, (left - view.left) * view.scale + 5, (top - view.top) * view.scale + 15);
  }
}
