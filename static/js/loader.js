// The bars of the series on screen, kept whole: first page, older pages, what was missed, what was corrected.
import { BarSeries } from "#bars";
import { Gaps } from "#gaps";
import { fetchPage, PAGE } from "#history";

const MOST_CATCH_UP_PAGES = 20;

/**
 * Events, as methods of `listener`:
 *   began()        another series is being loaded
 *   settled()      its first page is here (or, in an empty series, its first bar)
 *   changed()      bars of history came in, besides live ones
 *   failed(error)  the first page could not be loaded
 *   missed(error)  an older page could not be loaded
 */
export class SeriesLoader {
  #generation = 0;
  #abort = new AbortController();
  #catchUpFrom;
  #isCatchingUp = false;
  #isLoadingOlder = false;

  constructor({ barsUrl, symbol, listener }) {
    Object.assign(this, { barsUrl, symbol, listener, hasSnapshot: false });
    this.series = new BarSeries();
    this.gaps = new Gaps();
    this.isReady = false;
    this.isAtStart = false;
  }

  /** A page of bars; what is missing among them is noted. */
  async #fetch(query) {
    const gaps = this.gaps;
    const { bars, missing } = await fetchPage(this.barsUrl, { symbol: this.symbol, interval: this.interval, ...query }, this.#abort.signal);
    const isWhole = bars.length < PAGE;
    // A full page goes on behind its last bar where a start was asked, else before its first.
    const start = query.start !== undefined ? query.start : bars[0]?.time;
    const end = query.start !== undefined && !isWhole ? bars.at(-1).time + 1 : (query.end ?? Infinity);
    if (start !== undefined) gaps.take(missing, start, end);
    return bars;
  }

  /** Begin with another interval, or again. Resolves to whether bars came. */
  async load(interval) {
    const generation = ++this.#generation;
    this.#abort.abort();
    this.#abort = new AbortController();
    this.interval = interval;
    this.isReady = this.isAtStart = this.#isCatchingUp = this.#isLoadingOlder = false;
    this.#catchUpFrom = undefined;
    this.series = new BarSeries();
    this.gaps = new Gaps();
    this.listener.began();
    const mark = this.series.mark();
    const hadSnapshot = this.hasSnapshot;
    let bars;
    try {
      bars = await this.#fetch({});
    } catch (error) {
      if (generation === this.#generation) this.listener.failed(error);
      return false;
    }
    if (generation !== this.#generation) return false;
    this.series.merge(bars, mark);
    this.isAtStart = bars.length < PAGE;
    this.isReady = true;
    this.listener.settled();
    // The snapshot may be younger than the answer: what closed in between is asked for.
    if (this.hasSnapshot && !hadSnapshot) this.catchUp(bars.at(-1)?.time);
    return this.series.length > 0;
  }

  /** The page before the oldest bar; one request at a time. Resolves to whether it came. */
  async loadOlder() {
    if (!this.isReady || this.isAtStart || this.#isLoadingOlder || this.series.isFull || !this.series.length) return false;
    const generation = this.#generation;
    this.#isLoadingOlder = true;
    try {
      const bars = await this.#fetch({ end: this.series.first.time });
      if (generation !== this.#generation) return false;
      this.isAtStart = bars.length < PAGE;
      if (this.series.merge(bars)) this.listener.changed();
      return true;
    } catch (error) {
      if (generation === this.#generation) this.listener.missed(error);
      return false;
    } finally {
      if (generation === this.#generation) this.#isLoadingOlder = false;
    }
  }

  /** As many older pages as it takes to hold `time`. Resolves to whether it is held. */
  async reach(time) {
    while (this.series.length && this.series.first.time > time) {
      if (!(await this.loadOlder())) return false;
    }
    return this.series.length > 0;
  }

  /** Closed bars from `from` on: what passed while nobody listened. */
  async catchUp(from = this.series.lastClosed?.time) {
    this.#catchUpFrom = Math.min(from ?? Infinity, this.#catchUpFrom ?? Infinity);
    if (!this.isReady || this.#isCatchingUp) return;
    const generation = this.#generation;
    this.#isCatchingUp = true;
    let asked = Infinity;
    try {
      while (this.#catchUpFrom !== undefined) {
        asked = this.#catchUpFrom;
        this.#catchUpFrom = undefined;
        await this.#fetchFrom(Number.isFinite(asked) ? asked : undefined);
        if (generation !== this.#generation) return;
      }
    } catch (error) {
      if (generation !== this.#generation) return;
      // Asked again at the next sign of life; the pill and the banner tell how the server is.
      this.#catchUpFrom = Math.min(asked, this.#catchUpFrom ?? Infinity);
      console.warn("catch up:", error.message);
    } finally {
      if (generation === this.#generation) this.#isCatchingUp = false;
    }
  }

  /** Stored bars with open time in `[first, last]`, epoch seconds, have changed. */
  async refetch(first, last) {
    if (!this.isReady) return;
    if (!this.series.length) return void this.load(this.interval);
    if (first < this.series.first.time) this.isAtStart = false;
    const start = Math.max(first, this.series.first.time);
    if (last < start) return;
    try {
      await this.#fetchFrom(start, last + 1);
    } catch (error) {
      this.#catchUpFrom = Math.min(start, this.#catchUpFrom ?? Infinity);
      console.warn("refetch:", error.message);
    }
  }

  async #fetchFrom(start, end) {
    const generation = this.#generation;
    for (let page = 0, from = start; page < MOST_CATCH_UP_PAGES; page += 1) {
      const mark = this.series.mark();
      const bars = await this.#fetch({ start: from, end });
      if (generation !== this.#generation) return;
      const wasEmpty = !this.series.length;
      if (this.series.merge(bars, mark)) this.listener.changed();
      if (wasEmpty && this.series.length) this.listener.settled();
      if (bars.length < PAGE || start === undefined) return;
      from = bars.at(-1).time + 1;
    }
  }
}
