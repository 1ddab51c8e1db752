// The data of the drawings: circuits, links, routers, uplinks and views, in groups.
//
// Circuits that share routers are one group, and each group has its own drawing. So fifty circuits are a page of small
// drawings, and not one unreadable drawing.

import { allLinks, poolOnInternet, poolOnLink } from "./links.js";
import { raised, store } from "./store.js";
import { KINDS, MARKS, plural, SEVERITIES } from "./words.js";

/** Returns the groups, those with a problem first. */
export function groups(status) {
  const found = findingsByPlace();
  const linked = gather(status, found);
  const alone = unlinked(status, found, linked);
  const views = viewsOf(status, found);
  const all = alone.routers.length > 0 ? [...linked, alone] : linked;
  if (views.length > 0 && all.length === 1) all[0].views = views;
  else if (views.length > 0) all.push({ ...empty("views"), views });
  return all.sort((a, b) => trouble(a) - trouble(b));
}

function empty(key) {
  return { key, circuits: [], routers: [], links: [], uplinks: [], views: [] };
}

function gather(status, found) {
  const pools = poolsByLink(status);
  const gathered = [];
  for (const [circuit, name, link] of allLinks(status)) {
    const touched = gathered.filter((group) => group.routers.has(link.router) || group.circuits.has(circuit));
    const group = touched.shift() ?? { circuits: new Set(), routers: new Set(), links: [] };
    for (const other of touched) {
      for (const each of other.circuits) group.circuits.add(each);
      for (const each of other.routers) group.routers.add(each);
      group.links.push(...other.links);
      gathered.splice(gathered.indexOf(other), 1);
    }
    if (!gathered.includes(group)) gathered.push(group);
    group.circuits.add(circuit);
    group.routers.add(link.router);
    group.links.push(drawnLink(circuit, name, link, pools, found));
  }
  const uplinks = drawnUplinks(status, found);
  return gathered.map((group) => ({
    ...empty([...group.circuits].join(" ")),
    circuits: [...group.circuits].map((name) => drawnCircuit(name, status.circuits[name], found)),
    routers: [...group.routers].map((name) => ({ name })),
    links: group.links,
    uplinks: uplinks.filter(({ router }) => group.routers.has(router)),
  }));
}

/** Returns the routers without a link of a circuit, with their uplinks and segments. */
function unlinked(status, found, linked) {
  const known = new Set(linked.flatMap(({ routers }) => routers.map(({ name }) => name)));
  const uplinks = drawnUplinks(status, found).filter(({ router }) => !known.has(router));
  const segments = new Map(
    Object.entries(status.feeds)
      .filter(([, feed]) => feed.segment && !known.has(feed.router))
      .map(([name, feed]) => [feed.router ?? name, `segment ${feed.segment}`]),
  );
  const names = new Set([...uplinks.map(({ router }) => router), ...segments.keys()]);
  for (const { router } of Object.values(status.feeds)) if (router && !known.has(router)) names.add(router);
  const routers = [...names].map((name) => ({ name, text: segments.get(name) }));
  return { ...empty("unlinked"), routers, uplinks };
}

// The parts of a drawing ------------------------------------------------------------------------------

function drawnCircuit(name, { location, geo, peering }, found) {
  const text = [location, geo, peering === "private" && "private"].filter(Boolean).join(", ");
  return { name, text, findings: found.get(`circuit ${name}`) };
}

function drawnLink(circuit, name, link, pools, found) {
  const since = Object.values(link.since).filter(Boolean).sort().at(-1);
  return {
    circuit,
    name,
    router: link.router,
    state: link.overall,
    states: link.shown,
    since: link.overall === "up" ? undefined : since,
    pools: pools.get(`${circuit} ${name}`) ?? [],
    findings: found.get(`link ${circuit} ${name}`),
    maintained: maintained({ circuit, link: name, router: link.router }),
  };
}

/** Returns whether an open maintenance window covers a place: all names of the window are names of the place. */
function maintained(place) {
  return (store.status.maintenance ?? []).some(({ kind, about }) => kind === "maintenance" && Object.entries(about).every(([name, value]) => place[name] === value));
}

