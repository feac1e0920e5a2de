import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesGolden } from '../../qemu/golden.ts';
import { type StatusDocument, statusDocument, viewOf } from '../api/view.ts';
import type { Status } from '../status.ts';
import { IDS, scene } from '../testing/scene.ts';
import { renderStatus } from './status.ts';
import { ago, table, wrapped } from './table.ts';

const NOW = new Date('2026-01-01T00:00:00Z');

const NODE: Status = {
  state: 'ready',
  since: '2025-12-31T22:00:00.000Z',
  name: 'alpha',
  id: IDS[0],
  version: '1.0.0',
  pid: 700,
  startedAt: '2025-12-31T21:59:58.000Z',
  cluster: { name: 'lab', keyFingerprint: '01234567' },
  conditions: [],
  addresses: [{ interface: 'eth0', address: '192.168.1.1', family: 'IPv4' }],
  seed: [],
};

const READY = statusDocument(NODE, viewOf(scene(), 100_000, NOW));

const golden = (name: string, document: StatusDocument) =>
  matchesGolden(new URL(`testdata/status-${name}.txt`, import.meta.url), `${renderStatus(document, NOW)}\n`);

test('a healthy cluster at one glance', () => golden('ready', READY));

test('a node without a key says what it waits for, since when, and what would end it', () =>
  golden('no-key', {
    ...NODE,
    state: 'waiting',
    cluster: { name: 'lab', keyFingerprint: undefined },
    conditions: [
      {
        code: 'key.missing',
        state: 'waiting',
        summary: 'waiting for a cluster key',
        evidence: 'the one from the seed was refused: it decodes to 31 bytes',
        endedBy:
          'put it as clusteros/cluster.key on a volume labelled CIDATA, or run: sudo install -m 600 FILE /etc/clusteros/cluster.key',
        since: '2025-12-31T23:57:00.000Z',
      },
    ],
    addresses: [],
    seed: [
      {
        item: 'cluster.key',
        source: 'seed',
        outcome: 'refused',
        reason: 'it decodes to 31 bytes',
        at: NODE.since,
      },
    ],
  }));

test('three of six wait for the fourth', () => {
  const { consensus: _, registry: _none, roles: _roles, events: _events, ...young } = scene();
  return golden('genesis', {
    ...statusDocument(NODE, viewOf(young, 100_000, NOW)),
    state: 'waiting',
    conditions: [
      {
        code: 'genesis.quorum',
        state: 'waiting',
        summary: 'waiting for more nodes: 3 of 6 see each other, 4 are needed to begin a cluster',
        endedBy: 'start one more of the expected nodes, or mend the network between them',
        since: '2025-12-31T23:59:10.000Z',
      },
    ],
  });
});

test('an MTU other than the default is shown', () => {
  const { mesh } = READY;
  assert.ok(mesh);
  const shown = (mtu: number) => renderStatus({ ...READY, mesh: { ...mesh, mtu } }, NOW);
  assert.match(shown(1328), /^mesh .* with a handshake, MTU 1328$/m);
  assert.doesNotMatch(shown(1420), /MTU/);
});

test('a lost quorum cannot be overlooked', () => {
  const { consensus, ...rest } = scene();
  assert.ok(consensus);
  const lost = { ...consensus, quorum: false, leader: undefined, alarms: ['NOSPACE'] };
  return golden('no-quorum', statusDocument(NODE, viewOf({ ...rest, consensus: lost }, 100_000, NOW)));
});

test('no line is wider than 100 columns, and nothing of a peer commands the terminal', () => {
  const hostile = { ...NODE, name: 'a\x1b[2J\u202e', conditions: [] };
  const [member] = READY.members ?? [];
  assert.ok(member);
  const document = statusDocument(hostile, {
    ...viewOf(scene(), 0, NOW),
    members: [{ ...member, name: '\x07b' }],
  });
  const text = renderStatus(document, NOW);
  assert.ok(/^[\x20-\x7e\n]*$/.test(text));
  for (const line of renderStatus(READY, NOW).split('\n')) assert.ok(line.length <= 100, line);
});

test('ages, tables and wrapped lines', () => {
  const at = (seconds: number) => ago(new Date(NOW.getTime() - seconds * 1000).toISOString(), NOW);
  assert.deepEqual([0, 119, 120, 7_199, 7_200, 172_800, -50].map(at), [
    '0 s',
    '119 s',
    '2 min',
    '119 min',
    '2 h',
    '2 d',
    '0 s',
  ]);
  assert.equal(ago('never', NOW), undefined);
  assert.deepEqual(table(['A', 'B'], [['xyz', undefined]]), ['A    B', 'xyz  -']);
  assert.deepEqual(wrapped('> ', 'aa bb\ncc', 7), ['> aa bb', '  cc']);
});
