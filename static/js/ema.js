/** Exponential moving average of the closes: [{time, value}], from the first bar with `length` closes behind it. */
export function ema(bars, length) {
  const weight = 2 / (length + 1);
  const points = [];
  let value = 0;
  bars.forEach((bar, index) => {
    value = index < length ? value + bar.close / length : value + weight * (bar.close - value);
    if (index >= length - 1) points.push({ time: bar.time, value });
  });
  return points;
}

/** The next point after `points`, whose last one may already be that of `bar`. */
export function nextEma(points, bar, length) {
  const before = points.at(-1)?.time === bar.time ? points.at(-2) : points.at(-1);
  if (!before) return null;
  return { time: bar.time, value: before.value + (2 / (length + 1)) * (bar.close - before.value) };
}
