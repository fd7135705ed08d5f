// The visible bars as a table, and in one sentence: for those who read rather than look.
import { compact, date, instant, price } from "#format";

const MOST_ROWS = 500;
const COLUMNS = ["Open time", "Open", "High", "Low", "Close", "Volume"];

function cells(tag, texts) {
  const row = document.createElement("tr");
  for (const text of texts) {
    const cell = document.createElement(tag);
    if (tag === "th") cell.scope = "col";
    cell.textContent = text;
    row.append(cell);
  }
  return row;
}

export class TableView {
  constructor({ decimals, zone }) {
    this.element = document.getElementById("table-view");
    this.summary = document.getElementById("summary");
    this.toggle = document.getElementById("table-toggle");
    this.decimals = decimals;
    this.zone = zone;
  }

  get isOpen() {
    return !this.element.hidden;
  }

  setOpen(isOpen) {
    this.element.hidden = !isOpen;
    this.toggle.setAttribute("aria-pressed", String(isOpen));
  }

  #time(bar, isIntraday) {
    return isIntraday ? instant(bar.time, this.zone()) : date(bar.time, "UTC");
  }

  /** `bars` ascending; the newest row comes first. */
  show(bars, isIntraday) {
    if (!this.isOpen) return;
    const table = document.createElement("table");
    table.className = "table";
    table.createTHead().append(cells("th", COLUMNS));
    const body = table.createTBody();
    for (const bar of bars.slice(-MOST_ROWS).reverse()) {
      const prices = [bar.open, bar.high, bar.low, bar.close].map((value) => price(value, this.decimals));
      const name = this.#time(bar, isIntraday) + (bar.state === "forming" ? " (forming)" : "");
      body.append(cells("td", [name, ...prices, compact(bar.volume)]));
    }
    this.element.replaceChildren(table);
  }

  describe({ symbol, title, bars, isIntraday }) {
    if (!bars.length) {
      this.summary.textContent = `${symbol}: no bars.`;
      return;
    }
    const [first, last] = [bars[0], bars.at(-1)];
    const high = bars.reduce((top, bar) => Math.max(top, bar.high), -Infinity);
    const low = bars.reduce((bottom, bar) => Math.min(bottom, bar.low), Infinity);
    this.summary.textContent =
      `${symbol}, bars of ${title}: ${bars.length} in view, from ${this.#time(first, isIntraday)} to ${this.#time(last, isIntraday)}. ` +
      `Open ${price(first.open, this.decimals)}, high ${price(high, this.decimals)}, low ${price(low, this.decimals)}, ` +
      `last ${price(last.close, this.decimals)}.`;
  }
}
