// The search at the top: the places that a query names, matching routes, and feeds without a prefix. ermon parses the query.

import { ask } from "./ask.js";
import { el, PHONE, setText, table } from "./dom.js";
import { KINDS, MARKS, plural } from "./words.js";

const HEAD = ["Feed", "Prefix", "Learned over", "AS path", "Next hop", "Communities"];
/** Rows of a table on the page; the terminal and the API show more. */
const ROWS = 100;
/** The reasons that prove that a router does not have a prefix. */
const PROVEN = ["absent", "covered"];
const ATTRIBUTIONS = { unattributed: "fits no link", "internal-copy": "internal copy", "not-microsoft": "not from Microsoft" };

const form = document.querySelector("header form");
const field = form.elements.q;
const section = document.getElementById("search");
let latest = 0;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  search(field.value.trim());
});
section.querySelector("button").addEventListener("click", close);
field.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, dialog");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  field.focus();
  field.select();
});
field.setAttribute("aria-keyshortcuts", "/");

function close() {
  latest += 1;
  section.hidden = true;
  remember("");
}

/** Puts the query into the address, so that a user can send a link to it. */
function remember(query) {
  const address = new URL(location.href);
  if (query === "") address.searchParams.delete("q");
  else address.searchParams.set("q", query);
  address.hash = "";
  history.replaceState(null, "", address);
}

async function search(query) {
  const [, told, body] = section.children;
  const number = ++latest;
  remember(query);
  section.hidden = false;
  setText(told, "Searching…");
  body.replaceChildren();
  document.getElementById("search-title").focus();
  try {
    const found = await ask(`api/v1/search?${new URLSearchParams({ q: query })}`);
    if (number !== latest) return;
    setText(told, summary(found));
    told.className = "facts";
    body.replaceChildren(...[places(found), found.routes.map(part), without(found), notes(found)].flat(2).filter(Boolean));
  } catch (error) {
    if (number !== latest) return;
    setText(told, `▲ ${error.message}`);
    told.className = "down";
  }
}

function summary({ title, kind, places_total: named, routes }) {
  const count = routes.reduce((sum, { total }) => sum + total, 0);
  const more = routes.some(({ total_exact: exact }) => !exact) ? "more than " : "";
  const nothing = { prefix: "no feed has this prefix, a covering one or a more specific one", asn: "no feed has a route with it", community: "no feed has a route with it" }[kind];
  const found = count > 0 ? `${more}${plural(count, "route")}` : nothing;
  return `${title}: ${[found, named > 0 && `${plural(named, "name")} found`].filter(Boolean).join("; ")}.`;
}

function places({ places: shown, places_total: total }) {
  if (shown.length === 0) return null;
  const items = shown.map(({ kind, name, text, state, href }) => el(
    "li", {},
    state !== null && [el("span", { class: state }, MARKS[state] ?? KINDS[state] ?? MARKS.unknown), " "],
    `${kind} `, href === null ? el("strong", {}, name) : el("a", { href }, name), " ", withPrefixes(text),
  ));
  return [el("ul", { class: "places" }, items), total > shown.length && el("p", { class: "unknown" }, `◆ and ${total - shown.length} more: search for a longer name.`)];
}

/** Turns prefixes in a text into links to their routes. */
function withPrefixes(text) {
  return text.split(/([\da-f.:]+\/\d+)/).map((part, n) => (n % 2 === 0 ? part : el("a", { href: `?${new URLSearchParams({ q: part })}`, onclick: again(part) }, part)));
}

function again(query) {
  return (event) => {
    event.preventDefault();
    field.value = query;
    search(query);
  };
}

function part({ title, routes, total, total_exact: exact }) {
  if (routes.length === 0) return null;
  const shown = routes.slice(0, ROWS);
  const of = total > shown.length ? ` of ${exact ? total : `more than ${total}`}` : "";
  const heading = `${title}: ${plural(shown.length, "route")}${of}`;
  return [el("h3", {}, heading), PHONE.matches ? el("ul", { class: "stacked" }, shown.map(item)) : table(title, HEAD, shown.map(row))];
}

function row(route) {
  return [route.feed, el("code", {}, route.prefix), learnedOver(route), route.as_path || "(empty)", route.next_hop ?? "–", communities(route) || "–"];
}

function item(route) {
  const facts = [route.link ? `learned over ${learnedOver(route)}` : ATTRIBUTIONS[route.attribution], `AS path ${route.as_path || "empty"}`, route.next_hop && `next hop ${route.next_hop}`, communities(route)];
  return el("li", {}, el("strong", {}, el("code", {}, route.prefix), ` on ${route.feed}`), el("p", { class: "facts" }, facts.filter(Boolean).join("; ")));
}

function learnedOver({ circuit, link, attribution }) {
  return link ? `${circuit} ${link}` : ATTRIBUTIONS[attribution] ?? attribution ?? "–";
}

function communities({ communities: plain, large_communities: large }) {
  return [...plain.map(({ community, name }) => (name ? `${name} (${community})` : community)), ...large].join(", ");
}

/** Lists the feeds without a prefix, by reason. */
function without({ without: feeds }) {
  if (feeds.length === 0) return null;
  const reasons = Map.groupBy(feeds, ({ text }) => text);
  const items = [...reasons].map(([text, each]) => {
    const proven = PROVEN.includes(each[0].reason);
    return el("li", { class: proven ? "" : "unknown" }, `${proven ? MARKS.no : MARKS.unknown} ${each.map(({ feed }) => feed).join(", ")}: ${text}`);
  });
  return [el("h3", {}, "Not on"), el("ul", { class: "places" }, items)];
}

function notes({ notes: sentences }) {
  return sentences.map((sentence) => el("p", { class: "unknown" }, `◆ ${sentence}`));
}

const asked = new URLSearchParams(location.search).get("q");
if (asked) {
  field.value = asked;
  search(asked.trim());
}
