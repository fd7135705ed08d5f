// The status line: how many bars, when the bar closes, and what time it is where.
import { duration, time, whole } from "#format";
import { offsetName, resolveZone } from "#zones";

export class ClockView {
  constructor({ exchangeZone, choice, onZone, last }) {
    this.exchangeZone = exchangeZone;
    this.last = last;
    this.select = document.getElementById("zone");
    this.#offer(choice);
    this.select.value = choice;
    this.select.addEventListener("change", () => onZone(this.select.value));
    this.bars = document.getElementById("bars-loaded");
    this.closes = document.getElementById("bar-closes");
    this.clock = document.getElementById("clock");
    setInterval(() => this.tick(), 1000);
    this.tick();
  }

  get choice() {
    return this.select.value;
  }

  get zone() {
    return resolveZone(this.select.value, this.exchangeZone);
  }

  // An address may name any zone.
  #offer(choice) {
    if ([...this.select.options].some((option) => option.value === choice)) return;
    this.select.add(new Option(choice.replaceAll("_", " "), choice));
  }

  /** `gaps` are the marked ranges of gaps.js. */
  setCount(count, gaps) {
    const missing = gaps.reduce((sum, gap) => sum + gap.bars, 0);
    this.bars.textContent = `${whole(count)} bars loaded${missing ? `, ${whole(missing)} missing` : ""}`;
    const places = gaps.length === 1 ? "1 place" : `${gaps.length} places`;
    this.bars.title = missing ? `Hatched in ${places}: expected by the calendar and not stored, or nothing traded.` : "";
  }

  tick() {
    const now = Date.now() / 1000;
    this.clock.textContent = `${time(now, this.zone)} ${offsetName(now, this.zone)}`;
    const bar = this.last();
    const left = bar?.state === "forming" && bar.close_time ? bar.close_time - now : 0;
    this.closes.textContent = left > 0 ? `Bar closes in ${duration(left)}` : "";
  }
}
