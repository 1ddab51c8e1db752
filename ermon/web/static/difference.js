// How the links of a circuit differ: the prefixes that only one of them receives.

import { ask } from "./ask.js";
import { el } from "./dom.js";
import { FAMILIES, some } from "./words.js";

const TITLE = "Difference between the links";
/** The interval of requests while the counts do not change, because equal counts do not prove equal prefixes. */
const MAX_AGE = 60_000;

/** Keeps the comparison in `place` up to date: requests it if the links' numbers of routes have changed, or if it is old. */
export async function keepDifference({ name, links }, place) {
  const brought = JSON.stringify(Object.values(links).map(({ routes, state }) => [routes, state]));
  const asked = place.asked ?? { brought: null, at: 0 };
  if (asked.brought === brought && Date.now() - asked.at < MAX_AGE) return;
  place.asked = { brought, at: Date.now() };
  // The earlier result does not describe the present state of the links.
  if (asked.brought !== null && asked.brought !== brought) place.replaceChildren(el("h3", {}, TITLE), el("p", {}, "Comparing the links again."));
  try {
    const found = await ask(`api/v1/circuits/${encodeURIComponent(name)}/difference`);
    if (place.asked?.brought !== brought) return; // there is a newer request
    const told = Object.entries(found).map(([family, each]) => tell(family, each, links));
    place.replaceChildren(el("h3", {}, TITLE), ...told);
  } catch (error) {
    delete place.asked;
    place.replaceChildren(el("p", {}, `The links could not be compared: ${error.message}`));
  }
}

function tell(family, found, links) {
  const all = Object.entries(found);
  const items = all.filter(([, { total }]) => total > 0).map(([link, { prefixes, total }]) => {
    const rest = total > prefixes.length ? ` and ${total - prefixes.length} more` : "";
    return el("li", {}, `${FAMILIES[family]}, only on ${link} (${total}): `, el("code", {}, prefixes.join(", ")), rest);
  });
  const unknown = Object.keys(links).filter((link) => links[link].state[family] === "unknown");
  const unsure = all.some(([, { complete }]) => complete === false);
  if (unknown.length > 0) items.push(el("li", { class: "unknown" }, `◆ ${FAMILIES[family]}: it is unknown what ${some(unknown)} ${unknown.length === 1 ? "receives" : "receive"}, and cannot be compared.`));
  else if (unsure) items.push(el("li", { class: "unknown" }, `◆ ${FAMILIES[family]}: the links cannot be compared completely while one is down, unknown, or visible by best paths only.`));
  if (items.length === 0) return el("p", {}, `${FAMILIES[family]}: every link receives the same prefixes.`);
  return el("ul", {}, items);
}
