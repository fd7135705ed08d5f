// The data panel: what is stored, and how to use these bars elsewhere.
import { barsAddress, isoTime } from "#history";
import { copy } from "#toast";

export class PanelView {
  #tab = "python";
  #timer = 0;

  constructor({ seriesUrl, barsUrl, symbol }) {
    this.seriesUrl = seriesUrl;
    this.barsUrl = barsUrl;
    this.symbol = symbol;
    this.series = document.getElementById("series");
    this.code = document.getElementById("code");
    this.hint = document.getElementById("code-hint");
    this.open = document.getElementById("code-open");
    this.tabs = ["python", "link"].map((name) => document.getElementById(`tab-${name}`));
    this.tabs.forEach((tab) => {
      tab.addEventListener("click", () => this.#choose(tab));
      tab.addEventListener("keydown", (event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        const other = this.tabs.find((one) => one !== tab);
        this.#choose(other);
        other.focus();
      });
    });
    document.getElementById("code-copy").addEventListener("click", () => copy(this.code.textContent, "Copied"));
  }

  #choose(tab) {
    this.#tab = tab.id.slice("tab-".length);
    for (const one of this.tabs) {
      one.setAttribute("aria-selected", String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
    }
    this.code.setAttribute("aria-labelledby", tab.id);
    this.#draw();
  }

  /** The bars in view, `[start, end)` in epoch seconds. */
  setRange({ interval, start, end }) {
    this.range = { interval, start, end };
    this.#draw();
  }

  #draw() {
    if (!this.range) return;
    const { interval, start, end } = this.range;
    const address = new URL(barsAddress(this.barsUrl, { symbol: this.symbol, ...this.range }), location.href).href;
    this.open.href = address;
    const python = this.code.dataset.python.replace("{interval}", interval).replace("{start}", isoTime(start)).replace("{end}", isoTime(end));
    this.code.textContent = this.#tab === "python" ? python : address;
    this.hint.textContent = this.#tab === "python" ? this.code.dataset.pythonHint : this.code.dataset.linkHint;
  }

  /** Ask again what is stored, soon: several messages in a row cost one request. */
  refresh(interval) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(interval), 300);
  }

  async #load(interval) {
    const response = await fetch(`${this.seriesUrl}?interval=${interval}`).catch(() => null);
    // Without an answer the figures stay as they were; the pill tells how the server is.
    if (response?.ok) this.series.innerHTML = await response.text();
  }
}
