// The open maintenance windows and the exceptions in force: author, subject, reason and end.

import { el, show } from "./dom.js";
import { store } from "./store.js";
import { at, left } from "./times.js";
import { MARKS, plural } from "./words.js";

/** The actions for a window. `changes.js` sets them when it knows the rights of the user. */
export const actions = { end: null };

export function renderMaintenance() {
  const quiet = store.status.maintenance ?? [];
  document.getElementById("maintenance").hidden = quiet.length === 0;
  const shown = quiet.map((each) => ({ ...each, mayEnd: Boolean(actions.end && each.id) }));
  show(document.querySelector("#maintenance .body"), shown, keyOf, row);
}

function keyOf({ kind, id, about, reason, until }) {
  return id ?? `${kind} ${JSON.stringify(about)} ${reason} ${until}`;
}

function row(quiet) {
  const { kind, by, reason, until, mayEnd } = quiet;
  const end = until === null
    ? "without an end"
    : ["ends in ", left(until), ", at ", at(until)];
  return el(
    "div", { class: `quieted ${kind}` },
    el("strong", {}, `${MARKS.draining} ${kind === "maintenance" ? "Maintenance" : "Exception"}: ${placeText(quiet)}`),
    ` · ${reason} · `, by ? `by ${by} · ` : kind === "exception" || !quiet.id ? "in the configuration · " : "", end,
    mayEnd && [" ", el("button", { type: "button", onclick: () => actions.end(quiet) }, "End it now")],
    underIt(quiet),
  );
}

/** Lists what it suppresses: causes by name, and the number of their effects. */
function underIt({ suppressed = [], suppressed_total: total = 0, follow = 0 }) {
  if (suppressed.length === 0) return null;
  const rest = total - suppressed.length;
  const lines = [
    ...suppressed.map((summary) => `${MARKS.down} Suppressed: ${summary}`),
    rest > 0 && `and ${rest} more suppressed`,
    follow > 0 && `${plural(follow, "more violation")} ${follow === 1 ? "follows" : "follow"} from ${total === 1 ? "it" : "these"}`,
  ];
  return el("ul", {}, lines.filter(Boolean).map((line) => el("li", {}, line)));
}

/** Returns its subject in words. */
export function placeText({ kind, about }) {
  if (kind === "maintenance" && about.link) return `link ${about.link} of circuit ${about.circuit}`;
  return Object.entries(about).map(([name, value]) => (name === "check" ? value : `${name.replaceAll("_", " ")} ${value}`)).join(", ");
}
