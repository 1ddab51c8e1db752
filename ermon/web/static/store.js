// The data from ermon: a snapshot, and the changes since.

/** Cleared findings that are kept: more than are shown, but few enough for a page that stays open for weeks. */
const CLEARED_KEPT = 50;
/** Difference of clocks in milliseconds that is ignored, because part of it is the time that the answer took. */
const SAME_CLOCK = 1_500;

export const store = {
  status: null,
  /** The raised findings by id. */
  raised: new Map(),
  /** The cleared findings, the latest first. */
  cleared: [],
  /** Whether the connection to ermon is up and the data is recent. */
  live: false,
  /** The time of the data, in milliseconds of the browser's clock. */
  heardAt: null,
  /** The number of events: the answer to a request from before an event may be older than the event. */
  version: 0,
};

const listeners = new Set();
let due = false;
let ahead = 0;
let sorted = null;

/** Calls `render` after changes, at most once for each frame. */
export function onChange(render) {
  listeners.add(render);
}

export function changed() {
  sorted = null;
  if (due) return;
  due = true;
  // A tab in the background draws no frames, but its title must still change. The first rendering is due at once.
  const soon = document.hidden || store.version <= 1 ? queueMicrotask : requestAnimationFrame;
  soon(() => {
    due = false;
    for (const render of listeners) render();
  });
}

/** Returns ermon's time in seconds since the epoch; it stops while ermon does not respond. */
export function now() {
  return ((store.live || store.heardAt === null ? Date.now() : store.heardAt) + ahead) / 1000;
}

export function takeSnapshot({ status, findings }) {
  // A new release of ermon has a new page.
  if (store.status !== null && store.status.version !== status.version) location.reload();
  store.cleared = findings.filter(({ state }) => state === "cleared").slice(0, CLEARED_KEPT);
  takeRaised(findings.filter(({ state }) => state === "raised"));
  takeStatus(status);
}

/** Takes a status, because counts and ages change without an event. */
export function takeStatus(status) {
  const difference = Date.parse(status.time) - Date.now();
  ahead = Math.abs(difference) > SAME_CLOCK ? difference : 0;
  store.status = status;
  changed();
}

/** Takes all raised findings with their present marks and evidence. */
export function takeRaised(findings) {
  store.raised = new Map(findings.map((finding) => [finding.id, finding]));
  changed();
}

export function takeTransition(finding) {
  store.raised.delete(finding.id);
  store.cleared = store.cleared.filter(({ id }) => id !== finding.id);
  if (finding.state === "raised") store.raised.set(finding.id, finding);
  else store.cleared = [finding, ...store.cleared].slice(0, CLEARED_KEPT);
  changed();
}

export function takeLink({ circuit, link, circuit_state: together, ...state }) {
  const found = store.status?.circuits[circuit];
  if (found === undefined) return;
  Object.assign(found, together);
  found.links[link] = state;
  changed();
}

export function takeFeed({ feed, ...state }) {
  if (store.status === null) return;
  store.status.feeds[feed] = state;
  changed();
}

export function takePool({ pool, ...state }) {
  if (store.status === null) return;
  store.status.pools[pool] = state;
  changed();
}

export function takeHeadline(headline) {
  if (store.status === null) return;
  store.status.headline = headline;
  changed();
}

/** Returns the raised findings, the worst first, in ermon's order. */
export function raised() {
  sorted ??= [...store.raised.values()].sort(worstFirst);
  return sorted;
}

/** Compares raised findings by ermon's rank; of the same rank, the oldest comes first. */
export function worstFirst(a, b) {
  return a.rank - b.rank || (a.raised_at < b.raised_at ? -1 : Number(a.raised_at > b.raised_at));
}
