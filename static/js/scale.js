// The chart's time axis in a zone of choice: bars keep their UTC times (so the hour that clocks repeat in autumn is
// drawn twice, in order), and days, months and hours begin where the zone says.
import { defaultHorzScaleBehavior } from "lightweight-charts";
import { dateParts, offsetAt } from "#zones";

// The library's weights of a tick mark: the greater, the earlier it is given room.
const [MINUTE, MINUTES_5, MINUTES_30, HOUR, HOURS_3, HOURS_6, HOURS_12, DAY, MONTH, YEAR] = [20, 21, 22, 30, 31, 32, 33, 50, 60, 70];
const STEPS = [
  [43200, HOURS_12],
  [21600, HOURS_6],
  [10800, HOURS_3],
  [3600, HOUR],
  [1800, MINUTES_30],
  [300, MINUTES_5],
  [60, MINUTE],
];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The weight of the first bar after `before`; both are seconds on the zone's clocks. */
export function weight(before, now) {
  const [a, b] = [new Date(before * 1000), new Date(now * 1000)];
  if (a.getUTCFullYear() !== b.getUTCFullYear()) return YEAR;
  if (a.getUTCMonth() !== b.getUTCMonth()) return MONTH;
  if (a.getUTCDate() !== b.getUTCDate()) return DAY;
  return STEPS.find(([length]) => Math.floor(before / length) !== Math.floor(now / length))?.[1] ?? 0;
}

/** What stands at a tick mark of the library's `type`: year, month, day, or time. */
export function tickLabel(seconds, type, zone) {
  const { date, time } = dateParts(seconds, zone);
  const [year, month, day] = date.split("-");
  return [year, MONTHS[Number(month) - 1], String(Number(day)), time.slice(0, 5), time][type];
}

/** The behaviour of a horizontal scale whose zone `zone()` tells. */
export function zonedScale(zone) {
  return class extends defaultHorzScaleBehavior() {
    fillWeightsForPoints(points, start) {
      const clock = (point) => point.originalTime + offsetAt(point.originalTime, zone());
      for (let i = start; i < points.length; i += 1) {
        const now = clock(points[i]);
        const before = i > 0 ? clock(points[i - 1]) : now - spacing(points);
        points[i].timeWeight = weight(before, now);
      }
    }
  };
}

function spacing(points) {
  return points.length > 1 ? points[1].originalTime - points[0].originalTime : 0;
}
