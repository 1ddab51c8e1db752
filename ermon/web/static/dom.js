// Builds and updates elements. Data from the network is always set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
/** Rows up to which a table is laid out at once, and the approximate height of a row in pixels. */
const LONG = 40;
const ROW_HEIGHT = 34;
const FOCUSABLE = "a, button, summary, input, select, [tabindex]";
const SCROLLED = ".scroll, .drawing";

/** Matches screens that are too narrow for tables and drawings: these become lists, so that nothing is cut off. */
export const PHONE = matchMedia("(max-width: 45rem)");

/** Makes an element. Properties are attributes and `on…` listeners; children are nodes, texts, or lists of them. */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Makes an element of a drawing. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    if (Array.isArray(child)) add(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Makes the children of `parent` show `items`, in their order; `build(item, previous)` makes an element.
 *
 * The element of an unchanged item stays. A changed item is built again, and the new element takes over the state of
 * the old one: opened parts, focus and scroll position.
 */
export function show(parent, items, keyOf, build) {
  const shown = parent.shownItems ?? new Map();
  const next = new Map(items.map((item) => [keyOf(item), item]));
  // Remove first, so that later elements need not move.
  for (const [key, { element }] of shown) if (!next.has(key)) element.remove();
  let place = parent.firstElementChild;
  for (const [key, item] of next) {
    const signature = JSON.stringify(item);
    let entry = shown.get(key);
    if (entry === undefined) {
      entry = { signature, element: build(item, undefined) };
    } else if (entry.signature !== signature) {
      const element = build(item, entry.element);
      if (place === entry.element) place = element;
      replace(entry.element, element);
      entry = { signature, element };
    }
    next.set(key, entry);
    if (entry.element === place) place = place.nextElementSibling;
    else parent.insertBefore(entry.element, place);
  }
  parent.shownItems = next;
}

function replace(old, element) {
  const focused = old.contains(document.activeElement) ? within(old, FOCUSABLE).indexOf(document.activeElement) : -1;
  const scrolled = within(old, SCROLLED).map(({ scrollLeft }) => scrollLeft);
  old.replaceWith(element);
  if (scrolled.some((left) => left > 0)) {
    within(element, SCROLLED).forEach((each, n) => { each.scrollLeft = scrolled[n] ?? 0; });
  }
  if (focused >= 0) within(element, FOCUSABLE)[focused]?.focus({ preventScroll: true });
}

function within(element, selector) {
  const found = [...element.querySelectorAll(selector)];
  return element.matches(selector) ? [element, ...found] : found;
}

/** Sets a text only if it differs, so that unchanged text is neither drawn nor read out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes a table; cells are `{text, class, title}`, nodes or texts, and the first of a row is its heading. */
export function table(caption, head, rows) {
  return framed(caption, head, el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell)))));
}

/** Puts a body of rows into a table, in a frame that scrolls if the page is too narrow. */
export function framed(caption, head, body) {
  return el(
    "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table", {},
      el("caption", { class: "visually-hidden" }, caption),
      el("thead", {}, el("tr", {}, head.map((text) => (text ? el("th", { scope: "col" }, text) : el("td"))))),
      body,
    ),
  );
}

/** Lays out a long table only when it becomes visible; until then its height is estimated from its rows. */
export function later(frame, rows) {
  if (rows <= LONG) return frame;
  frame.style.contentVisibility = "auto";
  frame.style.containIntrinsicHeight = `auto ${rows * ROW_HEIGHT}px`;
  return frame;
}

/** Returns the content of a cell, a text or a node, and its properties. */
export function readCell(content) {
  const plain = content instanceof Node || typeof content !== "object" || content === null;
  const { text, ...properties } = plain ? { text: content } : content;
  return { text, properties };
}

function cell(content, column) {
  const { text, properties } = readCell(content);
  return column === 0 ? el("th", { scope: "row", ...properties }, text) : el("td", properties, text);
}
