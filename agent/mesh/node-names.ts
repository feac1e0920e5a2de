import { createHash } from 'node:crypto';
import { LABEL } from '../config/settings.ts';
import type { KnownCard } from '../engine/resources.ts';
import type { Registry } from '../registry/registry.ts';

export interface Named {
  readonly id: string;
  /** What the node calls itself; a stranger's word. */
  readonly name: string;
}

/** Names that would break a machine if some node had them. */
const RESERVED = new Set(['localhost', 'localdomain', 'broadcasthost', 'ip6-localhost', 'ip6-loopback']);

const LONGEST_LABEL = 63;

/**
 * What each node is called by all: its own name, unless another has the better right to it. The registry decides,
 * then the lower id; who loses is `<name>-<4 hexadecimal digits of its id's hash>`. Pure.
 */
export function resolveNames(
  nodes: readonly Named[],
  registered: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  const give = (id: string, name: string) => {
    names.set(id, name);
    taken.add(name);
  };
  const wished = new Map(nodes.map(({ id, name }) => [id, wishOf(id, name)]));
  const sorted = [...wished.keys()].sort();
  for (const id of sorted) {
    const name = wished.get(id) ?? '';
    if (registered[name] === id) give(id, name);
  }
  for (const id of sorted) {
    const name = wished.get(id) ?? '';
    if (names.has(id)) continue;
    // A name that the registry gave to a node that we do not see yet is not free either.
    const free = !taken.has(name) && registered[name] === undefined;
    give(id, free ? name : suffixed(id, name, taken));
  }
  return names;
}

/** The same for ourselves and all whose cards we have. Evicted nodes have no name. Pure. */
export function namesOf(
  own: Named,
  cards: readonly KnownCard[],
  registry: Pick<Registry, 'names' | 'evicted'> | undefined,
): ReadonlyMap<string, string> {
  const evicted = new Set(registry?.evicted ?? []);
  const others = cards.map(({ card }) => card).filter(({ id }) => id !== own.id && !evicted.has(id));
  return resolveNames([own, ...others], registry?.names ?? {});
}

function wishOf(id: string, name: string): string {
  return LABEL.test(name) && !RESERVED.has(name) ? name : `node-${digits(id, 6)}`;
}

function suffixed(id: string, name: string, taken: ReadonlySet<string>): string {
  for (let length = 4; length < 32; length += 4) {
    const cut = name.slice(0, LONGEST_LABEL - length - 1).replace(/-+$/, '');
    const candidate = `${cut}-${digits(id, length)}`;
    if (!taken.has(candidate)) return candidate;
  }
  return `node-${digits(id, 32)}`;
}

/** Node ids are case-sensitive, host names are not. */
function digits(id: string, length: number): string {
  return createHash('sha256').update(id).digest('hex').slice(0, length);
}
