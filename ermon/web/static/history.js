// The history: when ermon ran, link states and findings as bands; the curves are in chart.js. The page is shown before
// the history is loaded.

import { ask } from "./ask.js";
import { keepChart } from "./chart.js";
import { chosenDay, listenToDays, renderDays } from "./days.js";
import { el, setText, show } from "./dom.js";
import { renderGaps } from "./past.js";
import { now, onChange, store } from "./store.js";
import { clock, duration, FAMILIES, marked, minute, plural, seconds, stands, subject } from "./words.js";

const EVERY = 60_000;
/** The delay after which the timeline includes an event. */
const AFTER_EVENT = 2_000;
const FINDINGS_SHOWN = 40;
const TICKS = 4;
const NOT_RUNNING = { "not-held": "no data" };

const section = document.getElementById("history");
const problem = document.getElementById("history-problem");
const bands = document.getElementById("bands");
const more = document.getElementById("all-past-findings");

let span = { from: 0, to: 1, away: [] };
let day = null;
let asked = false;
let due = null;
let version = 0;
/** The number of the latest request; the answer to an earlier one may be for another day. */
let latest = 0;
let showAll = false;
let timeline = null;

function keepHistory() {
  listenToDays(dayChanged);
  more.addEventListener("click", () => { showAll = true; draw(); });
  refresh().then(() => { if (location.hash.startsWith("#history=")) section.scrollIntoView(); });
  setInterval(() => { if (!document.hidden) refreshNow(); }, EVERY);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshNow(); });
  onChange(() => {
    if (store.version === version) return;
    version = store.version;
    due ??= setTimeout(refreshNow, AFTER_EVENT);
  });
}

function dayChanged() {
  const chosen = chosenDay();
  if (JSON.stringify(chosen) === JSON.stringify(day) && problem.hidden) return; // a link to another part of the page
  showAll = false;
  refresh();
}

/** Requests the timeline again if it can change: a past day cannot. */
function refreshNow() {
  clearTimeout(due);
  due = null;
  if (day === null || timeline === null || timeline.to < day.to) refresh();
}

async function refresh() {
  const chosen = chosenDay();
  const number = ++latest;
  try {
    if (chosen?.problem) throw new Error(chosen.problem);
    const answer = await ask(`api/v1/timeline${chosen === null ? "" : `?from=${chosen.from}&to=${chosen.to}`}`);
    if (number !== latest) return;
    timeline = answer;
    day = chosen;
    draw();
    problem.hidden = true;
    asked = true;
  } catch (error) {
    if (number !== latest) return;
    problem.hidden = asked && !store.live && !chosen?.problem; // the line about the connection says it
    setText(problem, `◆ The history cannot be shown: ${error.message}`);
  }
  section.dataset.complete = String(asked);
}

function draw() {
  span = { from: timeline.from, to: timeline.to, away: timeline.not_running };
  renderDays(day, timeline.held_from);
  const bounds = [span.from, span.to].map((second) => clock(second * 1000));
  setText(document.getElementById("history-span"), `From ${bounds[0]} to ${bounds[1]}.`);
  renderGaps(document.getElementById("history-gaps"), timeline);
  bands.hidden = false;
  const [scale, ran, linksTitle, links, findingsTitle, findings] = bands.children;
  show(scale, ticks(), ({ at }) => at, ({ text }) => el("span", {}, text));
  show(ran, [{ span, steps: timeline.clock_steps }], () => "ermon", ermonBand);
  setText(linksTitle, timeline.links.length > 0 ? "Links" : "No link states are stored for this time");
  // The span is part of an item, because a band moves with it.
  show(links, timeline.links.map((link) => ({ ...link, prefixes: undefined, span })), ({ circuit, link, family }) => `${circuit} ${link} ${family}`, linkBand);
  const count = timeline.findings.length;
  const shown = timeline.findings.slice(0, showAll ? count : FINDINGS_SHOWN);
  setText(findingsTitle, count === 0 ? "No findings" : timeline.truncated ? `Findings: the first ${count}, and there are more` : "Findings");
  show(findings, shown.map((finding) => ({ ...finding, span })), ({ id }) => id, findingBand);
  more.hidden = shown.length === count;
  setText(more, `All ${plural(count, "finding")} of this time`);
  keepChart(timeline, day === null ? { when: "in the last 24 hours", last: "now" } : { when: `on ${day.title}`, last: "at last" });
}

