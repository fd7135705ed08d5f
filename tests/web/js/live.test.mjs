// How long the page's socket is kept while nothing comes through it.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Live } from "../../../static/js/live.js";

let sockets, states;

class FakeSocket {
  static CONNECTING = 0;
  static OPEN = 1;

  constructor() {
    Object.assign(this, { readyState: 0, sent: [], isClosed: false });
    sockets.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen();
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.isClosed = true;
  }
  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  [sockets, states] = [[], []];
  globalThis.WebSocket = FakeSocket;
  globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
  globalThis.addEventListener = globalThis.removeEventListener = () => {};
});

/** Connected, and fed until now. */
function connected() {
  const live = new Live({ url: "ws://x", symbols: ["X:Y"], listener: { message() {}, behind() {}, connection: ({ name, answers }) => states.push([name, answers]) } });
  live.follow("X:Y", "1m");
  live.start();
  sockets[0].open();
  sockets[0].say({ type: "heartbeat", epoch: 1, seqs: {} });
  return live;
}

const snapshot = { type: "snapshot", symbol: "X:Y", epoch: 1, seq: 1 };
const subscriptions = () => sockets[0].sent.filter(({ type }) => type === "subscribe").length;

test("a server that answers while its stream is silent keeps its connection", () => {
  const live = connected();
  for (let second = 0; second < 60; second += 1) {
    const before = subscriptions();
    mock.timers.tick(1000);
    if (subscriptions() > before) sockets[0].say(snapshot); // it was asked whether it is there
  }
  assert.equal(sockets.length, 1);
  assert.equal(sockets[0].isClosed, false);
  assert.deepEqual(states.at(-1), ["silent", true]);
  sockets[0].say({ type: "heartbeat", epoch: 1, seqs: {} });
  assert.deepEqual(states.at(-1), ["open", true]);
  live.stop();
});

test("a server that answers nothing is called silent after 11 s and left after 20 s", () => {
  const live = connected();
  mock.timers.tick(11_000);
  assert.notEqual(states.at(-1)[0], "silent");
  mock.timers.tick(1000);
  assert.equal(states.at(-1)[0], "silent");
  mock.timers.tick(8000);
  assert.equal(sockets[0].isClosed, false);
  mock.timers.tick(1000);
  assert.equal(sockets[0].isClosed, true);
  mock.timers.tick(1000);
  assert.equal(sockets.length, 2, "and tried again");
  live.stop();
});
