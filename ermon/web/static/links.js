// Where links and pools stand in the status: the drawing, the circuits and the matrix find them alike.

import { FAMILIES, MARKS, PLACES } from "./words.js";

/** `[circuit, name, link]` of every link. */
export function allLinks(status) {
  return Object.entries(status.circuits).flatMap(([circuit, { links }]) =>
    Object.entries(links).map(([name, link]) => [circuit, name, link]),
  );
}

/** Of each family of a circuit: its state, how many of its links are up or unknown, and the worst of them as its sign. */
export function circuitStates({ state, links_up: up, links_unknown: unknown, shown, links }) {
  const of = (family) => Object.values(links).filter((link) => family in link.state).length;
  return Object.entries(state).map(([family, each]) => ({ family, state: each, sign: shown[family], up: up[family], unknown: unknown[family], of: of(family) }));
}

/** In the same words as the command line: `IPv4 up, 1 of 2 links; 1 unknown`. */
export function circuitInWords({ family, state, up, unknown, of }) {
  if (state === "unknown") return `${FAMILIES[family]} unknown, ${unknown} of ${of} links`;
  return `${FAMILIES[family]} ${state}, ${up} of ${of} links${unknown > 0 ? `; ${unknown} unknown` : ""}`;
}

/** How a pool stands on a link, whether it is asked about there or not: unknown where nothing proves that it is absent. */
export function poolAtLink(pool, circuit, name, link) {
  const unseen = Object.keys(pool.advertised).some((family) => link.advertising[family] === "unknown");
  return poolOnLink(pool, circuit, name) ?? (unseen ? { ...PLACES.unknown, expected: false } : null);
}

/** How a pool stands on a link, and whether it is to be there; `null` where nobody asks. */
export function poolOnLink(pool, circuit, link) {
  if (!Object.values(pool.advertised).some((circuits) => link in (circuits[circuit] ?? {}))) return null;
  const expected = pool.expected_on.some((place) => place.circuit === circuit && place.link === link);
  return stands(pool.on_links[circuit]?.[link], expected);
}

/** The same of a view of the internet. */
export function poolOnInternet(pool, feed) {
  if (!Object.values(pool.on_internet).some((feeds) => feed in feeds)) return null;
  const found = stands(pool.on_feeds[feed], false);
  return found.wrong ? { ...found, wrong: "leaked" } : found;
}

/** How a pool stands in a place, as a shape. */
export function markOf({ answer, wrong }) {
  return wrong ? MARKS.down : MARKS[answer] ?? MARKS.unknown;
}

/** Sorted so that what is wrong stands first. */
export function wrongFirst(found) {
  return [...found].sort((a, b) => Number(Boolean(b.wrong)) - Number(Boolean(a.wrong)));
}

/** What is not named is absent, as it should be. */
function stands(word = "absent", expected) {
  return { ...(PLACES[word] ?? { ...PLACES.unknown, answer: word }), expected };
}
