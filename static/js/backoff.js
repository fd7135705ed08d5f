/** Delays between attempts, in ms: doubling from `least` to `most` with jitter, so that clients don't come in step. */
export class Backoff {
  constructor({ least = 500, most = 30000, random = Math.random } = {}) {
    this.least = least;
    this.most = most;
    this.random = random;
    this.attempts = 0;
  }

  next() {
    const whole = Math.min(this.most, this.least * 2 ** this.attempts);
    this.attempts += 1;
    return Math.max(this.least, whole * (0.5 + this.random() / 2));
  }

  /** After a success the delays begin afresh. */
  reset() {
    this.attempts = 0;
  }
}
