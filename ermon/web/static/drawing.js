// Draws the network: Microsoft above, the internet below, the edge routers between them.

import { el, PHONE, show, svg } from "./dom.js";
import { keyOf, layOut, LINE, sizeOf } from "./layout.js";
import { markOf, wrongFirst } from "./links.js";
import { groups } from "./network.js";
import { store } from "./store.js";
import { byFamily, clock, clocks, MARKS } from "./words.js";

/** Up to this number of groups each is drawn wide, with more of them small. */
const WIDE_UP_TO = 4;
/** Pools that a list shows for each place. */
const LISTED = 6;
/** A time of this length includes a date, and leaves no room for more text. */
const DATED = 17;
/** The width of a letter in pixels, rounded up so that no text is wider than its column. */
const TEXT = 6.6;

export function renderDrawing() {
  const found = groups(store.status);
  const dense = found.length > WIDE_UP_TO;
  // A small drawing is placed beside the findings.
  document.querySelector(".first").classList.toggle("beside", found.length === 1 && found[0].links.length <= 2);
  const place = document.querySelector("#network .drawings");
  if (PHONE.matches) show(place, found, ({ key }) => `list ${key}`, list);
  else show(place, found.map((group) => ({ ...group, dense })), ({ key }) => key, draw);
}

function draw(group) {
  const size = sizeOf(group.dense);
  const said = group.links.map((link) => linkTexts(link, size));
  const at = layOut(group, size, Math.max(0, ...said.map((lines) => lines.length)));
  const { tops, width, height } = at;
  const picture = svg(
    "svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": inWords(group) },
    group.links.length > 0 && bar("Microsoft", tops.microsoft, at, "microsoft"),
    group.links.map((link, n) => linkLine(link, said[n], at)),
    group.circuits.map((circuit) => circuitBox(circuit, group, at)),
    group.uplinks.map((uplink) => uplinkLine(uplink, at)),
    group.routers.map(({ name, text }) => routerBox(name, text, at)),
    (group.uplinks.length > 0 || group.views.length > 0) && bar("Internet", tops.internet, at, "internet"),
    group.views.map((view) => viewOf(view, at)),
  );
  // A smaller drawing would be unreadable; it scrolls instead.
  picture.style.minWidth = `${Math.min(width, Math.max(2 * size.column + 2 * size.margin, width * 0.75) * 0.8)}px`;
  return el("figure", { class: group.dense ? "drawing dense" : "drawing", tabindex: "0", role: "group", "aria-label": titleOf(group) }, picture);
}

function bar(text, y, { width, size }, kind) {
  return svg(
    "g", { class: `bar ${kind}` },
    svg("rect", { x: 0, y, width, height: size.bar, rx: 6 }),
    svg("text", { x: width / 2, y: y + size.bar / 2 }, text),
  );
}

function circuitBox({ name, text, findings }, group, at) {
  const { size, tops } = at;
  const places = group.links.filter(({ circuit }) => circuit === name).map((link) => at.links.get(keyOf(link)));
  const left = Math.min(...places) - size.column / 2 + 8;
  const right = Math.max(...places) + size.column / 2 - 8;
  return [
    places.map((x) => x - size.offset).map((x) => svg("line", { class: "trunk", x1: x, y1: tops.microsoft + size.bar, x2: x, y2: tops.circuit })),
    box((left + right) / 2, tops.circuit, right - left, size.circuit, name, "circuit", findings?.text ?? text, findings),
  ];
}

function routerBox(name, text, at) {
  return box(at.routers.get(name), at.tops.router, 2 * at.size.offset + 24, at.size.router, name, "router", text);
}

function box(x, y, width, height, name, kind, below, findings) {
  const above = below ? height * 0.34 : height / 2;
  return svg(
    "g", { class: kind, id: kind === "router" && `router/${name}` },
    svg("title", {}, below ? `${name}: ${below}` : name),
    svg("rect", { x: x - width / 2, y, width, height, rx: 7 }),
    svg("text", { class: "name", x, y: y + above }, short(name, width)),
    below && svg("text", { class: `small ${findings?.tone ?? ""}`, x, y: y + height * 0.74 }, short(below, width * 1.1)),
  );
}

