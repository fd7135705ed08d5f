// Sync runs in words and shares, from what the API tells; web/runs.py does the same on the server, with the same cases
// in its tests (tests/web/run_cases.json).
import { duration, whole } from "#format";

/** Where the parts of a run's bar begin and how wide they are, in percent. */
export function barOf({ items_by_state: states, series }) {
  const total = series || 1;
  const done = (100 * (states.completed + states.partial)) / total;
  const same = (100 * states.up_to_date) / total;
  return { done_share: done, same_share: same, failed_from: done + same, failed_share: (100 * states.error) / total };
}

/** The line below the bar, part by part; what there is nothing to say of is empty. */
export function factsOf(run) {
  const { items_by_state: states, done, series, seconds_left: left, bars_per_second: rate } = run;
  const isOver = run.finished_at !== null || run.state === "paused";
  return {
    percent: `${done === series ? 100 : Math.floor((100 * done) / series)}\u00a0%`,
    of: `${whole(done)} of ${whole(series)} series`,
    inserted: `${whole(run.inserted)} new bars`,
    rate: rate ? `${whole(rate)} bars/s` : "",
    left: left && !isOver ? `about ${duration(left)} left` : "",
    failed: states.error ? `${whole(states.error)} failed` : "",
    partial: states.partial ? `${whole(states.partial)} not whole` : "",
    same: states.up_to_date ? `${whole(states.up_to_date)} up to date` : "",
  };
}