/** Renders the times along the bands. */
function ticks() {
  const step = (span.to - span.from) / TICKS;
  const untilNow = day === null || span.to < day.to;
  return Array.from({ length: TICKS + 1 }, (_, n) => ({ at: n, text: n === TICKS && untilNow ? "now" : minute((span.from + n * step) * 1000) }));
}

function ermonBand({ steps }) {
  const parts = present(span.from, span.to, "up", "running");
  const marks = steps.map(({ time, text }) => block("step", time, time, `${text}, to ${clock(time * 1000)}`));
  return band("ermon itself", told(parts), [...blocks(parts), ...marks]);
}

function linkBand({ circuit, link, family, states, sessions }) {
  const parts = states.flatMap(([from, state], n) => present(from, states[n + 1]?.[0] ?? span.to, state));
  const ends = sessions.filter(([, state, reason]) => state === "down" && reason);
  const marks = ends.map(([time, , reason]) => block("step", time, time, `session down at ${clock(time * 1000)}: ${reason}`));
  const last = ends.length > 0 ? [`; session last down at ${clock(ends.at(-1)[0] * 1000)}: ${ends.at(-1)[2]}`] : [];
  return band(`${circuit} ${link} ${FAMILIES[family]}`, [told(parts), ...last], [...blocks(parts), ...marks]);
}

/** Splits a span into parts in which ermon ran, with the state, and parts in which it did not, each with its word. */
function present(from, until, state, word = state) {
  const parts = [];
  let at = from;
  for (const away of span.away.filter((each) => each.to > from && each.from < until)) {
    if (away.from > at) parts.push({ state, from: at, until: away.from, word });
    at = Math.min(away.to, until);
    parts.push({ state: "away", from: Math.max(away.from, from), until: at, word: NOT_RUNNING[away.why] ?? "not running" });
  }
  if (at < until) parts.push({ state, from: at, until, word });
  return parts;
}

function blocks(parts) {
  return parts.map(({ state, from, until, word }) => block(state, from, until, `${marked(state, state === "away" ? `ermon ${word}` : word)} from ${clock(from * 1000)} to ${clock(until * 1000)}`));
}

/** Returns how long each state lasted; the good state only if there is no other. */
function told(parts) {
  const sums = new Map();
  for (const { state, from, until, word } of parts) {
    const text = marked(state, word);
    sums.set(text, { state, sum: (sums.get(text)?.sum ?? 0) + until - from });
  }
  const bad = [...sums].filter(([, { state }]) => state !== "up");
  return (bad.length > 0 ? bad : [...sums]).map(([text, { sum }]) => `${text} ${duration(sum)}`).join(", ");
}

function findingBand(finding) {
  const from = seconds(finding.since ?? finding.raised_at);
  const until = seconds(finding.ended_at ?? finding.ok_since ?? finding.cleared_at) ?? span.to;
  const lasted = finding.ok_since || finding.cleared_at ? `lasted ${duration(until - from)}` : `for ${duration(now() - from)}`;
  const name = el("a", { href: `findings/${encodeURIComponent(finding.id)}`, title: finding.summary }, el("code", {}, finding.check), ` ${subject(finding.labels).join(" ")}`);
  const { mark, word } = stands(finding);
  const text = `${mark} ${word}, ${clock(from * 1000)}, ${lasted}`;
  return band(name, text, [block(finding.severity, from, until, text)]);
}

function band(name, told, blocks) {
  return el(
    "div", { class: "band", role: "listitem" },
    el("span", { class: "name" }, name),
    el("span", { class: "track", "aria-hidden": "true" }, blocks),
    el("span", { class: "told" }, told),
  );
}

function block(kind, from, until, title) {
  const length = span.to - span.from;
  const left = Math.min(Math.max(0, (from - span.from) / length), 1);
  const right = Math.min(1, (until - span.from) / length);
  const element = el("span", { class: `block ${kind}`, title });
  // So that the shortest block is visible, also at the right edge.
  element.style.insetInlineStart = `min(${100 * left}%, 100% - 3px)`;
  element.style.width = `max(3px, ${100 * Math.max(0, right - left)}%)`;
  return element;
}

requestAnimationFrame(() => setTimeout(keepHistory));
