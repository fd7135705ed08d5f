// Closed bars from the API. One page at a time; errors say what the server said.
import { askJson } from "#api";
import { parseBar } from "#bars";

export const PAGE = 1000;

export const isoTime = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

/** The address of a page of bars; `start` and `end` in epoch seconds, end not included. */
export function barsAddress(base, { symbol, interval, start, end, limit = PAGE }) {
  const query = new URLSearchParams({ symbols: symbol, interval, limit, order: "asc" });
  if (start !== undefined) query.set("start", isoTime(start));
  if (end !== undefined) query.set("end", isoTime(end));
  // Colons need no escape in a query, and people read these addresses.
  return `${base}?${query}`.replaceAll("%3A", ":");
}

/** Bars in ascending order. Throws as fetchPage does. */
export async function fetchBars(base, query, signal) {
  return (await fetchPage(base, query, signal)).bars;
}

const seconds = (text) => Date.parse(text) / 1000;

/** Bars in ascending order, and the ranges missing among them. Throws as `ask` does. */
export async function fetchPage(base, query, signal) {
  const { bars, meta } = await askJson(barsAddress(base, query), { signal });
  const missing = meta.missing.map(({ start, end, bars: count }) => ({ start: seconds(start), end: seconds(end), bars: count }));
  return { bars: bars.map((bar) => parseBar(bar, "closed")), missing };
}
