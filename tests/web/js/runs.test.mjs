// The same cases as tests/web/test_runs.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { barOf, factsOf } from "../../../static/js/runs.js";

const cases = JSON.parse(readFileSync(new URL("../run_cases.json", import.meta.url)));

test("a run is put into words as on the server", () => {
  for (const { run, facts } of cases) assert.deepEqual(factsOf(run), facts);
});

test("the parts of a bar lie side by side and never reach beyond it", () => {
  for (const { run } of cases) {
    const bar = barOf(run);
    assert.equal(bar.failed_from, bar.done_share + bar.same_share);
    assert.ok(bar.failed_from + bar.failed_share <= 100);
  }
});
