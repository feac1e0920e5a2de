/** What was offered to the node and what became of it. Kept as `seed.json`, shown in status and on the console. */
export interface SeedItem {
  /** `cluster.key`, `cluster.token`, `node.yaml`, or the name of a file that nobody asked for. */
  readonly item: string;
  /** Where it came from. */
  readonly source: 'seed' | 'environment' | 'configuration';
  readonly outcome: 'taken' | 'refused' | 'ignored';
  readonly reason?: string | undefined;
  /** When it was decided, ISO 8601. */
  readonly at: string;
}

/** A volume full of strange files must not fill the console. */
const MAX_ITEMS = 32;

export type Decision = Omit<SeedItem, 'at'>;

/**
 * Put the decisions of a pass into the report. What was decided before and is decided again in the same way
 * keeps its time; what was taken stays listed when its volume has gone, what was refused does not. Pure.
 */
export function updateReport(
  report: readonly SeedItem[],
  decisions: readonly Decision[],
  now: Date,
): SeedItem[] {
  const keyOf = ({ source, item }: Decision) => `${source} ${item}`;
  const before = new Map(report.map((entry) => [keyOf(entry), entry]));
  const fresh = new Map(decisions.slice(0, MAX_ITEMS).map((decision) => [keyOf(decision), decision]));
  const kept = report.filter((entry) => entry.outcome === 'taken' && !fresh.has(keyOf(entry)));
  const decided = [...fresh].map(([key, decision]) => {
    const old = before.get(key);
    const same = old !== undefined && old.outcome === decision.outcome && old.reason === decision.reason;
    return { ...decision, at: same ? old.at : now.toISOString() };
  });
  return [...kept, ...decided].slice(0, MAX_ITEMS);
}

/** Read back `seed.json`. It is only a report: an unreadable one is begun anew. */
export function parseReport(text: string): SeedItem[] {
  try {
    const file = JSON.parse(text) as { version?: unknown; items?: unknown };
    return file.version === 1 && Array.isArray(file.items)
      ? file.items.filter(isItem).slice(0, MAX_ITEMS)
      : [];
  } catch {
    return [];
  }
}

export function serializeReport(items: readonly SeedItem[]): string {
  return `${JSON.stringify({ version: 1, items }, undefined, 2)}\n`;
}

/** `cluster.key: refused, it is empty` */
export function describeItem({ item, source, outcome, reason }: SeedItem): string {
  const from = source === 'seed' ? '' : ` (from the ${source})`;
  return `${item}${from}: ${outcome}${reason === undefined ? '' : `, ${reason}`}`;
}

function isItem(value: unknown): value is SeedItem {
  if (typeof value !== 'object' || value === null) return false;
  const { item, source, outcome, reason, at } = value as Record<string, unknown>;
  return (
    typeof item === 'string' &&
    ['seed', 'environment', 'configuration'].includes(String(source)) &&
    ['taken', 'refused', 'ignored'].includes(String(outcome)) &&
    (reason === undefined || typeof reason === 'string') &&
    typeof at === 'string'
  );
}
