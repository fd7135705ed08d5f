// The sync pages: how far runs are comes from the API; parts whose make-up has changed are fetched as the server writes them.
import { ask, askJson } from "#api";
import { time, whole } from "#format";
import { Poll } from "#poll";
import { barOf, factsOf } from "#runs";
import { toast } from "#toast";

const EVERY_MS = 1000;
const IDLE_MS = 5000; // nothing runs, or what runs is paused

class SyncPage {
  #signatures = {}; // of each kind of part, as it is shown
  #known = new Set(); // runs that had not ended

  constructor(element) {
    this.element = element;
    this.isList = "isList" in element.dataset;
    this.note = document.getElementById("live-note");
    this.poll = new Poll({ ask: () => this.#ask(), onFailure: (error, retryAt) => this.#failed(error, retryAt) });
  }

  async #ask() {
    const { poll, newest } = this.element.dataset;
    // A run may begin and end between two looks: the newest one, in whatever state, tells.
    const [answer, last] = await Promise.all([askJson(poll), newest ? askJson(newest) : null]);
    const runs = this.isList ? answer.runs : [answer];
    await this.#renew(runs, last?.runs ?? []);
    for (const run of runs) this.#draw(run);
    this.note.hidden = true;
    this.answeredAt = Date.now() / 1000;
    if (!this.isList && answer.finished_at) return null;
    return runs.some((run) => run.state === "running") ? EVERY_MS : IDLE_MS;
  }

  /** Parts of the page that look different now. */
  async #renew(runs, last) {
    const signatures = {
      state: JSON.stringify([...runs, ...last].map((run) => [run.id, run.state, run.started_at, run.reason, run.next_try_at, run.items_by_state.error > 0, run.items_by_state.partial > 0])),
      items: JSON.stringify(this.isList ? 0 : runs.map((run) => [run.items_by_state, run.inserted])),
    };
    const changed = Object.keys(signatures).filter((kind) => signatures[kind] !== this.#signatures[kind]);
    if (!changed.length) return;
    const response = await ask(this.element.dataset.page, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const part of document.querySelectorAll("[data-part]")) {
      if (changed.includes(part.dataset.part)) replace(part, fresh.getElementById(part.id));
    }
    this.#signatures = signatures;
    this.#tellEnds(new Set(runs.filter((run) => !run.finished_at).map((run) => run.id)));
  }

  #tellEnds(unfinished) {
    const ended = [...this.#known].filter((id) => !unfinished.has(id));
    if (ended.length) toast(ended.length === 1 ? `Run ${ended[0]} has ended` : `${ended.length} runs have ended`);
    this.#known = unfinished;
  }

  #draw(run) {
    const facts = { ...factsOf(run), count: `${whole(run.done)} / ${whole(run.series)}`, bars: whole(run.inserted) };
    const bar = barOf(run);
    for (const place of document.querySelectorAll(`[data-run="${run.id}"]`)) {
      for (const element of place.querySelectorAll("[data-fact]")) {
        const text = facts[element.dataset.fact];
        element.textContent = text;
        element.hidden = !text;
      }
      const svg = place.querySelector(".run-bar");
      if (!svg) continue;
      svg.setAttribute("aria-label", `${facts.percent}, ${facts.of}`);
      svg.querySelector(".done").setAttribute("width", bar.done_share);
      svg.querySelector(".same").setAttribute("x", bar.done_share);
      svg.querySelector(".same").setAttribute("width", bar.same_share);
      svg.querySelector(".failed").setAttribute("x", bar.failed_from);
      svg.querySelector(".failed").setAttribute("width", bar.failed_share);
    }
  }

  #failed(error, retryAt) {
    const since = this.answeredAt ? ` The figures are those of ${time(this.answeredAt, "UTC")} UTC.` : "";
    const next = retryAt ? ` Next try at ${time(Math.ceil(retryAt / 1000), "UTC")} UTC.` : " Load the page again to go on.";
    this.note.textContent = `${error.message}${since}${next}`;
    this.note.hidden = false;
  }
}

/** Whoever has the focus keeps it, if it is still there. */
function replace(part, fresh) {
  if (!fresh || part.isEqualNode(fresh)) return;
  const focused = part.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  const scrolled = [...part.querySelectorAll(".wide")].map((wide) => wide.scrollLeft);
  part.replaceWith(document.adoptNode(fresh));
  fresh.querySelectorAll(".wide").forEach((wide, i) => (wide.scrollLeft = scrolled[i] ?? 0));
  if (focused) [...fresh.querySelectorAll("a, button")].find((one) => nameOf(one) === focused)?.focus();
}

function nameOf(element) {
  return element.getAttribute("href") ?? element.closest("form")?.getAttribute("action");
}

new SyncPage(document.getElementById("sync-page")).poll.start();
