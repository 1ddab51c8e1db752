// The BGP sessions with the routers, those with a problem first; and the routers' own that they report by BMP.

import { el, framed, later, PHONE, show } from "./dom.js";
import { store } from "./store.js";
import { at } from "./times.js";
import { byFamily, clock, FAMILIES, MARKS, marked } from "./words.js";

const HEAD = ["Feed", "Session", "In sync", "Since", "Last message", "Routes", "Updates", "Router", "View", "Notes"];

const ORDER = ["down", "unknown", "not-in-sync", "impaired", "up", "absent"];

const UNKNOWN = marked("unknown");

let filter = "";

export function listenToFilter() {
  document.getElementById("feed-filter").addEventListener("input", (event) => {
    filter = event.target.value.trim().toLowerCase();
    if (store.status !== null) renderFeeds();
  });
}

/** Resets the filters, so that every feed is shown. */
export function showAll() {
  document.getElementById("feed-filter").value = "";
  filter = "";
  renderFeeds();
}

export function renderFeeds() {
  const place = document.querySelector("#feeds .body");
  const feeds = Object.entries(store.status.feeds)
    .map(([name, feed]) => ({ name, ...feed }))
    .filter(matches)
    .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  const shown = byRouter(feeds, store.status.bmp ?? {});
  const keyOf = ({ name, connection }) => (connection ? `router ${name}` : name);
  if (PHONE.matches) show(place.querySelector("ul.stacked") ?? makeList(place), shown, keyOf, (each) => (each.connection ? headItem(each) : item(each)));
  else show(place.querySelector("tbody") ?? make(place), shown, keyOf, (each) => (each.connection ? headRow(each) : row(each)));
}

/** Puts the feeds of each router together, under its BMP connection, if there are any. The router with the worst feed comes first. */
function byRouter(feeds, connections) {
  if (Object.keys(connections).length === 0) return feeds;
  const groups = Map.groupBy(feeds, ({ name, router }) => router ?? name);
  return [...groups].flatMap(([router, each]) => (router in connections ? [{ name: router, connection: connections[router] }, ...each] : each));
}

function headRow({ name, connection }) {
  return el("tr", { class: "router" }, el("th", { scope: "rowgroup", colspan: HEAD.length }, el("strong", {}, name), " ", connected(connection)));
}

function headItem({ name, connection }) {
  return el("li", { class: "router" }, el("strong", {}, name), " ", connected(connection));
}

/** Says whether a router reports its sessions. */
function connected({ state, since, statistics, reason }) {
  if (state !== "up") return el("span", { class: state }, marked(state, state === "down" ? "not connected by BMP" : "not connected by BMP yet"), reason && `: ${reason}`);
  const tone = statistics ? "up" : "unknown";
  return el("span", { class: tone }, marked(tone, "connected by BMP"), since && [" since ", at(since)], !statistics && ", without statistics yet");
}

function makeList(place) {
  const list = el("ul", { class: "stacked" });
  place.replaceChildren(list);
  return list;
}

function make(place) {
  const rows = el("tbody");
  const frame = framed("Feeds", HEAD, rows);
  later(frame, Object.keys(store.status.feeds).length);
  place.replaceChildren(frame);
  return rows;
}

function matches({ name, router, view, state, circuit, link, uplink, segment }) {
  const texts = [name, router, view, state, circuit, link, uplink, segment];
  return filter === "" || texts.some((text) => text?.toLowerCase().includes(filter));
}

/** Returns the rank of a feed. A state that this page does not know ranks as bad. */
function rank({ overall }) {
  return ORDER.indexOf(overall);
}

function row(feed) {
  return el(
    "tr", { id: `feed/${feed.name}` },
    el("th", { scope: "row", title: feed.name }, nameOf(feed)),
    el("td", { class: toneOf(feed) }, stateOf(feed)),
    el("td", { class: synced(feed).tone }, synced(feed).text),
    el("td", {}, feed.since ? at(feed.since) : "never"),
    el("td", {}, feed.last_message_at ? at(feed.last_message_at) : "none"),
    el("td", { class: routesOf(feed) === UNKNOWN ? "unknown" : "" }, routesOf(feed)),
    el("td", { class: "number" }, feed.updates),
    el("td", {}, feed.router ?? "–"),
    el("td", {}, placeOf(feed)),
    el("td", { class: "notes" }, notesOf(feed)),
  );
}

/** The entry of a feed on a phone. */
function item(feed) {
  return el(
    "li", { id: `feed/${feed.name}` },
    el("strong", {}, nameOf(feed)), " ", el("span", { class: toneOf(feed) }, stateOf(feed)), ", in sync: ", el("span", { class: synced(feed).tone }, synced(feed).text),
    el("p", { class: "facts" }, [feed.router, placeOf(feed)].filter(Boolean).join(", "), "; routes: ", routesOf(feed), feed.since && ["; since ", at(feed.since)]),
    notesOf(feed) && el("p", { class: "facts" }, notesOf(feed)),
  );
}

/** The name of a session that its router reports, without the router, which stands above: `chicago primary IPv4`. */
function nameOf({ name, router, by_bmp: byBmp }) {
  if (!byBmp) return name;
  return name.slice(router.length + 1).split("/").map((word) => FAMILIES[word] ?? word).join(" ");
}

/** A provider may lack a family: then there is no session, and nothing is wrong. */
function stateOf({ state, overall }) {
  return overall === "absent" ? `${MARKS.no} not reported` : marked(state);
}

function toneOf({ state, overall }) {
  return overall === "absent" ? "quiet" : state;
}

/** Returns the number of routes; for a feed that is down it is unknown. What its router reports as down has none. */
function routesOf({ state, routes, overall, by_bmp: byBmp }) {
  if (overall === "absent") return "–";
  if (byBmp && state === "down") return byFamily(routes);
  return state === "up" ? byFamily(routes) : UNKNOWN;
}

function synced({ state, blind, in_sync: families, by_bmp: byBmp, overall }) {
  if (overall === "absent" || (byBmp && state !== "up")) return { tone: "quiet", text: "–" };
  if (!blind) return { tone: "up", text: `${MARKS.yes} yes` };
  // Routers do not say when all routes of a session that came up later have come.
  if (byBmp && overall === "up") return { tone: "quiet", text: `${MARKS.no} the router does not say` };
  return { tone: "unknown", text: `${MARKS.unknown} ${byFamily(families, (yes) => (yes ? "yes" : "no"))}` };
}

function placeOf({ view, circuit, link, uplink, segment }) {
  return [view, circuit && `${circuit} ${link}`, uplink, segment].filter(Boolean).join(" ");
}

function notesOf(feed) {
  return [
    feed.waiting_until && `waiting for the router until ${clock(feed.waiting_until)}`,
    (feed.state !== "up" || feed.by_bmp) && feed.down_reason,
    feed.loss && `BGP updates lost: ${feed.loss}`,
    feed.overflowed && "too many routes",
    feed.state === "up" && feed.view === "edge-table" && !Object.values(feed.all_paths).every(Boolean) && "shows best paths only: cannot prove that a route is missing",
    feed.partial && feed.overall !== "absent" && "keeps only the routes that the policy needs",
  ].filter(Boolean).join("; ");
}
