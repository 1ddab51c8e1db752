// States as shapes and words, and times in words.

export const MARKS = { up: "●", down: "▲", unknown: "◆", draining: "▼", clean: "○", yes: "●", no: "○" };
/** A shape for each kind of headline; a kind that this page does not know counts as bad. */
export const KINDS = { well: MARKS.up, wrong: MARKS.down, unseen: MARKS.unknown, noticed: MARKS.down, recovering: MARKS.no, maintenance: MARKS.draining, draining: MARKS.draining };
export const SEVERITIES = ["critical", "warning", "info"];
export const FAMILIES = { ipv4: "IPv4", ipv6: "IPv6" };

/** Returns the state of a finding as a mark and a word: raised, recovering, or cleared. */
export function stands({ state, severity, ok_since: gone }) {
  if (state !== "raised") return { mark: MARKS.up, word: `cleared (${severity})`, recovering: false };
  if (gone) return { mark: KINDS.recovering, word: `recovering (${severity})`, recovering: true };
  return { mark: severity === "info" ? MARKS.no : MARKS.down, word: severity, recovering: false };
}

/** The states of a pool in a place: whether it is there, the colour, and what is wrong, if anything. */
export const PLACES = {
  advertised: { answer: "yes", tone: "up" },
  missing: { answer: "no", tone: "down", wrong: "missing" },
  absent: { answer: "no", tone: "quiet" },
  unexpected: { answer: "yes", tone: "down", wrong: "unexpected" },
  failover: { answer: "yes", tone: "up" },
  unknown: { answer: "unknown", tone: "unknown" },
};

// Intl is not used, because it takes longer to load than the whole page.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Returns a mark, for users who cannot see the colour, and the word. */
export function marked(state, word = state) {
  return `${MARKS[state] ?? "◆"} ${word}`;
}

/** `75` → `1 min 15 s`: the two largest units. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => whole >= size);
  if (first === -1) return "0 s";
  const [unit, size] = units[first];
  const told = `${Math.floor(whole / size)} ${unit}`;
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((whole % size) / next[1]);
  return rest > 0 ? `${told} ${rest} ${next[0]}` : told;
}

/** Returns an RFC 3339 time as seconds since the epoch; `null` without a time. */
export function seconds(text) {
  return text === null || text === undefined ? null : Date.parse(text) / 1000;
}

/** Returns a time, RFC 3339 or milliseconds, in the browser's zone and in UTC: `07:22:21 UTC+1 (06:22:21 UTC)`. */
export function clock(time) {
  const { here, utc } = clocks(time);
  return utc === null ? here : `${here} (${utc})`;
}

/** Returns both separately; `utc` is `null` if the browser's zone is UTC. 24 hours, with the date unless it is today. */
export function clocks(time) {
  const at = new Date(time);
  const east = -at.getTimezoneOffset();
  return { here: timeOfDay(at, east), utc: east === 0 ? null : timeOfDay(at, 0) };
}

/** Returns the time of day in the zone `east` minutes east of Greenwich. */
function timeOfDay(at, east) {
  const [there, now] = [at, new Date()].map((time) => new Date(time.getTime() + east * 60_000));
  const [day, today] = [there, now].map((time) => time.toISOString().slice(0, 10));
  const date = day === today ? "" : `${there.getUTCDate()} ${MONTHS[there.getUTCMonth()]} ${day.slice(0, 4) === today.slice(0, 4) ? "" : `${day.slice(0, 4)} `}`;
  return `${date}${there.toISOString().slice(11, 19)} ${east === 0 ? "UTC" : zone(at)}`;
}

/** Returns the browser's zone at a time: `UTC`, `UTC+1`, `UTC−3:30`. */
export function zone(time = Date.now()) {
  const east = -new Date(time).getTimezoneOffset();
  const minutes = Math.abs(east) % 60;
  return east === 0 ? "UTC" : `UTC${east > 0 ? "+" : "−"}${Math.floor(Math.abs(east) / 60)}${minutes === 0 ? "" : `:${two(minutes)}`}`;
}

/** The hour and the minute. */
export function minute(time) {
  const at = new Date(time);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** Returns the day in the browser's zone: `2026-11-29`. */
export function dayOf(time) {
  const at = new Date(time);
  return `${String(at.getFullYear()).padStart(4, "0")}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function two(number) {
  return String(number).padStart(2, "0");
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** Returns the values of the labels that distinguish two findings of one check, each once: a feed may have its uplink's name. */
export function subject(labels) {
  return [...new Set(Object.values(labels).filter((value) => value !== "").map((value) => FAMILIES[value] ?? value))];
}

/** Returns the first names, and how many more there are. */
export function some(names, most = 5) {
  const rest = names.length - most;
  return names.slice(0, most).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** `{ipv4: "up", ipv6: "down"}` → `IPv4 up, IPv6 down`; a word for all families is written once, a number for each. */
export function byFamily(values, tell = String) {
  const told = Object.entries(values).map(([family, value]) => [FAMILIES[family] ?? family, tell(value)]);
  if (told.length > 1 && Number.isNaN(Number(told[0][1])) && told.every(([, text]) => text === told[0][1])) {
    return `${told.map(([family]) => family).join(", ")} ${told[0][1]}`;
  }
  return told.map(([family, text]) => `${family} ${text}`).join(", ");
}

/** Decodes a part of an address; invalid escapes, such as `%`, are left as they are. */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
