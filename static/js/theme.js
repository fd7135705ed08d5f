// Theme and palette: what is chosen is kept in this browser; "themechange" tells those who draw by themselves.
const light = matchMedia("(prefers-color-scheme: light)");
const root = document.documentElement;

export function stored(key, fallback) {
  try {
    return localStorage.getItem(key) ?? fallback;
  } catch {
    return fallback; // storage is forbidden: choices last as long as the page
  }
}

export function store(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // As above: nothing is lost but the memory of a choice.
  }
}

function apply(theme, palette) {
  root.dataset.theme = theme === "system" ? (light.matches ? "light" : "dark") : theme;
  root.dataset.palette = palette;
  document.dispatchEvent(new CustomEvent("themechange"));
}

/** The value of a colour token now, such as `token("--up")`. */
export function token(name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

export function startTheme() {
  const choices = { theme: stored("theme", "system"), palette: stored("palette", "default") };
  const set = (key, value) => {
    choices[key] = value;
    store(key, value);
    show();
    apply(choices.theme, choices.palette);
  };
  const show = () => {
    for (const key of ["theme", "palette"]) {
      const input = document.querySelector(`input[name="${key}"][value="${choices[key]}"]`);
      if (input) input.checked = true;
    }
  };
  document.querySelectorAll('input[name="theme"], input[name="palette"]').forEach((input) => {
    input.addEventListener("change", () => set(input.name, input.value));
  });
  document.querySelector("#theme-toggle")?.addEventListener("click", () => {
    set("theme", root.dataset.theme === "dark" ? "light" : "dark");
  });
  light.addEventListener("change", () => choices.theme === "system" && apply("system", choices.palette));
  show();
}
