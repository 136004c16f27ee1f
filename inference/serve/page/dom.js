// Elements, numbers and the voice of the page.

/** An element with attributes, listeners (names that begin with "on") and children; text is never read as HTML. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** The same for drawings. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Tells a screen reader, without moving the focus. */
export function announce(text) {
  const voice = byId("voice");
  if (voice && voice.textContent !== text) voice.textContent = text;
}

/** Square kilometres with three significant digits, such as 0.0123, 4.56 or 1,230. */
export function km2(value) {
  if (!(value > 0)) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(value)));
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(share) {
  return Number.isFinite(share) ? `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %` : "–";
}

export function degrees(lon, lat) {
  const one = (value, positive, negative) => `${Math.abs(value).toFixed(5)}° ${value < 0 ? negative : positive}`;
  return `${one(lat, "N", "S")}, ${one(lon, "E", "W")}`;
}

/** Calls a function once, when its last call is so many milliseconds ago. */
export function settled(milliseconds, action) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}
