// Keys. Those without a modifier work on the focused chart only and can be turned off.
import { store, stored } from "#theme";

const DIGITS_MS = 2000;
const BY_MINUTES = { 1: "1m", 3: "3m", 5: "5m", 15: "15m", 30: "30m", 45: "45m", 60: "1h", 120: "2h", 180: "3h", 240: "4h", 1440: "1d", 10080: "1w" };

/** The interval that typed minutes mean, or undefined. */
export function intervalOf(digits) {
  return BY_MINUTES[Number(digits)];
}

const isTyping = (target) => target instanceof HTMLElement && target.closest("input, select, textarea, [contenteditable]");

export class Shortcuts {
  #digits = "";
  #typedAt = 0;

  constructor(chart, actions) {
    this.actions = actions;
    this.dialog = document.getElementById("shortcuts");
    const single = document.getElementById("single-keys");
    single.checked = stored("single-keys", "on") === "on";
    single.addEventListener("change", () => store("single-keys", single.checked ? "on" : "off"));
    this.isSingle = () => single.checked;
    for (const id of ["shortcuts-open", "menu-shortcuts"]) document.getElementById(id)?.addEventListener("click", () => this.help());
    chart.addEventListener("keydown", (event) => this.#onChart(event));
    document.addEventListener("keydown", (event) => {
      if (event.key === "?" && this.isSingle() && !isTyping(event.target) && !this.dialog.open) this.help();
    });
  }

  help() {
    document.getElementById("menu").hidePopover();
    this.dialog.showModal();
  }

  #onChart(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { actions } = this;
    const always = { ArrowLeft: () => actions.step(-1), ArrowRight: () => actions.step(1), Home: actions.oldest, End: actions.newest };
    const single = { "+": actions.zoomIn, "=": actions.zoomIn, "-": actions.zoomOut, "−": actions.zoomOut, l: actions.newest, L: actions.newest, t: actions.table, T: actions.table };
    const action = always[event.key] ?? (this.isSingle() ? single[event.key] : undefined);
    if (action) {
      event.preventDefault();
      action();
    } else if (this.isSingle()) this.#type(event);
  }

  #type(event) {
    if (/^\d$/.test(event.key)) {
      const isFresh = event.timeStamp - this.#typedAt > DIGITS_MS;
      this.#digits = (isFresh ? "" : this.#digits) + event.key;
      this.#typedAt = event.timeStamp;
      this.actions.typed(this.#digits);
    } else if (event.key === "Enter" && this.#digits) {
      const digits = this.#digits;
      this.#digits = "";
      this.actions.interval(intervalOf(digits), digits);
    }
  }
}
