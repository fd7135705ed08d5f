// Hatched bands behind the candles, from top to bottom of their pane.
const LEAST_WIDTH = 8;
const STEP = 5;

/** A primitive of the chart library; `bands` as in gaps.js. */
export class Hatch {
  #bands = [];
  #colour = "#000";

  attached({ chart, requestUpdate }) {
    this.scale = chart.timeScale();
    this.requestUpdate = requestUpdate;
  }

  set(bands, colour) {
    this.#bands = bands;
    this.#colour = colour;
    this.requestUpdate?.();
  }

  paneViews() {
    return [{ zOrder: () => "bottom", renderer: () => ({ draw: (target) => target.useMediaCoordinateSpace((scope) => this.#draw(scope)) }) }];
  }

  #draw({ context, mediaSize }) {
    for (const [from, to] of this.#bands) {
      const [left, right] = [this.#x(from), this.#x(to)];
      const width = Math.max(LEAST_WIDTH, right - left);
      const start = (left + right - width) / 2;
      if (start + width > 0 && start < mediaSize.width) this.#drawBand(context, start, width, mediaSize.height);
    }
  }

  // The scale knows whole places only.
  #x(place) {
    const low = Math.floor(place);
    const at = this.scale.logicalToCoordinate(low);
    return at + (place - low) * (this.scale.logicalToCoordinate(low + 1) - at);
  }

  #drawBand(context, x, width, height) {
    context.save();
    context.beginPath();
    context.rect(x, 0, width, height);
    context.clip();
    context.strokeStyle = this.#colour;
    context.lineWidth = 1;
    context.globalAlpha = 0.6;
    context.beginPath();
    for (let y = -width; y < height; y += STEP) {
      context.moveTo(x, y + width);
      context.lineTo(x + width, y);
    }
    context.stroke();
    context.restore();
  }
}