function linkLine(link, lines, at) {
  const { tops, size } = at;
  const x = at.links.get(keyOf(link)) - size.offset;
  return svg(
    "g", { class: `link ${link.state}`, id: `link/${link.circuit}/${link.name}` },
    svg("title", {}, `${link.circuit} ${link.name} on ${link.router}: ${byFamily(link.states)}`),
    svg("polyline", { points: `${x},${tops.link} ${x},${tops.router - 18} ${nearest(x, link.router, at)},${tops.router}` }),
    marker(x, tops.link + 20, MARKS[link.state]),
    texts(x + 16, tops.link + 20, lines, size),
  );
}

/** Returns the lines of text beside a link. */
function linkTexts(link, size) {
  const { here, utc } = link.since ? clocks(link.since) : { here: null, utc: null };
  return [
    ["state", link.name],
    ...statesOf(link.states, size),
    here && ["small", here.length < DATED ? `since ${here}` : here],
    utc && ["small", utc],
    maintenance(link),
    link.findings && [`small ${link.findings.tone}`, link.findings.text],
    ...chips(link.pools, size.chips),
  ].filter(Boolean);
}

/** Returns the states in one line, or one line for each family, so that no state is cut off. */
function statesOf(states, size) {
  if (Object.keys(states).length === 0) return [];
  const together = byFamily(states);
  if (together.length <= fitting(widthOf(size))) return [["small", together]];
  return Object.entries(states).map(([family, state]) => ["small", byFamily({ [family]: state })]);
}

function maintenance({ maintained }) {
  return maintained && ["small maintained", `${MARKS.draining} in maintenance`];
}

function uplinkLine(uplink, at) {
  const { tops, size } = at;
  const x = at.uplinks.get(uplink.name) - size.offset;
  const top = tops.router + size.router;
  return svg(
    "g", { class: `uplink ${uplink.state}`, id: `uplink/${uplink.name}` },
    svg("title", {}, `Uplink ${uplink.name} of ${uplink.router}`),
    svg("polyline", { points: `${nearest(x, uplink.router, at)},${top} ${x},${top + 16} ${x},${tops.internet}` }),
    marker(x, top + 34, MARKS[uplink.state]),
    texts(x + 16, top + 34, [
      ["state", nameOf(uplink)],
      ...statesOf(uplink.sessions, size),
      maintenance(uplink),
      ...announced(uplink, uplink.watched ? "no pool announced" : "no feed shows it", size),
    ], size),
  );
}

/** Returns an uplink's name, with the ASN of its provider if that is known. */
function nameOf({ name, asn }) {
  return asn ? `${name} AS${asn}` : name;
}

/** Returns the point at which a line meets its router: vertically above or below, if the router is there. */
function nearest(x, router, { routers, size }) {
  const centre = routers.get(router);
  return Math.min(Math.max(x, centre - size.offset), centre + size.offset);
}

/** Draws what an outside view of the internet shows of the pools. */
function viewOf(view, at) {
  const x = at.views.get(view.name);
  const y = at.tops.view + 16;
  return svg(
    "g", { class: `view ${view.state}` },
    svg("title", {}, `Seen from ${view.name}`),
    texts(x, y, [["state", `${MARKS[view.state]} seen from ${view.name}`], ...announced(view, "no pool heard", { chips: 1 })], at.size),
  );
}

function announced({ state, pools, findings }, nothing, { chips: most }) {
  const told = chips(pools, most);
  const silence = state === "unknown" ? "cannot be seen" : nothing;
  return [
    ...(told.length > 0 ? told : [["small", silence]]),
    findings && [`small ${findings.tone}`, findings.text],
  ];
}

/** Draws the shape of a state on its line. */
function marker(x, y, mark) {
  return [
    svg("circle", { class: "marker", cx: x, cy: y, r: 9 }),
    svg("text", { class: "mark", x, y }, mark),
  ];
}

