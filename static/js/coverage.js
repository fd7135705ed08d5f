// The strip under the chart: how complete the series is, and a button that has what is missing fetched.
import { askJson } from "#api";
import { instant, NONE, share as sharePercent, whole } from "#format";
import { Poll } from "#poll";
import { toast } from "#toast";

const DAYS_SHOWN = 60;
const SOON_MS = 300; // several messages in a row cost one request
const AGAIN_MS = 300_000; // a bar that does not come sends no message
const EVERY_MS = 1000;
const SHADES = [
  [1, "h4"],
  [0.95, "h3"],
  [0.5, "h2"],
  [0, "h1"],
];
const NOT_MISSING = "none at provider";
const LOST = new Set(["beyond provider's window", "calendar unknown"]);

/**
 * What an answer of `/api/v1/coverage` about one series comes to. `name`: "never" (nothing is stored), "nothing"
 * (nothing is expected yet), "whole", "gaps", "lost" (gaps that this provider cannot fill any more).
 */
export function summarize({ results: [series], holes, holes_omitted: omitted }) {
  const gaps = holes.filter((hole) => hole.reason !== NOT_MISSING);
  const lost = gaps.filter((hole) => LOST.has(hole.reason));
  const found = { share: series.share, missing: series.missing, gaps: gaps.length, isMore: omitted > 0, lost: lost.length };
  if (!series.bars) return { ...found, name: "never" };
  if (series.share === null) return { ...found, name: "nothing" };
  if (!series.missing) return { ...found, name: "whole" };
  return { ...found, name: lost.length === gaps.length && !found.isMore ? "lost" : "gaps" };
}

/** `99.6 % · 1 gap` and what else there is to say of it. */
export function describe({ share, missing, gaps, isMore, lost, name }) {
  if (name === "never") return { text: "Nothing is stored of this series yet", note: "", action: "Get history" };
  const many = isMore ? `more than ${whole(gaps)} gaps` : gaps === 1 ? "1 gap" : `${whole(gaps)} gaps`;
  const bars = missing === 1 ? "1 bar is missing" : `${whole(missing)} bars are missing`;
  const beyond = !lost ? "" : name === "lost" ? "; its provider has nothing as old any more" : `; ${whole(lost)} of the gaps can no longer be filled`;
  return { text: `${sharePercent(share)} · ${many}`, note: bars + beyond, action: name === "lost" ? "" : "Fill" };
}

/** What to say of a run over one series, as `/api/v1/sync/runs/{id}` tells it; `total` 0 while it is not known. */
export function describeRun(run) {
  const [item] = run.items;
  if (run.state === "paused") return { text: "Paused", note: "", total: 0 };
  if (item.state === "error") {
    const next = item.next_try_at ? `. Next try ${instant(Date.parse(item.next_try_at) / 1000)} UTC` : "";
    return { text: "It failed", note: `${item.reason}${next}`, total: 0 };
  }
  if (item.state === "pending") return { text: "Waiting for a worker", note: "", total: 0 };
  const done = run.inserted + run.replaced + run.unchanged;
  const total = Math.max(item.planned_bars, done);
  return { text: "Filling", note: total ? `${whole(done)} of ${whole(total)} bars` : "", done, total };
}

export class CoverageView {
  #timer = 0;
  #abort = new AbortController();
  #poll = null;

