// Runs before the first paint, hence no module: sets the chosen theme and palette on <html>.
(() => {
  const root = document.documentElement;
  const read = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage is forbidden: the system's theme will do
    }
  };
  const chosen = read("theme");
  const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  root.dataset.theme = chosen === "light" || chosen === "dark" ? chosen : system;
  const palette = read("palette");
  root.dataset.palette = palette === "swapped" || palette === "cb" ? palette : "default";
})();
