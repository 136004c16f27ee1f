// Runs scripts of the Code Editor with Google's JavaScript client against a local engine (local_ee/benchmarks/catalog_pages.py).
//
//     node editor.js ENGINE_URL SECONDS < scripts.jsonl > results.jsonl
//
// A line of input is {"name", "source"}, one of output {"name", "layers", "values", "pictures", "small", "refused"}. What
// the editor shows is asked for: printed values, the tile of each layer at the map's centre, and thumbnails. `small` has
// the tiles of few bytes, in base64.
'use strict';

const readline = require('readline');
const vm = require('vm');
const ee = require('@google/earthengine');

const [url, seconds] = process.argv.slice(2);
const MOST = 300;  // characters of a refusal
const SMALL = 4000;  // bytes: whether nothing is drawn on a tile is only asked of these
const WEB_TILE_SPLIT = 2;

/** A promise of a call whose last argument is callback(value, error). */
function called(start) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${seconds} s`)), 1000 * seconds);
    start((value, error) => {
      clearTimeout(timer);
      if (error || value === undefined) {
        reject(new Error(String(error || 'no value')));
      } else {
        resolve(value);
      }
    });
  });
}

/** The bytes of an address; an Error with the engine's words where it refuses. */
async function fetched(address) {
  const answer = await fetch(address, {signal: AbortSignal.timeout(1000 * seconds)});
  const body = Buffer.from(await answer.arrayBuffer());
  if (!answer.ok) {
    throw new Error(body.toString().slice(0, MOST));
  }
  return body;
}

/** Column and row of a place's tile. */
function tileOf(longitude, latitude, zoom) {
  const north = Math.asinh(Math.tan(latitude * Math.PI / 180)) / Math.PI;
  const side = 2 ** zoom;
  const inside = position => Math.min(Math.max(Math.floor(position * side), 0), side - 1);
  return [inside((longitude + 180) / 360), inside((1 - north) / WEB_TILE_SPLIT)];
}

/** Everything that a script may touch and does not change what is asked of the engine. */
function inert() {
  return new Proxy(function() {}, {
    get: (target, key) => key === Symbol.toPrimitive ? () => '' : inert(),
    apply: () => inert(),
    construct: () => inert(),
  });
}

/** The editor of one script: what it shows, in order. */
class Editor {
  constructor() {
    this.center = [0, 0];
    this.zoom = 0;
    this.layers = [];
    this.values = [];
    this.pictures = [];
    this.unlike = [];
    this.small = [];
  }

  get globals() {
    const map = {
      setCenter: (longitude, latitude, zoom) => this.look(longitude, latitude, zoom),
      centerObject: (object, zoom) => { this.around = [object, zoom]; },
      setZoom: zoom => { this.zoom = zoom; },
      addLayer: (object, style, name) => this.layers.push([object, style || {}, name || 'a layer']),
    };
    const ui = {
      Thumbnail: part => { this.pictures.push([part.image, part.params || {}]); return inert(); },
      Map: {FeatureViewLayer: id => { this.unlike.push(`FeatureView ${id}`); return inert(); }},
    };
    return {
      ee,
      Map: new Proxy(map, {get: (target, key) => target[key] || (() => inert())}),
      ui: new Proxy(ui, {get: (target, key) => target[key] || inert()}),
      print: (...shown) => this.values.push(...shown),
      Chart: inert(),
      Export: inert(),
      require: id => { throw new Error(`a module of the editor: ${id}`); },
    };
  }

  look(longitude, latitude, zoom) {
    this.center = [longitude, latitude];
    this.zoom = zoom === undefined ? this.zoom : zoom;
  }

  /** Asks the engine for all that is shown; what it refused. */
  async refused() {
    const refused = [];
    const attempt = async (what, ask) => {
      try {
        await ask();
      } catch (error) {
        refused.push(`${what}: ${error.message}`.slice(0, MOST));
      }
    };
    if (this.around) {
      await attempt('centre', () => this.centre(...this.around));
    }
    for (const value of this.values.filter(value => value instanceof ee.ComputedObject)) {
      await attempt('value', () => called(callback => value.evaluate(callback)));
    }
    for (const [object, style, name] of this.layers) {
      await attempt(`layer ${name}`, () => this.tile(object, style));
    }
    for (const [image, params] of this.pictures) {
      await attempt('thumbnail', async () => {
        await fetched(await called(callback => image.getThumbURL(params, callback)));
      });
    }
    return refused.concat(this.unlike);
  }

  async centre(object, zoom) {
    const geometry = object instanceof ee.Geometry ? object : object.geometry();
    const point = await called(callback => geometry.centroid(1000).coordinates().evaluate(callback));
    this.look(point[0], point[1], zoom);
  }

  async tile(object, style) {
    const drawn = object instanceof ee.Geometry ? new ee.FeatureCollection([new ee.Feature(object)]) : object;
    const map = await called(callback => drawn.getMap(style, callback));
    const zoom = Math.round(this.zoom);
    const [x, y] = tileOf(...this.center, zoom);
    const picture = await fetched(map.urlFormat.replace('{z}', zoom).replace('{x}', x).replace('{y}', y));
    if (picture.length < SMALL) {
      this.small.push(picture.toString('base64'));
    }
  }
}

async function ran({name, source}) {
  const editor = new Editor();
  const refused = [];
  try {
    vm.runInNewContext(source, editor.globals, {timeout: 1000 * seconds});
  } catch (error) {
    refused.push(`script: ${error.message}`.slice(0, MOST));
  }
  refused.push(...await editor.refused());
  const counts = {layers: editor.layers.length, values: editor.values.length, pictures: editor.pictures.length};
  return {name, ...counts, small: editor.small, refused};
}

async function main() {
  await called(callback => ee.initialize(url, url, () => callback(true), error => callback(null, error), null, 'local'));
  for await (const line of readline.createInterface({input: process.stdin})) {
    process.stdout.write(JSON.stringify(await ran(JSON.parse(line))) + '\n');
  }
}

main().then(() => process.exit(0), error => { console.error(error.message); process.exit(1); });
