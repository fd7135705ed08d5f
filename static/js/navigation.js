// What the address says of the view, and the 13 interval buttons. A copied link gives the same view.

export class Navigation {
  constructor({ interval, onInterval }) {
    this.buttons = [...document.querySelectorAll("#intervals [data-interval]")];
    this.interval = interval;
    for (const button of this.buttons) {
      button.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return; // a new tab is the browser's business
        event.preventDefault();
        onInterval(button.dataset.interval);
      });
    }
    addEventListener("popstate", () => onInterval(this.#fromAddress() ?? this.interval, { push: false }));
    this.#show();
  }

  /** {tz, from, to, averages} as the address has them. */
  get view() {
    const query = new URLSearchParams(location.search);
    const seconds = (name) => (query.has(name) ? Date.parse(query.get(name)) / 1000 : NaN);
    return { tz: query.get("tz"), from: seconds("from"), to: seconds("to"), averages: /(^|,)ema:/.test(query.get("ind") ?? "") };
  }

  setInterval(interval, { push }) {
    this.interval = interval;
    const query = new URLSearchParams(location.search);
    query.set("interval", interval);
    query.delete("from");
    query.delete("to");
    if (push) history.pushState(null, "", this.#address(query));
    this.#show();
  }

  set(name, value) {
    const query = new URLSearchParams(location.search);
    if (value) query.set(name, value);
    else query.delete(name);
    history.replaceState(null, "", this.#address(query));
  }

  /** The address of the view as it is now. */
  linkTo({ from, to, tz }) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries({ interval: this.interval, tz, from, to })) query.set(name, value);
    return new URL(this.#address(query), location.href).href;
  }

  choice(value = this.interval) {
    const button = this.buttons.find((one) => one.dataset.interval === value);
    return { value, label: button.textContent, title: button.title };
  }

  #address(query) {
    const text = query.toString();
    return `${location.pathname}${text && "?"}${text}`.replaceAll("%3A", ":").replaceAll("%2F", "/").replaceAll("%2C", ",");
  }

  #fromAddress() {
    const value = new URLSearchParams(location.search).get("interval");
    return this.buttons.some((button) => button.dataset.interval === value) ? value : null;
  }

  #show() {
    for (const button of this.buttons) {
      const isHere = button.dataset.interval === this.interval;
      button.toggleAttribute("aria-current", isHere);
      if (isHere) {
        button.setAttribute("aria-current", "true");
        const strip = button.parentElement;
        strip.scrollLeft = button.offsetLeft - strip.offsetLeft - (strip.clientWidth - button.clientWidth) / 2;
      }
    }
    for (const link of document.querySelectorAll("[data-watch]")) {
      link.href = link.href.replace(/interval=[^&]*/, `interval=${this.interval}`);
    }
  }
}
