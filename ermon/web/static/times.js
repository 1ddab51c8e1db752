// Times on the status page, and how long ago or ahead they are.

import { el } from "./dom.js";
import { now } from "./store.js";
import { clocks, duration, seconds } from "./words.js";

/** A time of day here, and beside it in UTC. */
export function at(time) {
  const { here, utc } = clocks(time);
  return el("time", { datetime: time, title: time }, here, utc !== null && el("span", { class: "utc" }, ` (${utc})`));
}

/** For how long something lasts. */
export function lasting(since) {
  return ["for ", el("time", { class: "age", datetime: since }), ", since ", at(since)];
}

/** How long there is left: a countdown. */
export function left(due) {
  return el("time", { class: "left", datetime: due });
}

/** Ages go on when nothing else happens. */
export function renderAges() {
  const present = now();
  for (const time of document.querySelectorAll("time.age, time.left")) {
    const age = present - seconds(time.dateTime);
    const text = duration(time.classList.contains("left") ? -age : age);
    if (time.textContent !== text) time.textContent = text;
  }
}
