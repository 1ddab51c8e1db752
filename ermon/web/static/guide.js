// What to do about a finding: the text of `ermon explain`.

import { el } from "./dom.js";
import { ask } from "./stream.js";

const guides = new Map();

/** Fills an element with the guide of a check, once; each guide is asked for once. */
export async function fillGuide(place, check) {
  if (place.childElementCount > 0) return;
  try {
    if (!guides.has(check)) guides.set(check, ask(`api/v1/checks/${encodeURIComponent(check)}`));
    const guide = await guides.get(check);
    place.replaceChildren(
      el("p", {}, coded(guide.meaning)),
      el("ol", {}, guide.action.map((step) => el("li", {}, coded(step)))),
      ...placeholders(guide.placeholders),
      el("p", {}, el("a", { href: `runbooks/${encodeURIComponent(check)}` }, "The whole runbook")),
    );
  } catch (error) {
    guides.delete(check);
    place.replaceChildren(el("p", {}, `ermon does not answer (${error.message}). In a terminal: `, el("code", {}, `ermon explain ${check}`)));
  }
}

function placeholders(words) {
  const entries = Object.entries(words);
  if (entries.length === 0) return [];
  const told = entries.map(([word, meaning], n) => [n > 0 && "; ", el("code", {}, word), ` ${meaning}`]);
  return [el("p", { class: "facts" }, "In the commands: ", told)];
}

/** Sets what stands in backticks as code. */
function coded(text) {
  return text.split("`").map((part, number) => (number % 2 === 1 ? el("code", {}, part) : part));
}
