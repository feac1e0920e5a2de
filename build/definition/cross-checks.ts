import { type Mistake, valueAt } from './mistakes.ts';
import { networkOf, overlap } from './ranges.ts';

/**
 * What only two values together get wrong. These checks look at the document as written, and pass over whatever
 * has a mistake of its own, so that one run reports both kinds.
 */
export function crossChecks(document: unknown): Mistake[] {
  return [
    ...portMistakes(document),
    ...rangeMistakes(document),
    ...archiveMistakes(document),
    ...fileMistakes(document),
    ...twice(document, ['packages'], (item) => item),
    ...twice(document, ['targets'], (item) => item),
    ...twice(document, ['files'], (item) => valueAt(item, ['path'])),
  ];
}

/** The ports of a node: where they are set, what they are when they are not, and which protocols they use. */
export const NODE_PORTS = [
  { path: ['gossip', 'port'], name: 'gossip', initial: 7946, protocol: 'tcp+udp', scope: 'lan' },
  { path: ['discovery', 'port'], name: 'cards', initial: 7947, protocol: 'tcp+udp', scope: 'lan' },
  { path: ['consensus', 'peer_port'], name: 'raft peers', initial: 7373, protocol: 'tcp', scope: 'mesh' },
  { path: ['consensus', 'client_port'], name: 'etcd clients', initial: 7374, protocol: 'tcp', scope: 'mesh' },
  { path: ['mesh', 'port'], name: 'wireguard', initial: 51820, protocol: 'udp', scope: 'lan' },
  { path: ['metrics', 'port'], name: 'metrics', initial: 7375, protocol: 'tcp', scope: 'mesh' },
] as const;

const TAKEN_PORTS: ReadonlyMap<unknown, string> = new Map([
  [22, 'SSH'],
  [2379, "k3s's own etcd"],
  [2380, "k3s's own etcd"],
  [6443, 'the Kubernetes API'],
]);

const TAKEN_RANGES = [
  { range: '10.43.0.0/16', of: 'the services of Kubernetes' },
  { range: '10.44.0.0/16', of: 'the pods of Kubernetes' },
] as const;

function portMistakes(document: unknown): Mistake[] {
  const owners = new Map(TAKEN_PORTS);
  return NODE_PORTS.flatMap(({ path, initial }) => {
    const full = ['node', ...path];
    const port = valueAt(document, full) ?? initial;
    const owner = owners.get(port);
    owners.set(port, full.join('.'));
    if (owner === undefined) return [];
    return [{ path: full, text: `expected another port: ${String(port)} belongs to ${owner}` }];
  });
}

function rangeMistakes(document: unknown): Mistake[] {
  const path = ['node', 'mesh', 'range'];
  const text = valueAt(document, path);
  const network = typeof text === 'string' ? networkOf(text) : undefined;
  if (network === undefined) return [];
  const mistakes: string[] = [];
  if (network.prefix > 22)
    mistakes.push('expected a network of /22 or larger: the addresses are drawn by lot');
  for (const { range, of } of TAKEN_RANGES) {
    const other = networkOf(range);
    if (other && overlap(network, other))
      mistakes.push(`expected another network: it overlaps ${range}, ${of}`);
  }
  return mistakes.map((message) => ({ path, text: `${message}, found ${String(text)}` }));
}

function archiveMistakes(document: unknown): Mistake[] {
  const mistakes: Mistake[] = [];
  const snapshot = valueAt(document, ['base', 'snapshot']);
  for (const key of ['mirror', 'security_mirror']) {
    if (snapshot === undefined || valueAt(document, ['base', key]) === undefined) continue;
    mistakes.push({ path: ['base', key], text: 'expected no mirror beside a snapshot, which has its own' });
  }
  if (typeof snapshot === 'string' && /^\d{8}T\d{6}Z$/.test(snapshot) && !isTime(snapshot)) {
    mistakes.push({ path: ['base', 'snapshot'], text: `expected a time that exists, found ${snapshot}` });
  }
  return mistakes;
}

function isTime(text: string): boolean {
  const iso = text.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const time = new Date(iso);
  return !Number.isNaN(time.getTime()) && time.toISOString() === iso;
}

function fileMistakes(document: unknown): Mistake[] {
  return itemsAt(document, ['files']).flatMap((file, index): Mistake[] => {
    if (typeof file !== 'object' || file === null) return [];
    const path = ['files', index];
    const mistakes: Mistake[] = [];
    const given = ['text', 'source'].filter((key) => valueAt(file, [key]) !== undefined);
    if (given.length !== 1)
      mistakes.push({
        path,
        text: `expected either text or source, found ${given.join(' and ') || 'neither'}`,
      });
    if (valueAt(file, ['path']) === '/etc/clusteros/node.yaml') {
      mistakes.push({ path: [...path, 'path'], text: 'expected another path: this file is made from node:' });
    }
    if (String(valueAt(file, ['text']) ?? '').includes('PRIVATE KEY-----')) {
      mistakes.push({
        path: [...path, 'text'],
        text: 'expected no private key: secrets travel in the seed, not in an image',
      });
    }
    return mistakes;
  });
}

function twice(document: unknown, path: readonly string[], nameOf: (item: unknown) => unknown): Mistake[] {
  const seen = new Set<unknown>();
  return itemsAt(document, path).flatMap((item, index): Mistake[] => {
    const name = nameOf(item);
    if (typeof name !== 'string') return [];
    if (seen.has(name)) return [{ path: [...path, index], text: `${name} stands in the list twice` }];
    seen.add(name);
    return [];
  });
}

function itemsAt(document: unknown, path: readonly string[]): readonly unknown[] {
  const items = valueAt(document, path);
  return Array.isArray(items) ? items : [];
}
