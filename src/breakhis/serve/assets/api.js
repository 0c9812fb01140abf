// What the page asks the service.

const WAITS = 20;

/** Why a request has no answer: `problem` as the service said it, or null where the service did not answer. */
export class Refused extends Error {
  constructor(problem) {
    super(problem ? `${problem.found}: ${problem.fix}` : "the service does not answer");
    this.problem = problem;
  }
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function problemOf(response) {
  if (response.headers.get("content-type")?.includes("json")) return (await response.json()).error;
  return { found: `status ${response.status}`, fix: "read the log of the service" };
}

async function ask(path, options) {
  for (let waited = 0; ; waited += 1) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(null);
    }
    if (response.ok) return response;
    if (response.status !== 503 || waited === WAITS) throw new Refused(await problemOf(response));
    await pause(Number(response.headers.get("retry-after") ?? 1));
  }
}

function form(file) {
  const body = new FormData();
  body.append("files", file, file.name);
  return body;
}

/** The row of one file, under its own name: browsers send quotation marks in names as %22. */
export async function predict(file, signal) {
  const response = await ask("/v1/predict", { method: "POST", body: form(file), signal });
  return { ...(await response.json()).images[0], path: file.name };
}

/** Heatmaps of one file. */
export async function explain(file, target, method) {
  const query = new URLSearchParams({ target, method });
  const response = await ask(`/v1/explain?${query}`, { method: "POST", body: form(file) });
  return response.json();
}

/** A JPEG of a file that the browser cannot show. */
export async function preview(file) {
  const response = await ask("/v1/preview", { method: "POST", body: form(file) });
  return response.blob();
}

/** Rows pooled by patient or case. */
export async function pool(rows, by) {
  const response = await ask("/v1/pool", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ by, images: rows }),
  });
  return (await response.json()).pooled;
}
