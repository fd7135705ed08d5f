// The HTTP API: an answer's JSON, or an error that says what the server said.
const TIMEOUT_MS = 20000;

export class ApiError extends Error {
  constructor(message, { status = 0, requestId = "" } = {}) {
    super(message);
    this.status = status;
    this.requestId = requestId;
  }
}

async function problem(response) {
  const requestId = response.headers.get("X-Request-ID") ?? "";
  let detail = `The server answered ${response.status}.`;
  if (response.headers.get("Content-Type")?.includes("json")) {
    const body = await response.json().catch(() => ({}));
    detail = body.detail || body.title || detail;
  }
  return new ApiError(detail, { status: response.status, requestId });
}

/** A response that is fine; `options` are fetch's. Throws ApiError, or AbortError when `signal` says so. */
export async function ask(address, { signal, ...options } = {}) {
  const limit = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])]);
  let response;
  try {
    response = await fetch(address, { ...options, signal: limit });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(error.name === "TimeoutError" ? "The server did not answer in 20 s." : "The server cannot be reached.");
  }
  if (!response.ok) throw await problem(response);
  return response;
}

/** What it holds, as JSON. Throws as `ask` does. */
export async function askJson(address, options = {}) {
  const response = await ask(address, { ...options, headers: { Accept: "application/json", ...options.headers } });
  return response.json();
}
