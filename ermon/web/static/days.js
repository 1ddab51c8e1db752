// The span of the history: the last 24 hours, or the day in this browser's time zone that the address names
// (`#history=2026-11-29`).

import { setText } from "./dom.js";
import { now } from "./store.js";
import { dayOf, decoded } from "./words.js";

const ADDRESS = /^#history=(.*)$/;
const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

const section = document.getElementById("history");
const [before, after, latest] = section.querySelectorAll(".days button");
const field = document.getElementById("history-day");

/** Returns the span that the address names: `null` for the last 24 hours, a day with its bounds in seconds, or `{ problem }`. */
export function chosenDay() {
  const text = location.hash.match(ADDRESS)?.[1];
  if (text === undefined) return null;
  const day = read(text);
  if (day === null) return { problem: `${decoded(text)} is not a date: write one such as #history=${dayOf(today())}.` };
  return day.from >= now() ? { problem: `${day.name} is in the future.` } : day;
}

/** Calls `changed` when the user chooses another day. */
export function listenToDays(changed) {
  const press = (button, work) => button.addEventListener("click", () => { if (button.getAttribute("aria-disabled") !== "true") work(); });
  press(before, () => step(-1));
  press(after, () => step(1));
  press(latest, () => { location.hash = "#history"; });
  // While the user types a year, the field has days of the years 2, 20 and 202.
  field.addEventListener("change", () => { if (field.value !== "" && field.validity.valid) location.hash = `#history=${field.value}`; });
  addEventListener("hashchange", changed);
}

/** Sets the controls to the shown day; nothing is stored from before `heldFrom`. */
export function renderDays(day, heldFrom) {
  setText(document.getElementById("history-title"), day === null ? "History: last 24 hours" : `History: ${day.title}`);
  field.value = day === null ? "" : day.name;
  field.max = dayOf(today());
  enable(before, day === null || heldFrom < day.from);
  enable(after, day !== null && day.to <= now());
  enable(latest, day !== null);
}

function step(days) {
  const day = chosenDay();
  const from = day === null || day.problem ? today() : new Date(day.from * 1000);
  location.hash = `#history=${dayOf(new Date(from.getFullYear(), from.getMonth(), from.getDate() + days))}`;
}

/** Uses no `disabled`, so that a button that was just pressed keeps the focus. */
function enable(button, enabled) {
  button.setAttribute("aria-disabled", String(!enabled));
}

function read(text) {
  const [, year, month, number] = text.match(DAY) ?? [];
  // From midnight to midnight in this time zone: with a change of daylight saving time, 23 or 25 hours.
  const from = new Date(Number(year), Number(month) - 1, Number(number));
  if (dayOf(from) !== text || from.getFullYear() < 1970) return null;
  const to = new Date(from.getFullYear(), from.getMonth(), from.getDate() + 1);
  return { name: text, title: `${from.getDate()} ${MONTHS[from.getMonth()]} ${year}`, from: Math.max(from / 1000, 0), to: to / 1000 };
}

function today() {
  return new Date(now() * 1000);
}