/** Draws the pools at a line. Pools in a wrong place, or missing, are highlighted. */
function chips(pools, most) {
  const sorted = wrongFirst(pools);
  const shown = sorted.slice(0, sorted.length > most ? Math.max(1, most - 1) : most);
  const lines = shown.map((found) => {
    const { pool, answer, wrong } = found;
    // The state comes first, because a long name is cut off at its end.
    const state = { yes: "", no: "missing: " }[answer] ?? `${answer}: `;
    const text = `${state}pool ${pool}`;
    return [wrong ? "chip critical" : "chip", `${markOf(found)} ${text}`];
  });
  const rest = sorted.length - shown.length;
  return rest > 0 ? [...lines, ["chip", `and ${rest} more pools`]] : lines;
}

/** Draws lines of text, one below the other; each is `[class, text]`. */
function texts(x, y, lines, size) {
  return lines.filter(Boolean).map(([kind, text], n) =>
    svg("text", { class: kind, x, y: y + n * LINE }, svg("title", {}, text), short(text, widthOf(size))),
  );
}

/** Returns the greatest width of a text beside a line, in pixels. */
function widthOf({ column, offset }) {
  return column / 2 + offset - 18;
}

/** Shortens a text to a width in pixels; the title has the whole text. */
function short(text, pixels) {
  const fits = fitting(pixels);
  return text.length <= fits ? text : `${text.slice(0, fits - 1)}…`;
}

/** Returns the number of letters that fit. */
function fitting(pixels) {
  return Math.max(4, Math.floor(pixels / TEXT));
}

// Text ------------------------------------------------------------------------------------------------

function titleOf({ circuits, routers }) {
  if (circuits.length > 0) return `${circuits.length === 1 ? "Circuit" : "Circuits"} ${circuits.map(({ name }) => name).join(", ")}`;
  return routers.length > 0 ? "Routers without a circuit" : "Views of the internet";
}

function inWords(group) {
  const links = group.links.map((link) => `Link ${link.name} of ${link.circuit} on ${link.router}: ${byFamily(link.states)}; ${told(link)}`);
  const uplinks = group.uplinks.map((uplink) => `Uplink ${uplink.name} of ${uplink.router}: ${told(uplink)}`);
  const views = group.views.map((view) => `Seen from ${view.name}: ${told(view)}`);
  return [titleOf(group), ...links, ...uplinks, ...views].join(". ");
}

function told({ state, pools, findings, maintained }) {
  const seen = pools.map(({ pool, answer, wrong }) => `pool ${pool} ${wrong ?? answer}`);
  if (seen.length === 0) seen.push(state === "unknown" ? "cannot be seen" : "no pool");
  return [...seen, maintained && "in maintenance", findings?.text.slice(2)].filter(Boolean).join(", ");
}

// On a phone ------------------------------------------------------------------------------------------

/** Makes a list of everything in a group. */
function list(group) {
  const links = group.links.map((link) => item(`link/${link.circuit}/${link.name}`, link, `${link.circuit} ${link.name}`, [
    `on ${link.router}`, byFamily(link.states), link.since && `since ${clock(link.since)}`,
  ]));
  const uplinks = group.uplinks.map((uplink) => item(`uplink/${uplink.name}`, uplink, nameOf(uplink), [`uplink of ${uplink.router}`, byFamily(uplink.sessions)]));
  const views = group.views.map((view) => item(undefined, view, view.name, ["seen from outside"]));
  return el("div", { class: "card" }, el("h3", {}, titleOf(group)), el("ul", { class: "stacked" }, links, uplinks, views));
}

function item(id, place, name, facts) {
  const { router, state, pools, findings } = place;
  const shown = chips(pools, LISTED);
  return el(
    "li", { id, "data-at": router && `router/${router}` },
    el("strong", { class: state === "clean" ? "" : state }, `${MARKS[state]} ${name}`),
    el("p", { class: "facts" }, facts.filter(Boolean).join(", ")),
    [maintenance(place), findings && [findings.tone, findings.text], ...(shown.length > 0 ? shown : [["quiet", state === "unknown" ? "cannot be seen" : "no pool"]])]
      .filter(Boolean)
      .map(([kind, text]) => el("p", { class: kind }, text)),
  );
}
