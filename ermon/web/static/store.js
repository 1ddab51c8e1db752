// What ermon has told: a snapshot, and what has changed since.

/** Cleared findings that are kept: more than are shown, and a page that stays open for weeks must not grow. */
const CLEARED_KEPT = 50;
/** Clocks that differ by less are called the same; the answer was on its way for some of it. */
const SAME_CLOCK = 1_500;

export const store = {
  status: null,
  /** By id. */
  raised: new Map(),
  /** The latest first. */
  cleared: [],
  /** Whether ermon is there, and has been heard from lately. */
  live: false,
  /** When, in milliseconds of the browser's clock, all of this was known to be so. */
  heardAt: null,
  /** Counts the events: an answer that was asked for before one came may be older than it. */
  version: 0,
};

const listeners = new Set();
let due = false;
let ahead = 0;
let sorted = null;

/** Calls `render` when something has changed, once for each frame at most. */
export function onChange(render) {
  listeners.add(render);
}

export function changed() {
  sorted = null;
  if (due) return;
  due = true;
  // A tab in the background draws no frames, and its title must tell all the same; the first picture is due at once.
  const soon = document.hidden || store.version <= 1 ? queueMicrotask : requestAnimationFrame;
  soon(() => {
    due = false;
    for (const render of listeners) render();
  });
}

/** Seconds since the epoch by ermon's clock, which stands still while ermon is not heard. */
export function now() {
  return ((store.live || store.heardAt === null ? Date.now() : store.heardAt) + ahead) / 1000;
}

export function takeSnapshot({ status, findings }) {
  // Another release has another page.
  if (store.status !== null && store.status.version !== status.version) location.reload();
  store.cleared = findings.filter(({ state }) => state === "cleared").slice(0, CLEARED_KEPT);
  takeRaised(findings.filter(({ state }) => state === "raised"));
  takeStatus(status);
}

/** Counts and ages move without an event of their own. */
export function takeStatus(status) {
  const difference = Date.parse(status.time) - Date.now();
  ahead = Math.abs(difference) > SAME_CLOCK ? difference : 0;
  store.status = status;
  changed();
}

/** All that are raised, with their marks and evidence as they are now. */
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

/** The raised findings, the worst first: in the order that ermon gives. */
export function raised() {
  sorted ??= [...store.raised.values()].sort(worstFirst);
  return sorted;
}

/** Compares raised findings by what ermon says of their places; in one place the oldest comes first. */
export function worstFirst(a, b) {
  return a.rank - b.rank || (a.raised_at < b.raised_at ? -1 : Number(a.raised_at > b.raised_at));
}
