// The symbol search: a combobox whose options the server renders.
const DELAY_MS = 120;

export function startSearch() {
  const root = document.getElementById("search");
  if (!root) return;
  const input = document.getElementById("search-input");
  const list = document.getElementById("search-list");
  let timer = 0;
  let asked = 0;
  let chosen = -1;

  const options = () => [...list.querySelectorAll('[role="option"]')];

  const choose = (index) => {
    const all = options();
    chosen = all.length ? (index + all.length) % all.length : -1;
    all.forEach((option, i) => option.setAttribute("aria-selected", String(i === chosen)));
    if (chosen >= 0) {
      input.setAttribute("aria-activedescendant", all[chosen].id);
      all[chosen].scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };

  const show = (isOpen) => {
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
  };

  const load = async () => {
    const number = ++asked;
    const response = await fetch(`${root.dataset.url}?q=${encodeURIComponent(input.value)}`).catch(() => null);
    if (number !== asked) return; // a later question has been asked
    if (response?.ok) list.innerHTML = await response.text();
    else list.textContent = "The search does not answer. Try again in a moment.";
    show(true);
    choose(0);
  };

  const open = () => {
    root.classList.add("is-open");
    input.focus();
    input.select();
  };

  const close = () => {
    asked += 1;
    clearTimeout(timer);
    show(false);
    root.classList.remove("is-open");
  };

  const go = (option) => option && location.assign(option.dataset.href);

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(load, DELAY_MS);
  });
  input.addEventListener("focus", load);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Enter") go(options()[chosen]);
    else if (event.key === "Escape") {
      close();
      input.blur();
    } else return;
    event.preventDefault();
  });
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the input keeps the focus
  list.addEventListener("click", (event) => go(event.target.closest('[role="option"]')));
  root.addEventListener("focusout", (event) => !root.contains(event.relatedTarget) && close());
  document.getElementById("search-open")?.addEventListener("click", open);
  document.getElementById("search-close")?.addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof HTMLElement && event.target.closest("input, select, textarea");
    const isSlash = event.key === "/" && !isTyping && !document.querySelector("dialog[open]");
    const isCtrlK = event.key === "k" && (event.ctrlKey || event.metaKey);
    if (!isSlash && !isCtrlK) return;
    event.preventDefault();
    open();
  });
}
