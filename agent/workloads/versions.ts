import type { Card } from '../engine/resources.ts';

export interface VersionNeeds {
  /** The image that most voters run. */
  readonly sameImage?: boolean;
  /** The least version of an engine: `{ etcd: '3.4.29' }`. */
  readonly engines?: Readonly<Partial<Record<'serf' | 'etcd' | 'agent', string>>>;
}

/** Whether a node's versions are what a role needs, or the reason why not. Pure. */
export function fits(
  needs: VersionNeeds | undefined,
  own: Card['versions'],
  voters: readonly Card['versions'][],
): true | string {
  for (const [engine, least] of Object.entries(needs?.engines ?? {})) {
    const version = own[engine as 'serf' | 'etcd' | 'agent'];
    if (compareVersions(version, least) < 0) {
      return `it needs ${engine} ${least}, and this node has ${version || 'none'}`;
    }
  }
  if (!needs?.sameImage) return true;
  const image = mostFrequent(voters.map((versions) => versions.image));
  if (image === undefined || image === own.image) return true;
  return `it needs the image ${image} of the voters, and this node has ${own.image || 'none'}`;
}

/** Numbers compare as numbers, as in `3.4.23` < `3.5.16`; what follows them does not count. Pure. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [partsOf(a), partsOf(b)];
  for (let index = 0; index < Math.max(x.length, y.length); index += 1) {
    const difference = (x[index] ?? 0) - (y[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

function partsOf(version: string): number[] {
  const [numbers = ''] = /\d+(\.\d+){0,5}/.exec(version.slice(0, 100)) ?? [];
  return numbers === '' ? [] : numbers.split('.').map(Number);
}

/** The smallest of several that are as frequent, so that all nodes agree. */
function mostFrequent(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0];
}
