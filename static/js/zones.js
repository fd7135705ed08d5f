// Time zones. Bars keep their UTC times; only what is written, and where the axis breaks, follows the zone.
const DAY = 86400;
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const formats = new Map();
const days = new Map();

function format(zone) {
  if (!formats.has(zone)) {
    formats.set(zone, new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset", hour: "numeric" }));
  }
  return formats.get(zone);
}

/** Whether the browser knows a zone of this name. */
export function isZone(zone) {
  try {
    format(zone);
    return true;
  } catch {
    return false;
  }
}

/** What to add to UTC, in seconds, asked of the browser. */
function exactOffset(seconds, zone) {
  const name = format(zone)
    .formatToParts(seconds * 1000)
    .find((part) => part.type === "timeZoneName").value;
  const [, sign, hours, minutes = "0", rest = "0"] = /GMT(?:([+-])(\d+):?(\d+)?:?(\d+)?)?/.exec(name);
  if (!sign) return 0;
  return (sign === "-" ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(rest));
}

/** The zone's offset at `seconds`, in seconds. Cached by day; a day in which clocks change is asked each time. */
export function offsetAt(seconds, zone) {
  if (zone === "UTC") return 0;
  const day = Math.floor(seconds / DAY);
  const key = `${zone} ${day}`;
  let cached = days.get(key);
  if (cached === undefined) {
    const [start, end] = [exactOffset(day * DAY, zone), exactOffset((day + 1) * DAY, zone)];
    cached = start === end ? start : null;
    if (days.size > 50000) days.clear();
    days.set(key, cached);
  }
  return cached ?? exactOffset(seconds, zone);
}

/** {date, time, weekday} of an instant, as clocks in `zone` show it. */
export function dateParts(seconds, zone) {
  const shifted = new Date((seconds + offsetAt(seconds, zone)) * 1000);
  const iso = shifted.toISOString();
  return { date: iso.slice(0, 10), time: iso.slice(11, 19), weekday: WEEKDAYS[shifted.getUTCDay()] };
}

/** `UTC−05:00` */
export function offsetName(seconds, zone) {
  const offset = offsetAt(seconds, zone);
  if (!offset) return "UTC";
  const minutes = Math.abs(offset) / 60;
  const two = (number) => String(Math.trunc(number)).padStart(2, "0");
  return `UTC${offset < 0 ? "−" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

/** The zone that a choice means: "exchange", "local", or a name. */
export function resolveZone(choice, exchangeZone) {
  if (choice === "exchange") return isZone(exchangeZone) ? exchangeZone : "UTC";
  if (choice === "local") return Intl.DateTimeFormat().resolvedOptions().timeZone;
  return isZone(choice) ? choice : "UTC";
}