/** Returns by link the pools that are there or should be. */
function poolsByLink(status) {
  const found = new Map();
  for (const [name, pool] of Object.entries(status.pools)) {
    for (const [circuit, links] of Object.entries(pool.on_links)) {
      for (const link of Object.keys(links)) {
        const stands = poolOnLink(pool, circuit, link);
        if (!stands.expected && stands.answer !== "yes") continue;
        const place = `${circuit} ${link}`;
        if (!found.has(place)) found.set(place, []);
        found.get(place).push({ pool: name, ...stands });
      }
    }
  }
  return found;
}

function drawnUplinks(status, found) {
  return Object.entries(status.uplinks ?? {}).map(([name, { router, asn }]) => {
    const mirrors = Object.entries(status.feeds).filter(([, feed]) => feed.uplink === name && feed.view === "to-internet");
    const shown = heard(status, mirrors);
    const sessions = sessionsOf(status, name);
    const state = Object.values(sessions).includes("down") ? "down" : shown.state;
    return { name, router, asn, sessions, watched: mirrors.length > 0, ...shown, state, findings: found.get(`uplink ${name}`), maintained: maintained({ uplink: name, router }) };
  });
}

/** Returns by family whether the sessions with a provider are up, as the router reports them by BMP. */
function sessionsOf(status, uplink) {
  const found = Object.values(status.feeds).filter((feed) => feed.uplink === uplink && feed.view === "from-internet" && feed.overall !== "absent");
  return Object.fromEntries(found.flatMap(({ routes, state }) => Object.keys(routes).map((family) => [family, state])));
}

function viewsOf(status, found) {
  return Object.entries(status.feeds)
    .filter(([, feed]) => feed.view === "internet")
    .map(([name, feed]) => ({ name, ...heard(status, [[name, feed]]), findings: found.get(`feed ${name}`) }));
}

/** Returns what some internet feeds show: the pools, and whether the feeds can prove absence. */
function heard(status, feeds) {
  const pools = Object.entries(status.pools).flatMap(([pool, each]) =>
    feeds
      .map(([feed]) => ({ pool, ...poolOnInternet(each, feed) }))
      .filter(({ answer }) => answer === "yes")
      .slice(0, 1),
  );
  const seen = feeds.length > 0 && feeds.every(([, feed]) => !feed.blind);
  return { state: pools.some(({ wrong }) => wrong) ? "down" : seen ? "clean" : "unknown", pools };
}

// Findings --------------------------------------------------------------------------------------------

/** Returns the raised findings of each place in words: `▲ pool-leak`, `▲ 2 findings`, or `○ pool-leak recovering` if all
 * of them are recovering. Otherwise recovering findings are not counted.
 */
function findingsByPlace() {
  const byPlace = new Map();
  for (const finding of raised()) {
    for (const place of placesOf(finding.labels)) byPlace.set(place, [...(byPlace.get(place) ?? []), finding]);
  }
  return new Map([...byPlace].map(([place, found]) => [place, inWords(found)]));
}

function placesOf({ circuit, link, uplink, feed }) {
  const places = [];
  if (circuit && link) places.push(`link ${circuit} ${link}`);
  else if (circuit) places.push(`circuit ${circuit}`);
  if (uplink) places.push(`uplink ${uplink}`);
  if (feed) places.push(`feed ${feed}`);
  return places;
}

function inWords(found) {
  const lasting = found.filter(({ ok_since: gone }) => !gone);
  const told = lasting.length > 0 ? lasting : found;
  const checks = new Set(told.map(({ check }) => check));
  const severity = SEVERITIES.find((each) => told.some((finding) => finding.severity === each));
  const what = checks.size === 1 ? [...checks][0] : plural(told.length, "finding");
  if (lasting.length === 0) return { severity, tone: "recovering", text: `${KINDS.recovering} ${what} recovering` };
  return { severity, tone: severity, text: `${severity === "info" ? MARKS.no : MARKS.down} ${what}` };
}

/** 0 where something is down or wrong, 1 where something is unknown, 2 where all is well. */
function trouble({ circuits, links, uplinks, views }) {
  const all = [...links, ...uplinks, ...views];
  const pools = all.flatMap((each) => each.pools);
  const serious = ({ findings }) => findings !== undefined && findings.severity !== "info";
  if (all.some(({ state }) => state === "down") || pools.some(({ wrong }) => wrong) || [...circuits, ...all].some(serious)) return 0;
  return all.some(({ state }) => state !== "up" && state !== "clean") ? 1 : 2;
}
