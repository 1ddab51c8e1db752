// Requests to the API, from every page.

const PATIENCE = 8_000;
/** The URL of ermon's root: a proxy may serve ermon under a path prefix, and some pages are in subfolders. */
const ROOT = new URL("../", import.meta.url);

/** Returns the data of an answer; throws an `Error` with ermon's text if the answer is an error. */
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
