// Changes from the page: adding and ending maintenance windows, and accepting the present state of a finding.
//
// ermon checks the right for every change again; the page offers only changes that the caller may make. The user
// confirms each change, and the confirmation names what it will suppress.

import { ask } from "./ask.js";
import { el, setText } from "./dom.js";
import { listenToAccept } from "./findings.js";
import { actions, placeText } from "./maintenance.js";
import { changed, now, onChange, store } from "./store.js";
import { refresh } from "./stream.js";
import { clock, some } from "./words.js";

const PLACES = 8;
const section = document.getElementById("changes");
const [note, form, problem] = section.querySelectorAll(":scope > p.quiet, :scope > form, :scope > p.problem");
const dialog = document.getElementById("confirm");

async function begin() {
  let caller;
  try {
    caller = await ask("api/v1/caller");
  } catch (error) {
    setText(note, `◆ Cannot check your permission: ${error.message}`);
    return;
  }
  if (!caller.may_change) {
    setText(note, `You cannot make changes from this page: ${caller.how}. In a terminal: ermon maintenance add.`);
    return;
  }
  setText(note, caller.name ? `Your changes are recorded as ${caller.name}.` : "");
  form.hidden = false;
  form.addEventListener("submit", submitted);
  actions.end = endWindow;
  listenToAccept(caller.acceptable, accept);
  onChange(offerPlaces);
  if (store.status !== null) changed(); // otherwise the snapshot will arrive soon
}

/** Fills the list of places that a window can cover, from the status. */
function offerPlaces() {
  const { circuits, feeds, uplinks, segments } = store.status;
  const routers = new Set();
  const places = [];
  for (const [circuit, { links }] of Object.entries(circuits)) {
    places.push([`circuit ${circuit}`, { circuit }]);
    for (const [link, { router }] of Object.entries(links)) {
      places.push([`link ${link} of circuit ${circuit}`, { circuit, link }]);
      routers.add(router);
    }
  }
  for (const { router } of Object.values(uplinks)) routers.add(router);
  for (const router of routers) places.push([`router ${router}`, { router }]);
  for (const uplink of Object.keys(uplinks)) places.push([`uplink ${uplink}`, { uplink }]);
  for (const segment of Object.keys(segments)) places.push([`segment ${segment}`, { segment }]);
  for (const feed of Object.keys(feeds)) places.push([`feed ${feed}`, { feed }]);
  const select = form.elements.place;
  const signature = JSON.stringify(places);
  if (select.dataset.places === signature) return;
  const chosen = select.value;
  select.dataset.places = signature;
  select.replaceChildren(...places.map(([text, place]) => el("option", { value: JSON.stringify(place) }, text)));
  if (chosen) select.value = chosen;
}

async function submitted(event) {
  event.preventDefault();
  const { place, duration, reason } = form.elements;
  const long = duration.selectedOptions[0].text;
  // From when it is asked for: somebody may look at the confirmation for a while.
  const wanted = () => ({ ...JSON.parse(place.value), to: new Date(1000 * (now() + Number(duration.value))).toISOString(), reason: reason.value });
  await told(problem, async () => {
    const covered = await ask("api/v1/maintenance/preview", { method: "POST", body: wanted() });
    const yes = await confirm(`Begin maintenance for ${long}?`, "Begin maintenance", previewed(covered, long), () => ask("api/v1/maintenance", { method: "POST", body: wanted() }));
    if (yes) form.reset();
  });
}

function previewed({ window: proposed, places, checks, raised }, long) {
  const by = checks.length === 1 ? "this check" : `these ${checks.length} checks`;
  return [
    el("p", {}, `It begins when you confirm and ends ${long} later, at ${clock(proposed.to)} if you confirm now.`),
    el("p", {}, "Why: ", el("strong", {}, proposed.reason)),
    checks.length > 0
      ? el("p", {}, "No new findings will be raised for ", el("strong", {}, some(places, PLACES)), ` by ${by}: ${checks.join(", ")}.`)
      : el("p", {}, "No check is about ", el("strong", {}, some(places, PLACES)), " alone: the maintenance is shown, and suppresses nothing."),
    raised.length > 0 && el("p", {}, `Findings that are already raised stay raised: ${some(raised, 3)}.`),
    el("p", {}, "Everything else is monitored as before. The page shows the maintenance until it ends."),
  ];
}

async function endWindow(quiet) {
  const text = `Violations of ${placeText(quiet)} will then be raised, each after the raise_after of its check.`;
  await told(problem, () => confirm(`End the maintenance of ${placeText(quiet)}?`, "End it now", [el("p", {}, text)], () => ask(`api/v1/maintenance/${encodeURIComponent(quiet.id)}`, { method: "DELETE" })));
}

async function accept({ check, labels, summary }) {
  const { circuit, link, ms_service: service, source } = labels;
  const wanted = Object.fromEntries(Object.entries({ check, circuit, link, service, source }).filter(([, value]) => value));
  const reason = el("input", { type: "text", id: "accept-reason", maxlength: 300, required: true, autocomplete: "off" });
  const body = [
    el("p", {}, el("strong", {}, summary)),
    el("p", {}, "What is received or advertised now becomes the new normal. The finding is cleared in every family, and is not raised until there is another change. Your name and the reason stay in the history."),
    el("p", {}, el("label", { for: "accept-reason" }, "Why"), " ", reason),
  ];
  await told(problem, () => confirm(`Accept ${check} as the new normal?`, "Accept", body, () => ask("api/v1/accept", { method: "POST", body: { ...wanted, reason: reason.value } })));
}

/** Asks for confirmation, then runs `doIt` and closes the dialog; shows the reason if ermon refuses. */
function confirm(title, yes, body, doIt) {
  const [heading, place, refused, buttons] = dialog.firstElementChild.children;
  setText(heading, title);
  place.replaceChildren(...body.filter(Boolean));
  refused.hidden = true;
  const button = buttons.querySelector(".yes");
  setText(button, yes);
  return new Promise((resolve) => {
    let done = false;
    dialog.firstElementChild.onsubmit = async (event) => {
      if (event.submitter !== button) return;
      event.preventDefault();
      button.disabled = true;
      await told(refused, async () => {
        await doIt();
        done = true;
        dialog.close();
        refresh();
      });
      button.disabled = false;
    };
    dialog.onclose = () => resolve(done);
    dialog.showModal();
  });
}

/** Runs `work`, and shows ermon's text if it fails. */
async function told(place, work) {
  place.hidden = true;
  try {
    await work();
  } catch (error) {
    setText(place, `▲ ${error.message}`);
    place.hidden = false;
  }
}

requestAnimationFrame(() => setTimeout(begin));
