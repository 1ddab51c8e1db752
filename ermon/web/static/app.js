// The status page. Each part renders itself from the store after a change.

import { renderCircuits } from "./circuits.js";
import { PHONE, setText } from "./dom.js";
import { renderDrawing } from "./drawing.js";
import { listenToFilter, renderFeeds, showAll } from "./feeds.js";
import { listenToFindings, renderFindings } from "./findings.js";
import { renderHeadline } from "./headline.js";
import { listenToJumps } from "./jump.js";
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
  setText(document.getElementById("about"), `ermon ${version}, running since ${clock(started)}.`);
  if (document.body.dataset.complete) return;
  document.body.dataset.complete = "true";
  performance.mark("complete");
}

onChange(render);
setInterval(() => { if (store.status !== null) renderAges(); }, 1_000);
listenToFindings();
listenToFilter();
listenToJumps((id) => { if (id.startsWith("feed/")) showAll(); });
PHONE.addEventListener("change", changed);
if (store.status !== null) changed(); // the snapshot arrived before the rest of the page was loaded
