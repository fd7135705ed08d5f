// One short line about the result of an action; never for errors that need an answer.
const SHOWN_MS = 3000;
let timer = 0;

export function toast(text) {
  const element = document.querySelector("#toast");
  element.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => (element.textContent = ""), SHOWN_MS);
}

/** Put `text` on the clipboard and say so. */
export async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast("The browser does not let this page use the clipboard.");
  }
}
