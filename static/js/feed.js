// How live the page is: the pill, the banner, and prices in grey when they may be old.
import { duration, opening, time } from "#format";

const PATIENCE_MS = 2500; // a reconnect this short is no news
const NOT_FLOWING = new Set(["stale", "reconnecting", "offline", "error"]);

/** {word, count, tone, text, stale}: what to say of the socket's state and of the symbol's feed. Times in ms. */
export function describe(connection, status, now, zone) {
  // A server that said why before it fell silent is believed.
  const isExplained = connection.name === "silent" && NOT_FLOWING.has(status?.state);
  return (isExplained ? null : describeConnection(connection, now)) ?? describeFeed(status, now, zone);
}

function describeConnection(connection, now) {
  const lost = Math.max(0, (now - connection.since) / 1000);
  const next = connection.retryAt ? ` Next try in ${duration(Math.ceil((connection.retryAt - now) / 1000))}.` : "";
  switch (connection.name) {
    case "open":
      return null;
    case "signed-out":
      return { word: "Signed out", tone: "bad", text: "Your session has ended. Stored bars stay on screen.", action: "Sign in", stale: true };
    case "refused":
      return { word: "Refused", tone: "bad", text: "The server refuses live prices at this address: open the page under the address it printed.", stale: true };
    case "silent":
      return { word: "Stale", count: duration(lost), tone: "warn", stale: true, ...describeSilence(connection, lost) };
    default:
      if (now - connection.since < PATIENCE_MS) return { word: connection.first ? "Connecting" : "Reconnecting", tone: "wait", stale: false };
      return { word: "Offline", count: duration(lost), tone: "bad", text: `No live prices for ${duration(lost)}.${next}`, action: "Retry now", stale: true };
  }
}

function describeSilence({ answers }, lost) {
  const text = `No live prices for ${duration(lost)}`;
  // Trying again brings nothing from a server that answers.
  return answers ? { text: `${text}: the server answers, but its stream is silent.` } : { text: `${text}: the server has fallen silent.`, action: "Retry now" };
}

function describeFeed(status, now, zone) {
  if (!status) return { word: "Connecting", tone: "wait", stale: false };
  const silent = duration((now - Date.parse(status.since ?? status.as_of)) / 1000);
  const reason = status.reason ? ` ${capital(status.reason)}.` : "";
  const next = status.retry_at ? ` Next try in ${duration(Math.ceil((Date.parse(status.retry_at) - now) / 1000))}.` : "";
  switch (status.state) {
    case "live":
      return { word: "Live", tone: "ok", stale: false };
    case "delayed": {
      const late = status.delay_seconds ?? 0; // more than a day: a recording
      const word = late < 86400 ? `Delayed ${Math.round(late / 60)} min` : `Delayed ${duration(late)}`;
      return { word, tone: "warn", stale: false };
    }
    case "quiet":
      return { word: "Quiet", tone: "wait", stale: false };
    case "closed":
      return { word: "Closed", count: status.opens_at ? `(opens ${opening(Date.parse(status.opens_at) / 1000, zone, now / 1000)})` : "", tone: "wait", stale: false };
    case "stale":
      return { word: "Stale", count: silent, tone: "warn", text: `No live prices for ${silent}.${reason}`, stale: true };
    case "reconnecting":
      return { word: "Reconnecting", tone: "warn", text: `The connection to the provider is down.${reason}${next} Stored bars are safe.`, stale: true };
    case "offline":
      return { word: "Offline", count: silent, tone: "bad", text: `No live prices.${reason} Stored bars are safe.`, stale: true };
    default:
      return { word: "Error", tone: "bad", text: `The provider refuses this symbol.${reason}`, stale: true };
  }
}

function capital(text) {
  const trimmed = text.replace(/\.$/, "");
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
}

/** Draws it, once a second and on each change. */
export class FeedView {
  constructor({ page, zone, onAction, onStale }) {
    this.page = page;
    this.zone = zone;
    this.onStale = onStale;
    this.connection = { name: "connecting", first: true, since: Date.now(), retryAt: null };
    this.status = null;
    this.asOf = null;
    this.stale = false;
    this.elements = Object.fromEntries(
      ["live-pill", "live-word", "live-count", "banner", "banner-text", "banner-count", "banner-action"].map((id) => [id, document.getElementById(id)]),
    );
    this.elements["banner-action"].addEventListener("click", () => onAction(this.connection.name));
    setInterval(() => this.draw(), 1000);
  }

  setConnection(connection) {
    // While attempts go on, what counts is since when there were no prices.
    const first = this.connection.first && connection.name !== "open";
    this.connection = { ...connection, first, retryAt: connection.retryAt ?? null };
    this.draw();
  }

  setStatus(status) {
    this.status = status;
    this.draw();
  }

  draw() {
    const { word, count = "", tone, text = "", action = "", stale } = describe(this.connection, this.status, Date.now(), this.zone());
    const e = this.elements;
    // The word alone is what a screen reader hears of a change; counts tick in silence.
    if (e["live-word"].textContent !== word) e["live-word"].textContent = word;
    e["live-count"].textContent = count;
    e["live-pill"].dataset.tone = tone;
    e["live-pill"].dataset.state = word.split(" ")[0].toLowerCase();
    e.banner.hidden = !text;
    e.banner.dataset.tone = tone;
    const seconds = this.asOf && Date.parse(this.asOf) / 1000;
    e["banner-text"].textContent = text;
    e["banner-count"].textContent = text && seconds ? `Prices as of ${time(seconds, this.zone())}.` : "";
    e["banner-action"].hidden = !action;
    e["banner-action"].textContent = action;
    this.page.classList.toggle("is-stale", stale);
    if (stale !== this.stale) {
      this.stale = stale;
      this.onStale(stale);
    }
  }
}
