// The sessions with the routers: what is wrong stands first.

import { el, framed, later, show } from "./dom.js";
import { store } from "./store.js";
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

export function renderFeeds() {
  const place = document.querySelector("#feeds .body");
  const feeds = Object.entries(store.status.feeds)
    .map(([name, feed]) => ({ name, ...feed }))
    .filter(matches)
    .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  show(place.querySelector("tbody") ?? make(place), feeds, ({ name }) => name, row);
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

/** What is not known here is no good news. */
function rank({ overall }) {
  return ORDER.indexOf(overall);
}

function row(feed) {
  const synced = !feed.blind;
  const place = [feed.view, feed.circuit && `${feed.circuit} ${feed.link}`, feed.uplink, feed.segment];
  const notes = [
    feed.waiting_until && `waiting for the router until ${clock(feed.waiting_until)}`,
    feed.state !== "up" && feed.down_reason,
    feed.loss && `messages lost: ${feed.loss}`,
    feed.overflowed && "too many routes",
    feed.state === "up" && feed.view === "edge-table" && !Object.values(feed.all_paths).every(Boolean) && "shows best paths only: cannot prove absence",
    feed.partial && "holds the policy's routes only",
  ];
  return el(
    "tr", {},
    el("th", { scope: "row" }, feed.name),
    el("td", { class: feed.state }, marked(feed.state)),
    el("td", { class: synced ? "up" : "unknown" }, synced ? `${MARKS.yes} yes` : `${MARKS.unknown} ${byFamily(feed.in_sync, (yes) => (yes ? "yes" : "no"))}`),
    el("td", { title: feed.since }, feed.since ? clock(feed.since) : "never"),
    el("td", { title: feed.last_message_at }, feed.last_message_at ? clock(feed.last_message_at) : "none"),
    el("td", {}, byFamily(feed.routes)),
    el("td", { class: "number" }, feed.updates),
    el("td", {}, feed.router ?? "–"),
    el("td", {}, place.filter(Boolean).join(" ")),
    el("td", { class: "notes" }, notes.filter(Boolean).join("; ")),
  );
}
