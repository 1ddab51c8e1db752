// The last 24 hours: link states and findings as bands; the curves are in chart.js. The first picture does not
// wait for any of it.

import { ask } from "./ask.js";
import { keepChart } from "./chart.js";
import { el, show } from "./dom.js";
import { onChange, store } from "./store.js";
import { clock, duration, FAMILIES, marked, minute, seconds } from "./words.js";

const EVERY = 60_000;
/** What has just happened is in the time line so much later. */
const AFTER_EVENT = 2_000;
const FINDINGS_SHOWN = 40;
const TICKS = 4;

let span = { from: 0, to: 1 };
let asked = false;
let due = null;
let version = 0;

function keepHistory() {
  refresh();
  setInterval(() => { if (!document.hidden) refresh(); }, EVERY);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  onChange(() => {
    if (store.version === version) return;
    version = store.version;
    due ??= setTimeout(refresh, AFTER_EVENT);
  });
}

async function refresh() {
  clearTimeout(due);
  due = null;
  const problem = document.getElementById("history-problem");
  try {
    draw(await ask("api/v1/timeline"));
    problem.hidden = true;
    asked = true;
  } catch (error) {
    problem.hidden = asked && !store.live; // the line about the connection says it
    problem.textContent = `◆ The last 24 hours cannot be shown: ${error.message}`;
  }
  document.getElementById("history").dataset.complete = String(asked);
}

function draw(timeline) {
  span = { from: timeline.from, to: timeline.to };
  const bands = document.getElementById("bands");
  bands.hidden = false;
  const [scale, , links, , findings] = bands.children;
  show(scale, ticks(), String, (text) => el("span", {}, text));
  // A band moves with the span, which is part of what it shows.
  show(links, timeline.links.map((link) => ({ ...link, prefixes: undefined, span })), ({ circuit, link, family }) => `${circuit} ${link} ${family}`, linkBand);
  const found = timeline.findings.slice(0, FINDINGS_SHOWN).map((finding) => ({ ...finding, span }));
  findings.previousElementSibling.textContent = found.length > 0 ? "Findings" : "No findings";
  show(findings, found, ({ id }) => id, findingBand);
  keepChart(timeline);
}

/** The times along the bands. */
function ticks() {
  const step = (span.to - span.from) / TICKS;
  return Array.from({ length: TICKS + 1 }, (_, n) => (n === TICKS ? "now" : minute((span.from + n * step) * 1000)));
}

function linkBand({ circuit, link, family, states }) {
  const parts = states.map(([from, state], n) => ({ state, from, until: states[n + 1]?.[0] ?? span.to }));
  const sums = {};
  for (const { state, from, until } of parts) sums[state] = (sums[state] ?? 0) + until - from;
  const bad = Object.entries(sums).filter(([state]) => state !== "up");
  const told = (bad.length > 0 ? bad : Object.entries(sums)).map(([state, sum]) => `${marked(state)} ${duration(sum)}`).join(", ");
  const blocks = parts.map(({ state, from, until }) => block(state, from, until, `${marked(state)} from ${clock(from * 1000)} to ${clock(until * 1000)}`));
  return band(`${circuit} ${link} ${FAMILIES[family]}`, told, blocks);
}

function findingBand(finding) {
  const from = seconds(finding.since ?? finding.raised_at);
  const until = seconds(finding.ended_at ?? finding.cleared_at) ?? span.to;
  const lasted = `${finding.cleared_at ? "lasted" : "for"} ${duration(until - from)}`;
  const told = `${finding.severity}, ${clock(from * 1000)}, ${lasted}`;
  const labels = Object.values(finding.labels).filter((label) => label !== "").map((label) => FAMILIES[label] ?? label);
  return band(`${finding.summary} (${labels.join(", ")})`, told, [block(finding.severity, from, until, told)]);
}

function band(name, told, blocks) {
  return el(
    "div", { class: "band", role: "listitem" },
    el("span", { class: "name", title: name }, name),
    el("span", { class: "track", "aria-hidden": "true" }, blocks),
    el("span", { class: "told" }, told),
  );
}

function block(kind, from, until, title) {
  const length = span.to - span.from;
  const left = Math.min(Math.max(0, (from - span.from) / length), 1);
  const right = Math.min(1, (until - span.from) / length);
  const element = el("span", { class: `block ${kind}`, title });
  // So that the shortest is seen, also at the right edge.
  element.style.insetInlineStart = `min(${100 * left}%, 100% - 3px)`;
  element.style.width = `max(3px, ${100 * Math.max(0, right - left)}%)`;
  return element;
}

requestAnimationFrame(() => setTimeout(keepHistory));
