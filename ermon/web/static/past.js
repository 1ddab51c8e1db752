// Says in words when ermon was not running, and when the clock of its machine was set.

import { el, show } from "./dom.js";
import { at } from "./times.js";
import { duration, plural } from "./words.js";

const SHOWN = 10;
/** Seconds up to which a difference of clocks is ignored. */
const SAME_CLOCK = 1;
const HOW = {
  stopped: "It was stopped.",
  suspended: "Its machine was suspended.",
  died: "It was not stopped: it crashed, was killed, or its machine lost power.",
};

/** Shows what ermon does not know of a span, and why. */
export function renderGaps(place, timeline) {
  const notes = [...held(timeline), ...timeline.not_running.filter(({ why }) => why !== "not-held").map(gap), ...timeline.clock_steps.filter(wasSet).map(clockStep)];
  const shown = notes.sort((a, b) => a.time - b.time).slice(0, SHOWN);
  if (notes.length > SHOWN) shown.push({ kind: "more", count: notes.length - SHOWN });
  place.hidden = shown.length === 0;
  show(place, shown, JSON.stringify, (note) => el("li", {}, words(note)));
}

function held({ stored, held_from: from, not_running: away, from: start, to: end }) {
  if (!stored) return [{ kind: "not stored", time: start, from }];
  return away.some(({ why }) => why === "not-held") ? [{ kind: "not held", time: start, from, whole: from >= end }] : [];
}

function gap({ from, to, why }) {
  return { kind: "gap", time: from, from, to, why };
}

/** Returns whether the clock was set; a suspension is shown as a gap instead. */
function wasSet({ seconds, suspended }) {
  return Math.abs(seconds - suspended) >= SAME_CLOCK;
}

function clockStep({ time, text }) {
  return { kind: "step", time, text };
}

function words({ kind, from, to, why, whole, time, text, count }) {
  const moment = (second) => at(new Date(second * 1000).toISOString());
  switch (kind) {
    case "not stored":
      return ["◆ ermon stores nothing, because it runs without --storage.path. It knows only what it has seen since its start: ", moment(from), "."];
    case "not held":
      return [whole ? "◆ No data is stored for this time. " : "◆ No data is stored for the beginning. ", "The store goes back to ", moment(from), "."];
    case "gap":
      return [`◆ ermon was not running for ${duration(to - from)}, from `, moment(from), " to ", moment(to), `. ${HOW[why] ?? ""}`];
    case "step":
      return [`◆ On ermon's machine: ${text}, to `, moment(time), "."];
    default:
      return `… and ${plural(count, "more time")} like these.`;
  }
}
