import assert from "node:assert/strict";
import { test } from "node:test";
import { BarSeries, MOST_BARS, parseBar } from "../../../static/js/bars.js";

const bar = (time, close, state = "closed") => ({ time, open: 1, high: 9, low: 0, close, volume: 1, state, partial: false });
const times = (series) => series.all.map((one) => one.time);

test("older pages go in front and nothing is doubled", () => {
  const series = new BarSeries();
  assert.equal(series.merge([bar(120, 1), bar(180, 2)]), 2);
  assert.equal(series.merge([bar(0, 1), bar(60, 1), bar(120, 1)]), 2);
  assert.deepEqual(times(series), [0, 60, 120, 180]);
});

test("the forming bar moves, then closes", () => {
  const series = new BarSeries();
  series.merge([bar(0, 1)]);
  assert.equal(series.put(bar(60, 2, "forming")), "appended");
  assert.equal(series.put(bar(60, 3, "forming")), "last");
  assert.equal(series.put(bar(60, 4)), "last");
  assert.equal(series.put(bar(60, 5, "forming")), "ignored", "a closed bar does not form again");
  assert.equal(series.last.close, 4);
  assert.equal(series.lastClosed.time, 60);
});

test("a forming bar older than what we have is ignored", () => {
  const series = new BarSeries();
  series.merge([bar(0, 1), bar(120, 1)]);
  assert.equal(series.put(bar(60, 2, "forming")), "ignored");
});

test("an amended bar replaces the closed one where it stands", () => {
  const series = new BarSeries();
  series.merge([bar(0, 1), bar(60, 1), bar(120, 1)]);
  assert.equal(series.put(bar(60, 7)), "earlier");
  assert.equal(series.at(60).close, 7);
});

test("a closed bar that was missed is put in its place", () => {
  const series = new BarSeries();
  series.merge([bar(0, 1), bar(120, 1)]);
  assert.equal(series.put(bar(60, 7)), "inserted");
  assert.deepEqual(times(series), [0, 60, 120]);
});

test("an answer of history does not undo what the socket said after it was asked", () => {
  const series = new BarSeries();
  series.merge([bar(0, 1), bar(60, 1)]);
  const mark = series.mark();
  series.put(bar(60, 8));
  assert.equal(series.merge([bar(60, 1)], mark), 0);
  assert.equal(series.at(60).close, 8);
  assert.equal(series.merge([bar(60, 9)], series.mark()), 1, "an answer asked for later does");
});

test("history replaces a bar we thought was forming", () => {
  const series = new BarSeries();
  series.put(bar(60, 2, "forming"));
  series.merge([bar(0, 1), bar(60, 3)]);
  assert.equal(series.last.state, "closed");
});

test("merging what is there already changes nothing", () => {
  const series = new BarSeries();
  series.merge([bar(0, 1), bar(60, 1)]);
  assert.equal(series.merge([bar(0, 1), bar(60, 1)]), 0);
});

test("no more than the newest 20,000 bars are held", () => {
  const series = new BarSeries();
  series.merge(Array.from({ length: MOST_BARS + 5 }, (_, i) => bar(i * 60, 1)));
  assert.equal(series.length, MOST_BARS);
  assert.equal(series.first.time, 300);
  assert.ok(series.isFull);
});

test("times of the API become epoch seconds", () => {
  const parsed = parseBar({ open_time: "2026-01-05T14:30:00Z", close_time: "2026-01-05T14:31:00Z", open: 1, high: 2, low: 1, close: 2, volume: 3 }, "closed");
  assert.equal(parsed.time, 1767623400);
  assert.equal(parsed.close_time, 1767623460);
  assert.equal(parsed.partial, false);
});
