// The figures of the bar under the cursor, else the last one, at the top left of the chart.
import { change, compact, price, sign } from "#format";

const LABELS = { "1d": "1D", "1w": "1W" };

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

export class LegendView {
  constructor({ decimals, hasVolume }) {
    this.element = document.getElementById("legend");
    this.decimals = decimals;
    this.hasVolume = hasVolume;
  }

  /** `before` is the bar ahead of it, whose close the change is against. */
  show({ interval, bar, before, averages }) {
    this.element.hidden = !bar;
    if (!bar) return;
    const values = document.createElement("div");
    values.className = "values";
    const name = document.createElement("strong");
    name.textContent = LABELS[interval] ?? interval;
    const direction = bar.close >= bar.open ? "up" : "down";
    const figures = ["open", "high", "low", "close"].map((field) => this.#figure(field[0].toUpperCase(), price(bar[field], this.decimals), direction));
    values.append(name, ...figures);
    if (before) {
      const difference = bar.close - before.close;
      const tone = ["down", "", "up"][sign(difference, this.decimals) + 1];
      values.append(span(tone, change(difference, (100 * difference) / before.close, this.decimals)));
    }
    if (this.hasVolume) values.append(this.#figure("Vol", compact(bar.volume), ""));
    if (bar.state === "forming") values.append(span("mark", "forming"));
    if (bar.partial) values.append(span("partial", "partial"));
    this.element.replaceChildren(values, ...averages.map(([length, value], i) => this.#average(length, value, i)));
  }

  #figure(key, text, tone) {
    const element = span("", "");
    element.append(span("k", `${key} `), span(tone, text));
    return element;
  }

  #average(length, value, i) {
    const element = span(i ? "line second" : "line", "");
    element.append(document.createElement("i"), `EMA ${length} ${price(value, this.decimals)}`);
    return element;
  }
}
