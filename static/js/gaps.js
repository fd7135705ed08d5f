// Where bars are missing between those we have: what the calendar expects and the store does not hold. Pure.

/** A symbol that trades seldom has silent minutes everywhere: beyond this share of ranges they are its habit. */
const SELDOM = 0.05;
const BEYOND_HABIT = 8; // as many times its usual silence is no habit any more

/** Ranges {start, end, bars} in epoch seconds, end not included; ascending, none overlapping another. */
export class Gaps {
  #ranges = [];

  get all() {
    return this.#ranges;
  }

  /** What an answer says of `[start, end)` replaces what was known of it. */
  take(ranges, start, end) {
    const kept = this.#ranges.filter((range) => range.end <= start || range.start >= end);
    this.#ranges = [...kept, ...ranges].sort((a, b) => a.start - b.start);
  }

  /** Those worth marking among `count` bars: all, or of a symbol that trades seldom only the unusually long ones. */
  notable(count) {
    if (this.#ranges.length <= count * SELDOM) return this.#ranges;
    const lengths = this.#ranges.map((range) => range.bars).sort((a, b) => a - b);
    const usual = lengths[lengths.length >> 1];
    return this.#ranges.filter((range) => range.bars > usual * BEYOND_HABIT);
  }
}

/** Where to draw them: [from, to] in places of `bars`, halves being borders between two; and each partial bar's own. */
export function bands(ranges, bars) {
  const between = ranges.flatMap(({ start, end }) => {
    const after = place(bars, end);
    const before = place(bars, start) - 1;
    return before < 0 ? [] : [[before + 0.5, Math.max(after, before + 1) - 0.5]];
  });
  const within = bars.flatMap((bar, i) => (bar.partial && bar.state === "closed" ? [[i - 0.5, i + 0.5]] : []));
  return [...between, ...within];
}

function place(bars, time) {
  let [low, high] = [0, bars.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bars[middle].time < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
