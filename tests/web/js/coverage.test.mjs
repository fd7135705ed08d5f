import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, describeRun, summarize } from "../../../static/js/coverage.js";

const hole = (reason, bars = 1) => ({ reason, bars });
const answer = (series, holes = [], holes_omitted = 0) => ({ results: [{ bars: 100, missing: 0, share: 1, ...series }], holes, holes_omitted });
const said = (...given) => describe(summarize(answer(...given)));

test("a whole series is whole, also where its provider had nothing", () => {
  assert.equal(summarize(answer({})).name, "whole");
  assert.equal(summarize(answer({}, [hole("none at provider")])).name, "whole");
});

test("a gap is named with its share and its bars, and can be filled", () => {
  const { text, note, action } = said({ share: 0.9969, missing: 3 }, [hole("not asked", 3), hole("none at provider")]);
  assert.equal(text, "99.6\u00a0% · 1 gap");
  assert.equal(note, "3 bars are missing");
  assert.equal(action, "Fill");
});

test("what no provider can fill any more is said and not offered", () => {
  const lost = said({ share: 0.5, missing: 1 }, [hole("beyond provider's window")]);
  assert.equal(lost.action, "");
  assert.equal(lost.note, "1 bar is missing; its provider has nothing as old any more");
  const both = said({ share: 0.5, missing: 9 }, [hole("beyond provider's window"), hole("feed down")]);
  assert.equal(both.action, "Fill");
  assert.equal(both.note, "9 bars are missing; 1 of the gaps can no longer be filled");
});

test("gaps that were left out of the answer may be such as can be filled", () => {
  const { text, action } = said({ share: 0.1, missing: 5000 }, Array(200).fill(hole("beyond provider's window")), 40);
  assert.equal(text, "10.0\u00a0% · more than 200 gaps");
  assert.equal(action, "Fill");
});

test("nothing stored and nothing expected are not the same", () => {
  assert.equal(said({ bars: 0, share: null }).action, "Get history");
  assert.equal(summarize(answer({ bars: 1, share: null })).name, "nothing");
});

test("a run says what it waits for, how far it is and why it failed", () => {
  const item = { state: "pending", planned_bars: 0, reason: "", next_try_at: null };
  const run = (state, fields, counts = {}) => describeRun({ state, inserted: 0, replaced: 0, unchanged: 0, ...counts, items: [{ ...item, ...fields }] });
  assert.equal(run("running", {}).text, "Waiting for a worker");
  assert.deepEqual(run("running", { state: "syncing", planned_bars: 1500 }, { inserted: 1000 }), { text: "Filling", note: "1,000 of 1,500 bars", done: 1000, total: 1500 });
  assert.equal(run("running", { state: "syncing" }).total, 0);
  const failed = run("running", { state: "error", reason: "rate limit", next_try_at: "2026-01-05T14:30:00Z" });
  assert.equal(failed.note, "rate limit. Next try 2026-01-05 14:30 UTC");
  assert.equal(run("paused", {}).text, "Paused");
});