  constructor({ symbol }) {
    this.symbol = symbol;
    const get = (id) => document.getElementById(id);
    this.form = get("coverage");
    [this.days, this.text, this.note, this.progress, this.action] = ["days", "text", "note", "progress", "action"].map((name) => get(`coverage-${name}`));
    this.share = get("coverage-share");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.action.value === "ask") this.#ask();
      else this.#fill();
    });
    setInterval(() => document.hidden || this.refresh(), AGAIN_MS);
  }

  /** Another series is coming: what was said no longer holds. */
  hide() {
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#poll?.stop();
    this.#poll = null;
    this.interval = undefined;
    this.form.hidden = true;
    this.share.textContent = "";
  }

  /** Its bars are on screen. */
  show(interval) {
    this.interval = interval;
    this.form.elements.interval.value = interval;
    this.text.href = `${this.form.dataset.page}?interval=${interval}`;
    this.#ask();
  }

  /** Stored bars have changed. */
  refresh() {
    if (!this.interval) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), SOON_MS);
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (this.#poll) return; // the run tells more, and asks when it has ended
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      const query = `symbol=${encodeURIComponent(this.symbol)}&interval=${this.interval}&days=${DAYS_SHOWN * 2}`; // with closed ones between
      this.#show(await askJson(`${this.form.dataset.url}?${query}`, { signal, priority: "low" }));
    } catch (error) {
      if (signal.aborted) return;
      this.share.textContent = "";
      this.#draw({ tone: "warn", text: "How complete this is cannot be told now", note: error.message, action: "Try again", does: "ask" });
    }
  }

  #show(answer) {
    const found = summarize(answer);
    const isQuiet = found.name === "whole" || found.name === "nothing";
    this.share.textContent = found.name === "whole" ? `${sharePercent(1)} complete` : "";
    if (isQuiet) this.form.hidden = true;
    else this.#draw({ tone: found.name === "gaps" ? "warn" : "wait", ...describe(found) });
    this.#drawDays(isQuiet ? [] : (answer.days ?? []));
  }

  #draw({ tone, text, note, action, does = "fill", done = 0, total = null }) {
    if (this.text.textContent !== text) this.text.textContent = text;
    this.form.dataset.tone = tone;
    this.note.textContent = note;
    this.action.hidden = !action;
    this.action.textContent = action;
    this.action.value = does;
    this.progress.hidden = total === null;
    if (total) Object.assign(this.progress, { max: total, value: done });
    else this.progress.removeAttribute("value");
    this.form.hidden = false;
  }

  /** The newest on the right; what finds no room is cut off on the left. */
  #drawDays(days) {
    const marks = days
      .filter((day) => day.expected)
      .slice(-DAYS_SHOWN)
      .map(({ date, expected, stored, none_at_provider: empty }) => {
        const wanted = expected - empty;
        const share = wanted ? stored / wanted : 1;
        const mark = document.createElement("i");
        mark.dataset.shade = SHADES.find(([least]) => share >= least)[1];
        mark.classList.toggle("is-gap", share < 1);
        mark.title = `${date}: ${whole(stored)} of ${whole(wanted)} bars`;
        return mark;
      });
    this.days.replaceChildren(...marks.reverse());
  }

  async #fill() {
    const { interval } = this;
    this.#draw({ tone: "wait", text: "Asking for it…", note: "", action: "", total: 0 });
    try {
      const run = await askJson(this.form.action, { method: "POST", body: new FormData(this.form) });
      if (interval === this.interval) this.#watch(run);
    } catch (error) {
      if (interval === this.interval) this.#draw({ tone: "bad", text: "It could not be asked for", note: `${error.message} Stored bars are safe.`, action: "Try again" });
    }
  }

  #watch({ url, page }) {
    this.#poll?.stop();
    this.text.href = page;
    const poll = new Poll({
      ask: async () => {
        const run = await askJson(`${url}?limit=1`);
        if (poll !== this.#poll) return null;
        if (run.finished_at) return this.#ended(run);
        this.#draw({ tone: "wait", action: "", ...describeRun(run) });
        return EVERY_MS;
      },
      onFailure: (error, retryAt) => {
        if (poll !== this.#poll) return;
        if (!retryAt) this.#poll = null;
        this.#draw({ tone: "warn", text: "How far it is cannot be told now", note: error.message, action: retryAt ? "" : "Try again", does: "ask" });
      },
    });
    this.#poll = poll;
    poll.start();
  }

  async #ended(run) {
    this.#poll = null;
    this.text.href = `${this.form.dataset.page}?interval=${this.interval}`;
    await this.#ask();
    const [item] = run.items;
    if (["completed", "up_to_date"].includes(item.state)) toast(run.inserted ? `Filled: ${whole(run.inserted)} new bars` : "Nothing new was to be had");
    else this.note.textContent = item.reason || run.reason || NONE;
    return null;
  }
}
