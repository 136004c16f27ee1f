// The page of the service: a map, and beside it new maps, the shown map, and jobs.

import { byId } from "./dom.js";
import { FirstNetwork } from "./first_network.js";
import { furnish, Marker } from "./furniture.js";
import { Jobs } from "./jobs.js";
import { LabelPanel } from "./label_panel.js";
import { MapPanel } from "./map_panel.js";
import { Order } from "./order.js";
import { Graticule, Outlines, ringsOf } from "./overlay.js";
import { PlaceChooser } from "./place.js";
import { MercatorPlane } from "./plane.js";
import { Publisher } from "./publisher.js";
import { Service } from "./service.js";
import { SheetPanel } from "./sheet_panel.js";
import { Viewport } from "./viewport.js";
import { readWorld, WorldLayer, WorldNames } from "./world.js";

const TABS = ["new", "map", "label", "jobs"];
const SOURCES = { // of pixels, by health's word
  google: "Images: Google Earth Engine.",
  open: "Images: real ones, from public archives without an account.",
  simulated: "Images: simulated by the local engine, of no real place.",
  folder: "Images: a folder on the server.",
};
const WORLD = [-168, -56, 178, 74]; // all land but Antarctica

function choose(tab) {
  document.dispatchEvent(new CustomEvent("tab", { detail: tab }));
  for (const name of TABS) {
    byId(`${name}-tab`).hidden = name !== tab;
    byId(`${name}-button`).setAttribute("aria-selected", name === tab);
    byId(`${name}-button`).tabIndex = name === tab ? 0 : -1;
  }
}

function listenTabs(entered) {
  TABS.forEach((name, index) => {
    const button = byId(`${name}-button`);
    button.addEventListener("click", () => {
      choose(name);
      entered(name);
    });
    button.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (step) byId(`${TABS[(index + step + TABS.length) % TABS.length]}-button`).focus();
    });
  });
}

/** The panel of labels is filled when it is entered; what it draws on goes with it. */
function listenLabels(labels, sheets) {
  document.addEventListener("tab", ({ detail }) => {
    const visible = detail === "label";
    if (visible) Promise.all([labels.fill(), sheets.fill()]).catch((error) => labels.line.say(error.message, "wrong"));
    else if (labels.tool) labels.leave();
    sheets.shown(visible);
  });
}

/** The token that a person types, asked for until there is one. */
function askToken(again) {
  byId("token-wrong").hidden = !again;
  byId("token").value = "";
  const dialog = byId("token-dialog");
  const ask = () => dialog.showModal();
  ask();
  return new Promise((resolve) => {
    dialog.addEventListener("close", ask); // Escape, which browsers let through at the second time
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      dialog.removeEventListener("close", ask);
      dialog.close();
      resolve(byId("token").value.trim());
    }, { once: true });
  });
}

async function start() {
  const service = new Service(askToken, JSON.parse(document.body.dataset.answers));
  service.takeToken();
  const plane = new MercatorPlane();
  const viewport = new Viewport(byId("map"), plane, { least: 1, most: 2 ** 20 });
  furnish(viewport);
  const named = new Outlines(plane);
  let order = null;
  const place = new PlaceChooser(service, viewport, () => order?.changed());
  const [world, names] = [new WorldLayer(plane), new WorldNames(plane)];
  const below = [world, new Graticule(plane), named];
  const above = [place.outlines, names];
  const panel = new MapPanel(service, viewport, { below, above, marker: new Marker() });
  const finished = async (job) => {
    await panel.renew();
    const { map } = await service.json(`/jobs/${job.jobID}/results`);
    if (!map) return;
    place.choose(null, "");
    choose("map");
    await panel.open(decodeURIComponent(map.href.split("/").pop()));
  };
  const jobs = new Jobs(service, finished);
  panel.publisher = new Publisher(service, jobs);
  order = new Order(service, place, (job) => jobs.watch(job));
  const labels = new LabelPanel(service, panel, { order, jobs });
  const sheets = new SheetPanel(service, panel, { jobs, labels });
  above.push(panel.areas.outlines, labels.outlines, labels.sketched, sheets.frame);
  viewport.layers = [...below, ...above];
  listenLabels(labels, sheets);
  const firstNetwork = new FirstNetwork(service, place, order, jobs);
  listenTabs((name) => (name === "jobs" ? jobs.renew() : name === "map" && panel.renew().then(() => panel.areas.show())));
  place.lookAt(WORLD);
  const opened = openFirst(service, panel);
  place.finder.reading = opened.then(() => showWorld({ service, viewport, place, layers: [world, names] }));
  const usable = opened.then((map) => map || place.finder.reading); // a shown map does not wait for the world below it
  const fill = () => Promise.all([nameRegions({ service, viewport, place, named }), order.fill(), jobs.renew(), firstNetwork.resume()]);
  await Promise.all([usable, opened.finally(fill)]); // the tiles of the map are asked for before lists
  document.body.dataset.ready = "true";
}

/** Draws the world and lets its towns be searched; without it the page works too. */
async function showWorld({ service, viewport, place, layers }) {
  const world = await readWorld(service).catch(() => null);
  if (!world) return;
  for (const layer of layers) layer.world = world;
  place.finder.towns = world.towns;
  viewport.redraw();
}

async function nameRegions({ service, viewport, place, named }) {
  const { regions } = await service.json("/regions?limit=200");
  place.named = regions;
  named.items = regions.map(({ name, bbox }) => ({ name, rings: ringsOf(bbox) }));
  viewport.redraw();
}

/** Shows the map of the address or else the latest; null where there is none. */
async function openFirst(service, panel) {
  const [health] = await Promise.all([service.json("/health"), panel.renew()]);
  byId("version").textContent = `isamap ${health.version}`;
  [panel.simulatedService, panel.ofGoogle] = [health.simulated, health.source === "google"];
  byId("source").textContent = SOURCES[health.source];
  for (const id of ["simulated", "small-network", "or-train"]) byId(id).hidden = !health.simulated; // real pixels cost
  const link = new URLSearchParams(location.hash.slice(1));
  const first = panel.maps.find(({ id }) => id === link.get("map")) ?? panel.maps[0] ?? null;
  choose(first ? "map" : "new");
  if (first) await panel.open(first.id, link.get("at"));
  else panel.lookAt(link.get("at"));
  service.answers = {};
  return first;
}

start().catch((error) => {
  Object.assign(byId("map-message"), { textContent: error.message, hidden: false });
});
