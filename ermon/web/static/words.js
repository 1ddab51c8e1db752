// States as shapes and words, times as people say them.

export const MARKS = { up: "●", down: "▲", unknown: "◆", draining: "▼", yes: "●", no: "○" };
/** A shape for each kind of headline; what is not known here is no good news. */
export const KINDS = { well: MARKS.up, wrong: MARKS.down, unseen: MARKS.unknown, noticed: MARKS.down, recovering: MARKS.no, maintenance: MARKS.draining, draining: MARKS.draining };
export const SEVERITIES = ["critical", "warning", "info"];
export const FAMILIES = { ipv4: "IPv4", ipv6: "IPv6" };

/** How a pool stands in a place: whether it is there, the colour, and what is wrong with that if anything is. */
export const PLACES = {
  advertised: { answer: "yes", tone: "up" },
  missing: { answer: "no", tone: "down", wrong: "expected" },
  absent: { answer: "no", tone: "quiet" },
  unexpected: { answer: "yes", tone: "down", wrong: "not expected" },
  failover: { answer: "yes", tone: "up" },
  unknown: { answer: "unknown", tone: "unknown" },
};

// Not by Intl: that takes longer to load than all of the page.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A mark, for whoever does not see the colour, and the word. */
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

/** Seconds since the epoch of an RFC 3339 time; `null` of none. */
export function seconds(text) {
  return text === null || text === undefined ? null : Date.parse(text) / 1000;
}

/** The time of day here, 24 hours, with the date unless it is today; of RFC 3339 or of milliseconds. */
export function clock(time) {
  const at = new Date(time);
  const today = new Date().toDateString() === at.toDateString();
  const timeOfDay = `${minute(at)}:${two(at.getSeconds())}`;
  return today ? timeOfDay : `${at.getDate()} ${MONTHS[at.getMonth()]} ${timeOfDay}`;
}

/** The hour and the minute. */
export function minute(time) {
  const at = new Date(time);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

function two(number) {
  return String(number).padStart(2, "0");
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** `name[, name …]`, the first few, and how many more there are. */
export function some(names, most = 5) {
  const rest = names.length - most;
  return names.slice(0, most).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** `{ipv4: "up", ipv6: "down"}` → `IPv4 up, IPv6 down`; a word that holds for all is said once, a number never. */
export function byFamily(values, tell = String) {
  const told = Object.entries(values).map(([family, value]) => [FAMILIES[family] ?? family, tell(value)]);
  if (told.length > 1 && Number.isNaN(Number(told[0][1])) && told.every(([, text]) => text === told[0][1])) {
    return `${told.map(([family]) => family).join(", ")} ${told[0][1]}`;
  }
  return told.map(([family, text]) => `${family} ${text}`).join(", ");
}
