// The status page. Each part draws itself from the store when something has changed.

import { renderCircuits } from "./circuits.js";
import { setText } from "./dom.js";
import { renderDrawing } from "./drawing.js";
import { listenToFilter, renderFeeds } from "./feeds.js";
import { listenToFindings, renderFindings } from "./findings.js";
import { renderHeadline } from "./headline.js";
import { renderMaintenance } from "./maintenance.js";
import { renderPools } from "./pools.js";
import { changed, onChange, store } from "./store.js";
import "./stream.js";
import { renderAges } from "./times.js";
import { clock } from "./words.js";

function render() {
  if (store.status === null) return;
  renderHeadline();
  renderMaintenance();
  renderFindings();
  renderDrawing();
  renderCircuits();
  renderPools();
  renderFeeds();
  const { version, started_at: started } = store.status;
  setText(document.getElementById("about"), `ermon ${version}, running since ${clock(started)}. Times of day are ${zone()}.`);
  if (document.body.dataset.complete) return;
  document.body.dataset.complete = "true";
  performance.mark("complete");
}

/** `UTC+01:00`: what the clock of this browser shows. */
function zone() {
  const east = -new Date().getTimezoneOffset();
  if (east === 0) return "UTC";
  const minutes = Math.abs(east);
  const two = (number) => String(number).padStart(2, "0");
  return `UTC${east > 0 ? "+" : "−"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

onChange(render);
setInterval(() => { if (store.status !== null) renderAges(); }, 1_000);
listenToFindings();
listenToFilter();
if (store.status !== null) changed(); // the snapshot was faster than the rest of the page
