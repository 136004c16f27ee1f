// The stored values of an 8-bit PNG, byte for byte: a canvas may change colours on the way, and some browsers do so on
// purpose. PNG, third edition (https://www.w3.org/TR/png-3/), sections 5 (chunks) and 9 (filters).

/** {width, height, values} of a PNG of one channel with 8 bits, not interlaced, from its base64. */
export async function decodePng(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const packed = [];
  let [width, height] = [0, 0];
  for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (name === "IHDR") [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (name === "IDAT") packed.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const stream = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate"));
  return { width, height, values: unfiltered(new Uint8Array(await new Response(stream).arrayBuffer()), width, height) };
}

function unfiltered(lines, width, height) {
  const values = new Uint8Array(width * height);
  for (let row = 0; row < height; row += 1) {
    const [from, to] = [row * (width + 1), row * width];
    const filter = lines[from];
    for (let col = 0; col < width; col += 1) {
      const left = col ? values[to + col - 1] : 0;
      const up = row ? values[to + col - width] : 0;
      const corner = col && row ? values[to + col - width - 1] : 0;
      values[to + col] = lines[from + 1 + col] + expected(filter, left, up, corner);
    }
  }
  return values;
}

function expected(filter, left, up, corner) {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  const [byLeft, byUp, byCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (byLeft <= byUp && byLeft <= byCorner) return left;
  return byUp <= byCorner ? up : corner;
}
