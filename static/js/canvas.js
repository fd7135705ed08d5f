// The drawing: candles, volume below them, averages, and the line of the last price.
import { CandlestickSeries, createChartEx, HistogramSeries, LineSeries, LineStyle } from "lightweight-charts";
import { ema, nextEma } from "#ema";
import { compact, instant, date, price } from "#format";
import { bands } from "#gaps";
import { Hatch } from "#hatch";
import { tickLabel, zonedScale } from "#scale";
import { token } from "#theme";

const VISIBLE_BARS = 130;
const RIGHT_BARS = 5;
const VOLUME_SHARE = 0.17;
const TOP_SHARE = 0.12; // kept free above the candles
const UNSEEN = 60; // fewer bars than this to the left of the view: time for an older page
export const AVERAGES = [20, 50];

function withAlpha(hex, alpha) {
  const channel = (at) => parseInt(hex.slice(at, at + 2), 16);
  return `rgba(${channel(1)}, ${channel(3)}, ${channel(5)}, ${alpha})`;
}

export class Canvas {
  constructor(container, { decimals, hasVolume, zone, onNearStart, onView, onPoint }) {
    this.container = container;
    this.decimals = decimals;
    this.zone = zone;
    this.bars = [];
    this.stale = false;
    this.points = new Map();
    this.chart = createChartEx(container, new (zonedScale(() => this.#axisZone()))(), this.#options());
    this.candles = this.chart.addSeries(CandlestickSeries, {
      priceLineVisible: false,
      lastValueVisible: false,
      priceFormat: { type: "custom", minMove: 10 ** -decimals, formatter: (value) => price(value, decimals) },
    });
    this.hatch = new Hatch();
    this.candles.attachPrimitive(this.hatch);
    this.gaps = [];
    this.volume = hasVolume ? this.#addVolume() : null;
    this.lines = new Map();
    this.lastLine = null;
    this.recolour();
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (!range || !this.bars.length) return;
      if (range.from < UNSEEN) onNearStart();
      onView({ isAtEdge: range.to >= this.bars.length - 1 });
    });
    this.chart.subscribeCrosshairMove(({ time }) => onPoint(time));
  }

  #addVolume() {
    const series = this.chart.addSeries(
      HistogramSeries,
      { priceLineVisible: false, lastValueVisible: false, priceFormat: { type: "custom", minMove: 0.01, formatter: compact } },
      1,
    );
    series.priceScale().applyOptions({ scaleMargins: { top: 0.12, bottom: 0 }, borderVisible: false });
    const [above, below] = this.chart.panes();
    above.setStretchFactor(1 - VOLUME_SHARE);
    below.setStretchFactor(VOLUME_SHARE);
    return series;
  }

  #options() {
    return {
      autoSize: true,
      layout: { fontSize: 11.5, fontFamily: token("--font"), attributionLogo: true },
      crosshair: { mode: 0 },
      rightPriceScale: { borderVisible: false, minimumWidth: 64, scaleMargins: { top: TOP_SHARE, bottom: 0.06 } },
      timeScale: {
        borderVisible: false,
        rightOffset: RIGHT_BARS,
        minBarSpacing: 0.4,
        tickMarkFormatter: (time, type) => tickLabel(time, type, this.#axisZone()),
      },
      localization: { timeFormatter: (time) => (this.isIntraday ? instant(time, this.zone()) : date(time, "UTC")) },
    };
  }

