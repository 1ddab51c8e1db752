// One line: all is well, something is wrong, or ermon cannot see.

import { el, setText } from "./dom.js";
import { blindFeeds, raised, store } from "./store.js";
import { clock, MARKS, plural, SEVERITIES, some } from "./words.js";

const SHAPES = { well: MARKS.up, wrong: MARKS.down, blind: MARKS.unknown };

export function renderHeadline() {
  const place = document.getElementById("headline");
  const { kind, text, about = "", since = null } = overall();
  place.className = `headline ${kind}`;
  const [mark, told, when] = place.children;
  setText(mark, SHAPES[kind]);
  setText(told.children[0], text);
  setText(told.children[1], about);
  if (when.firstElementChild?.dateTime !== (since ?? undefined)) when.replaceChildren(...lasting(since));
  document.title = `${SHAPES[kind]} ${kind === "well" ? "All is well" : text} - ermon`;
}

/** For how long, outside of what is read out when it changes: it changes every second. */
function lasting(since) {
  if (since === null) return [];
  return ["for ", el("time", { class: "age", datetime: since }), ", since ", el("time", { datetime: since, title: since }, clock(since))];
}

function overall() {
  if (!store.live) {
    const text = "No connection to ermon: how things are now cannot be seen";
    return { kind: "blind", text, about: `Below is what was known at ${clock(store.heardAt)}.` };
  }
  const serious = raised().filter(({ severity }) => severity !== "info");
  const blind = blindFeeds();
  if (serious.length > 0) return wrong(serious, blind);
  const down = Object.entries(store.status.processes).filter(([, { state }]) => state === "down").map(([name]) => name);
  if (down.length > 0) return { kind: "blind", text: "ermon cannot see", about: `ExaBGP is down: ${some(down)}.` };
  if (blind.length > 0) return { kind: "blind", text: "ermon cannot see everything", about: sight(blind) };
  const notes = raised().length;
  return { kind: "well", text: "All is well", about: notes > 0 ? `${notes} for information.` : "" };
}

function wrong(serious, blind) {
  const [worst] = serious;
  const counts = SEVERITIES.map((name) => [name, serious.filter(({ severity }) => severity === name).length]);
  const told = counts.filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`).join(", ");
  const parts = [
    `${worst.summary}${where(worst)}.`,
    worst.stale && "It may be over: what showed it is out of sight.",
    serious.every(({ suppressed }) => suppressed) && "Maintenance, a drain or a larger finding covers all that is raised.",
    blind.length > 0 && `ermon cannot see everything: ${sight(blind)}`,
  ];
  return { kind: "wrong", text: `Something is wrong: ${told}`, about: parts.filter(Boolean).join(" "), since: worst.since };
}

/** Where it is, as far as the summary does not name it: ` (edge-1 to isp-a)`. */
function where({ labels, summary, evidence }) {
  const { uplink, circuit, link, feed } = labels;
  const routers = some(evidence.routers ?? [], 3);
  if (uplink && !summary.includes(uplink)) return ` (${routers ? `${routers} to ` : "to "}${uplink})`;
  const missing = [circuit, link, feed, routers].filter((each) => each && !summary.includes(each));
  return missing.length > 0 ? ` (${[...new Set(missing)].join(" ")})` : "";
}

function sight(blind) {
  const feeds = Object.keys(store.status.feeds).length;
  return `${blind.length} of ${plural(feeds, "feed")} ${blind.length === 1 ? "is" : "are"} down or not in sync: ${some(blind)}.`;
}
