import type { Details, Event } from './event.ts';

/** One event as a line of the file. */
export function lineOf(event: Event): string {
  return `${JSON.stringify(event)}\n`;
}

/** The events of a file in order; lines that are none, a torn one among them, are left out. Pure. */
export function parseLines(text: string): Event[] {
  const events = text.split('\n').flatMap((line) => parseLine(line) ?? []);
  return events.sort((a, b) => a.seq - b.seq);
}

function parseLine(line: string): Event | undefined {
  if (line === '') return undefined;
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { at, seq, kind, summary, node, details } = value;
  if (typeof at !== 'string' || Number.isNaN(Date.parse(at))) return undefined;
  if (!Number.isSafeInteger(seq) || typeof kind !== 'string' || typeof summary !== 'string') return undefined;
  return {
    at,
    seq: seq as number,
    kind,
    summary,
    ...(typeof node === 'string' ? { node } : {}),
    ...(typeof details === 'object' && details !== null ? { details: details as Details } : {}),
  };
}
