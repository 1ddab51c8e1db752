// Per circuit: what each link brings and carries, by service and family, and how the links differ.

import { keepDifference } from "./difference.js";
import { el, show, table } from "./dom.js";
import { circuitStates } from "./links.js";
import { store } from "./store.js";
import { clock, FAMILIES, marked } from "./words.js";

/** With more circuits than this, each is closed until it is asked for. */
const OPEN_UP_TO = 4;

export function renderCircuits() {
  const circuits = Object.entries(store.status.circuits).map(([name, circuit]) => ({ name, ...circuit }));
  circuits.sort((a, b) => Number(allUp(a)) - Number(allUp(b)));
  show(document.querySelector("#circuits .body"), circuits, ({ name }) => name, (circuit, previous) =>
    build(circuit, previous, previous?.open ?? circuits.length <= OPEN_UP_TO),
  );
}

function allUp(circuit) {
  return circuitStates(circuit).every(({ up, of }) => up === of);
}

function build(circuit, previous, open) {
  const figures = el("div", {});
  const difference = previous?.querySelector(".difference") ?? el("div", { class: "difference" });
  // What is closed costs nothing: it is neither built nor asked for.
  const fill = () => {
    figures.replaceChildren(table(`Links of circuit ${circuit.name}`, ...rowsOf(circuit)));
    keepDifference(circuit, difference);
  };
  const toggled = (event) => { if (event.target.open && figures.childElementCount === 0) fill(); };
  const details = el("details", { class: "circuit", ontoggle: toggled, open }, summary(circuit), figures, difference);
  if (open) fill();
  return details;
}

function summary(circuit) {
  const place = [circuit.location, circuit.geo, `${circuit.peering} peering`].filter(Boolean).join(", ");
  const states = circuitStates(circuit).map(({ family, state, up, of }) =>
    el("span", { class: `badge ${state === "up" && up < of ? "unknown" : state}` }, marked(state, `${FAMILIES[family]} ${state}, ${up} of ${of} links`)),
  );
  return el("summary", {}, el("strong", {}, circuit.name), " ", el("span", { class: "quiet" }, place), " ", states);
}

/** The heads and the rows of the table: a column for each link and family. */
function rowsOf({ links }) {
  const columns = Object.entries(links).flatMap(([link, found]) => Object.keys(found.state).map((family) => ({ link, found, family })));
  const services = [...new Set(Object.values(links).flatMap(({ services: each }) => Object.keys(each ?? {})))];
  const row = (heading, value) => [heading, ...columns.map(value)];
  const number = (value) => (value === undefined ? "–" : { text: value, class: "number" });
  return [
    ["", ...columns.map(({ link, family }) => `${link} ${FAMILIES[family]}`)],
    [
      row("State", ({ found, family }) => ({ text: marked(found.shown[family]), class: found.shown[family] })),
      row("Since", ({ found, family }) => (found.since[family] ? { text: clock(found.since[family]), title: found.since[family] } : "start")),
      row("Router", ({ found }) => found.router),
      row("Prefixes received", ({ found, family }) => number(found.routes[family])),
      ...services.map((service) => row(`of ${service}`, ({ found, family }) => number(found.services?.[service]?.[family]))),
      row("Prefixes advertised", ({ found, family }) => (family in found.advertised_prefixes ? number(`${found.advertised_prefixes[family]} (limit ${found.advertised_prefix_limit[family]})`) : "not seen")),
    ],
  ];
}
