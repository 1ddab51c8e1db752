// The raised findings, with evidence and steps, and those that were cleared recently.

import { el, setText, show } from "./dom.js";
import { evidence, labels } from "./evidence.js";
import { fillGuide } from "./guide.js";
import { raised, store, worstFirst } from "./store.js";
import { at, lasting, left, renderAges } from "./times.js";
import { duration, marked, plural, seconds, stands } from "./words.js";

/** The others are behind a button, so that a thousand findings do not push the drawing far down. */
const SHOWN = 20;
/** Only the first ones show their evidence at once; the others are closed. */
const WHOLE = 3;
const CLEARED_SHOWN = 20;
const ROOM = matchMedia("(min-width: 64rem)");
const STALE = "It may be over: ermon cannot see it at present.";
const SUPPRESSED = "Suppressed by maintenance, a drain or another finding.";

let showAll = false;
/** The checks whose findings this user can accept, and the function that accepts one. */
let acceptance = { checks: [], accept: null };

/** Offers a button to accept findings of these checks. */
export function listenToAccept(checks, accept) {
  acceptance = { checks, accept };
}

export function listenToFindings() {
  document.getElementById("all-findings").addEventListener("click", () => {
    showAll = true;
    renderFindings();
  });
}

export function renderFindings() {
  const found = listed();
  document.getElementById("no-findings").hidden = found.length > 0;
  renderNoticed();
  const shown = (showAll ? found : found.slice(0, SHOWN)).map((each, n) => each.findings ? each : { ...each, place: n === 0 ? "worst" : n < WHOLE ? "whole" : "brief", acceptable: acceptance.checks.includes(each.check) && !each.ok_since });
  show(document.getElementById("raised"), shown, keyOf, (each, previous) => each.findings ? groupCard(each, previous) : article(each, previous));
  const more = document.getElementById("all-findings");
  more.hidden = showAll || found.length <= SHOWN;
  setText(more, `Show all ${found.length} findings`);
  const over = store.cleared.slice(0, CLEARED_SHOWN);
  const past = document.getElementById("cleared");
  past.hidden = over.length === 0;
  past.firstElementChild.textContent = `${plural(over.length, "finding")} cleared lately`;
  show(past.lastElementChild, over, ({ id }) => id, pastItem);
  renderAges();
}

/** Returns the raised findings, the worst first; findings with one cause are one entry. */
function listed() {
  const groups = (store.status.groups ?? [])
    .map(({ findings: ids, ...group }) => ({ ...group, findings: ids.filter((id) => store.raised.has(id)).map((id) => store.raised.get(id)) }))
    .filter(({ findings }) => findings.length > 1)
    .map((group) => ({ ...group, raised_at: group.findings[0].raised_at }));
  const grouped = new Set(groups.flatMap(({ findings }) => findings.map(({ id }) => id)));
  return [...groups, ...raised().filter(({ id }) => !grouped.has(id))].sort(worstFirst);
}

function keyOf({ id, text }) {
  return id ?? text.replace(/\d+ of \d+.*/, "");
}

function groupCard({ text, severity, since, findings }, previous) {
  const worst = findings[0];
  const guide = previous?.querySelector(".guide") ?? el("div", { class: "guide" });
  const [effects, todo] = previous?.querySelectorAll("details") ?? [];
  const toggled = (event) => { if (event.target.open) fillGuide(guide, worst); };
  return el(
    "article", { class: `finding ${severity}` },
    el("h3", {}, el("span", { class: "severity" }, marked("down", severity)), " ", text),
    el("p", { class: "facts" }, ...lasting(since), ` · ${plural(findings.length, "finding")} of one cause`),
    el("details", { open: effects?.open ?? false }, el("summary", {}, "Effects"), el("ul", {}, findings.map(({ summary, check, evidence: proof }) => el("li", {}, `${summary} `, el("code", {}, check), proof.reason ? `: ${proof.reason}` : "")))),
    el("details", { ontoggle: toggled, open: todo?.open ?? false }, el("summary", {}, "What to do"), guide),
  );
}

/** Renders the violations that will be raised if they last. */
function renderNoticed() {
  const found = (store.status.noticed ?? []).slice(0, SHOWN);
  const place = document.getElementById("noticed");
  place.hidden = found.length === 0;
  show(place, found, ({ check, labels: names }) => `${check} ${JSON.stringify(names)}`, ({ severity, summary, since, raises_at: due }) =>
    el(
      "p", { class: `noticed ${severity}` },
      el("strong", {}, marked(severity === "info" ? "no" : "down", severity)), ` ${summary} `,
      el("span", { class: "quiet" }, ...lasting(since), ...(due ? ["; raised in ", left(due)] : [])),
    ),
  );
}

/** Returns how long the violation has lasted, or since when it is gone. */
function course(finding) {
  if (!finding.ok_since) return lasting(finding.since);
  return [
    el("strong", {}, "Gone"), " since ", at(finding.ok_since),
    ...(finding.clears_at ? [", clears at ", at(finding.clears_at), " if it stays gone (in ", left(finding.clears_at), ")"] : []),
    `; it lasted ${duration(seconds(finding.ok_since) - seconds(finding.since))}`,
  ];
}

/** Makes the card of a finding. The steps of the worst are open, unless they would push the drawing off the screen. */
function article(finding, previous) {
  const { mark, word, recovering } = stands(finding);
  const first = finding.place === "worst" && finding.severity !== "info" && ROOM.matches;
  const open = previous?.querySelector("details").open ?? first;
  const brief = finding.place === "brief";
  const guide = previous?.querySelector(".guide") ?? el("div", { class: "guide" });
  const toggled = (event) => { if (event.target.open) fillGuide(guide, finding); };
  const todo = el("details", { ontoggle: toggled, open }, el("summary", {}, brief ? "Evidence, and what to do" : "What to do"), brief && evidence(finding), guide);
  return el(
    "article", { class: `finding ${finding.severity}${recovering ? " recovering" : ""}`, id: `finding-${finding.id}` },
    el(
      "h3", {},
      el("span", { class: "severity" }, `${mark} ${word}`), " ", finding.summary,
      finding.stale && [" ", el("span", { class: "mark unknown", title: STALE }, "stale")],
      finding.suppressed && [" ", el("span", { class: "mark quiet", title: SUPPRESSED }, "suppressed")],
    ),
    el(
      "p", { class: "facts" },
      ...course(finding),
      " · ", el("code", {}, finding.check),
      " · ", el("a", { href: `findings/${encodeURIComponent(finding.id)}` }, "Page"),
      finding.stale && ` · ${STALE}`,
      finding.suppressed && ` · ${finding.suppressed_because ? `Suppressed: ${finding.suppressed_because}.` : SUPPRESSED}`,
    ),
    labels(finding),
    !brief && evidence(finding),
    todo,
    finding.acceptable && el("p", {}, el("button", { type: "button", onclick: () => acceptance.accept(finding) }, "Accept as the new normal")),
  );
}

function pastItem(finding) {
  const lasted = seconds(finding.ended_at ?? finding.cleared_at) - seconds(finding.since);
  return el(
    "li", {},
    at(finding.cleared_at),
    " ", el("a", { href: `findings/${encodeURIComponent(finding.id)}` }, finding.summary), ` (${finding.severity}, lasted ${duration(lasted)})`,
  );
}
