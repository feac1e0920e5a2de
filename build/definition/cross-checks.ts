import { portConflicts } from '../../agent/config/ports.ts';
import { type Mistake, valueAt } from '../../settings/mistakes.ts';
import { networkOf, overlap } from './ranges.ts';

/**
 * What only two values together get wrong. These checks look at the document as written, and pass over whatever
 * has a mistake of its own, so that one run reports both kinds.
 */
export function crossChecks(document: unknown): Mistake[] {
  return [
    ...nodeMistakes(document),
    ...rangeMistakes(document),
    ...oldNetworkMistakes(document),
    ...archiveMistakes(document),
    ...fileMistakes(document),
    ...twice(document, ['packages'], (item) => item),
    ...twice(document, ['targets'], (item) => item),
    ...twice(document, ['files'], (item) => valueAt(item, ['path'])),
  ];
}

const TAKEN_PORTS: readonly (readonly [number, string])[] = [
  [22, 'SSH'],
  [2379, "k3s's own etcd"],
  [2380, "k3s's own etcd"],
  [6443, 'the Kubernetes API'],
];

const TAKEN_RANGES = [
  { range: '10.43.0.0/16', of: 'the services of Kubernetes' },
  { range: '10.44.0.0/16', of: 'the pods of Kubernetes' },
] as const;

/** Ports of one node, and those of what comes later. What else a node would refuse, the schema says. */
function nodeMistakes(document: unknown): Mistake[] {
  const node = valueAt(document, ['node']);
  return portConflicts(node, TAKEN_PORTS).map((mistake) => ({ ...mistake, path: ['node', ...mistake.path] }));
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

/** What the cloud-init of Debian 12 (22.4.2-1+deb12u4, run) drops or changes, though later ones do not. */
function oldNetworkMistakes(document: unknown): Mistake[] {
  const base = valueAt(document, ['base', 'name']) ?? valueAt(document, ['base']);
  const path = ['seed', 'network', 'ethernets'];
  const interfaces = valueAt(document, path);
  if (base !== 'debian-12' || typeof interfaces !== 'object' || interfaces === null) return [];
  const dropped = 'the cloud-init of Debian 12 drops it without a word';
  return Object.entries(interfaces).flatMap(([name, it]): Mistake[] => {
    const mistakes: Mistake[] = itemsAt(it, ['routes']).flatMap((route, index): Mistake[] => [
      ...(valueAt(route, ['metric']) === undefined
        ? []
        : [{ path: ['routes', index, 'metric'], text: dropped }]),
      ...(valueAt(route, ['to']) === '::/0'
        ? [
            {
              path: ['routes', index, 'to'],
              text: 'the cloud-init of Debian 12 makes ::/64 of it: use gateway6',
            },
          ]
        : []),
    ]);
    if (valueAt(it, ['optional']) !== undefined) mistakes.push({ path: ['optional'], text: dropped });
    if (valueAt(it, ['accept-ra']) !== undefined && valueAt(it, ['dhcp6']) !== true)
      mistakes.push({ path: ['accept-ra'], text: `${dropped}, but beside dhcp6: true` });
    return mistakes.map((mistake) => ({ ...mistake, path: [...path, name, ...mistake.path] }));
  });
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
    const place = valueAt(file, ['path']);
    const inFile = itemsAt(document, ['files']).findIndex((other) => {
      const folder = valueAt(other, ['path']);
      return typeof folder === 'string' && typeof place === 'string' && place.startsWith(`${folder}/`);
    });
    if (inFile !== -1)
      mistakes.push({
        path: [...path, 'path'],
        text: `expected a path that is in a folder: files[${inFile}] makes a file of it`,
      });
    if (place === '/etc/clusteros/node.yaml') {
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
    if (seen.has(name)) return [{ path: [...path, index], text: `${name} is listed twice` }];
    seen.add(name);
    return [];
  });
}

function itemsAt(document: unknown, path: readonly string[]): readonly unknown[] {
  const items = valueAt(document, path);
  return Array.isArray(items) ? items : [];
}
