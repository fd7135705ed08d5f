import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../../static/js/backoff.js";
import { ema, nextEma } from "../../../static/js/ema.js";
import { describe } from "../../../static/js/feed.js";
import { barsAddress } from "../../../static/js/history.js";
import { dateParts, offsetAt, offsetName, resolveZone } from "../../../static/js/zones.js";

test("delays double from 0.5 to 30 s with jitter and begin afresh after a success", () => {
  const least = new Backoff({ random: () => 0 });
  const most = new Backoff({ random: () => 1 });
  const delays = Array.from({ length: 9 }, () => [least.next(), most.next()]);
  assert.deepEqual(delays.map(([low]) => low), [500, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
  assert.deepEqual(delays.map(([, high]) => high), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  most.reset();
  assert.equal(most.next(), 500);
});

test("an average begins with the mean of its first closes and follows from there", () => {
  const bars = [1, 2, 3, 4].map((close, i) => ({ time: i * 60, close }));
  const points = ema(bars, 3);
  assert.deepEqual(points, [{ time: 120, value: 2 }, { time: 180, value: 3 }]);
  assert.deepEqual(nextEma(points, { time: 240, close: 5 }, 3), { time: 240, value: 4 });
  assert.deepEqual(nextEma(points, { time: 180, close: 6 }, 3), { time: 180, value: 4 }, "the last bar moved");
  assert.equal(nextEma([], { time: 0, close: 1 }, 3), null);
});

test("offsets follow both clock changes of New York, to the second", () => {
  const at = (text) => offsetAt(Date.parse(text) / 1000, "America/New_York");
  assert.equal(at("2026-03-08T06:59:59Z"), -18000);
  assert.equal(at("2026-03-08T07:00:00Z"), -14400);
  assert.equal(at("2026-11-01T05:59:59Z"), -14400);
  assert.equal(at("2026-11-01T06:00:00Z"), -18000);
  assert.equal(offsetAt(0, "UTC"), 0);
});

test("zones are named by their offset", () => {
  const winter = Date.parse("2026-01-05T14:30:00Z") / 1000;
  assert.equal(offsetName(winter, "America/New_York"), "UTC−05:00");
  assert.equal(offsetName(winter, "Asia/Kolkata"), "UTC+05:30");
  assert.equal(offsetName(winter, "UTC"), "UTC");
  assert.deepEqual(dateParts(winter, "Asia/Tokyo"), { date: "2026-01-05", time: "23:30:00", weekday: "Mon" });
});

test("a zone that nobody knows is UTC", () => {
  assert.equal(resolveZone("Mars/Olympus", "UTC"), "UTC");
  assert.equal(resolveZone("exchange", "nonsense"), "UTC");
  assert.equal(resolveZone("exchange", "Europe/London"), "Europe/London");
});

test("the address of bars is what a person would write", () => {
  assert.equal(
    barsAddress("/api/v1/bars", { symbol: "DEMO:BTCUSD", interval: "1m", start: 1767623400, end: 1767623460 }),
    "/api/v1/bars?symbols=DEMO:BTCUSD&interval=1m&limit=1000&order=asc&start=2026-01-05T14:30:00Z&end=2026-01-05T14:31:00Z",
  );
});

const open = { name: "open", since: 0 };
const now = Date.parse("2026-01-04T12:00:00Z");
const said = (connection, status) => describe(connection, status, now, "America/New_York");

test("the pill says what the feed is", () => {
  assert.deepEqual(said(open, { state: "live" }), { word: "Live", tone: "ok", stale: false });
  assert.equal(said(open, { state: "delayed", delay_seconds: 900 }).word, "Delayed 15 min");
  assert.equal(said(open, { state: "delayed", delay_seconds: 90_000 }).word, "Delayed 1 d 1 h");
  assert.equal(said(open, { state: "quiet" }).word, "Quiet");
  const closed = said(open, { state: "closed", opens_at: "2026-01-05T14:30:00Z" });
  assert.equal(`${closed.word} ${closed.count}`, "Closed (opens Mon 09:30)");
  assert.equal(closed.stale, false);
});

test("prices that may be old are stale, with the reason and what comes next", () => {
  const stale = said(open, { state: "stale", since: "2026-01-04T11:59:48Z", reason: "the provider does not answer" });
  assert.ok(stale.stale);
  assert.equal(stale.text, "No live prices for 12 s. The provider does not answer.");
  const away = said(open, { state: "reconnecting", reason: "refused", retry_at: "2026-01-04T12:00:04Z" });
  assert.match(away.text, /Refused\. Next try in 4 s\./);
});

test("a lost socket is offline after a moment, whatever the feed said last", () => {
  assert.equal(said({ name: "down", since: now - 1000, retryAt: now + 500 }, { state: "live" }).word, "Reconnecting");
  const offline = said({ name: "down", since: now - 12000, retryAt: now + 4000 }, { state: "live" });
  assert.deepEqual([offline.word, offline.count, offline.stale], ["Offline", "12 s", true]);
  assert.equal(offline.text, "No live prices for 12 s. Next try in 4 s.");
  assert.equal(said({ name: "silent", since: now - 12000 }, { state: "live" }).word, "Stale");
  assert.equal(said({ name: "signed-out", since: now }, null).action, "Sign in");
});

test("silence is explained by what was said before it", () => {
  const silent = { name: "silent", since: now - 12000 };
  assert.match(said(silent, { state: "live" }).text, /the server has fallen silent/);
  const answering = said({ ...silent, answers: true }, { state: "live" });
  assert.deepEqual([answering.text, answering.action], ["No live prices for 12 s: the server answers, but its stream is silent.", undefined]);
  assert.equal(said(silent, { state: "offline", as_of: "2026-01-04T11:59:30Z", reason: "the streamer is away" }).text, "No live prices. The streamer is away. Stored bars are safe.");
});
