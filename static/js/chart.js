// The chart page: history from the API, the forming bar from the socket, one picture.
import { BarSeries, parseBar } from "#bars";
import { Canvas } from "#canvas";
import { ClockView } from "#clock";
import { FeedView } from "#feed";
import { fetchBars, isoTime, PAGE } from "#history";
import { LegendView } from "#legend";
import { Live } from "#live";
import { Navigation } from "#navigation";
import { PanelView } from "#panel";
import { HeadView, WatchlistView } from "#quotes";
import { Shortcuts } from "#shortcuts";
import { StatesView } from "#states";
import { TableView } from "#table";
import { copy, toast } from "#toast";

const MOST_CATCH_UP_PAGES = 20;
const VIEW_DELAY_MS = 200;
const OTHER_INTERVAL = "1d"; // offered where an interval has no bars

class ChartPage {
  constructor(element) {
    const { symbol, decimals, hasVolume, timezone, barsUrl, seriesUrl, livePath, signinUrl } = element.dataset;
    Object.assign(this, { element, symbol, barsUrl, signinUrl });
    this.decimals = Number(decimals);
    const look = { decimals: this.decimals, hasVolume: hasVolume === "1", zone: () => this.clock.zone };
    this.interval = element.dataset.interval;
    this.generation = 0;
    this.series = new BarSeries();
    this.navigation = new Navigation({ interval: this.interval, onInterval: (value, how) => this.setInterval(value, how) });
    const { tz, averages } = this.navigation.view;
    this.clock = new ClockView({ exchangeZone: timezone, choice: tz ?? "exchange", onZone: (zone) => this.setZone(zone), last: () => this.series.last });
    this.states = new StatesView({ onRetry: () => this.load() });
    this.legend = new LegendView(look);
    this.table = new TableView(look);
    this.panel = new PanelView({ seriesUrl, barsUrl, symbol });
    this.head = new HeadView(this.decimals);
    this.watchlist = new WatchlistView();
    this.canvas = new Canvas(document.getElementById("chart"), { ...look, onNearStart: () => this.loadOlder(), onView: (view) => this.viewed(view), onPoint: (time) => this.pointed(time) });
    this.feed = new FeedView({ page: element, zone: look.zone, onAction: (name) => this.act(name), onStale: (stale) => this.canvas.setStale(stale) });
    const socket = new URL(livePath, location.href);
    socket.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.live = new Live({ url: socket.href, symbols: [symbol, ...this.watchlist.symbols], listener: this });
    this.#listen();
    this.setAverages(averages);
  }

  start() {
    this.canvas.setInterval(this.interval);
    this.live.follow(this.symbol, this.interval);
    this.live.start();
    this.load(this.navigation.view);
  }

