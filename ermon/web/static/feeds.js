// The BGP sessions with the routers, those with a problem first.

import { el, framed, later, PHONE, show } from "./dom.js";
import { store } from "./store.js";
import { at } from "./times.js";
import { byFamily, clock, MARKS, marked } from "./words.js";

const HEAD = ["Feed", "Session", "In sync", "Since", "Last message", "Routes", "Updates", "Router", "View", "Notes"];

const ORDER = ["down", "not-in-sync", "impaired", "up"];

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
  if (PHONE.matches) show(place.querySelector("ul.stacked") ?? makeList(place), feeds, ({ name }) => name, item);
  else show(place.querySelector("tbody") ?? make(place), feeds, ({ name }) => name, row);
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
    el("th", { scope: "row" }, feed.name),
    el("td", { class: feed.state }, marked(feed.state)),
    el("td", { class: synced(feed).tone }, synced(feed).text),
    el("td", {}, feed.since ? at(feed.since) : "never"),
    el("td", {}, feed.last_message_at ? at(feed.last_message_at) : "none"),
    el("td", { class: feed.state === "up" ? "" : "unknown" }, routesOf(feed)),
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
    el("strong", {}, feed.name), " ", el("span", { class: feed.state }, marked(feed.state)), ", in sync: ", el("span", { class: synced(feed).tone }, synced(feed).text),
    el("p", { class: "facts" }, [feed.router, placeOf(feed)].filter(Boolean).join(", "), "; routes: ", routesOf(feed), feed.since && ["; since ", at(feed.since)]),
    notesOf(feed) && el("p", { class: "facts" }, notesOf(feed)),
  );
}

/** Returns the number of routes; for a feed that is down it is unknown. */
function routesOf({ state, routes }) {
  return state === "up" ? byFamily(routes) : marked("unknown");
}

function synced({ blind, in_sync: families }) {
  if (!blind) return { tone: "up", text: `${MARKS.yes} yes` };
  return { tone: "unknown", text: `${MARKS.unknown} ${byFamily(families, (yes) => (yes ? "yes" : "no"))}` };
}

function placeOf({ view, circuit, link, uplink, segment }) {
  return [view, circuit && `${circuit} ${link}`, uplink, segment].filter(Boolean).join(" ");
}

function notesOf(feed) {
  return [
    feed.waiting_until && `waiting for the router until ${clock(feed.waiting_until)}`,
    feed.state !== "up" && feed.down_reason,
    feed.loss && `BGP updates lost: ${feed.loss}`,
    feed.overflowed && "too many routes",
    feed.state === "up" && feed.view === "edge-table" && !Object.values(feed.all_paths).every(Boolean) && "shows best paths only: cannot prove that a route is missing",
    feed.partial && "keeps only the routes that the policy needs",
  ].filter(Boolean).join("; ");
}
