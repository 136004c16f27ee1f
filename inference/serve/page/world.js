// The world below every map: land, lakes, rivers and borders, and the names of countries and towns (Natural Earth).

import { colours } from "./overlay.js";

const STEPS = 100; // of a degree, in the file
const DETAIL_ZOOM = 11; // beyond it the lines, simplified to 3 km, would be wrong on the ground
const NAMES_ZOOM = { countries: [1.5, 6], towns: [2.5, 30] };
const MOST_NAMES = 60;

/** The file with its lines decoded; `towns` are {name, country, lon, lat, rank}, the greatest first. */
export async function readWorld(service) {
  const { land, lakes, rivers, borders, countries, towns } = await service.json("/static/world.json");
  return {
    lines: { land, lakes, rivers, borders },
    countries: countries.map(([name, lon, lat, rank]) => ({ name, lon, lat, rank })),
    towns: towns.map(([name, country, lon, lat, rank]) => ({ name, country, lon, lat, rank })),
  };
}

/** Towns whose names begin with words, then those that hold them; both the greatest first. */
export function townsNamed(towns, words, most) {
  const wanted = plain(words);
  const first = towns.filter(({ name }) => plain(name).startsWith(wanted)).slice(0, most);
  const further = towns.filter(({ name }) => !plain(name).startsWith(wanted) && plain(name).includes(wanted));
  return [...first, ...further].slice(0, most);
}

function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** A path in the units of the plane, of lines that are stored as differences. */
function pathOf(lines, plane, closed) {
  const path = new Path2D();
  for (const line of lines) {
    let [lon, lat] = [0, 0];
    for (let at = 0; at < line.length; at += 2) {
      [lon, lat] = [lon + line[at], lat + line[at + 1]];
      path[at ? "lineTo" : "moveTo"](...plane.fromLonLat(lon / STEPS, lat / STEPS));
    }
    if (closed) path.closePath();
  }
  return path;
}

export class WorldLayer {
  constructor(plane) {
    Object.assign(this, { plane, paths: null });
  }

  set world({ lines }) {
    this.paths = Object.fromEntries(Object.entries(lines).map(([name, each]) => [name, pathOf(each, this.plane, name === "land" || name === "lakes")]));
  }

  draw(context, view) {
    const { land, water, river, border } = colours();
    const zoom = Math.log2(view.scale);
    if (!this.paths || zoom > DETAIL_ZOOM) {
      context.fillStyle = land;
      return context.fillRect(0, 0, view.width, view.height);
    }
    context.fillStyle = water;
    context.fillRect(0, 0, view.width, view.height);
    context.scale(view.scale, view.scale);
    context.translate(-view.left, -view.top);
    const line = (path, colour, width) => {
      [context.strokeStyle, context.lineWidth] = [colour, width / view.scale];
      context.stroke(path);
    };
    context.fillStyle = land;
    context.fill(this.paths.land, "evenodd");
    line(this.paths.land, border, 0.6);
    if (zoom > 3) line(this.paths.rivers, river, 1);
    context.fillStyle = water;
    context.fill(this.paths.lakes, "evenodd");
    line(this.paths.borders, border, 1);
  }
}

/** Names of countries and towns, the greater first, none over another. */
export class WorldNames {
  constructor(plane) {
    Object.assign(this, { plane, countries: [], towns: [] });
  }

  set world({ countries, towns }) {
    const placed = (rows) => rows.map((row) => ({ ...row, at: this.plane.fromLonLat(row.lon, row.lat) }));
    [this.countries, this.towns] = [placed(countries), placed(towns)];
  }

  draw(context, view) {
    const zoom = Math.log2(view.scale);
    this.taken = [];
    const within = ([least, most]) => zoom >= least && zoom < most;
    if (within(NAMES_ZOOM.towns)) this.write(context, view, this.towns.filter(({ rank }) => rank <= 1.6 * zoom - 4.5), true);
    if (within(NAMES_ZOOM.countries)) this.write(context, view, this.countries.filter(({ rank }) => rank <= zoom + 0.5), false);
  }

  write(context, view, rows, isTown) {
    const { ink, quiet, card } = colours();
    context.font = isTown ? "600 12px system-ui, sans-serif" : "13px system-ui, sans-serif";
    [context.textAlign, context.lineJoin, context.lineWidth] = [isTown ? "left" : "center", "round", 3];
    for (const { name, at } of rows) {
      const [x, y] = [(at[0] - view.left) * view.scale, (at[1] - view.top) * view.scale];
      if (x < 0 || y < 0 || x > view.width || y > view.height || this.taken.length > MOST_NAMES) continue;
      const wide = context.measureText(name).width;
      const box = isTown ? [x - 5, y - 9, x + wide + 9, y + 9] : [x - wide / 2, y - 9, x + wide / 2, y + 9];
      if (this.taken.some((other) => meet(box, other))) continue;
      this.taken.push(box);
      if (isTown) dot(context, x, y, { ink, card });
      [context.strokeStyle, context.fillStyle] = [card, isTown ? ink : quiet];
      context.strokeText(name, isTown ? x + 6 : x, y + 4);
      context.fillText(name, isTown ? x + 6 : x, y + 4);
    }
  }
}

function dot(context, x, y, { ink, card }) {
  context.beginPath();
  context.arc(x, y, 2.5, 0, 2 * Math.PI);
  [context.fillStyle, context.strokeStyle] = [ink, card];
  context.stroke();
  context.fill();
}

function meet(one, other) {
  return one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
}
