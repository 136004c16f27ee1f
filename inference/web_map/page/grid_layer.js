// A raster that the page holds itself: drawn by a palette, counted in the view.

export const UNKNOWN = 255;
const SIDE = 512;
const RAMP = ["ffffff", "e31a1c"]; // as the lines for the Code Editor draw it

function rgb(colour) {
  return [0, 2, 4].map((at) => parseInt(colour.replace("#", "").slice(at, at + 2), 16));
}

/** RGBA of each class; hidden ones and unknown are clear. */
export function classPalette(classes, hidden = new Set()) {
  const palette = new Uint8ClampedArray(1024);
  for (const { value, colour } of classes) if (!hidden.has(value)) palette.set([...rgb(colour), 255], 4 * value);
  return palette;
}

/** RGBA of stored probabilities, 0 to `steps`. */
export function probabilityPalette(steps) {
  const palette = new Uint8ClampedArray(1024);
  for (let value = 0; value <= steps; value += 1) palette.set([...rampColour(value / steps), 255], 4 * value);
  return palette;
}

export function rampColour(share) {
  const place = Math.min(share * (RAMP.length - 1), RAMP.length - 1.001);
  const [low, high] = [rgb(RAMP[Math.floor(place)]), rgb(RAMP[Math.floor(place) + 1])];
  return low.map((value, channel) => Math.round(value + (high[channel] - value) * (place % 1)));
}

export const rampStyle = `linear-gradient(90deg, ${RAMP.map((colour) => `#${colour}`).join(", ")})`;

/** Values with a palette, in the plane of their own pixels. */
export class GridLayer {
  constructor({ width, height, values }, palette) {
    Object.assign(this, { width, height, values, palette, opacity: 1, side: null });
    this.pieces = new Map();
  }

  recolour(palette) {
    this.palette = palette;
    this.pieces.clear();
  }

  at(x, y) {
    const [col, row] = [Math.floor(x), Math.floor(y)];
    return col < 0 || row < 0 || col >= this.width || row >= this.height ? UNKNOWN : this.values[row * this.width + col];
  }

  draw(context, view) {
    context.imageSmoothingEnabled = view.scale * view.ratio < 1;
    context.imageSmoothingQuality = "high";
    const first = (edge) => Math.max(0, Math.floor(edge / SIDE));
    for (let row = first(view.top); row * SIDE < Math.min(view.bottom, this.height); row += 1)
      for (let col = first(view.left); col * SIDE < Math.min(view.right, this.width); col += 1) this.drawPiece(context, view, row, col);
  }

  drawPiece(context, view, row, col) {
    const piece = this.piece(row, col);
    const edge = (start, length, origin) => [start, start + length].map((place) => Math.round((place - origin) * view.scale * view.ratio) / view.ratio);
    const [left, right] = edge(col * SIDE, piece.width, view.left);
    const [top, bottom] = edge(row * SIDE, piece.height, view.top);
    context.drawImage(piece, left, top, right - left, bottom - top);
  }

  piece(row, col) {
    const key = `${row},${col}`;
    if (!this.pieces.has(key)) this.pieces.set(key, this.painted(row * SIDE, col * SIDE));
    return this.pieces.get(key);
  }

  painted(top, left) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.min(SIDE, this.width - left), Math.min(SIDE, this.height - top)];
    const image = new ImageData(canvas.width, canvas.height);
    const [out, colours] = [new Uint32Array(image.data.buffer), new Uint32Array(this.palette.buffer)];
    for (let row = 0, at = 0; row < canvas.height; row += 1) {
      const start = (top + row) * this.width + left;
      for (let col = 0; col < canvas.width; col += 1, at += 1) out[at] = colours[this.values[start + col]];
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }
}

/** km2 by stored value of the pixels whose centres lie in the view; `areaAt(x, y)` is a pixel's ground in m2. */
export function areasInView({ width, height, values }, view, areaAt) {
  const total = new Float64Array(256);
  const [left, right] = [view.left, view.right].map((edge) => Math.max(0, Math.min(width, Math.round(edge))));
  const [top, bottom] = [view.top, view.bottom].map((edge) => Math.max(0, Math.min(height, Math.round(edge))));
  const counts = new Uint32Array(256);
  for (let row = top; row < bottom; row += 1) {
    counts.fill(0);
    for (let at = row * width + left; at < row * width + right; at += 1) counts[values[at]] += 1;
    const each = areaAt((left + right) / 2, row + 0.5) / 1e6;
    for (let value = 0; value < 256; value += 1) total[value] += counts[value] * each;
  }
  return total;
}
