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

/**
 * Makes the children of an element those given. Each that is there already stays and is changed in place, so that a
 * press of the mouse, the focus and what was scrolled outlive a renewal. An element with listeners has a data-key that
 * says what they do.
 */
export function renewChildren(parent, ...children) {
  const before = [...parent.childNodes];
  const nodes = children.flat().filter(Boolean).map((child) => {
    const node = typeof child === "string" ? document.createTextNode(child) : child;
    const at = before.findIndex((each) => identity(each) === identity(node));
    return at < 0 ? node : changed(before.splice(at, 1)[0], node);
  });
  for (const node of before) node.remove();
  nodes.forEach((node, index) => parent.childNodes[index] === node || parent.insertBefore(node, parent.childNodes[index] ?? null));
}

function identity(node) {
  return [node.nodeName, node.dataset?.key, node.nodeName === "OPTION" && node.value].join(" ");
}

function changed(node, model) {
  if (node.nodeType === Node.TEXT_NODE) return Object.assign(node, node.data === model.data ? {} : { data: model.data });
  for (const { name } of [...node.attributes]) if (!model.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of model.attributes) {
    if (node.getAttribute(name) === value) continue;
    name === "style" ? (node.style.cssText = value) : node.setAttribute(name, value); // the page's policy refuses the attribute
  }
  if ("checked" in node) node.checked = model.checked;
  renewChildren(node, ...model.childNodes);
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

/** A line of the page that says what was tried and what came of it; one that is not `aloud` announces failures only. */
export class Line {
  constructor(id, aloud = true) {
    Object.assign(this, { node: byId(id), aloud });
  }

  say(text, style = "quiet") {
    Object.assign(this.node, { textContent: text, className: style });
    if (text && (this.aloud || style === "wrong")) announce(text);
  }

  /** Runs an action, and says why it failed. */
  async tried(action) {
    try {
      await action();
    } catch (error) {
      this.say(error.message, "wrong");
    }
  }
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

/** Runs actions one after the other, so that the last one asked for is the last one done. */
export class Turns {
  last = Promise.resolve();

  take(action) {
    const mine = this.last.then(action);
    this.last = mine.catch(() => {});
    return mine;
  }
}

/** A moment of the service (RFC 3339) in the time and words of this browser, with the universal time beside it. */
export function localTime(moment) {
  const here = new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return el("time", { datetime: moment, title: `${moment.replace("T", " ").replace("Z", "")} UTC` }, here);
}

export function counted(number, noun, several = `${noun}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : several}`;
}

/** Minutes in words. */
export function minutes(count) {
  if (count < 1) return "less than a minute";
  const whole = Math.ceil(count);
  return count < 90 ? counted(whole, "minute") : `${(count / 60).toFixed(1)} hours`;
}
