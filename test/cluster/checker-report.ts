/** What the checker's journals and what etcd has in the end say together. Pure. */

export interface Stored {
  readonly value: string;
  /** How often the key was written. */
  readonly version: string;
}

export interface CheckReport {
  readonly acknowledged: number;
  /** Sent, and the answer did not come: they may be there or not. */
  readonly unknown: number;
  /** Of these, those that are there. */
  readonly unknownThere: number;
  /** Surely not written, as the client said. */
  readonly refused: number;
  /** Each a sentence about a key: lost, changed, or there although nobody wrote it. */
  readonly faults: readonly string[];
}

/** @param journals by key prefix: lines `try|ok|unknown|refused NUMBER VALUE` */
export function judge(
  journals: ReadonlyMap<string, string>,
  stored: ReadonlyMap<string, Stored>,
): CheckReport {
  const outcomes = new Map([...journals].flatMap(([prefix, text]) => [...outcomesIn(prefix, text)]));
  const faults: string[] = [];
  const count = { ok: 0, unknown: 0, unknownThere: 0, refused: 0 };
  for (const [key, { outcome, value }] of outcomes) {
    const found = stored.get(key);
    count[outcome] += 1;
    if (outcome === 'unknown' && found !== undefined) count.unknownThere += 1;
    if (outcome === 'ok' && found === undefined) faults.push(`${key} was acknowledged and is lost`);
    if (outcome === 'refused' && found !== undefined) faults.push(`${key} was refused and is there`);
    if (found !== undefined && found.value !== value)
      faults.push(`${key} was written as ${value} and is ${found.value}`);
    if (found !== undefined && found.version !== '1')
      faults.push(`${key} was written once and has the version ${found.version}`);
  }
  for (const key of stored.keys()) if (!outcomes.has(key)) faults.push(`${key} is there and nobody wrote it`);
  const { ok: acknowledged, ...others } = count;
  return { acknowledged, ...others, faults };
}

export function describeReport({
  acknowledged,
  unknown,
  unknownThere,
  refused,
  faults,
}: CheckReport): string {
  return `${acknowledged} writes acknowledged, ${unknown} of unknown outcome (${unknownThere} are there), ${refused} refused, ${faults.length} faults`;
}

interface Attempt {
  readonly outcome: 'ok' | 'unknown' | 'refused';
  readonly value: string;
}

/** A try without an outcome is that of a writer that was killed. */
function outcomesIn(prefix: string, text: string): Map<string, Attempt> {
  const outcomes = new Map<string, Attempt>();
  for (const line of text.split('\n')) {
    const [word, number, value = ''] = line.split(' ');
    const key = `${prefix}${number}`;
    if (word === 'try') outcomes.set(key, { outcome: 'unknown', value });
    if (word === 'ok' || word === 'refused' || word === 'unknown')
      outcomes.set(key, { outcome: word, value });
  }
  return outcomes;
}
