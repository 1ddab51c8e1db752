// For each circuit: what each link receives and advertises, by service and family, and how the links differ.

import { keepDifference } from "./difference.js";
import { el, PHONE, readCell, show, table } from "./dom.js";
import { circuitInWords, circuitStates } from "./links.js";
import { store } from "./store.js";
import { at } from "./times.js";
import { FAMILIES, marked } from "./words.js";

/** With more circuits than this, each is closed until the user opens it. */
const OPEN_UP_TO = 4;

export function renderCircuits() {
  const circuits = Object.entries(store.status.circuits).map(([name, circuit]) => ({ name, phone: PHONE.matches, ...circuit }));
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
  // A closed circuit costs nothing: it is neither built nor requested.
  const fill = () => {
    figures.replaceChildren(...(circuit.phone ? stacked(circuit) : [table(`Links of circuit ${circuit.name}`, ...rowsOf(circuit))]), ...azure(circuit.azure));
    keepDifference(circuit, difference);
  };
  const toggled = (event) => { if (event.target.open && figures.childElementCount === 0) fill(); };
  const details = el("details", { class: "circuit", id: `circuit/${circuit.name}`, ontoggle: toggled, open }, summary(circuit), figures, difference);
  if (open) fill();
  return details;
}

/** Returns what Azure says of the circuit, and how old that is. */
function azure(found) {
  if (!found) return [];
  const problem = found.problem ? [" ", el("span", { class: "unknown" }, `◆ ${found.problem}`)] : [];
  if (found.read_at === undefined) return [el("p", { class: "quiet" }, found.problem ? "Azure cannot be read." : "Azure has not been read yet.", problem)];
  const age = [el("time", { class: "age", datetime: found.read_at }), " ago, at ", at(found.read_at)];
  return [el("p", { class: found.current ? "quiet" : "unknown" }, `Azure says: ${found.says}. Read `, age, found.current ? "." : ": too old to count.", problem)];
}

function summary(circuit) {
  const place = [circuit.location, circuit.geo, `${circuit.peering} peering`].filter(Boolean).join(", ");
  const states = circuitStates(circuit).map((found) => el("span", { class: `badge ${found.sign}` }, marked(found.sign, circuitInWords(found))));
  return el("summary", {}, el("strong", {}, circuit.name), " ", el("span", { class: "quiet" }, place), " ", states);
}

/** Returns the head and the rows of the table, with a column for each link and family. */
function rowsOf({ links }) {
  const columns = Object.entries(links).flatMap(([link, found]) => Object.keys(found.state).map((family) => ({ link, found, family })));
  const services = [...new Set(Object.values(links).flatMap(({ services: each }) => Object.keys(each ?? {})))];
  const row = (heading, value) => [heading, ...columns.map(value)];
  return [
    ["", ...columns.map(({ link, family }) => `${link} ${FAMILIES[family]}`)],
    [
      row("State", ({ found, family }) => ({ text: marked(found.shown[family]), class: found.shown[family] })),
      row("Since", ({ found, family }) => (found.since[family] ? at(found.since[family]) : "ermon's start")),
      row("Router", ({ found }) => found.router),
      ...(Object.values(links).some((found) => Object.keys(found.sessions ?? {}).length > 0) ? [row("Session", ({ found, family }) => session(found.sessions?.[family]))] : []),
      row("Prefixes received", ({ found, family }) => (found.state[family] === "unknown" ? UNKNOWN : number(found.routes[family]))),
      ...services.map((service) => row(`of ${service}`, ({ found, family }) => (found.service_answers[service]?.[family] === "unknown" ? UNKNOWN : number(found.services[service]?.[family])))),
      row("Prefixes advertised", ({ found, family }) => advertised(found, family)),
    ],
  ];
}

/** The router's own session with Microsoft, as it reports it by BMP, with the reason if it is not well. */
function session(found) {
  if (found === undefined) return "–";
  const { state, reason, since } = found;
  if (!reason) return { text: marked(state), class: state };
  if (state === "up") return { text: marked("down", reason), class: "down" };
  return { text: [marked(state), since && [" since ", at(since)], `: ${reason}`], class: state };
}

/** Shown instead of a number that nothing proves, because a 0 would claim that there is nothing. */
const UNKNOWN = { text: marked("unknown"), class: "number unknown" };

function number(value) {
  return value === undefined ? "–" : { text: value, class: "number" };
}

/** A link that is down advertises nothing: its mirror shows what it would advertise. */
function advertised({ advertised_prefixes: counts, advertised_prefix_limit: limits, advertising }, family) {
  if (!(family in counts)) return "not seen";
  if (advertising[family] === "unknown") return UNKNOWN;
  return number(advertising[family] === "no" ? `none while the link is down (${counts[family]} would be)` : `${counts[family]} (limit ${limits[family]})`);
}

/** The layout for a phone: link after link, with values that its families share shown once. */
function stacked({ links }) {
  return Object.entries(links).map(([name, found]) => {
    const families = Object.keys(found.state);
    const [, rows] = rowsOf({ links: { [name]: found } });
    const facts = rows.map(([fact, ...values]) => [fact, families.map((family, n) => [family, values[n]])]);
    return el(
      "div", { class: "card" },
      el("h3", {}, name),
      el("dl", { class: "evidence" }, facts.map(([fact, values]) => el("div", {}, el("dt", {}, fact), el("dd", {}, together(values))))),
    );
  });
}

function together(values) {
  const nodes = values.map(([family, value]) => {
    const { text, properties } = readCell(value);
    return [family, el("span", properties, text)];
  });
  const same = nodes.every(([, node]) => node.textContent === nodes[0][1].textContent);
  return same ? nodes[0][1] : nodes.map(([family, node], n) => [n > 0 && ", ", `${FAMILIES[family]} `, node]);
}
