// The positions of everything in the drawing of a group. All lengths are pixels.

const WIDE = { column: 204, offset: 62, margin: 10, bar: 28, circuit: 44, link: 124, router: 36, uplink: 118, view: 64, chips: 3 };
/** The distance from one line of text to the next. */
export const LINE = 16;
/** The sizes of a drawing among many. */
const DENSE = { column: 160, offset: 48, margin: 6, bar: 20, circuit: 34, link: 72, router: 26, uplink: 62, view: 56, chips: 1 };

export function sizeOf(dense) {
  return dense ? DENSE : WIDE;
}

/**
 * Returns `x` of each link, router, uplink and view, the tops of the rows, and the sizes.
 *
 * `size` is from `sizeOf`; `lines` is the greatest number of text lines of a link. Routers are placed below their links,
 * and uplinks below their routers, as far as there is room. A line runs in the left part of its column, `offset` from
 * the middle, with its text to the right.
 */
export function layOut(group, size, lines) {
  const columns = Math.max(group.links.length, group.routers.length, group.uplinks.length, group.views.length, 2);
  const width = 2 * size.margin + columns * size.column;
  const spread = (names) => new Map(names.map((name, n) => [name, size.margin + ((n + 0.5) * columns * size.column) / names.length]));
  const ordered = group.circuits.flatMap(({ name }) => group.links.filter(({ circuit }) => circuit === name));
  const links = spread(ordered.map(keyOf));
  const below = (name, all, at) => mean(all.filter(({ router }) => router === name).map(at));
  const routers = spread(
    group.routers
      .map(({ name }) => [name, below(name, ordered, (link) => links.get(keyOf(link)))])
      .sort(([, a], [, b]) => a - b)
      .map(([name]) => name),
  );
  const uplinks = placeUplinks(group.uplinks, routers, spread);
  const tops = {};
  let y = 0;
  const row = (name, height, present) => {
    tops[name] = y;
    if (present) y += height;
  };
  row("microsoft", size.bar + 14, group.links.length > 0);
  row("circuit", size.circuit, group.circuits.length > 0);
  row("link", Math.max(size.link, LINE * lines + 28), group.links.length > 0);
  row("router", size.router, group.routers.length > 0);
  row("uplink", size.uplink, group.uplinks.length > 0);
  row("internet", size.bar, group.uplinks.length > 0 || group.views.length > 0);
  row("view", size.view, group.views.length > 0);
  return { size, width, height: y + 1, tops, links, routers, uplinks, views: spread(group.views.map(({ name }) => name)) };
}

/** Places one uplink below each router, or several side by side. */
function placeUplinks(uplinks, routers, spread) {
  const single = new Set(uplinks.map(({ router }) => router)).size === uplinks.length;
  if (single) return new Map(uplinks.map(({ name, router }) => [name, routers.get(router)]));
  return spread([...uplinks].sort((a, b) => routers.get(a.router) - routers.get(b.router)).map(({ name }) => name));
}

/** Returns the key of a link in its group. */
export function keyOf({ circuit, name }) {
  return `${circuit} ${name}`;
}

function mean(numbers) {
  return numbers.reduce((sum, each) => sum + each, 0) / Math.max(numbers.length, 1);
}
