// The connection to ermon: receives events, requests counts every few seconds, and shows the age of the data.
//
// It opens as soon as this module is loaded, so that the snapshot is loaded in parallel with the rest of the page.

import { ask } from "./ask.js";
import { setText } from "./dom.js";
import {
  changed, store, takeFeed, takeHeadline, takeLink, takePool, takeRaised, takeSnapshot, takeStatus, takeTransition,
} from "./store.js";
import { duration } from "./words.js";

const COUNTS_EVERY = 10_000;
/** The delay of a request for findings after an event, because they may become stale, suppressed or ok without one. */
const MARKS_AFTER = 500;
const AGAIN_AFTER = 2_000;
/** The age in milliseconds up to which the data counts as live: two requests for counts may fail. */
const LIVE = 25_000;

const TAKERS = {
  snapshot: takeSnapshot, transition: takeTransition, link: takeLink, feed: takeFeed, pool: takePool, headline: takeHeadline,
  clock: changed, // the last 24 hours show it
};

let open = false;
let asking = false;
let marksDue = null;

function connect() {
  const source = new EventSource("api/v1/events");
  source.onopen = () => {
    open = true;
    // Missed events, if any, follow.
    if (store.status !== null) heard();
  };
  source.onerror = () => {
    open = false;
    tellConnection();
    // A browser does not retry after an answer that is not a stream, such as a proxy's error page.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_AFTER);
  };
  for (const [kind, take] of Object.entries(TAKERS)) {
    source.addEventListener(kind, (event) => {
      store.version += 1;
      take(JSON.parse(event.data));
      heard();
      // With the headline other things change: violations, recovering findings, open windows.
      if (["feed", "link", "headline"].includes(kind)) marksDue ??= setTimeout(refreshMarks, MARKS_AFTER);
    });
  }
}

function keepCounts() {
  setInterval(refresh, COUNTS_EVERY);
  setInterval(tellConnection, 1_000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
}

export async function refresh() {
  if (store.status === null || asking) return;
  asking = true;
  try {
    const version = store.version;
    const [status, findings] = await Promise.all([ask("api/v1/status"), ask("api/v1/findings?state=raised")]);
    if (version === store.version) {
      takeRaised(findings);
      takeStatus(status);
    }
    if (open) heard();
  } catch {
    // The line about the connection shows the age of the data.
  }
  asking = false;
  tellConnection();
}

function refreshMarks() {
  marksDue = null;
  refresh();
}

function heard() {
  store.heardAt = Date.now();
  tellConnection();
}

function tellConnection() {
  const age = store.heardAt === null ? null : Date.now() - store.heardAt;
  // In the background a browser delays timers; after it wakes up, a refresh is in progress.
  const live = open && age !== null && (age < LIVE || asking || document.hidden);
  const [line, old] = document.getElementById("connection").children;
  line.parentElement.dataset.state = live ? "live" : age === null ? "connecting" : "lost";
  if (live) setText(line, "● Live");
  else setText(line, age === null ? "◆ Connecting to ermon…" : "▲ Connection to ermon lost, trying again.");
  setText(old, live || age === null ? "" : `This picture is ${duration(age / 1000)} old.`);
  if (live === store.live) return;
  store.live = live;
  document.body.classList.toggle("old", !live);
  if (store.status !== null) changed();
}

connect();
keepCounts();
