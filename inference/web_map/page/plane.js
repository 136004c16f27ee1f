// Flat coordinates that a map is drawn in, x to the right and y down, and the longitudes and latitudes under them.

const RADIUS_M = 6371008.8; // mean radius of the Earth (IUGG)
const RAD = Math.PI / 180;

/** Web Mercator: the world is 256 units wide, so that a scale of 2^z draws the tiles of zoom z. */
export class MercatorPlane {
  toLonLat(x, y) {
    return [(x / 256) * 360 - 180, Math.atan(Math.sinh(Math.PI * (1 - y / 128))) / RAD];
  }

  fromLonLat(lon, lat) {
    const sine = Math.sin(Math.max(-85.05, Math.min(85.05, lat)) * RAD);
    return [((lon + 180) / 360) * 256, 128 - (Math.atanh(sine) / Math.PI) * 128];
  }
}

/** A grid in any coordinate system: units are its pixels, places between the lattice's knots are interpolated. */
export class LatticePlane {
  constructor({ width, height, rows, cols, lon, lat }) {
    Object.assign(this, { width, height, rows, cols, lon, lat });
  }

  toLonLat(x, y) {
    return [this.between(this.lon, x, y), this.between(this.lat, x, y)];
  }

  /** The value of a lattice's numbers at a place of the grid, linear between knots and beyond the last. */
  between(values, x, y) {
    const across = (x / this.width) * (this.cols - 1);
    const down = (y / this.height) * (this.rows - 1);
    const col = Math.max(0, Math.min(this.cols - 2, Math.floor(across)));
    const row = Math.max(0, Math.min(this.rows - 2, Math.floor(down)));
    const at = row * this.cols + col;
    const [right, below] = [across - col, down - row];
    const top = values[at] * (1 - right) + values[at + 1] * right;
    return top * (1 - below) + (values[at + this.cols] * (1 - right) + values[at + this.cols + 1] * right) * below;
  }
}

/** Metres on the ground between two points in degrees (haversine). */
export function distanceM([lon, lat], [otherLon, otherLat]) {
  const half = Math.sin(((otherLat - lat) * RAD) / 2) ** 2;
  const turn = Math.cos(lat * RAD) * Math.cos(otherLat * RAD) * Math.sin(((otherLon - lon) * RAD) / 2) ** 2;
  return 2 * RADIUS_M * Math.asin(Math.min(1, Math.sqrt(half + turn)));
}

/** Metres on the ground of one unit to the right. */
export function metresPerUnit(plane, x, y, span) {
  return distanceM(plane.toLonLat(x - span / 2, y), plane.toLonLat(x + span / 2, y)) / span;
}

/** Where north is, in degrees clockwise from up. */
export function northAngle(plane, x, y, span) {
  const [lon, lat] = plane.toLonLat(x, y);
  const [otherLon, otherLat] = plane.toLonLat(x, y - span);
  return -Math.atan2((otherLon - lon) * Math.cos(lat * RAD), otherLat - lat) / RAD;
}
