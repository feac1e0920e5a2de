import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusDocument, viewOf } from '../api/view.ts';
import { KEY_MISSING_ENDED_BY, type Status } from '../status.ts';
import { scene } from '../testing/scene.ts';
import { renderIssue } from './issue.ts';

const READY: Status = {
  state: 'ready',
  since: '2026-01-01T00:00:00.000Z',
  name: 'alpha',
  id: 'FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z',
  version: '1.0.0',
  pid: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  cluster: { name: 'lab', keyFingerprint: '01234567' },
  conditions: [],
  addresses: [
    { interface: 'eth0', address: '192.168.1.20', family: 'IPv4' },
    { interface: 'eth0', address: 'fd00::20', family: 'IPv6' },
  ],
  seed: [{ item: 'cluster.key', source: 'seed', outcome: 'taken', at: '2026-01-01T00:00:00.000Z' }],
};

test('a ready node shows name, id, addresses, state and what it took', () => {
  assert.equal(
    renderIssue(READY),
    `Cluster-OS node alpha
  id       FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z
  address  192.168.1.20 (eth0)
  address  fd00::20 (eth0)
  state    ready
  seed     cluster.key: taken

`,
  );
});

test('a node in a cluster shows the cluster, its quorum and its members', () => {
  assert.match(
    renderIssue(statusDocument(READY, viewOf(scene(), 0, new Date(0)))),
    / {2}cluster {2}lab 0f8fad5b\n {2}quorum {3}yes, leader beta\n {2}members {2}3 of 4 alive\n {2}state {4}ready\n/,
  );
});

test('a waiting node says for what, and where to put it', () => {
  const text = renderIssue({
    ...READY,
    state: 'waiting',
    addresses: [],
    conditions: [
      {
        code: 'key.missing',
        state: 'waiting',
        summary: 'waiting for a cluster key',
        evidence:
          'the one from the seed was refused: it decodes to 31 bytes; expected base64 of exactly 32 bytes',
        endedBy: KEY_MISSING_ENDED_BY,
        since: READY.since,
      },
    ],
    seed: [{ item: '.DS_Store', source: 'seed', outcome: 'ignored', at: READY.since }],
  });
  assert.equal(
    text,
    `Cluster-OS node alpha
  id       FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z
  address  none yet
  state    waiting for a cluster key
           the one from the seed was refused: it decodes to 31 bytes; expected
           base64 of exactly 32 bytes
  to do    put it as clusteros/cluster.key on a volume labelled CIDATA, or run:
           sudo install -m 600 FILE /etc/clusteros/cluster.key
  seed     1 other file ignored

`,
  );
});

test('nothing that a volume or an interface is called can command agetty or the terminal', () => {
  const text = renderIssue({
    ...READY,
    seed: [{ item: 'a\\n\x1b[2J\u202e', source: 'seed', outcome: 'refused', reason: '\\d', at: READY.since }],
  });
  assert.match(text, /a\\\\n\?\[2J\?: refused, \\\\d/);
  assert.ok(/^[\x20-\x7e\n]*$/.test(text));
});

test('a node with a hundred addresses does not scroll the prompt away', () => {
  const addresses = Array.from({ length: 100 }, (_, i) => ({
    interface: `veth${i}`,
    address: `10.0.0.${i}`,
    family: 'IPv4' as const,
  }));
  assert.ok(renderIssue({ ...READY, addresses }).split('\n').length < 24);
});
