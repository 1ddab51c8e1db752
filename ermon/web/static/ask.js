// Asking the API, from whichever page.

const PATIENCE = 8_000;
/** Where ermon is: a proxy may have it below a path of its own, and not every page is at its top. */
const ROOT = new URL("../", import.meta.url);

/** Returns the data of an answer; throws an `Error` with ermon's own words when it is an error. */
export async function ask(path, { method = "GET", body } = {}) {
  const response = await fetch(new URL(path, ROOT), {
    method,
    headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE),
  });
  const answer = await response.json().catch(() => ({ error: `the answer was ${response.status} ${response.statusText}` }));
  if (answer.status !== "success") throw new Error(answer.error);
  return answer.data;
}
