// What is raised, with its evidence and what to do; and what was cleared lately.

import { el, show } from "./dom.js";
import { evidence, labels } from "./evidence.js";
import { fillGuide } from "./guide.js";
import { now, raised, store } from "./store.js";
import { clock, duration, marked, plural, seconds } from "./words.js";

/** The others are behind a button: nobody reads a thousand, and the drawing should not be far below. */
const SHOWN = 20;
/** Of more findings than this, only so many show their evidence without being asked. */
const WHOLE = 3;
const CLEARED_SHOWN = 20;
const ROOM = matchMedia("(min-width: 64rem)");
const STALE = "What showed it is out of sight: it may be over.";
const SUPPRESSED = "Maintenance, a drain or a larger finding covers it.";

let showAll = false;

export function listenToFindings() {
  document.getElementById("all-findings").addEventListener("click", () => {
    showAll = true;
    renderFindings();
  });
}

export function renderFindings() {
  const found = raised();
  document.getElementById("no-findings").hidden = found.length > 0;
  const shown = (showAll ? found : found.slice(0, SHOWN)).map((finding, n) => ({ ...finding, place: n === 0 ? "worst" : n < WHOLE ? "whole" : "brief" }));
  show(document.getElementById("raised"), shown, ({ id }) => id, article);
  const more = document.getElementById("all-findings");
  more.hidden = showAll || found.length <= SHOWN;
  more.textContent = `Show all ${found.length} findings`;
  const over = store.cleared.slice(0, CLEARED_SHOWN);
  const past = document.getElementById("cleared");
  past.hidden = over.length === 0;
  past.firstElementChild.textContent = `${plural(over.length, "finding")} cleared lately`;
  show(past.lastElementChild, over, ({ id }) => id, pastItem);
  renderAges();
}

/** Ages go on when nothing else happens. */
export function renderAges() {
  const present = now();
  for (const time of document.querySelectorAll("time.age")) {
    const text = duration(present - seconds(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

/** What to do about the worst is told without being asked, where it does not push the drawing out of sight. */
function article(finding, previous) {
  const first = finding.place === "worst" && finding.severity !== "info" && ROOM.matches;
  const open = previous?.querySelector("details").open ?? first;
  const brief = finding.place === "brief";
  const guide = previous?.querySelector(".guide") ?? el("div", { class: "guide" });
  const toggled = (event) => { if (event.target.open) fillGuide(guide, finding.check); };
  const todo = el("details", { ontoggle: toggled, open }, el("summary", {}, brief ? "Evidence, and what to do" : "What to do"), brief && evidence(finding), guide);
  return el(
    "article", { class: `finding ${finding.severity}`, id: `finding-${finding.id}` },
    el(
      "h3", {},
      el("span", { class: "severity" }, marked(finding.severity === "info" ? "no" : "down", finding.severity)), " ", finding.summary,
      finding.stale && [" ", el("span", { class: "mark", title: STALE }, "◆ stale")],
      finding.suppressed && [" ", el("span", { class: "mark", title: SUPPRESSED }, "▼ suppressed")],
    ),
    el(
      "p", { class: "facts" },
      "for ", el("time", { class: "age", datetime: finding.since }),
      ", since ", el("time", { datetime: finding.since, title: finding.since }, clock(finding.since)),
      " · ", el("code", {}, finding.check),
      finding.stale && ` · ${STALE}`,
      finding.suppressed && ` · ${finding.suppressed_because ? `Covered: ${finding.suppressed_because}.` : SUPPRESSED}`,
    ),
    labels(finding),
    !brief && evidence(finding),
    todo,
  );
}

function pastItem(finding) {
  const lasted = seconds(finding.ended_at ?? finding.cleared_at) - seconds(finding.since);
  return el(
    "li", {},
    el("time", { datetime: finding.cleared_at, title: finding.cleared_at }, clock(finding.cleared_at)),
    ` ${finding.summary} (${finding.severity}, lasted ${duration(lasted)})`,
  );
}
