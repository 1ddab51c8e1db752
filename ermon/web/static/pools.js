// Pools × links × views of the internet: where each pool is seen, and where it should be.

import { el, later, PHONE, show, table } from "./dom.js";
import { allLinks, markOf, poolAtLink, poolOnInternet, wrongFirst } from "./links.js";
import { store } from "./store.js";
import { MARKS, plural, some } from "./words.js";

/** A table with more columns is hard to read: then each row names the places that matter. */
const COLUMNS = 16;

export function renderPools() {
  const place = document.querySelector("#pools .body");
  if (PHONE.matches) show(place, exits(store.status), ({ name }) => `list ${name}`, poolItem);
  else show(place, [matrix(store.status)], () => "matrix", ({ caption, head, rows }) => later(table(caption, head, rows), rows.length));
}

/** Returns each pool with its places: the links, and the views of the internet. */
function exits(status) {
  const { links, pools, views } = places(status);
  const many = links.length + views.length > COLUMNS;
  return pools.map(([name, pool]) => ({
    name,
    prefixes: space(pool),
    exits: [
      ...links.map(([circuit, link, state]) => ({ where: `${circuit} ${link}`, ...poolAtLink(pool, circuit, link, state) })),
      ...views.map((view) => ({ where: seen(view, status), ...poolOnInternet(pool, view) })),
    ].filter(({ answer, expected }) => answer && (expected || answer !== "no" || !many)),
  }));
}

/** Names the address space of a pool, and what registries say of it. */
function space({ prefixes, ownership = {} }) {
  const roas = Object.values(ownership).flatMap(({ vrps }) => vrps.map((vrp) => `ROA ${vrp}`));
  const routes = Object.values(ownership).flatMap(({ route_objects: objects }) => objects.map((each) => `route ${each}`));
  return [prefixes.join(", "), ...roas, ...routes].join("; ");
}

function poolItem({ name, prefixes, exits: each }) {
  return el(
    "div", { class: "card", id: `pool/${name}` },
    el("h3", {}, name), el("p", { class: "facts" }, prefixes),
    el("ul", { class: "exits" }, wrongFirst(each).map((found) => el("li", {}, el("span", {}, found.where), " ", el("span", { class: found.tone }, inWords(found))))),
  );
}

function places(status) {
  const links = allLinks(status).filter(([circuit]) => status.circuits[circuit].peering === "microsoft");
  const pools = Object.entries(status.pools);
  const views = [...new Set(pools.flatMap(([, pool]) => Object.values(pool.on_internet).flatMap(Object.keys)))];
  return { links, pools, views };
}

/** Names a view of the internet by what it shows. */
function seen(view, { feeds }) {
  return `${feeds[view]?.uplink ? `to ${feeds[view].uplink}` : "internet"}: ${view}`;
}

function matrix(status) {
  const { links, pools, views } = places(status);
  return links.length + views.length <= COLUMNS ? wide(pools, links, views, status) : narrow(pools, links, views);
}

function wide(pools, links, views, status) {
  return {
    caption: "NAT pools by link and by view of the internet",
    head: ["Pool", "Prefixes", ...links.map(([circuit, name]) => `${circuit} ${name}`), ...views.map((view) => seen(view, status))],
    rows: pools.map(([name, pool]) => [
      { text: name, id: `pool/${name}` },
      space(pool),
      ...links.map(([circuit, link, state]) => cell(poolAtLink(pool, circuit, link, state))),
      ...views.map((view) => cell(poolOnInternet(pool, view))),
    ]),
  };
}

function narrow(pools, links, views) {
  return {
    caption: "NAT pools: where they are expected, and where else they are seen",
    head: ["Pool", "Prefixes", "On its links", "On other links", "On the internet"],
    rows: pools.map(([name, pool]) => {
      const on = links.map(([circuit, link, state]) => ({ where: `${circuit} ${link}`, ...poolAtLink(pool, circuit, link, state) })).filter(({ answer }) => answer);
      const internet = views.map((view) => ({ where: view, ...poolOnInternet(pool, view) })).filter(({ answer }) => answer);
      const expected = on.filter((each) => each.expected);
      return [{ text: name, id: `pool/${name}` }, some(pool.prefixes), planned(expected), besides(on.filter((each) => !each.expected)), besides(internet)];
    }),
  };
}

function cell(found) {
  if (found === null) return "–";
  return { text: inWords(found), class: found.tone };
}

function inWords(found) {
  return `${markOf(found)} ${found.wrong ?? found.answer}`;
}

/** Shows each place where the pool should be, with its mark. */
function planned(found) {
  const state = found.some(({ wrong }) => wrong) ? "down" : found.some(({ answer }) => answer === "unknown") ? "unknown" : "up";
  const text = found.map((each) => `${markOf(each)} ${each.where}`).join(", ");
  return text === "" ? "–" : { text, class: state };
}

/** Shows the places where the pool is and need not be. */
function besides(found) {
  const seen = found.filter(({ answer }) => answer === "yes");
  const unknown = found.filter(({ answer }) => answer === "unknown").length;
  const places = seen.map((each) => `${markOf(each)} ${each.where}`);
  const blind = unknown > 0 ? [`${MARKS.unknown} ${plural(unknown, "unknown", "unknown")}`] : [];
  const state = seen.some(({ wrong }) => wrong) ? "down" : unknown > 0 ? "unknown" : seen.length > 0 ? "up" : "quiet";
  return { text: [...places, ...blind].join(", ") || `${MARKS.no} no`, class: state };
}
