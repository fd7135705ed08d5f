// The bars of one series on the page: ascending, no time twice, at most 20,000. Pure; tested without a browser.

export const MOST_BARS = 20000;

/**
 * A bar is {time, close_time, open, high, low, close, volume, state, partial}: `time` is its open time in epoch
 * seconds; `state` "forming" while it may still change with each quote, else "closed".
 */
export class BarSeries {
  #bars = [];
  #touched = new Map(); // time -> stamp of the last live message about a closed bar
  #stamp = 0;

  get length() {
    return this.#bars.length;
  }

  get all() {
    return this.#bars;
  }

  get first() {
    return this.#bars[0];
  }

  get last() {
    return this.#bars.at(-1);
  }

  get lastClosed() {
    return this.#bars.findLast((bar) => bar.state === "closed");
  }

  get isFull() {
    return this.#bars.length >= MOST_BARS;
  }

  /** To be taken before asking history: an answer must not undo what the socket said in the meantime. */
  mark() {
    return this.#stamp;
  }

  at(time) {
    const index = this.indexOf(time);
    return index < 0 ? undefined : this.#bars[index];
  }

  /** The place of the bar that opens at `time`, or -1. */
  indexOf(time) {
    const place = this.#place(time);
    return this.#bars[place]?.time === time ? place : -1;
  }

  /**
   * Take in a live bar. Returns "appended", "last" (the last bar changed), "earlier" (an older one changed),
   * "inserted" (an older one that was missing) or "ignored".
   */
  put(bar) {
    const last = this.last;
    if (bar.state === "closed") this.#touched.set(bar.time, ++this.#stamp);
    if (!last || bar.time > last.time) {
      this.#bars.push(bar);
      this.#trim();
      return "appended";
    }
    const place = this.#place(bar.time);
    const there = this.#bars[place];
    if (there.time !== bar.time) {
      if (bar.state === "forming") return "ignored"; // older than a bar we have: it cannot be forming any more
      if (place === 0) return "ignored"; // older than what is loaded
      this.#bars.splice(place, 0, bar);
      return "inserted";
    }
    if (bar.state === "forming" && there.state === "closed") return "ignored";
    this.#bars[place] = bar;
    return place === this.#bars.length - 1 ? "last" : "earlier";
  }

  /** Take in closed bars of history, ascending, asked for at `mark`. Returns how many are new or differ. */
  merge(bars, mark = this.#stamp) {
    const byTime = new Map(this.#bars.map((bar) => [bar.time, bar]));
    let changed = 0;
    for (const bar of bars) {
      if ((this.#touched.get(bar.time) ?? 0) > mark) continue;
      const there = byTime.get(bar.time);
      if (there && same(there, bar)) continue;
      byTime.set(bar.time, bar);
      changed += 1;
    }
    if (changed) {
      this.#bars = [...byTime.values()].sort((a, b) => a.time - b.time);
      this.#trim();
    }
    return changed;
  }

  #place(time) {
    let low = 0;
    let high = this.#bars.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#bars[middle].time < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #trim() {
    if (this.#bars.length > MOST_BARS) this.#bars.splice(0, this.#bars.length - MOST_BARS);
    if (this.#touched.size > 2000) this.#touched.delete(this.#touched.keys().next().value);
  }
}

const FIELDS = ["open", "high", "low", "close", "volume", "state", "partial"];

function same(a, b) {
  return FIELDS.every((field) => a[field] === b[field]);
}

/** A bar of the API or the socket, whose times are ISO texts, as this page keeps it. */
export function parseBar(bar, state) {
  return {
    time: Date.parse(bar.open_time) / 1000,
    close_time: bar.close_time ? Date.parse(bar.close_time) / 1000 : undefined,
    open: bar.open,
    high: bar.high,
    low: bar.low,
    close: bar.close,
    volume: bar.volume,
    partial: bar.partial ?? false,
    state,
  };
}
