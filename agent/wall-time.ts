/**
 * Moments of a clock that nobody sets, as times of day: a node without a battery clock believes some other date
 * until it has synchronised, and its durations must not change by that. Pure.
 *
 * @param nowMs the present on that clock
 * @param now the same moment as a time of day
 * @returns ms of that clock to ISO 8601; a moment to come is shown as now
 */
export function wallTimes(nowMs: number, now: Date): (ms: number) => string {
  return (ms) => new Date(now.getTime() - Math.max(0, nowMs - ms)).toISOString();
}
