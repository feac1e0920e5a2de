/** Speed and remaining time of a long piece of work. Pure: time is an argument, in milliseconds. */
interface Meter {
  readonly title: string;
  /** Bytes. */
  readonly total: number;
  readonly done: number;
  readonly startMs: number;
  readonly nowMs: number;
}

/** Bytes a second, over the whole of the work; undefined in its first moments. */
function speedOf({ done, startMs, nowMs }: Meter): number | undefined {
  const seconds = (nowMs - startMs) / 1000;
  return seconds < 0.5 || done === 0 ? undefined : done / seconds;
}

/** `writing    42 %   512 MB of 1.2 GB   98 MB/s   7 s left` */
export function meterLine(meter: Meter): string {
  const { title, total, done } = meter;
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const speed = speedOf(meter);
  const parts = [`${title}  ${String(percent).padStart(3)} %`, `${bytesText(done)} of ${bytesText(total)}`];
  if (speed !== undefined) {
    parts.push(`${bytesText(speed)}/s`);
    if (done < total) parts.push(`${timeText((total - done) / speed)} left`);
  }
  return parts.join('   ');
}

/** As disks are sold: 1 kB is 1000 bytes. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function timeText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
