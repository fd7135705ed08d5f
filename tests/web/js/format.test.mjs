// The same cases as tests/web/test_figures.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as format from "../../../static/js/format.js";

const cases = JSON.parse(readFileSync(new URL("../format_cases.json", import.meta.url)));

for (const [name, examples] of Object.entries(cases)) {
  test(`${name} writes figures as agreed`, () => {
    for (const [values, expected] of examples) assert.equal(format[name](...values), expected, JSON.stringify(values));
  });
}

test("an instant is written in the zone asked for", () => {
  assert.equal(format.instant(1767623400, "America/New_York"), "2026-01-05 09:30");
  assert.equal(format.time(1767623459, "Asia/Kolkata"), "20:00:59");
});

test("an opening within a week is named by its day", () => {
  const monday = Date.parse("2026-01-05T14:30:00Z") / 1000;
  assert.equal(format.opening(monday, "America/New_York", monday - 86400), "Mon 09:30");
  assert.equal(format.opening(monday, "America/New_York", monday - 8 * 86400), "2026-01-05 09:30");
});
