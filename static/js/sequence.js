// Where we are in a symbol's messages (docs/live.md): what to drop, and when something was missed.

const counted = (message) => message.type === "status" || message.type === "gap" || (message.type === "bar" && message.state !== "forming");

export class Sequence {
  constructor() {
    this.epoch = null;
    this.seq = 0;
  }

  /**
   * "drop": older than what we have. "jump": apply it, and ask history for what came between. "ok": apply it.
   * Messages that are counted carry their own number; the others repeat the last one given.
   */
  take(message) {
    const { epoch, seq } = message;
    if (this.epoch === null || message.type === "snapshot") return this.#begin(message);
    if (epoch < this.epoch || (epoch === this.epoch && seq < this.seq)) return "drop";
    const isAgain = epoch === this.epoch && seq === this.seq;
    // What the web process itself says of a streamer that has fallen silent repeats the last number.
    if (isAgain && counted(message)) return message.type === "status" ? "ok" : "drop";
    const isNext = isAgain || (epoch === this.epoch && counted(message) && seq === this.seq + 1);
    this.epoch = epoch;
    this.seq = seq;
    return isNext ? "ok" : "jump";
  }

  /** Whether a heartbeat's number for the symbol is ahead of ours. */
  isBehind(epoch, seq) {
    if (this.epoch === null) return false;
    const behind = epoch > this.epoch || (epoch === this.epoch && seq > this.seq);
    if (behind) {
      this.epoch = epoch;
      this.seq = seq;
    }
    return behind;
  }

  #begin({ type, epoch, seq }) {
    // Before a snapshot nothing can be told about what was missed; the snapshot itself brings the history request.
    if (this.epoch !== null && (epoch < this.epoch || (epoch === this.epoch && seq < this.seq))) return "drop";
    const first = this.epoch === null;
    const moved = first || epoch !== this.epoch || seq !== this.seq;
    this.epoch = epoch;
    this.seq = seq;
    return type === "snapshot" && moved ? "jump" : "ok";
  }
}
