// The labels and the evidence of a finding.

import { el } from "./dom.js";
import { FAMILIES } from "./words.js";

/** The subject's labels, side by side. */
export function labels(finding) {
  const found = Object.entries(finding.labels).filter(([, value]) => value !== "");
  if (found.length === 0) return null;
  return el("dl", { class: "labels" }, found.map(([name, value]) => pair(name, FAMILIES[value] ?? value)));
}

/** The evidence as a small table, without values that the labels repeat. */
export function evidence(finding) {
  // Why a session ended comes first: it is the cause.
  const { sessions, ...others } = finding.evidence;
  const rows = Object.entries(sessions === undefined ? others : { sessions, ...others })
    .filter(([name, value]) => !counted(name, finding.evidence) && !repeats(name, value, finding.labels))
    .map(([name, value]) => [name, withTotal(name, value, finding.evidence)])
    .filter(([, text]) => text !== "");
  if (rows.length === 0) return null;
  return el("dl", { class: "evidence" }, rows.map(([name, text]) => pair(name, text)));
}

function pair(name, text) {
  return el("div", {}, el("dt", {}, spoken(name)), el("dd", {}, text));
}

/** `as_paths` → `AS paths`. */
function spoken(name) {
  return name.replaceAll("_", " ").replace(/\bas\b/, "AS").replace(/\basn(s?)\b/, "ASN$1");
}

/** `prefixes_total` is shown together with `prefixes`. */
function counted(name, all) {
  return name.endsWith("_total") && Array.isArray(all[name.slice(0, -"_total".length)]);
}

/** Returns whether a label has the value already, such as `feeds: [edge-1]` beside `feed: edge-1`. */
function repeats(name, value, known) {
  return Array.isArray(value) && value.length === 1 && known[name.replace(/s$/, "")] === value[0];
}

function withTotal(name, value, all) {
  const more = (all[`${name}_total`] ?? 0) - (Array.isArray(value) ? value.length : 0);
  return more > 0 && Array.isArray(value) ? `${words(value)} and ${more} more` : words(value);
}

function words(value) {
  if (value === null) return "";
  if (Array.isArray(value)) return value.map(words).join(", ");
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, inner]) => `${spoken(name)} ${words(inner)}`).join(", ");
}