  // Days, weeks and months are named by a date, which no zone may shift.
  #axisZone() {
    return this.isIntraday ? this.zone() : "UTC";
  }

  setInterval(interval) {
    this.isIntraday = /[mh]$/.test(interval);
    this.chart.applyOptions({ timeScale: { timeVisible: this.isIntraday, secondsVisible: false } });
  }

  /** Read the colours again: the theme or the palette has changed, or the prices have become old. */
  recolour() {
    const [up, down, text] = [token("--up"), token("--down"), token("--text2")];
    this.colours = { up, down, up2: withAlpha(up, 0.5), down2: withAlpha(down, 0.5), upFaint: withAlpha(up, 0.3), downFaint: withAlpha(down, 0.3) };
    this.chart.applyOptions({
      layout: { background: { type: "solid", color: token("--panel-bg") }, textColor: text, panes: { separatorColor: token("--line"), separatorHoverColor: token("--raise") } },
      grid: { vertLines: { color: token("--grid") }, horzLines: { color: token("--grid") } },
      crosshair: ["vertLine", "horzLine"].reduce((all, line) => ({ ...all, [line]: { color: token("--ctl"), labelBackgroundColor: token("--ctl") } }), {}),
    });
    this.candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderUpColor: up, borderDownColor: down });
    AVERAGES.forEach((length, i) => this.lines.get(length)?.applyOptions({ color: token(`--i${i + 1}`), lineStyle: this.#averageStyle() }));
    this.setBars(this.bars);
  }

  #averageStyle() {
    return document.documentElement.dataset.palette === "cb" ? LineStyle.Dashed : LineStyle.Solid;
  }

  setStale(stale) {
    this.stale = stale;
    this.#drawLastLine();
  }

  setBars(bars) {
    this.bars = bars;
    this.candles.setData(bars.map((bar) => this.#candle(bar)));
    this.volume?.setData(bars.map((bar) => this.#column(bar)));
    for (const [length, line] of this.lines) {
      this.points.set(length, ema(bars, length));
      line.setData(this.points.get(length));
    }
    this.#drawLastLine();
    this.showGaps(this.gaps);
  }

  /** Hatch the ranges of gaps.js, and bars of which ticks are missing. */
  showGaps(ranges) {
    this.gaps = ranges;
    this.hatch.set(bands(ranges, this.bars), token("--warn"));
  }

  /** One bar has changed, or a new one has come at the end. */
  update(bar, isEarlier = false) {
    this.candles.update(this.#candle(bar), isEarlier);
    this.volume?.update(this.#column(bar), isEarlier);
    if (isEarlier) this.#redrawAverages();
    else this.#moveAverages(bar);
    this.#drawLastLine();
  }

  #candle(bar) {
    const { time, open, high, low, close } = bar;
    const candle = { time, open, high, low, close };
    // Hollow while it forms.
    return bar.state === "forming" ? { ...candle, color: close >= open ? this.colours.upFaint : this.colours.downFaint } : candle;
  }

  #column({ time, volume, open, close }) {
    return { time, value: volume, color: close >= open ? this.colours.up2 : this.colours.down2 };
  }

  #drawLastLine() {
    const last = this.bars.at(-1);
    if (!last) {
      if (this.lastLine) this.candles.removePriceLine(this.lastLine);
      this.lastLine = null;
      return;
    }
    const colour = this.stale ? token("--text3") : last.close >= last.open ? this.colours.up : this.colours.down;
    const options = { price: last.close, color: colour, lineWidth: 1, lineStyle: LineStyle.Dotted, axisLabelColor: colour, axisLabelTextColor: token("--panel-bg") };
    if (this.lastLine) this.lastLine.applyOptions(options);
    else this.lastLine = this.candles.createPriceLine({ ...options, axisLabelVisible: true, title: "" });
  }

  showAverages(isOn) {
    AVERAGES.forEach((length, i) => {
      const line = this.lines.get(length);
      if (isOn && !line) {
        const options = { color: token(`--i${i + 1}`), lineWidth: 2, lineStyle: this.#averageStyle(), priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false };
        this.lines.set(length, this.chart.addSeries(LineSeries, options));
      } else if (!isOn && line) {
        this.chart.removeSeries(line);
        this.lines.delete(length);
        this.points.delete(length);
      }
    });
    this.#redrawAverages();
  }

  #redrawAverages() {
    for (const [length, line] of this.lines) {
      this.points.set(length, ema(this.bars, length));
      line.setData(this.points.get(length));
    }
  }

  #moveAverages(bar) {
    for (const [length, line] of this.lines) {
      const points = this.points.get(length);
      const next = nextEma(points, bar, length);
      if (!next) continue;
      if (points.at(-1).time === bar.time) points.pop();
      points.push(next);
      line.update(next);
    }
  }

  /** The averages at a bar: [[20, 384.34], [50, 385.22]]. */
  averagesAt(time) {
    return [...this.points].map(([length, points]) => [length, points.findLast((point) => point.time <= time)?.value ?? null]);
  }

  /** Keep the candles below what covers so many pixels at the top: on a phone the legend has several lines. */
  reserveTop(pixels) {
    const height = this.container.clientHeight * (this.volume ? 1 - VOLUME_SHARE : 1);
    const top = Math.min(0.4, Math.max(TOP_SHARE, pixels / height));
    this.candles.priceScale().applyOptions({ scaleMargins: { top, bottom: 0.06 } });
  }

  showNewest() {
    const end = this.bars.length + RIGHT_BARS;
    this.chart.timeScale().setVisibleLogicalRange({ from: end - Math.min(VISIBLE_BARS, this.#fitting()), to: end });
  }

  // A narrow screen shows fewer bars, not thinner ones.
  #fitting() {
    return Math.max(40, Math.round(this.container.clientWidth / 5.5));
  }

  /** [first, last] index of the bars in view. */
  visible() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range || !this.bars.length) return null;
    const first = Math.max(0, Math.round(range.from));
    const last = Math.min(this.bars.length - 1, Math.round(range.to));
    return first <= last ? [first, last] : null;
  }

  showRange(from, to) {
    this.chart.timeScale().setVisibleLogicalRange({ from, to });
  }

  zoom(factor) {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range) return;
    const width = Math.max(10, (range.to - range.from) * factor);
    this.showRange(range.to - width, range.to);
  }

  /** Put the cross-hair on the bar at `index`, and move the view if it lies outside. */
  point(index) {
    const bar = this.bars[index];
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const shift = index < range.from ? index - range.from - 5 : index > range.to ? index - range.to + 5 : 0;
    if (shift) this.showRange(range.from + shift, range.to + shift);
    this.chart.setCrosshairPosition(bar.close, bar.time, this.candles);
  }

  unpoint() {
    this.chart.clearCrosshairPosition();
  }

  /** The zone has changed: labels and breaks of the axis are worked out anew. */
  rezone() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const bars = this.bars;
    this.setBars([]);
    this.setBars(bars);
    if (range) this.chart.timeScale().setVisibleLogicalRange(range);
  }
}
