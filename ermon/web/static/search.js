// Every route that is, contains or is inside a prefix, on every feed.

import { ask } from "./ask.js";
import { el, table } from "./dom.js";
import { FAMILIES, plural } from "./words.js";

const KINDS = [["exact", "Exactly this"], ["covering", "Containing it"], ["longer", "Inside it"]];
const HEAD = ["Feed", "Prefix", "Came by", "AS path", "Next hop", "Communities"];

let latest = 0;

const form = document.querySelector("#search form");
form.addEventListener("submit", (event) => {
  event.preventDefault();
  search(new FormData(form).get("prefix").trim());
});

async function search(prefix) {
  const place = document.querySelector("#search .body");
  const number = ++latest;
  place.replaceChildren(el("p", {}, "Searching…"));
  let shown;
  try {
    const answers = await Promise.all(KINDS.map(([match]) => ask(`api/v1/routes?${new URLSearchParams({ prefix, match })}`)));
    shown = results(answers);
  } catch (error) {
    shown = [el("p", { class: "down" }, `▲ ${error.message}`)];
  }
  if (number === latest) place.replaceChildren(...shown);
}

function results(answers) {
  const exact = new Set(answers[0].routes.map(identity));
  const parts = KINDS.map(([match, title], n) => {
    const { routes } = answers[n];
    return part(title, match === "exact" ? routes : routes.filter((route) => !exact.has(identity(route))), answers[n]);
  });
  return [...warnings(answers[0]), ...lacking(answers), ...parts];
}

/** Who does not have it, and has nothing that contains it either. */
function lacking([exact, covering]) {
  const uncovered = new Set(covering.feeds_without);
  const none = exact.feeds_without.filter((feed) => uncovered.has(feed));
  const covered = exact.feeds_without.filter((feed) => !uncovered.has(feed) && covering.routes.some((route) => route.feed === feed));
  return [
    none.length > 0 && el("p", {}, `○ No route to it on ${none.join(", ")}.`),
    covered.length > 0 && el("p", {}, `○ Only a route that contains it on ${covered.join(", ")}.`),
  ].filter(Boolean);
}

function identity({ feed, prefix, path_id: path }) {
  return `${feed} ${prefix} ${path}`;
}

function part(title, routes, { truncated, total, total_exact: exact }) {
  const of = truncated ? ` of ${exact ? total : `more than ${total}`}` : "";
  const heading = el("h3", {}, `${title}: ${plural(routes.length, "route")}${of}`);
  if (routes.length === 0) return heading;
  return el("div", {}, heading, table(title, HEAD, routes.map(row)));
}

function row(route) {
  return [
    route.feed,
    el("code", {}, route.prefix),
    route.link ? `${route.circuit} ${route.link}` : { "not-microsoft": "not from Microsoft" }[route.attribution] ?? route.attribution ?? "–",
    route.as_path || "(empty)",
    route.next_hop ?? "–",
    communities(route),
  ];
}

function communities({ communities: plain, large_communities: large }) {
  return [...plain.map(({ community, name }) => (name ? `${name} (${community})` : community)), ...large].join(", ") || "–";
}

function warnings({ prefix, partial_feeds: partial, feeds_not_in_sync: blind }) {
  const family = FAMILIES[prefix.includes(":") ? "ipv6" : "ipv4"];
  return [
    blind.length > 0 && el("p", { class: "unknown" }, `◆ Not in sync for ${family}, so that no route from them proves nothing: ${blind.join(", ")}.`),
    partial.length > 0 && el("p", { class: "facts" }, `Held in part, only what the policy asks about: ${partial.join(", ")}.`),
  ].filter(Boolean);
}
