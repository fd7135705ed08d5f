// The chart page: history from the API, the forming bar from the socket, one picture.
import { parseBar } from "#bars";
import { Canvas } from "#canvas";
import { ClockView } from "#clock";
import { CoverageView } from "#coverage";
import { FeedView } from "#feed";
import { isoTime } from "#history";
import { LegendView } from "#legend";
import { Live } from "#live";
import { SeriesLoader } from "#loader";
import { Navigation } from "#navigation";
import { PanelView } from "#panel";
import { HeadView, SPARK_INTERVAL, WatchlistView } from "#quotes";
import { Shortcuts } from "#shortcuts";
import { StatesView } from "#states";
import { TableView } from "#table";
import { copy, toast } from "#toast";

const VIEW_DELAY_MS = 200;
const OTHER_INTERVAL = "1d"; // offered where an interval has no bars

class ChartPage {
  constructor(element) {
    const { symbol, interval, decimals, hasVolume, timezone, barsUrl, seriesUrl, livePath, signinUrl } = element.dataset;
    Object.assign(this, { symbol, interval, signinUrl });
    const look = { decimals: Number(decimals), hasVolume: hasVolume === "1", zone: () => this.clock.zone };
    this.loader = new SeriesLoader({ barsUrl, symbol, listener: this });
    this.navigation = new Navigation({ interval, onInterval: (value, how) => this.setInterval(value, how) });
    const { tz } = this.navigation.view;
    this.clock = new ClockView({ exchangeZone: timezone, choice: tz ?? "exchange", onZone: (zone) => this.setZone(zone), last: () => this.bars.at(-1) });
    this.states = new StatesView({ onRetry: () => this.loader.load(this.interval) });
    this.legend = new LegendView(look);
    this.table = new TableView(look);
    this.panel = new PanelView({ seriesUrl, barsUrl, symbol });
    this.coverage = new CoverageView({ symbol });
    this.head = new HeadView(look.decimals);
    this.watchlist = new WatchlistView();
    const on = { onNearStart: () => this.loader.loadOlder(), onView: (view) => this.viewed(view), onPoint: (time) => this.pointed(time) };
    this.canvas = new Canvas(document.getElementById("chart"), { ...look, ...on });
    this.feed = new FeedView({ page: element, zone: look.zone, onAction: (name) => this.act(name), onStale: (stale) => this.canvas.setStale(stale) });
    const socket = new URL(livePath, location.href);
    socket.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.live = new Live({ url: socket.href, symbols: [symbol, ...this.watchlist.symbols], listener: this });
    this.#listen();
  }

  async start() {
    const { from, to, averages } = this.navigation.view;
    if (averages) this.setAverages(true);
    this.canvas.setInterval(this.interval);
    this.live.follow(this.symbol, this.interval);
    this.live.start();
    const isLoaded = await this.loader.load(this.interval);
    if (isLoaded && Number.isFinite(from) && (await this.loader.reach(from))) this.#showRange(from, to);
  }

  #listen() {
    const on = (id, action) => document.getElementById(id).addEventListener("click", action);
    on("live-edge", () => this.canvas.showNewest());
    on("table-toggle", () => this.toggleTable());
    on("ema-toggle", () => this.setAverages(!this.hasAverages));
    on("copy-link", () => this.copyLink());
    on("fullscreen", () => (document.fullscreenElement ? document.exitFullscreen() : document.querySelector(".chart-column").requestFullscreen()));
    document.addEventListener("themechange", () => this.canvas.recolour());
    const legend = document.getElementById("legend");
    new ResizeObserver(() => this.canvas.reserveTop(legend.offsetTop + legend.offsetHeight)).observe(legend);
    new Shortcuts(document.getElementById("chart"), {
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

  /** What is drawn: nothing until the first page is here. */
  get bars() {
    return this.loader.isReady ? this.loader.series.all : [];
  }

  // What the loader tells

  began() {
    this.changed();
    this.coverage.hide();
    this.states.showLoading(`Loading ${this.navigation.choice().title} bars of ${this.symbol}…`);
  }

  settled() {
    this.changed();
    this.coverage.show(this.interval);
    if (this.bars.length) {
      this.states.hide();
      this.canvas.showNewest();
      performance.mark("first-candle");
      return;
    }
    const other = this.interval === OTHER_INTERVAL ? null : this.navigation.choice(OTHER_INTERVAL);
    this.states.showEmpty({ symbol: this.symbol, label: this.navigation.choice().label, other });
  }

  failed(error) {
    if (error.status === 401 || error.status === 403) this.feed.setConnection({ name: "signed-out", since: Date.now() });
    this.states.showError({ symbol: this.symbol, label: this.navigation.choice().label, error });
  }

  missed(error) {
    toast(`Older bars could not be loaded. ${error.message}`);
  }

  changed() {
    this.gaps = this.loader.gaps.notable(this.bars.length);
    this.canvas.gaps = this.gaps;
    this.canvas.setBars(this.bars);
    this.clock.setCount(this.bars.length, this.gaps);
    this.pointed(undefined);
    this.describe();
    if (!this.hasQuote && this.bars.length) this.head.show({ last: this.bars.at(-1).close });
  }

  // What the socket tells

  message(message, verdict) {
    const isOurs = message.symbol === this.symbol;
    const from = this.loader.series.lastClosed?.time; // before the message: what it adds may lie beyond a hole
    if (message.type === "quote") this.#quote(message.symbol, message);
    else if (message.type === "snapshot") this.#snapshot(message);
    else if (isOurs && message.type === "bar" && message.interval === this.interval) this.#put(message.bar, message.state);
    else if (isOurs && message.type === "status") this.feed.setStatus(message);
    else if (message.type === "history") this.#history(message);
    if (isOurs && message.type === "gap") this.coverage.refresh();
    if (isOurs && (verdict === "jump" || message.type === "gap")) this.loader.catchUp(from);
  }

  behind(symbol) {
    if (symbol === this.symbol) this.loader.catchUp();
  }

  connection(state) {
    if (state.name !== "open" && state.name !== "silent") this.loader.hasSnapshot = false;
    this.feed.setConnection(state);
  }

  #history({ symbol, interval, first, last }) {
    if (!interval || interval === SPARK_INTERVAL) this.watchlist.refill(symbol, this.loader.barsUrl);
    if (symbol !== this.symbol || (interval && interval !== this.interval)) return;
    this.panel.refresh(this.interval);
    this.coverage.refresh();
    this.loader.refetch(Date.parse(first) / 1000, Date.parse(last) / 1000);
  }

  #quote(symbol, quote) {
    this.watchlist.show(symbol, quote);
    if (symbol !== this.symbol) return;
    this.hasQuote = true;
    this.feed.asOf = quote.time;
    this.head.show(quote);
    document.title = `${this.head.last.textContent} ${this.symbol} · PocketQuant`;
  }

