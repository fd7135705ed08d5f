import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Backoff } from "../../../static/js/backoff.js";
import { Poll } from "../../../static/js/poll.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));
let listeners;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  listeners = new Set();
  globalThis.document = { hidden: false, addEventListener: (_, one) => listeners.add(one), removeEventListener: (_, one) => listeners.delete(one) };
});

/** Polls; `answers` are what ask() does, in turn: a delay, null, or an error to throw. */
function polling(answers) {
  const seen = { asked: 0, failures: [] };
  const ask = async () => {
    const answer = answers[seen.asked++];
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const poll = new Poll({ ask, onFailure: (error, retryAt) => seen.failures.push([error.message, retryAt]), backoff: new Backoff({ least: 1000, random: () => 1 }) });
  poll.start();
  return { poll, seen };
}

async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}

test("it asks again after the time that was wished for, until there is nothing more to ask", async () => {
  const { seen } = polling([500, 500, null, 500]);
  await settled();
  await pass(499);
  assert.equal(seen.asked, 1);
  await pass(1);
  await pass(500);
  await pass(60_000);
  assert.equal(seen.asked, 3);
  assert.equal(listeners.size, 0);
});

test("a hidden page asks less and less, and at once when somebody looks again", async () => {
  const { poll, seen } = polling(Array(99).fill(500));
  document.hidden = true;
  await settled();
  for (let seconds = 0; seconds < 60; seconds += 1) await pass(1000);
  assert.ok(seen.asked <= 7, `${seen.asked} times in a minute`);
  const before = seen.asked;
  document.hidden = false;
  listeners.forEach((wake) => wake());
  await settled();
  assert.equal(seen.asked, before + 1);
  poll.stop();
});

test("a server that does not answer is left longer alone, and what is gone is not asked for again", async () => {
  const gone = Object.assign(new Error("gone"), { status: 404 });
  const { seen } = polling([new Error("away"), new Error("away"), gone, 1]);
  await settled();
  await pass(1000);
  await pass(2000);
  await pass(60_000);
  assert.deepEqual(seen.failures, [["away", 1000], ["away", 3000], ["gone", null]]);
  assert.equal(seen.asked, 3);
});
