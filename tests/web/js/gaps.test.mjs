import assert from "node:assert/strict";
import { test } from "node:test";
import { bands, Gaps } from "../../../static/js/gaps.js";

const gap = (start, bars = 1) => ({ start, end: start + bars * 60, bars });
const minutes = (...times) => times.map((minute) => ({ time: minute * 60, state: "closed" }));

test("what an answer says of its range replaces what was known of it, and nothing else", () => {
  const gaps = new Gaps();
  gaps.take([gap(600), gap(1200)], 0, 1800);
  gaps.take([gap(120)], 0, 900);
  assert.deepEqual(gaps.all, [gap(120), gap(1200)]);
  gaps.take([], 0, Infinity);
  assert.deepEqual(gaps.all, []);
});

test("a band lies between the bars around a gap", () => {
  assert.deepEqual(bands([gap(120, 2)], minutes(0, 1, 4, 5)), [[1.5, 1.5]]);
  assert.deepEqual(bands([gap(360)], minutes(4, 5)), [[1.5, 1.5]], "after the last bar");
  assert.deepEqual(bands([gap(0)], minutes(4, 5)), [], "before the first bar there is nothing to be between");
});

test("a closed bar of which ticks are missing has a band of its own", () => {
  const bars = minutes(0, 1, 2);
  bars[1].partial = true;
  assert.deepEqual(bands([], bars), [[0.5, 1.5]]);
});

test("a symbol that trades seldom shows only silences that are unusual for it", () => {
  const gaps = new Gaps();
  gaps.take([...Array.from({ length: 30 }, (_, i) => gap(i * 600, 2)), gap(60_000, 90)], 0, 100_000);
  assert.deepEqual(gaps.notable(100), [gap(60_000, 90)]);
  assert.equal(gaps.notable(1000).length, 31, "few among many bars are all worth marking");
});
