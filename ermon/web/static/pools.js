// Pools × links × views of the internet: where each pool is seen, and where it should be.

import { later, show, table } from "./dom.js";
import { allLinks, poolOnInternet, poolOnLink } from "./links.js";
import { store } from "./store.js";
import { MARKS, plural, some } from "./words.js";

/** With more columns than this nobody finds the cell: then each row names what matters. */
const COLUMNS = 16;

export function renderPools() {
  const place = document.querySelector("#pools .body");
  show(place, [matrix(store.status)], () => "matrix", ({ caption, head, rows }) => later(table(caption, head, rows), rows.length));
}

function matrix(status) {
  const links = allLinks(status).filter(([circuit]) => status.circuits[circuit].peering === "microsoft");
  const pools = Object.entries(status.pools);
  const views = [...new Set(pools.flatMap(([, pool]) => Object.values(pool.on_internet).flatMap(Object.keys)))];
  return links.length + views.length <= COLUMNS ? wide(pools, links, views, status) : narrow(pools, links, views);
}

function wide(pools, links, views, { feeds }) {
  const seen = (view) => (feeds[view]?.uplink ? `to ${feeds[view].uplink}` : "internet");
  return {
    caption: "NAT pools by link and by view of the internet",
    head: ["Pool", "Prefixes", ...links.map(([circuit, name]) => `${circuit} ${name}`), ...views.map((view) => `${seen(view)}: ${view}`)],
    rows: pools.map(([name, pool]) => [
      name,
      pool.prefixes.join(", "),
      ...links.map(([circuit, link]) => cell(poolOnLink(pool, circuit, link))),
      ...views.map((view) => cell(poolOnInternet(pool, view))),
    ]),
  };
}

function narrow(pools, links, views) {
  return {
    caption: "NAT pools: where they are expected, and where else they are seen",
    head: ["Pool", "Prefixes", "On its links", "On other links", "On the internet"],
    rows: pools.map(([name, pool]) => {
      const on = links.map(([circuit, link]) => ({ where: `${circuit} ${link}`, ...poolOnLink(pool, circuit, link) })).filter(({ answer }) => answer);
      const internet = views.map((view) => ({ where: view, ...poolOnInternet(pool, view) })).filter(({ answer }) => answer);
      const expected = on.filter((each) => each.expected);
      return [name, some(pool.prefixes), planned(expected), besides(on.filter((each) => !each.expected)), besides(internet)];
    }),
  };
}

function cell(found) {
  if (found === null) return "–";
  const { answer, tone, wrong } = found;
  return { text: `${markOf(found)} ${answer}${wrong ? `, ${wrong}` : ""}`, class: tone };
}

function markOf({ answer, wrong }) {
  return wrong ? MARKS.down : MARKS[answer] ?? MARKS.unknown;
}

/** Where the pool should be: each place by its mark. */
function planned(found) {
  const state = found.some(({ wrong }) => wrong) ? "down" : found.some(({ answer }) => answer === "unknown") ? "unknown" : "up";
  const text = found.map((each) => `${markOf(each)} ${each.where}`).join(", ");
  return text === "" ? "–" : { text, class: state };
}

/** Where it need not be: only the places where it is. */
function besides(found) {
  const seen = found.filter(({ answer }) => answer === "yes");
  const unknown = found.filter(({ answer }) => answer === "unknown").length;
  const places = seen.map((each) => `${markOf(each)} ${each.where}`);
  const blind = unknown > 0 ? [`${MARKS.unknown} ${plural(unknown, "unknown", "unknown")}`] : [];
  const state = seen.some(({ wrong }) => wrong) ? "down" : unknown > 0 ? "unknown" : seen.length > 0 ? "up" : "quiet";
  return { text: [...places, ...blind].join(", ") || `${MARKS.no} no`, class: state };
}
