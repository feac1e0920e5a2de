const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds of `90s`, `15m`, `24h`, `7d`, `2w`, or undefined. Pure. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const seconds = Number(number) * (UNIT_SECONDS[unit] ?? Number.NaN);
  return Number.isSafeInteger(seconds) ? seconds : undefined;
}

/**
 * Where a list of events is to begin: a duration ago, an ISO 8601 time, `seq:N` (the events after N), or from
 * the beginning when empty. Pure.
 */
export function parseSince(text: string, now: Date): { seq?: number; time?: Date } | undefined {
  if (text === '') return {};
  const seconds = parseDuration(text);
  if (seconds !== undefined) return { time: new Date(Math.max(0, now.getTime() - seconds * 1000)) };
  const seq = /^seq:(\d{1,15})$/.exec(text)?.[1];
  if (seq !== undefined) return { seq: Number(seq) };
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : { time: new Date(time) };
}
