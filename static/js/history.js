// Closed bars from the API. One page at a time; errors say what the server said.
import { parseBar } from "#bars";

export const PAGE = 1000;
const TIMEOUT_MS = 20000;

export class HistoryError extends Error {
  constructor(message, { status = 0, requestId = "" } = {}) {
    super(message);
    this.status = status;
    this.requestId = requestId;
  }
}

export const isoTime = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

/** The address of a page of bars; `start` and `end` in epoch seconds, end not included. */
export function barsAddress(base, { symbol, interval, start, end, limit = PAGE }) {
  const query = new URLSearchParams({ symbols: symbol, interval, limit, order: "asc" });
  if (start !== undefined) query.set("start", isoTime(start));
  if (end !== undefined) query.set("end", isoTime(end));
  // Colons need no escape in a query, and people read these addresses.
  return `${base}?${query}`.replaceAll("%3A", ":");
}

async function problem(response) {
  const requestId = response.headers.get("X-Request-ID") ?? "";
  let detail = `The server answered ${response.status}.`;
  if (response.headers.get("Content-Type")?.includes("json")) {
    const body = await response.json().catch(() => ({}));
    detail = body.detail || body.title || detail;
  }
  return new HistoryError(detail, { status: response.status, requestId });
}

/** Bars in ascending order. Throws as fetchPage does. */
export async function fetchBars(base, query, signal) {
  return (await fetchPage(base, query, signal)).bars;
}

const seconds = (text) => Date.parse(text) / 1000;

/** Bars in ascending order, and the ranges missing among them. Throws HistoryError, or AbortError when `signal` says so. */
export async function fetchPage(base, query, signal) {
  const limit = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])]);
  let response;
  try {
    response = await fetch(barsAddress(base, query), { signal: limit, headers: { Accept: "application/json" } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new HistoryError(error.name === "TimeoutError" ? "The server did not answer in 20 s." : "The server cannot be reached.");
  }
  if (!response.ok) throw await problem(response);
  const body = await response.json();
  const missing = body.meta.missing.map(({ start, end, bars }) => ({ start: seconds(start), end: seconds(end), bars }));
  return { bars: body.bars.map((bar) => parseBar(bar, "closed")), missing };
}