  #snapshot({ symbol, status, quote, bars, closed }) {
    if (quote) this.#quote(symbol, quote);
    if (symbol !== this.symbol) return;
    this.loader.hasSnapshot = true;
    this.feed.setStatus(status);
    for (const bar of closed?.[this.interval] ?? []) this.#put(bar, "closed");
    const forming = bars?.[this.interval];
    if (forming) this.#put(forming, forming.state);
  }

  #put(fields, state) {
    const bar = parseBar(fields, state === "forming" ? "forming" : "closed");
    const wasEmpty = !this.bars.length;
    const place = this.loader.series.put(bar);
    if (place === "ignored" || !this.loader.isReady) return;
    if (wasEmpty) return this.settled();
    if (place === "inserted") return this.changed();
    this.canvas.update(bar, place === "earlier");
    if (place === "appended") this.clock.setCount(this.bars.length, this.gaps);
    if (this.pointedTime === undefined || this.pointedTime === bar.time) this.showLegend();
    if (bar.state === "closed") this.describe();
  }

  act(connection) {
    if (connection === "signed-out") location.assign(`${this.signinUrl}?next=${encodeURIComponent(location.pathname + location.search)}`);
    else this.live.retryNow();
  }

  // What the person does

  setInterval(value, { push = true } = {}) {
    if (value === this.interval) return;
    this.interval = value;
    this.navigation.setInterval(value, { push });
    this.canvas.setInterval(value);
    this.live.follow(this.symbol, value);
    this.panel.refresh(value);
    this.loader.load(value);
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

  toggleTable() {
    this.table.setOpen(!this.table.isOpen);
    this.describe();
    (this.table.isOpen ? this.table.element : document.getElementById("chart")).focus();
  }

  copyLink() {
    const bars = this.#inView();
    const range = bars.length ? { from: isoTime(bars[0].time), to: isoTime(bars.at(-1).time + 1) } : {};
    copy(this.navigation.linkTo({ tz: this.clock.choice, ...range }), "Link copied");
  }

  step(by) {
    if (!this.bars.length) return;
    const at = this.pointedTime === undefined ? this.bars.length - 1 : this.loader.series.indexOf(this.pointedTime) + by;
    const index = Math.max(0, Math.min(this.bars.length - 1, at));
    this.canvas.point(index);
    this.pointed(this.bars[index].time);
  }

  // What is in view

  pointed(time) {
    this.pointedTime = time;
    this.showLegend();
  }

  showLegend() {
    const index = this.pointedTime === undefined ? this.bars.length - 1 : this.loader.series.indexOf(this.pointedTime);
    const bar = this.bars[index];
    this.legend.show({ interval: this.interval, bar, before: this.bars[index - 1], averages: bar ? this.canvas.averagesAt(bar.time) : [] });
  }

  viewed({ isAtEdge }) {
    document.getElementById("live-edge").hidden = isAtEdge;
    document.getElementById("history-start").hidden = !(this.loader.isAtStart && this.canvas.visible()?.[0] === 0);
    clearTimeout(this.viewTimer);
    this.viewTimer = setTimeout(() => this.describe(), VIEW_DELAY_MS);
  }

  #showRange(from, to) {
    const first = this.bars.findIndex((bar) => bar.time >= from);
    const last = Number.isFinite(to) ? this.bars.findLastIndex((bar) => bar.time < to) : this.bars.length - 1;
    if (first >= 0 && last > first) this.canvas.showRange(first, last);
  }

  #inView() {
    const visible = this.bars.length ? this.canvas.visible() : null;
    return visible ? this.bars.slice(visible[0], visible[1] + 1) : [];
  }

  /** In words, as a table, and as code. */
  describe() {
    const bars = this.#inView();
    const { isIntraday } = this.canvas;
    this.table.describe({ symbol: this.symbol, title: this.navigation.choice().title, bars, isIntraday });
    this.table.show(bars, isIntraday);
    if (bars.length) this.panel.setRange({ interval: this.interval, start: bars[0].time, end: bars.at(-1).time + 1 });
  }
}

const page = new ChartPage(document.getElementById("chart-page"));
page.start();
