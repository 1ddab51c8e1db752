// The number of prefixes that each link of a circuit received, as curves (uPlot).

import { el, show } from "./dom.js";
import { clock, FAMILIES, minute, zone } from "./words.js";

const HEIGHT = 240;
const HATCH = 10;
const DASHES = [[], [8, 4], [2, 4], [10, 3, 2, 3]];
/** Colours that can be distinguished with any colour vision (Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

let chart = null;
let timeline = null;
let words = { when: "", last: "" };
let chosen = null;
let library = null;

/** Draws the curves of the chosen circuit; `known` is the answer of the API, `span` its span of time. */
export function keepChart(known, span) {
  const first = timeline === null;
  timeline = known;
  words = span;
  if (first) listen();
  const select = document.getElementById("chart-circuit");
  const names = [...new Set(timeline.links.map(({ circuit }) => circuit))];
  if (!names.includes(chosen)) [chosen] = names;
  show(select, names, (name) => name, (name) => el("option", { value: name }, name));
  select.value = chosen;
  document.getElementById("curves").hidden = names.length === 0;
  if (names.length > 0) draw();
}

function listen() {
  document.getElementById("chart-circuit").addEventListener("change", (event) => {
    chosen = event.target.value;
    draw();
  });
  addEventListener("resize", () => chart?.setSize(size()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

function size() {
  return { width: document.getElementById("chart").clientWidth || 320, height: HEIGHT };
}

/** Loads the library when there is something to draw, so that the page does not wait for it at first. */
function load() {
  library ??= new Promise((resolve, reject) => {
    document.head.append(el("link", { rel: "stylesheet", href: "static/uplot/uPlot.min.css" }));
    const script = el("script", { src: "static/uplot/uPlot.iife.min.js" });
    script.addEventListener("load", () => resolve(globalThis.uPlot));
    script.addEventListener("error", () => { library = null; reject(new Error("the chart's library cannot be loaded")); });
    document.head.append(script);
  });
  return library;
}

async function draw() {
  const UPlot = await load().catch(() => null);
  if (UPlot === null) return; // ermon does not respond: the next timeline tries again
  const place = document.getElementById("chart");
  const links = timeline.links.filter(({ circuit, prefixes }) => circuit === chosen && prefixes !== undefined);
  const { color: ink, backgroundColor: ground } = getComputedStyle(document.body);
  const gaps = timeline.not_running.filter(({ to }) => to > timeline.from);
  const axis = { stroke: ink, font: "12px system-ui", grid: { stroke: "#8883", width: 1 }, ticks: { stroke: "#8883", width: 1 } };
  const time = (_, at) => at.map((second) => minute(second * 1000));
  const name = ({ link, family }) => `${link} ${FAMILIES[family]}`;
  const line = (link, n) => ({ label: name(link), stroke: COLOURS[n % COLOURS.length], width: 2, dash: DASHES[n % DASHES.length] });
  chart?.destroy();
  place.replaceChildren();
  chart = new UPlot(
    {
      ...size(),
      cursor: { drag: { x: false, y: false } },
      scales: { x: { range: () => [timeline.from, timeline.to] }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
      hooks: { drawClear: [(plot) => gaps.forEach(({ from, to }) => hatch(plot, from, to, ink, ground))] },
      axes: [{ ...axis, space: 70, values: time, label: zone(), labelFont: "12px system-ui", labelSize: 18 }, { ...axis, size: 54 }],
      series: [{ label: "Time", value: (_, second) => (second ? clock(second * 1000) : "–") }, ...links.map(line)],
    },
    broken([timeline.times, ...links.map(({ prefixes }) => prefixes)], gaps),
    place,
  );
  const last = links.map((link) => `${name(link)} ${link.prefixes.findLast((count) => count !== null) ?? "unknown"}`);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `Prefixes received on ${chosen} ${words.when}; ${words.last}: ${last.join(", ")}`);
}

/** Interrupts the curves where ermon was not running, because the numbers in between are unknown. */
function broken([times, ...counts], gaps) {
  const rows = times.map((time, n) => [time, ...counts.map((count) => count[n])]);
  for (const { from } of gaps) rows.push([from, ...counts.map(() => null)]);
  rows.sort((a, b) => a[0] - b[0]);
  return [times, ...counts].map((_, column) => rows.map((row) => row[column]));
}

/** Hatches the time between two seconds. */
function hatch(plot, from, to, ink, ground) {
  const { ctx, bbox: { left, top, width, height } } = plot;
  const [start, end] = [from, to].map((second) => Math.min(Math.max(plot.valToPos(second, "x", true), left), left + width));
  ctx.save();
  ctx.beginPath();
  ctx.rect(start, top, end - start, height);
  ctx.clip();
  ctx.fillStyle = ground;
  ctx.fillRect(start, top, end - start, height);
  ctx.strokeStyle = ink;
  ctx.globalAlpha = 0.25;
  ctx.beginPath();
  for (let x = start - height; x < end; x += HATCH) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  ctx.stroke();
  ctx.restore();
}
