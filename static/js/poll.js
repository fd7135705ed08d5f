// Asking again and again, seldom while nobody looks or nobody answers.
import { Backoff } from "#backoff";

const GONE = new Set([401, 403, 404]); // asking again would change nothing

/**
 * `ask()` resolves to the ms until it wants to be called again, or to null when there is nothing more to ask.
 * `onFailure(error, retryAt)`: it threw; `retryAt` in epoch ms, null if it is given up.
 */
export class Poll {
  #timer = 0;
  #isRunning = false;
  #isAsking = false;

  constructor({ ask, onFailure, backoff = new Backoff({ least: 1000 }) }) {
    Object.assign(this, { ask, onFailure, backoff });
  }

  start() {
    this.#isRunning = true;
    document.addEventListener("visibilitychange", this.#wake);
    this.#now();
  }

  stop() {
    this.#isRunning = false;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#wake);
  }

  async #now() {
    clearTimeout(this.#timer);
    if (this.#isAsking) return;
    this.#isAsking = true;
    let delay;
    try {
      delay = await this.ask();
      if (!document.hidden) this.backoff.reset();
      else if (delay !== null) delay = Math.max(delay, this.backoff.next());
    } catch (error) {
      delay = GONE.has(error.status) ? null : this.backoff.next();
      if (this.#isRunning) this.onFailure(error, delay === null ? null : Date.now() + delay);
    } finally {
      this.#isAsking = false;
    }
    if (delay === null) this.stop();
    else if (this.#isRunning) this.#timer = setTimeout(() => this.#now(), delay);
  }

  #wake = () => {
    if (document.hidden) return;
    this.backoff.reset();
    this.#now();
  };
}
