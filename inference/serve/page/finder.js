// What a person may type to find a place: a named region, a town, or degrees.

import { degrees } from "./dom.js";
import { townsNamed } from "./world.js";

const MOST = 6;
const HALF_KM = 5; // of the box around a town or a point
const KM_PER_DEGREE = 111.32;
const NEAR_KM = 30;
const NUMBER = String.raw`([+-]?\d{1,3}(?:\.\d+)?)\s*°?\s*`;
const PAIR = new RegExp(String.raw`^${NUMBER}([NS]?)\s*[,;\s]\s*${NUMBER}([EW]?)$`, "i");

/** Longitude and latitude of text such as "6.69, -1.62" or "6.69 N 1.62 W", latitude first; null for other text. */
export function pointOf(text) {
  const match = PAIR.exec(text.trim());
  if (!match) return null;
  const lat = Number(match[1]) * (match[2].toUpperCase() === "S" ? -1 : 1);
  const lon = Number(match[3]) * (match[4].toUpperCase() === "W" ? -1 : 1);
  return Math.abs(lat) <= 85 && Math.abs(lon) <= 180 ? [lon, lat] : null;
}

/** W S E N of 10 km around a point. */
export function boxAround([lon, lat]) {
  const [up, across] = [HALF_KM / KM_PER_DEGREE, HALF_KM / KM_PER_DEGREE / Math.cos((lat * Math.PI) / 180)];
  return [lon - across, lat - up, lon + across, lat + up].map((value) => Number(value.toFixed(5)));
}

export class Finder {
  constructor(service) {
    Object.assign(this, { service, towns: [], reading: null }); // `reading` ends when the towns are there
  }

  /** Choices of {id, name, words, and region or point}. */
  async choices(text) {
    const point = pointOf(text);
    if (point) return [{ id: "degrees", name: degrees(...point), words: "box of 10 km", point }];
    const { regions } = await this.service.json(`/regions?limit=${MOST}&q=${encodeURIComponent(text)}`);
    const named = regions.map(({ name, title }) => ({ id: name, name, words: title && title.toLowerCase() !== name ? title : "region", region: name }));
    if (text) await this.reading;
    const towns = text ? townsNamed(this.towns, text, MOST) : [];
    return [...named, ...towns.map(({ name, country, lon, lat }, index) => ({ id: `town-${index}`, name, words: country, point: [lon, lat] }))];
  }

  /** The greatest town near a point, "" where there is none. */
  near([lon, lat]) {
    const across = Math.cos((lat * Math.PI) / 180);
    const close = this.towns.find((town) => Math.hypot((town.lon - lon) * across, town.lat - lat) * KM_PER_DEGREE < NEAR_KM);
    return close ? close.name : "";
  }
}