  #listen() {
    const on = (id, action) => document.getElementById(id).addEventListener("click", action);
    on("live-edge", () => this.canvas.showNewest());
    on("table-toggle", () => this.toggleTable());
    on("ema-toggle", () => this.setAverages(!this.hasAverages));
    on("copy-link", () => this.copyLink());
    on("fullscreen", () => (document.fullscreenElement ? document.exitFullscreen() : document.querySelector(".chart-column").requestFullscreen()));
    document.addEventListener("themechange", () => this.canvas.recolour());
    this.shortcuts = new Shortcuts(document.getElementById("chart"), {
      step: (by) => this.step(by),
      oldest: () => this.canvas.showRange(0, 100),
      newest: () => this.canvas.showNewest(),
      zoomIn: () => this.canvas.zoom(0.8),
      zoomOut: () => this.canvas.zoom(1.25),
      table: () => this.toggleTable(),
      typed: (digits) => toast(`${digits}: press Enter for this interval`),
      interval: (value, digits) => (value ? this.setInterval(value) : toast(`There is no interval of ${digits} minutes.`)),
    });
  }

  // History

  async load({ from, to } = {}) {
    const generation = ++this.generation;
    this.abort?.abort();
    this.abort = new AbortController();
    this.isReady = this.isAtStart = this.isLoadingOlder = this.isCatchingUp = false;
    this.series = new BarSeries();
    this.draw();
    const choice = this.navigation.choice();
    this.states.showLoading(`Loading ${choice.title} bars of ${this.symbol}…`);
    const mark = this.series.mark();
    const hadSnapshot = this.hasSnapshot;
    let bars;
    try {
      bars = await fetchBars(this.barsUrl, { symbol: this.symbol, interval: this.interval }, this.abort.signal);
    } catch (error) {
      if (generation === this.generation) this.#failed(error, choice);
      return;
    }
    if (generation !== this.generation) return;
    this.series.merge(bars, mark);
    this.isAtStart = bars.length < PAGE;
    this.isReady = true;
    this.#settle(choice);
    if (this.hasSnapshot && !hadSnapshot) this.catchUp(bars.at(-1)?.time);
    await this.#showRange(from, to);
  }

  #failed(error, choice) {
    if (error.status === 401 || error.status === 403) this.connection({ name: "signed-out", since: Date.now() });
    this.states.showError({ symbol: this.symbol, label: choice.label, error });
  }

  #settle(choice) {
    this.draw();
    if (this.series.length) {
      this.states.hide();
      this.canvas.showNewest();
    } else {
      const other = this.interval === OTHER_INTERVAL ? null : this.navigation.choice(OTHER_INTERVAL);
      this.states.showEmpty({ symbol: this.symbol, label: choice.label, other });
    }
  }

  /** The range of a link, with as many older pages as it takes. */
  async #showRange(from, to) {
    if (!Number.isFinite(from)) return;
    while (this.series.length && this.series.first.time > from && !this.isAtStart && !this.series.isFull) {
      if (!(await this.loadOlder())) return;
    }
    const bars = this.series.all;
    const first = bars.findIndex((bar) => bar.time >= from);
    const last = Number.isFinite(to) ? bars.findLastIndex((bar) => bar.time < to) : bars.length - 1;
    if (first >= 0 && last > first) this.canvas.showRange(first, last);
  }

  /** The page before the oldest bar; one request at a time. */
  async loadOlder() {
    if (!this.isReady || this.isAtStart || this.isLoadingOlder || this.series.isFull || !this.series.length) return false;
    const generation = this.generation;
    this.isLoadingOlder = true;
    try {
      const query = { symbol: this.symbol, interval: this.interval, end: this.series.first.time };
      const bars = await fetchBars(this.barsUrl, query, this.abort.signal);
      if (generation !== this.generation) return false;
      this.isAtStart = bars.length < PAGE;
      if (this.series.merge(bars)) this.draw();
      return true;
    } catch (error) {
      if (generation === this.generation) toast(`Older bars could not be loaded. ${error.message}`);
      return false;
    } finally {
      if (generation === this.generation) this.isLoadingOlder = false;
    }
  }

  /** Closed bars from `from` on: what passed while nobody listened. */
  async catchUp(from = this.series.lastClosed?.time) {
    this.catchUpFrom = Math.min(from ?? Infinity, this.catchUpFrom ?? Infinity);
    if (!this.isReady || this.isCatchingUp) return;
    const generation = this.generation;
    this.isCatchingUp = true;
    try {
      while (this.catchUpFrom !== undefined && generation === this.generation) {
        const start = Number.isFinite(this.catchUpFrom) ? this.catchUpFrom : undefined;
        this.catchUpFrom = undefined;
        await this.#fetchFrom(start, generation);
      }
    } catch (error) {
      // The pill and the banner tell how the server is; what is missing is asked again at the next sign of life.
      if (generation === this.generation) {
        this.catchUpFrom = Math.min(from ?? Infinity, this.catchUpFrom ?? Infinity);
        console.warn("catch up:", error.message);
      }
    } finally {
      if (generation === this.generation) this.isCatchingUp = false;
    }
  }

  async #fetchFrom(start, generation, end) {
    for (let page = 0, from = start; page < MOST_CATCH_UP_PAGES; page += 1) {
      const mark = this.series.mark();
      const bars = await fetchBars(this.barsUrl, { symbol: this.symbol, interval: this.interval, start: from, end }, this.abort.signal);
      if (generation !== this.generation) return;
      const wasEmpty = !this.series.length;
      if (this.series.merge(bars, mark)) this.draw();
      if (wasEmpty && this.series.length) this.#settle(this.navigation.choice());
      if (bars.length < PAGE || start === undefined) return;
      from = bars.at(-1).time + 1;
    }
  }

  /** Stored bars in [first, last] have changed. */
  async refetch({ interval, first, last }) {
    if (interval && interval !== this.interval) return;
    this.panel.refresh(this.interval);
    if (!this.isReady) return;
    if (!this.series.length) return this.load();
    const start = Math.max(Date.parse(first) / 1000, this.series.first.time);
    const end = Date.parse(last) / 1000 + 1;
    if (Date.parse(first) / 1000 < this.series.first.time) this.isAtStart = false;
    if (end <= start) return;
    try {
      await this.#fetchFrom(start, this.generation, end);
    } catch (error) {
      console.warn("refetch:", error.message);
    }
  }

  // The socket

  message(message, verdict) {
    const isOurs = message.symbol === this.symbol;
    const from = this.series.lastClosed?.time;
    if (message.type === "quote") this.#quote(message.symbol, message);
    else if (message.type === "snapshot") this.#snapshot(message);
    else if (isOurs && message.type === "bar") this.#bar(message);
    else if (isOurs && message.type === "status") this.feed.setStatus(message);
    else if (isOurs && message.type === "history") this.refetch(message);
    else if (isOurs && message.type === "gap") this.catchUp(from);
    if (isOurs && verdict === "jump") this.catchUp(from);
  }

  behind(symbol) {
    if (symbol === this.symbol) this.catchUp();
  }

  connection(state) {
    if (state.name === "connecting" && this.feed.connection.name !== "down") this.hasSnapshot = false;
    if (state.name === "connecting") state.since = this.feed.connection.since;
    this.feed.setConnection(state);
  }

  #quote(symbol, quote) {
    this.watchlist.show(symbol, quote);
    if (symbol !== this.symbol) return;
    this.quote = quote;
    this.feed.asOf = quote.time;
    this.head.show(quote);
    document.title = `${this.head.last.textContent} ${this.symbol} · PocketQuant`;
  }

  #snapshot({ symbol, status, quote, bars, closed }) {
    if (quote) this.#quote(symbol, quote);
    if (symbol !== this.symbol) return;
    this.hasSnapshot = true;
    this.feed.setStatus(status);
    for (const bar of closed?.[this.interval] ?? []) this.#put(parseBar(bar, "closed"));
    const forming = bars?.[this.interval];
    if (forming) this.#put(parseBar(forming, forming.state === "forming" ? "forming" : "closed"));
  }

  #bar({ interval, state, bar }) {
    if (interval === this.interval) this.#put(parseBar(bar, state === "forming" ? "forming" : "closed"));
  }

  #put(bar) {
    const wasEmpty = !this.series.length;
    const place = this.series.put(bar);
    if (place === "ignored" || !this.isReady) return;
    if (wasEmpty) this.#settle(this.navigation.choice());
    else if (place === "inserted") this.draw();
    else this.canvas.update(bar, place === "earlier");
    if (place === "appended") this.clock.setCount(this.series.length);
    if (!this.pointedTime) this.showLegend();
    if (bar.state === "closed") this.describe();
  }

  act(connection) {
    if (connection === "signed-out") location.assign(`${this.signinUrl}?next=${encodeURIComponent(location.pathname + location.search)}`);
    else this.live.retryNow();
  }

  // The picture

  setInterval(value, { push = true } = {}) {
    if (value === this.interval) return;
    this.interval = value;
    this.navigation.setInterval(value, { push });
    this.canvas.setInterval(value);
    this.live.follow(this.symbol, value);
    this.panel.refresh(value);
    this.load();
  }

  setZone(choice) {
    this.navigation.set("tz", choice === "exchange" ? "" : choice);
    this.clock.tick();
    this.canvas.rezone();
    this.feed.draw();
    this.describe();
  }

  setAverages(isOn) {
    this.hasAverages = isOn;
    this.canvas.showAverages(isOn);
    document.getElementById("ema-toggle").setAttribute("aria-pressed", String(isOn));
    this.navigation.set("ind", isOn ? "ema:20,ema:50" : "");
    this.showLegend();
  }

  draw() {
    const bars = this.isReady ? this.series.all : [];
    this.canvas.setBars(bars);
    this.clock.setCount(bars.length);
    this.pointedTime = undefined;
    this.showLegend();
    this.describe();
    if (!this.quote && bars.length) this.head.show({ last: bars.at(-1).close });
  }

  showLegend() {
    const index = this.pointedTime === undefined ? this.series.length - 1 : this.series.indexOf(this.pointedTime);
    const bar = this.isReady ? this.series.all[index] : undefined;
    this.legend.show({ interval: this.interval, bar, before: this.series.all[index - 1], averages: bar ? this.canvas.averagesAt(bar.time) : [] });
  }

  pointed(time) {
    this.pointedTime = time;
    this.showLegend();
  }

  step(by) {
    if (!this.isReady || !this.series.length) return;
    const at = this.pointedTime === undefined ? this.series.length - 1 : this.series.indexOf(this.pointedTime) + by;
    const index = Math.max(0, Math.min(this.series.length - 1, at));
    this.canvas.point(index);
    this.pointed(this.series.all[index].time);
  }

  viewed({ isAtEdge }) {
    document.getElementById("live-edge").hidden = isAtEdge;
    document.getElementById("history-start").hidden = !(this.isAtStart && this.canvas.visible()?.[0] === 0);
    clearTimeout(this.viewTimer);
    this.viewTimer = setTimeout(() => this.describe(), VIEW_DELAY_MS);
  }

  #inView() {
    const visible = this.isReady ? this.canvas.visible() : null;
    return visible ? this.series.all.slice(visible[0], visible[1] + 1) : [];
  }

  /** In words, as a table, and as code: what is in view. */
  describe() {
    const bars = this.#inView();
    const { isIntraday } = this.canvas;
    this.table.describe({ symbol: this.symbol, title: this.navigation.choice().title, bars, isIntraday });
    this.table.show(bars, isIntraday);
    if (bars.length) this.panel.setRange({ interval: this.interval, start: bars[0].time, end: bars.at(-1).time + 1 });
  }

  toggleTable() {
    this.table.setOpen(!this.table.isOpen);
    this.describe();
    if (this.table.isOpen) this.table.element.focus();
    else document.getElementById("chart").focus();
  }

  copyLink() {
    const bars = this.#inView();
    const range = bars.length ? { from: isoTime(bars[0].time), to: isoTime(bars.at(-1).time + 1) } : {};
    copy(this.navigation.linkTo({ tz: this.clock.choice, ...range }), "Link copied");
  }
}

const page = new ChartPage(document.getElementById("chart-page"));
page.start();
