// The headline: ermon's state of the network in one line, or that ermon does not respond.

import { el, setText } from "./dom.js";
import { store } from "./store.js";
import { at, lasting, left } from "./times.js";
import { clock, KINDS, MARKS } from "./words.js";

/** The word for the time that is due, by kind of headline. */
const DUE = { noticed: "raised", recovering: "cleared", maintenance: "ends", unseen: "waiting for routers, over" };
/** The headings of the parts that show the present state. */
const PRESENT = ["maintenance", "findings", "network", "circuits", "pools", "feeds"].map((part) => `#${part}-title`).join();

export function renderHeadline() {
  const place = document.getElementById("headline");
  const headline = store.live ? store.status.headline : unheard();
  const { kind, text, about, since, due = null } = headline;
  const shape = KINDS[kind] ?? MARKS.unknown;
  place.className = `headline ${kind in KINDS ? kind : "unseen"}`;
  const [mark, told, when] = place.children;
  setText(mark, shape);
  setText(told.children[0], text);
  setText(told.children[1], about);
  const times = `${since} ${due} ${kind}`;
  if (when.dataset.times !== times) {
    when.dataset.times = times;
    // Not in the live region, because screen readers would read it out every second.
    when.replaceChildren(...(since === null ? [] : lasting(since)), ...(due === null ? [] : coming(due, DUE[kind] ?? "due", since !== null)));
  }
  document.title = `${shape} ${text} - ermon`;
  markOld();
}

/** Marks old data with its time while ermon does not respond. */
function markOld() {
  for (const title of document.querySelectorAll(PRESENT)) {
    const mark = title.querySelector(".as-of") ?? title.appendChild(el("span", { class: "as-of" }));
    setText(mark, store.live ? "" : ` (old: as of ${clock(store.heardAt)})`);
  }
}

/** Returns the countdown to something that is due. */
function coming(due, word, more) {
  return [more ? "; " : "", `${word} in `, left(due), ", at ", at(due)];
}

function unheard() {
  const text = "No connection to ermon: the present state is unknown";
  return { kind: "unseen", text, about: `What is below is old: the state at ${clock(store.heardAt)}, when ermon was last heard.`, since: null };
}
