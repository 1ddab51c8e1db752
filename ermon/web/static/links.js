// Finds links and pools in the status, for the drawing, the circuits and the matrix.

import { FAMILIES, MARKS, PLACES } from "./words.js";

/** Returns `[circuit, name, link]` for every link. */
export function allLinks(status) {
  return Object.entries(status.circuits).flatMap(([circuit, { links }]) =>
    Object.entries(links).map(([name, link]) => [circuit, name, link]),
  );
}

/** Returns for each family of a circuit its state, the numbers of links up and unknown, and the worst state as its mark. */
export function circuitStates({ state, links_up: up, links_unknown: unknown, shown, links }) {
  const of = (family) => Object.values(links).filter((link) => family in link.state).length;
  return Object.entries(state).map(([family, each]) => ({ family, state: each, sign: shown[family], up: up[family], unknown: unknown[family], of: of(family) }));
}

/** Returns the state as text, as the command line has it: `IPv4 up, 1 of 2 links; 1 unknown`. */
export function circuitInWords({ family, state, up, unknown, of }) {
  if (state === "unknown") return `${FAMILIES[family]} unknown, ${unknown} of ${of} links`;
  return `${FAMILIES[family]} ${state}, ${up} of ${of} links${unknown > 0 ? `; ${unknown} unknown` : ""}`;
}

/** Returns the state of a pool on any link: unknown if nothing proves that it is absent. */
export function poolAtLink(pool, circuit, name, link) {
  const unseen = Object.keys(pool.advertised).some((family) => link.advertising[family] === "unknown");
  return poolOnLink(pool, circuit, name) ?? (unseen ? { ...PLACES.unknown, expected: false } : null);
}

/** Returns the state of a pool on a link, and whether it must be there; `null` if the link is not one of the pool's. */
export function poolOnLink(pool, circuit, link) {
  if (!Object.values(pool.advertised).some((circuits) => link in (circuits[circuit] ?? {}))) return null;
  const expected = pool.expected_on.some((place) => place.circuit === circuit && place.link === link);
  return stands(pool.on_links[circuit]?.[link], expected);
}

/** Returns the same for a view of the internet. */
export function poolOnInternet(pool, feed) {
  if (!Object.values(pool.on_internet).some((feeds) => feed in feeds)) return null;
  const found = stands(pool.on_feeds[feed], false);
  return found.wrong ? { ...found, wrong: "leaked" } : found;
}

/** Returns the shape for the state of a pool in a place. */
export function markOf({ answer, wrong }) {
  return wrong ? MARKS.down : MARKS[answer] ?? MARKS.unknown;
}

/** Sorts the places, wrong ones first. */
export function wrongFirst(found) {
  return [...found].sort((a, b) => Number(Boolean(b.wrong)) - Number(Boolean(a.wrong)));
}

/** Returns the state for a word. A place that is not named is absent, as it should be. */
function stands(word = "absent", expected) {
  return { ...(PLACES[word] ?? { ...PLACES.unknown, answer: word }), expected };
}
