// Tiles of the service in Web Mercator, drawn from coarser ones until they are there.

const KEPT = 400;
const COARSER = 5;
const AGAIN_MS = 4000;

export class TileLayer {
  /** `address(z, x, y)` is a tile's path; zooms beyond `most` are drawn from it. `lane` says when one is asked for. */
  constructor({ service, address, bbox, least, most, changed, lane }) {
    Object.assign(this, { service, address, bbox, least, most, changed, lane, opacity: 1, side: null, failure: null });
    this.tiles = new Map();
    this.waiting = 0;
  }

  draw(context, view) {
    const zoom = Math.max(this.least, Math.min(this.most, Math.round(Math.log2(view.scale * view.ratio))));
    const side = 256 / 2 ** zoom;
    const [left, top, right, bottom] = this.bounds(view);
    if (left >= right || top >= bottom) return;
    context.save();
    context.beginPath(); // tiles of an image end beyond the map, at each side elsewhere
    context.rect((left - view.left) * view.scale, (top - view.top) * view.scale, (right - left) * view.scale, (bottom - top) * view.scale);
    context.clip();
    context.imageSmoothingEnabled = zoom < this.most || view.scale * view.ratio < 2 ** zoom;
    for (let y = Math.floor(top / side); y * side < bottom; y += 1)
      for (let x = Math.floor(left / side); x * side < right; x += 1) this.drawTile(context, view, { zoom, x, y, side });
    context.restore();
  }

  /** The view's part of the layer's ground, in the plane. */
  bounds(view) {
    const [west, north] = this.bbox.from;
    const [east, south] = this.bbox.to;
    return [Math.max(view.left, west), Math.max(view.top, north), Math.min(view.right, east), Math.min(view.bottom, south)];
  }

  drawTile(context, view, { zoom, x, y, side }) {
    const place = (value, origin) => Math.round((value - origin) * view.scale * view.ratio) / view.ratio;
    const [left, top] = [place(x * side, view.left), place(y * side, view.top)];
    const [right, bottom] = [place((x + 1) * side, view.left), place((y + 1) * side, view.top)];
    for (let up = 0; up <= COARSER && zoom - up >= 0; up += 1) {
      const key = `${zoom - up}/${x >> up}/${y >> up}`;
      const picture = up === 0 ? this.tile(zoom, x, y, key) : this.tiles.get(key)?.picture;
      if (!picture) {
        if (this.tiles.get(key)?.empty) return;
        continue;
      }
      const share = picture.width / 2 ** up;
      const [column, row] = [(x - ((x >> up) << up)) * share, (y - ((y >> up) << up)) * share];
      context.drawImage(picture, column, row, share, share, left, top, right - left, bottom - top);
      return;
    }
  }

  tile(z, x, y, key) {
    const known = this.tiles.get(key);
    if (known && !(known.failed && performance.now() - known.failed > AGAIN_MS)) return known.picture;
    this.tiles.set(key, { picture: null });
    this.waiting += 1;
    this.lane.add(() => this.load(z, x, y, key));
    return null;
  }

  async load(z, x, y, key) {
    try {
      const reply = await this.service.ask(this.address(z, x, y));
      const empty = reply.status === 204;
      this.tiles.set(key, { empty, picture: empty ? null : await createImageBitmap(await reply.blob()) });
      this.failure = null;
    } catch (error) {
      this.tiles.set(key, { picture: null, failed: performance.now() });
      this.failure = error.message;
    }
    this.waiting -= 1;
    for (const old of this.tiles.keys()) {
      if (this.tiles.size <= KEPT) break;
      this.tiles.delete(old);
    }
    this.changed(this);
  }
}
