// The page of one finding, raised or past: its evidence and course, what to do, and other findings of that time.

import { ask } from "./ask.js";
import { el } from "./dom.js";
import { evidence, labels } from "./evidence.js";
import { coded, plan } from "./plan.js";
import { at } from "./times.js";
import { dayOf, decoded, duration, seconds, stands, subject } from "./words.js";

const EVERY = 10_000;

const id = decoded(location.pathname.match(/[^/]*$/)[0]);
const place = document.getElementById("finding");
let shown = "";

/** Requests the finding again while it is raised, because it may be cleared meanwhile. */
async function refresh() {
  let again = true;
  try {
    const found = await ask(`api/v1/findings/${encodeURIComponent(id)}`);
    again = found.finding.state === "raised";
    draw(found);
  } catch (error) {
    if (shown === "") place.replaceChildren(el("section", {}, el("p", { class: "unknown" }, `◆ ${error.message}`)));
  }
  document.body.dataset.complete = "true";
  if (again) setTimeout(refresh, EVERY);
}

function draw(found) {
  const signature = JSON.stringify(found);
  if (signature === shown) return; // opened parts stay open
  const opened = [...place.querySelectorAll("details")].map(({ open }) => open);
  shown = signature;
  const { finding } = found;
  document.title = `${stands(finding).mark} ${finding.summary} - ermon`;
  place.replaceChildren(heading(found), todo(found), course(finding), others(found), back(finding));
  place.querySelectorAll("details").forEach((each, n) => { each.open = opened[n] ?? false; });
}

function heading({ finding, silences, unknown }) {
  const raised = finding.state === "raised";
  const { mark, word, recovering } = stands(finding);
  return el(
    "section", { "aria-labelledby": "what" },
    el(
      "article", { class: `finding ${finding.severity}${recovering ? " recovering" : ""}` },
      el("h2", { id: "what" }, el("span", { class: "severity" }, `${mark} ${word}`), " ", finding.summary),
      recovering && gone(finding),
      el("p", { class: "facts" }, el("code", {}, finding.check), finding.suppressed && ` · Suppressed: ${finding.suppressed_because}.`),
      labels(finding),
      evidence(finding),
      unknown.map((sentence) => el("p", { class: "unknown" }, `◆ ${sentence}`)),
      raised && silences.map((url) => el("p", {}, el("a", { href: url }, `Silence it in Alertmanager (${new URL(url).host})`))),
    ),
  );
}

function gone({ ok_since: since, clears_at: clears }) {
  return el("p", {}, el("strong", {}, "Gone since ", at(since), clears && ["; clears at ", at(clears), " if it stays gone"], "."));
}

function todo(found) {
  if (found.steps.length === 0) return el("section", {}, el("p", {}, "This ermon does not have the check, so it cannot say what to do."));
  return el("section", { class: "guide", "aria-labelledby": "todo" }, el("h2", { id: "todo" }, "What to do"), el("p", {}, coded(found.meaning)), plan(found));
}

function course({ since, raised_at: raised, ended_at: over, ok_since: quiet = null, clears_at: clears = null, cleared_at: cleared }) {
  const ended = over ?? quiet;
  const moments = [
    [since, "It began."], [raised, "It was raised."],
    [ended, quiet === null ? "It was over." : "It was gone. It may return."],
    [clears, "It will be cleared if it stays gone."], [cleared, "It was cleared."],
  ];
  const known = moments.filter(([time]) => time !== null);
  const items = known.map(([time, what]) => el("li", {}, at(time), ` ${what}`));
  const lasted = seconds(ended ?? cleared) - seconds(since);
  return el(
    "section", { "aria-labelledby": "course" },
    el("h2", { id: "course" }, "Course"), el("ul", {}, items),
    ended !== null || cleared !== null ? el("p", {}, `It lasted ${duration(lasted)}.`) : el("p", {}, "It is still raised."),
  );
}

function others({ also }) {
  const items = also.map((other) => el(
    "li", {},
    at(other.since), ` ${stands(other).mark} ${stands(other).word}: `,
    el("a", { href: encodeURIComponent(other.id) }, other.summary), inBrackets(subject(other.labels)),
  ));
  return el("section", { "aria-labelledby": "also" }, el("h2", { id: "also" }, "Other findings of that time"), items.length > 0 ? el("ul", {}, items) : el("p", {}, "Nothing that ermon knows of."));
}

function inBrackets(names) {
  return names.length > 0 && ` (${names.join(", ")})`;
}

function back({ check, since }) {
  const day = dayOf(since);
  return el("p", {}, el("a", { href: "../" }, "Status"), " · ", el("a", { href: `../#history=${day}` }, `History of ${day}`), " · ", el("a", { href: `../runbooks/${encodeURIComponent(check)}` }, `Runbook of ${check}`));
}

refresh();
