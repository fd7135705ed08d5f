// What stands where the chart would be: loading, empty, an error with a way out.
const PATIENCE_MS = 150;

export class StatesView {
  #timer = 0;

  constructor({ onRetry }) {
    const get = (id) => document.getElementById(id);
    this.loading = get("loading");
    this.loadingText = get("loading-text");
    this.problem = get("problem");
    this.title = get("problem-title");
    this.text = get("problem-text");
    this.retry = get("problem-retry");
    this.other = get("problem-other");
    this.id = get("problem-id");
    this.retry.addEventListener("click", onRetry);
  }

  /** After a moment: most answers are faster than a skeleton is useful. */
  showLoading(text) {
    this.hide();
    this.loadingText.textContent = text;
    this.#timer = setTimeout(() => (this.loading.hidden = false), PATIENCE_MS);
  }

  showEmpty({ symbol, label, other }) {
    this.#show(`No ${label} bars of ${symbol} yet`, "They arrive when the symbol has been synced, or when its market trades. This page shows them at once.", "Look again");
    this.other.hidden = !other;
    if (other) {
      this.other.href = `?interval=${other.value}`;
      this.other.textContent = `Show ${other.title} bars`;
    }
  }

  showError({ symbol, label, error }) {
    this.#show(`The ${label} bars of ${symbol} could not be loaded`, `${error.message} Stored bars are safe.`, "Try again");
    this.other.hidden = true;
    if (error.requestId) {
      this.id.textContent = `Request ${error.requestId}`;
    }
  }

  #show(title, text, retry) {
    this.hide();
    this.title.textContent = title;
    this.text.textContent = text;
    this.retry.textContent = retry;
    this.id.textContent = "";
    this.problem.hidden = false;
  }

  hide() {
    clearTimeout(this.#timer);
    this.loading.hidden = true;
    this.problem.hidden = true;
  }
}
