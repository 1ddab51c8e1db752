// What to do about a finding, step by step, with its commands filled in and a button that copies each.

import { el } from "./dom.js";

const COPIED_FOR = 2_000;

/** Makes the list of steps. Words in capitals that could not be filled in are explained beside the command. */
export function plan({ steps, platforms, placeholders }) {
  const typed = steps.flat().map(({ text }) => text.split("`").filter((_, number) => number % 2 === 1).join("\n")).join("\n");
  return [
    el("ol", { class: "plan" }, steps.map((step) => el("li", {}, step.map((part) => piece(part, platforms, placeholders))))),
    words(typed, placeholders),
  ];
}

/** Turns text in backticks into code elements. */
export function coded(text) {
  return text.split("`").map((part, number) => (number % 2 === 1 ? el("code", {}, part) : part));
}

function piece({ text, commands }, platforms, placeholders) {
  return [el("p", {}, coded(text)), commands.map((each) => asked(each, platforms, placeholders))];
}

/** Shows one question for one router: the command for its platform; those of other platforms can be unfolded. */
function asked({ where, platform, commands, hint }, platforms, placeholders) {
  const own = platform === null ? undefined : commands[platform];
  const others = Object.keys(commands).filter((name) => name !== platform);
  return el(
    "div", { class: "asked" },
    where && el("p", { class: "facts" }, where, platform && `, ${platforms[platform]}`),
    own !== undefined && [pasted(own, where), words(whole(own), placeholders)],
    platform !== null && own === undefined && el("p", { class: "facts" }, `ermon knows no command for ${platforms[platform]} here.`),
    others.length > 0 && el(
      "details", {},
      el("summary", {}, platform === null ? "The command for each platform" : "Other platforms"),
      hint && el("p", { class: "facts" }, coded(hint)),
      words(others.map((name) => whole(commands[name])).join("\n"), placeholders),
      others.map((name) => [el("p", { class: "facts" }, platforms[name]), pasted(commands[name], `${platforms[name]}${where && `, ${where}`}`)]),
    ),
  );
}

/** Returns the whole text of a command. */
function whole(blocks) {
  return blocks.map(({ lines }) => lines.join("\n")).join("\n");
}

/** Shows each block by itself, because lines for a file must not be pasted into a shell. */
function pasted(blocks, what) {
  return blocks.map(({ heading, lines }) => [
    heading && el("p", { class: "facts" }, `${heading}:`),
    command(lines.join("\n"), [what, heading].filter((part) => part).join(", ")),
  ]);
}

function command(text, what) {
  const code = el("code", {}, text);
  const told = el("span", { class: "visually-hidden", role: "status" });
  const button = el("button", { type: "button", class: "copy" }, "Copy", el("span", { class: "visually-hidden" }, ` the command${what && ` for ${what}`}`));
  button.addEventListener("click", async () => {
    const done = await copy(text, code);
    button.firstChild.data = done ? "Copied" : "Selected";
    told.textContent = done ? "Copied" : "Selected: copy it by hand";
    setTimeout(() => { button.firstChild.data = "Copy"; told.textContent = ""; }, COPIED_FOR);
  });
  return el("div", { class: "command" }, el("pre", {}, code), button, told);
}

/** Copies a shown text; if the browser does not allow it, selects the text so that the user can copy it. */
async function copy(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers offer the clipboard only over HTTPS and for this machine.
    getSelection().selectAllChildren(shown);
    return document.execCommand("copy");
  }
}

/** Explains the words in capitals that are left in a text. */
function words(text, placeholders) {
  const entries = Object.entries(placeholders).filter(([word]) => new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(text));
  if (entries.length === 0) return null;
  const told = entries.map(([word, meaning], n) => [n > 0 && "; ", el("code", {}, word), `: ${meaning}`]);
  return el("p", { class: "facts" }, "To be replaced: ", told, ".");
}
