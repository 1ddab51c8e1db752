// The steps of a finding in its card on the status page.

import { ask } from "./ask.js";
import { el } from "./dom.js";
import { coded, plan } from "./plan.js";

/** Fills an element with the steps of a finding, and requests them again when the evidence has changed. */
export async function fillGuide(place, { id, check, evidence }) {
  const wanted = JSON.stringify([id, evidence]);
  if (place.wanted === wanted) return;
  place.wanted = wanted;
  try {
    const found = await ask(`api/v1/findings/${encodeURIComponent(id)}`);
    const shown = JSON.stringify([found.steps, found.placeholders]);
    if (place.shown === shown) return; // opened parts stay open
    place.shown = shown;
    place.replaceChildren(
      el("p", {}, coded(found.meaning)),
      ...plan(found).filter((part) => part !== null),
      el("p", {}, el("a", { href: `findings/${encodeURIComponent(id)}` }, "Page of this finding"), " · ", el("a", { href: `runbooks/${encodeURIComponent(check)}` }, "The whole runbook")),
    );
  } catch (error) {
    place.wanted = undefined;
    if (place.shown !== undefined) return;
    place.replaceChildren(el("p", {}, `ermon does not answer (${error.message}). In a terminal: `, el("code", {}, `ermon explain ${check}`)));
  }
}
