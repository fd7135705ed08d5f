// The page's only socket (docs/live.md): keeps it open, says what is followed, acknowledges, and tells what arrives.
import { Backoff } from "#backoff";
import { Sequence } from "#sequence";

const ACK_MS = 500;
const PROBE_MS = 9500; // nearly two heartbeats missed: ask whether the server is there
const SILENT_MS = 11000;
const DEAD_MS = 20000; // no hope left for this connection
const OPEN_MS = 10000;
const CHECK_MS = 1000;
const SYMBOLS_A_MESSAGE = 50;
const SESSION_GONE = 4401;
const WRONG_ORIGIN = 4403;
const FROM_STREAMER = new Set(["heartbeat", "quote", "bar"]);

/**
 * Events, as methods of `listener`:
 *   message(message, verdict)  verdict "ok" or "jump" (messages before it were missed; see sequence.js)
 *   behind(symbol)             a heartbeat tells that messages were missed
 *   connection(state)          {name: "connecting" | "open" | "silent" | "down" | "signed-out" | "refused", since,
 *                              retryAt, answers}; a silent server may still answer, without anything live
 */
export class Live {
  #socket = null;
  #sequences = new Map();
  #received = 0;
  #acknowledged = 0;
  #ackedAt = 0;
  #heard = 0; // when anything last came
  #fed = 0; // when the streamer was last heard through it
  #isProbed = false;
  #isSilent = false;
  #opened = 0;
  #proved = false;
  #retry = 0;
  #downSince = Date.now();

  constructor({ url, symbols, listener, backoff = new Backoff() }) {
    this.url = url;
    this.symbols = new Set(symbols);
    this.series = null;
    this.listener = listener;
    this.backoff = backoff;
  }

  start() {
    this.#connect();
    this.check = setInterval(() => this.#look(), CHECK_MS);
    document.addEventListener("visibilitychange", this.#wake);
    addEventListener("online", this.#wake);
  }

  stop() {
    clearInterval(this.check);
    clearTimeout(this.#retry);
    document.removeEventListener("visibilitychange", this.#wake);
    removeEventListener("online", this.#wake);
    this.#drop();
  }

  /** Follow the forming bars of one series instead of another. */
  follow(symbol, interval) {
    const before = this.series;
    this.series = { symbol, interval };
    this.symbols.add(symbol);
    this.#send({ type: "subscribe", symbols: [symbol], intervals: [interval] });
    if (before && (before.symbol !== symbol || before.interval !== interval)) {
      this.#send({ type: "unsubscribe", symbols: [before.symbol], intervals: [before.interval] });
    }
  }

  /** Try now, whatever the delay says. */
  retryNow() {
    this.backoff.reset();
    this.#drop();
    this.#connect();
  }

  #connect() {
    clearTimeout(this.#retry);
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#opened = Date.now();
    this.#proved = this.#isProbed = this.#isSilent = false;
    this.#received = this.#acknowledged = 0;
    socket.onopen = () => this.#subscribe();
    socket.onmessage = (event) => this.#take(event.data);
    socket.onclose = (event) => this.#closed(event.code);
    this.#tell("connecting");
  }

  #drop() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #subscribe() {
    this.#heard = Date.now();
    this.#subscribeSeries();
    const others = [...this.symbols].filter((symbol) => symbol !== this.series?.symbol);
    for (let i = 0; i < others.length; i += SYMBOLS_A_MESSAGE) {
      this.#send({ type: "subscribe", symbols: others.slice(i, i + SYMBOLS_A_MESSAGE), intervals: [] });
    }
  }

  #subscribeSeries() {
    if (this.series) this.#send({ type: "subscribe", symbols: [this.series.symbol], intervals: [this.series.interval] });
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #take(text) {
    this.#received += 1;
    // Timers of hidden pages are slow, so the arrival of a message is what reminds us to acknowledge.
    if (Date.now() - this.#ackedAt >= ACK_MS) this.#acknowledge();
    const message = JSON.parse(text);
    this.#heard = Date.now();
    if (FROM_STREAMER.has(message.type)) this.#fed = this.#heard;
    this.#isProbed = false;
    if (message.type === "heartbeat") this.#beat(message);
    else if (message.type === "error") console.warn("live:", message.code, message.detail);
    else if (message.type === "history") this.listener.message(message, "ok");
    else this.#pass(message);
    if (!this.#proved) this.backoff.reset();
    const isFlowing = this.#isSilent && this.#fed === this.#heard;
    if (!this.#proved || isFlowing) this.#tell("open");
    this.#proved = true;
    if (isFlowing) this.#isSilent = false;
  }

  #pass(message) {
    const verdict = this.#sequence(message.symbol).take(message);
    if (verdict !== "drop") this.listener.message(message, verdict);
  }

  #beat({ epoch, seqs }) {
    for (const [symbol, seq] of Object.entries(seqs)) {
      if (this.#sequence(symbol).isBehind(epoch, seq)) this.listener.behind(symbol);
    }
  }

  #sequence(symbol) {
    if (!this.#sequences.has(symbol)) this.#sequences.set(symbol, new Sequence());
    return this.#sequences.get(symbol);
  }

  #acknowledge() {
    if (this.#received === this.#acknowledged) return;
    this.#acknowledged = this.#received;
    this.#ackedAt = Date.now();
    this.#send({ type: "ack", n: this.#received });
  }

  #look() {
    this.#acknowledge();
    const socket = this.#socket;
    if (!socket) return;
    const now = Date.now();
    if (socket.readyState === WebSocket.CONNECTING && now - this.#opened > OPEN_MS) this.#closed(1006);
    else if (socket.readyState === WebSocket.OPEN && now - this.#heard > DEAD_MS) this.#closed(1006);
    else if (this.#proved) this.#lookForSilence(now);
  }

  /** Without a streamer there are no heartbeats; a server that is there still answers, with a snapshot. */
  #lookForSilence(now) {
    if (now - this.#heard > PROBE_MS && !this.#isProbed) {
      this.#isProbed = true;
      this.#subscribeSeries();
    }
    if (now - Math.max(this.#fed, this.#opened) > SILENT_MS) {
      this.#isSilent = true;
      this.#tell("silent");
    }
  }

  #closed(code) {
    const wasOpen = this.#proved;
    this.#drop();
    this.#proved = false;
    if (wasOpen) this.#downSince = Math.min(Date.now(), this.#fed || Date.now());
    if (code === SESSION_GONE) return this.#tell("signed-out");
    if (code === WRONG_ORIGIN) return this.#tell("refused");
    // An attempt that hung has waited already.
    const delay = wasOpen ? this.backoff.next() : Math.max(this.backoff.least, this.backoff.next() - (Date.now() - this.#opened));
    this.#retry = setTimeout(() => this.#connect(), delay);
    this.#tell("down", Date.now() + delay);
  }

  #wake = () => {
    if (document.hidden) return;
    const silent = Date.now() - this.#heard > SILENT_MS;
    if (!this.#socket || (this.#proved && silent)) this.retryNow();
  };

  #tell(name, retryAt = null) {
    const since = name === "silent" ? this.#fed || this.#heard : this.#downSince;
    const answers = Date.now() - this.#heard <= SILENT_MS;
    this.listener.connection({ name, since, retryAt, answers });
  }
}
