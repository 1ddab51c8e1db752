// Times on the status page, and their distance from now.

import { el } from "./dom.js";
import { now } from "./store.js";
import { clocks, duration, seconds } from "./words.js";

/** Makes a time in the browser's zone, with UTC beside it. */
export function at(time) {
  const { here, utc } = clocks(time);
  return el("time", { datetime: time, title: time }, here, utc !== null && el("span", { class: "utc" }, ` (${utc})`));
}

/** Makes the duration since a time. */
export function lasting(since) {
  return ["for ", el("time", { class: "age", datetime: since }), ", since ", at(since)];
}

/** Makes a countdown. */
export function left(due) {
  return el("time", { class: "left", datetime: due });
}

/** Updates the durations, also when nothing else changes. */
export function renderAges() {
  const present = now();
  for (const time of document.querySelectorAll("time.age, time.left")) {
    const age = present - seconds(time.dateTime);
    const text = duration(time.classList.contains("left") ? -age : age);
    if (time.textContent !== text) time.textContent = text;
  }
}
