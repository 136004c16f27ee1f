// The page of the service: a map, and beside it new maps, the shown map, and jobs.

import { byId } from "./dom.js";
import { FirstNetwork } from "./first_network.js";
import { furnish, Marker } from "./furniture.js";
import { Jobs } from "./jobs.js";
import { MapPanel } from "./map_panel.js";
import { Order } from "./order.js";
import { boxOf, Graticule, Outlines, ringsOf } from "./overlay.js";
import { PlaceChooser } from "./place.js";
import { MercatorPlane } from "./plane.js";
import { Service } from "./service.js";
import { Viewport } from "./viewport.js";

const TABS = ["new", "map", "jobs"];

function choose(tab) {
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
  const service = new Service(askToken);
  const plane = new MercatorPlane();
  const viewport = new Viewport(byId("map"), plane, { least: 1, most: 2 ** 20 });
  furnish(viewport);
  const named = new Outlines(plane);
  let order = null;
  const place = new PlaceChooser(service, viewport, () => order?.changed());
  const below = [new Graticule(plane), named];
  const panel = new MapPanel(service, viewport, { below, above: [place.outlines], marker: new Marker() });
  viewport.layers = [...below, place.outlines];
  const finished = async (job) => {
    await panel.renew();
    const { map } = await service.json(`/jobs/${job.jobID}/results`);
    if (!map) return;
    place.choose(null, "");
    choose("map");
    await panel.open(decodeURIComponent(map.href.split("/").pop()));
  };
  const jobs = new Jobs(service, finished);
  order = new Order(service, place, (job) => jobs.watch(job));
  new FirstNetwork(service, place, order, jobs);
  listenTabs((name) => (name === "jobs" ? jobs.renew() : name === "map" && panel.renew().then(() => panel.showAreas())));
  await fill({ service, viewport, named, panel, order, jobs, place });
  document.body.dataset.ready = "true";
}

async function fill({ service, viewport, named, panel, order, jobs, place }) {
  const health = await service.json("/health");
  byId("version").textContent = `isamap ${health.version}`;
  panel.simulatedService = health.simulated;
  for (const id of ["simulated", "small-network", "or-train"]) byId(id).hidden = !health.simulated; // real pixels cost
  const { regions } = await service.json("/regions?limit=200");
  place.named = regions;
  named.items = regions.map(({ name, bbox }) => ({ name, rings: ringsOf(bbox) }));
  await Promise.all([panel.renew(), order.fill(), jobs.renew()]);
  if (regions.length) place.lookAt(boxOf(named.items.flatMap(({ rings }) => rings)));
  const wanted = new URLSearchParams(location.hash.slice(1)).get("map");
  const first = panel.maps.find(({ id }) => id === wanted) ?? panel.maps[0];
  choose(first ? "map" : "new");
  if (first) await panel.open(first.id);
  viewport.redraw();
}

start().catch((error) => {
  Object.assign(byId("map-message"), { textContent: error.message, hidden: false });
});
