// One line: how the network is, as ermon says, or that ermon is not heard.

import { el, setText } from "./dom.js";
import { store } from "./store.js";
import { clock, MARKS } from "./words.js";

const SHAPES = { well: MARKS.up, wrong: MARKS.down };

export function renderHeadline() {
  const place = document.getElementById("headline");
  const { kind, text, about, since } = store.live ? store.status.headline : unheard();
  const shape = SHAPES[kind] ?? MARKS.unknown;
  place.className = `headline ${kind}`;
  const [mark, told, when] = place.children;
  setText(mark, shape);
  setText(told.children[0], text);
  setText(told.children[1], about);
  if (when.firstElementChild?.dateTime !== (since ?? undefined)) when.replaceChildren(...lasting(since));
  document.title = `${shape} ${text} - ermon`;
}

/** For how long, outside of what is read out when it changes: it changes every second. */
function lasting(since) {
  if (since === null) return [];
  return ["for ", el("time", { class: "age", datetime: since }), ", since ", el("time", { datetime: since, title: since }, clock(since))];
}

function unheard() {
  const text = "No connection to ermon: how things are now cannot be seen";
  return { kind: "blind", text, about: `Below is what was known at ${clock(store.heardAt)}.`, since: null };
}
