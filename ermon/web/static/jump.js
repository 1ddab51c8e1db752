// Opens the target of a link such as `#circuit/chicago`, and scrolls to it.

import { onChange, store } from "./store.js";
import { decoded } from "./words.js";

/** Jumps to the part of the page that the address names; `show` is called with its id first, so that it is rendered. */
export function listenToJumps(show) {
  const jump = () => {
    const id = decoded(location.hash.slice(1));
    if (!id.includes("/") || store.status === null) return;
    show(id);
    // Something without its own element, such as a router on a phone, is found at an element that belongs to it.
    const found = document.getElementById(id) ?? document.querySelector(`[data-at="${CSS.escape(id)}"]`);
    if (found === null) return;
    for (let part = found; part !== null; part = part.parentElement) if (part instanceof HTMLDetailsElement) part.open = true;
    found.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", jump);
  // Clicking the same link again does not change the address, but the user may have scrolled away.
  document.addEventListener("click", (event) => { if (event.target.closest?.('a[href^="#"]')?.hash === location.hash) jump(); });
  // If the page was opened with such a link, jump as soon as it is rendered.
  let due = true;
  onChange(() => {
    if (due) jump();
    due = false;
  });
}
