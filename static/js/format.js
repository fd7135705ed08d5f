// How numbers and times are written; the server's filters (web/templatetags/figures.py) do the same, with the same
// cases in their tests. Thousands are grouped, minus is a true minus sign, what is not known is a dash.
import { dateParts } from "#zones";

export const NONE = "–";
const MINUS = "−";
const NO_BREAK_SPACE = "\u00a0";
const UNITS = [
  [1, ""],
  [1e3, "K"],
  [1e6, "M"],
  [1e9, "B"],
  [1e12, "T"],
];
const isMissing = (value) => value === null || value === undefined || Number.isNaN(value);

function plain(value, decimals) {
  const [digits, fraction] = Math.abs(value).toFixed(decimals).split(".");
  const grouped = digits.replace(/\B(?=(\d{3})+$)/g, ",");
  const text = fraction ? `${grouped}.${fraction}` : grouped;
  return sign(value, decimals) < 0 ? MINUS + text : text;
}

/** -1, 0 or 1 for what is left of `value` after rounding. */
export function sign(value, decimals) {
  return Number(Math.abs(value).toFixed(decimals)) === 0 ? 0 : Math.sign(value);
}

function signed(value, decimals) {
  const text = plain(value, decimals);
  return sign(value, decimals) > 0 ? `+${text}` : text;
}

/** `1,234.50` */
export function price(value, decimals) {
  return isMissing(value) ? NONE : plain(value, decimals);
}

/** `−0.37 %`, always signed. */
export function percent(value) {
  return isMissing(value) ? NONE : `${signed(value, 2)}${NO_BREAK_SPACE}%`;
}

/** `99.6 %` of a share between 0 and 1: cut, not rounded, so that a hundred is said of what is whole only. */
export function share(value) {
  if (isMissing(value)) return NONE;
  return `${value === 1 ? "100" : (Math.trunc(value * 1000) / 10).toFixed(1)}${NO_BREAK_SPACE}%`;
}

/** `▼ −1.42 (−0.37 %)` */
export function change(value, ofHundred, decimals) {
  if (isMissing(value)) return "";
  const arrow = ["▼ ", "", "▲ "][sign(value, decimals) + 1];
  const share = isMissing(ofHundred) ? "" : ` (${percent(ofHundred)})`;
  return `${arrow}${signed(value, decimals)}${share}`;
}

/** `24,816` */
export function whole(value) {
  return isMissing(value) ? NONE : plain(value, 0);
}

/** `7.87M`; below a thousand at most two decimals. */
export function compact(value) {
  if (isMissing(value)) return NONE;
  const [size, unit] = UNITS.find(([size]) => Number(Math.abs(value / size).toFixed(2)) < 1000) ?? UNITS.at(-1);
  const text = plain(value / size, 2);
  return (unit ? text : text.replace(/\.?0+$/, "") || "0") + unit;
}

/** `12 s`, `32 m 10 s`, `2 h 14 m`, `3 d 4 h` */
export function duration(seconds) {
  const left = Math.max(0, Math.trunc(seconds));
  if (left < 60) return `${left} s`;
  if (left < 3600) return `${Math.trunc(left / 60)} m ${left % 60} s`;
  if (left < 86400) return `${Math.trunc(left / 3600)} h ${Math.trunc((left % 3600) / 60)} m`;
  return `${Math.trunc(left / 86400)} d ${Math.trunc((left % 86400) / 3600)} h`;
}

/** `6 min ago`; older than a month, the date. Times in epoch seconds. */
export function ago(value, now) {
  if (isMissing(value)) return NONE;
  const seconds = Math.trunc(now - value);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.trunc(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.trunc(seconds / 3600)} h ago`;
  const days = Math.trunc(seconds / 86400);
  if (days < 30) return `${days} day${days === 1 ? "" : "s"} ago`;
  return date(value, "UTC");
}

/** `2026-01-05 14:30` in `zone`; `value` in epoch seconds. */
export function instant(value, zone = "UTC") {
  return isMissing(value) ? NONE : `${date(value, zone)} ${dateParts(value, zone).time.slice(0, 5)}`;
}

export function date(value, zone) {
  return dateParts(value, zone).date;
}

/** `14:27:50` */
export function time(value, zone) {
  return dateParts(value, zone).time;
}

/** `Mon 09:30`; further away than six days, `2026-01-05 09:30`. */
export function opening(value, zone, now) {
  const { weekday, time: text } = dateParts(value, zone);
  return value - now > 6 * 86400 ? instant(value, zone) : `${weekday} ${text.slice(0, 5)}`;
}
