import assert from "node:assert/strict";
import { test } from "node:test";
import { Sequence } from "../../../static/js/sequence.js";

const snapshot = (epoch, seq) => ({ type: "snapshot", epoch, seq });
const closed = (epoch, seq) => ({ type: "bar", state: "closed", epoch, seq });
const forming = (epoch, seq) => ({ type: "bar", state: "forming", epoch, seq });

function after(...messages) {
  const sequence = new Sequence();
  messages.forEach((message) => sequence.take(message));
  return sequence;
}

test("the first snapshot asks for history", () => {
  assert.equal(new Sequence().take(snapshot(1, 5)), "jump");
});

test("the next counted message and forming ones in between are taken as they come", () => {
  const sequence = after(snapshot(1, 5));
  assert.equal(sequence.take(forming(1, 5)), "ok");
  assert.equal(sequence.take(closed(1, 6)), "ok");
  assert.equal(sequence.take(forming(1, 6)), "ok");
});

test("a hole in the numbers asks for history", () => {
  assert.equal(after(snapshot(1, 5)).take(closed(1, 7)), "jump");
  assert.equal(after(snapshot(1, 5)).take(forming(1, 6)), "jump", "a forming bar repeats a number that we never saw");
});

test("older and repeated messages are dropped", () => {
  const sequence = after(snapshot(1, 5));
  assert.equal(sequence.take(closed(1, 5)), "drop");
  assert.equal(sequence.take(forming(1, 4)), "drop");
  assert.equal(sequence.take(closed(0, 9)), "drop");
  assert.equal(sequence.take(snapshot(1, 3)), "drop");
});

test("a status that repeats the last number is news: the server says that the streamer has fallen silent", () => {
  const status = (epoch, seq) => ({ type: "status", state: "stale", epoch, seq });
  const sequence = after(snapshot(1, 5));
  assert.equal(sequence.take(status(1, 5)), "ok");
  assert.equal(sequence.take(status(1, 4)), "drop");
  assert.equal(sequence.take(closed(1, 6)), "ok", "it used up no number");
  assert.equal(sequence.take(status(1, 7)), "ok");
});

test("another run of the streamer asks for history", () => {
  const sequence = after(snapshot(1, 5));
  assert.equal(sequence.take(closed(2, 1)), "jump");
  assert.equal(sequence.take(closed(2, 2)), "ok");
});

test("a snapshot with nothing new does not ask again", () => {
  assert.equal(after(snapshot(1, 5)).take(snapshot(1, 5)), "ok");
  assert.equal(after(snapshot(1, 5)).take(snapshot(1, 6)), "jump");
});

test("a heartbeat ahead of us tells once", () => {
  const sequence = after(snapshot(1, 5));
  assert.equal(sequence.isBehind(1, 5), false);
  assert.equal(sequence.isBehind(1, 6), true);
  assert.equal(sequence.isBehind(1, 6), false);
  assert.equal(sequence.isBehind(2, 1), true);
  assert.equal(new Sequence().isBehind(1, 1), false, "before a snapshot there is nothing to be behind of");
});
