// Where links and pools stand in the status: the drawing, the circuits and the matrix find them alike.

import { PLACES } from "./words.js";

/** `[circuit, name, link]` of every link. */
export function allLinks(status) {
  return Object.entries(status.circuits).flatMap(([circuit, { links }]) =>
    Object.entries(links).map(([name, link]) => [circuit, name, link]),
  );
}

/** Of each family of a circuit: its state, and how many of its links are up. */
export function circuitStates({ state, links_up: up, links }) {
  const of = (family) => Object.values(links).filter((link) => family in link.state).length;
  return Object.entries(state).map(([family, each]) => ({ family, state: each, up: up[family], of: of(family) }));
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

/** What is not named is absent, as it should be. */
function stands(word = "absent", expected) {
  return { ...(PLACES[word] ?? { ...PLACES.unknown, answer: word }), expected };
}
