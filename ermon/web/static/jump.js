// What a link such as `#circuit/chicago` leads to: it is opened, and scrolled to.

import { onChange, store } from "./store.js";
import { decoded } from "./words.js";

/** Follows the address of the page to a part of it; `show` is told which, so that it can be there. */
export function listenToJumps(show) {
  const jump = () => {
    const id = decoded(location.hash.slice(1));
    if (!id.includes("/") || store.status === null) return;
    show(id);
    // What has no place of its own is found at what stands at it: a router, on a phone.
    const found = document.getElementById(id) ?? document.querySelector(`[data-at="${CSS.escape(id)}"]`);
    if (found === null) return;
    for (let part = found; part !== null; part = part.parentElement) if (part instanceof HTMLDetailsElement) part.open = true;
    found.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", jump);
  // The same link again is no change of the address, and the reader may have scrolled away.
  document.addEventListener("click", (event) => { if (event.target.closest?.('a[href^="#"]')?.hash === location.hash) jump(); });
  // Of a page that was opened by such a link, as soon as there is something to be seen.
  let due = true;
  onChange(() => {
    if (due) jump();
    due = false;
  });
}
