// What the page says of links and pools, in one place: the drawing, the circuits and the matrix say the same.

import { together } from "./words.js";

/** The state of a link's family: `draining` outweighs the rest, since a silence is then expected. */
export function familyState(link, family) {
  return link.draining?.[family] ? "draining" : link.state[family];
}

/** The state of each family that is judged here. */
export function familyStates(link) {
  return Object.fromEntries(Object.keys(link.state).map((family) => [family, familyState(link, family)]));
}

export function linkState(link) {
  return together(Object.values(familyStates(link)));
}

/** Of each family of a circuit: its state, one link being enough, and how many links are up. */
export function circuitStates(circuit) {
  const links = Object.values(circuit.links);
  return Object.keys(circuit.state).map((family) => {
    const states = links.filter((link) => family in link.state).map((link) => link.state[family]);
    const state = ["up", "unknown"].find((each) => states.includes(each)) ?? "down";
    return { family, state, up: states.filter((each) => each === "up").length, of: states.length };
  });
}

/** `[circuit, name, link]` of every link. */
export function allLinks(status) {
  return Object.entries(status.circuits).flatMap(([circuit, { links }]) =>
    Object.entries(links).map(([name, link]) => [circuit, name, link]),
  );
}

/** How a pool stands on a link: `yes`, `no` or `unknown` over its families, and whether that is as planned. */
export function poolOnLink(pool, circuit, link) {
  const answers = Object.values(pool.advertised).map((families) => families[circuit]?.[link]).filter(Boolean);
  if (answers.length === 0) return null;
  const expected = pool.expected_on.some((place) => place.circuit === circuit && place.link === link);
  const answer = over(answers, expected ? ["no", "unknown", "yes"] : ["yes", "unknown", "no"]);
  return { answer, expected, wrong: answer !== "unknown" && (answer === "yes") !== expected };
}

/** The same of a view of the internet. */
export function poolOnInternet(pool, feed) {
  const answers = Object.values(pool.on_internet).map((feeds) => feeds[feed]).filter(Boolean);
  if (answers.length === 0) return null;
  const answer = over(answers, ["yes", "unknown", "no"]);
  return { answer, expected: false, wrong: answer === "yes" && pool.internet !== "failover" };
}

/** The worst answer stands for all families. */
function over(answers, order) {
  return order.find((each) => answers.includes(each));
}
