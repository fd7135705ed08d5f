// Prices that move: the head of the page, the session's figures, and the watchlist.
import { change, compact, percent, price, sign } from "#format";
import { fetchBars } from "#history";
import { token } from "#theme";

const FLASH_MS = 700;
const SPARK = { width: 48, height: 24, margin: 3, bars: 40 };
export const SPARK_INTERVAL = "30m";
const SPARK_SECONDS = 1800;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function flash(element, before, now) {
  if (before === undefined || before === null || before === now || calm.matches) return;
  const colour = token(now > before ? "--up-bg" : "--down-bg");
  element.animate({ backgroundColor: [colour, "transparent"] }, { duration: FLASH_MS, easing: "ease-out" });
}

function paint(element, value, decimals) {
  const direction = value === null || value === undefined ? 0 : sign(value, decimals);
  element.classList.toggle("up", direction > 0);
  element.classList.toggle("down", direction < 0);
}

/** The polyline through `closes`; web/watchlist.py draws the same on the server. */
export function sparkPoints(closes) {
  if (closes.length < 2) return "";
  const low = Math.min(...closes);
  const high = Math.max(...closes);
  const step = SPARK.width / (closes.length - 1);
  const scale = high > low ? (SPARK.height - 2 * SPARK.margin) / (high - low) : 0;
  const base = high > low ? SPARK.height - SPARK.margin : SPARK.height / 2;
  return closes.map((close, i) => `${(step * i).toFixed(1)},${(base - (close - low) * scale).toFixed(1)}`).join(" ");
}

export class HeadView {
  constructor(decimals) {
    this.decimals = decimals;
    this.last = document.getElementById("head-last");
    this.change = document.getElementById("head-change");
    this.figures = [...document.querySelectorAll("[data-session]")];
    this.value = null;
  }

  /** A quote; or, where none is known, just the last bar's close. */
  show(quote) {
    this.last.textContent = price(quote.last, this.decimals);
    flash(this.last, this.value, quote.last);
    this.value = quote.last;
    const today = change(quote.change, quote.change_percent, this.decimals);
    this.change.textContent = today && `${today} today`;
    paint(this.change, quote.change, this.decimals);
    for (const element of this.figures) {
      const name = element.dataset.session;
      element.textContent = this.#figure(name, quote);
      if (name === "volume") element.title = price(quote.volume, 0);
    }
  }

  #figure(name, quote) {
    if (name === "volume") return compact(quote.volume);
    if (name === "bid_ask") return `${price(quote.bid, this.decimals)} / ${price(quote.ask, this.decimals)}`;
    return price(quote[name], this.decimals);
  }
}

export class WatchlistView {
  #rows = new Map();

  constructor() {
    for (const element of document.querySelectorAll("[data-watch]")) {
      this.#rows.set(element.dataset.watch, {
        decimals: Number(element.dataset.decimals),
        closes: JSON.parse(element.dataset.closes),
        slot: Math.floor(Date.now() / 1000 / SPARK_SECONDS),
        last: element.querySelector(".last"),
        change: element.querySelector(".change"),
        spark: element.querySelector(".spark"),
        line: element.querySelector("polyline"),
        value: undefined,
      });
    }
  }

  get symbols() {
    return [...this.#rows.keys()];
  }

  show(symbol, quote) {
    const row = this.#rows.get(symbol);
    if (!row || quote.last === null) return;
    row.last.textContent = price(quote.last, row.decimals);
    flash(row.last, row.value, quote.last);
    row.value = quote.last;
    const direction = quote.change_percent === null ? 0 : sign(quote.change_percent, 2);
    row.change.textContent = quote.change_percent === null ? "" : ["▼ ", "", "▲ "][direction + 1] + percent(quote.change_percent);
    paint(row.change, quote.change_percent, 2);
    paint(row.spark, quote.change_percent, 2);
    this.#move(row, quote.last);
  }

  /** Its stored bars have changed: draw the line from them. */
  async refill(symbol, barsUrl) {
    const row = this.#rows.get(symbol);
    if (!row) return;
    let bars;
    try {
      bars = await fetchBars(barsUrl, { symbol, interval: SPARK_INTERVAL, limit: SPARK.bars });
    } catch (error) {
      console.warn("watchlist:", error.message); // the line it has stays; the next change asks again
      return;
    }
    row.closes = bars.map((bar) => bar.close);
    row.slot = Math.floor((bars.at(-1)?.time ?? 0) / SPARK_SECONDS);
    if (row.value === undefined) row.line.setAttribute("points", sparkPoints(row.closes));
    else this.#move(row, row.value);
  }

  /** The line's last point follows the price; a new half hour begins a new point. */
  #move(row, last) {
    const slot = Math.floor(Date.now() / 1000 / SPARK_SECONDS);
    if (slot !== row.slot) {
      row.slot = slot;
      row.closes = [...row.closes, last].slice(-SPARK.bars);
    } else if (row.closes.length) row.closes[row.closes.length - 1] = last;
    row.line.setAttribute("points", sparkPoints(row.closes));
  }
}
