import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDS, scene, sceneMember } from '../testing/scene.ts';
import { changesBetween, type Observed } from './changes.ts';

const BEFORE: Observed = scene();
const told = (after: Observed, before: Observed = BEFORE) =>
  changesBetween(before, after).map(({ kind, summary }) => `${kind}: ${summary}`);

function withMembers(...members: ReturnType<typeof sceneMember>[]): Observed {
  return { ...BEFORE, gossip: { running: true, members } };
}

test('nothing changed, nothing happened; and the first look is no news', () => {
  assert.deepEqual(told(scene()), []);
  assert.deepEqual(told({ ...scene(), refusals: [] }, {}), []);
});

test('members join, fail, leave, return, move and are forgotten', () => {
  assert.deepEqual(
    told(
      withMembers(
        sceneMember(0),
        sceneMember(1, 'failed'),
        { ...sceneMember(3), address: '10.9.9.9' },
        sceneMember(2, 'left'),
      ),
    ),
    [
      'member.failed: beta failed: it no longer answers',
      'member.returned: delta returned',
      'member.moved: delta moved from 192.168.1.4 to 10.9.9.9',
      'member.left: gamma left',
    ],
  );
  const three = withMembers(sceneMember(0), sceneMember(1), sceneMember(2));
  assert.deepEqual(told(BEFORE, three), ['member.failed: delta failed: it no longer answers']);
  assert.deepEqual(told(withMembers(...[0, 1, 2, 3].map((index) => sceneMember(index))), three), [
    'member.joined: delta joined',
  ]);
  assert.deepEqual(told(three), ['member.forgotten: delta was forgotten']);
});

test('a Serf that is restarted does not make everybody join again', () => {
  const stopped: Observed = { ...BEFORE, gossip: { running: false, members: [] } };
  const empty: Observed = { ...BEFORE, gossip: { running: true, members: [] } };
  assert.deepEqual([...told(stopped), ...told(empty, stopped), ...told(BEFORE, empty)], []);
});

test('the leader, the quorum, voters and the genesis are told', () => {
  const { consensus } = scene();
  assert.ok(consensus);
  const [a, b, c, d] = IDS;
  const next: Observed = {
    ...BEFORE,
    consensus: { ...consensus, quorum: false, leader: a, voters: [a, c, d] },
  };
  assert.deepEqual(told(next), [
    'quorum.lost: the quorum is lost, or cannot be reached from here',
    'leader.changed: alpha leads',
    'voter.added: delta votes',
    'voter.removed: beta no longer votes',
  ]);
  assert.equal(changesBetween(BEFORE, next)[1]?.details?.before, b);
  const { genesis: _genesis, ...young } = consensus;
  assert.deepEqual(told(BEFORE, { ...BEFORE, consensus: { ...young, confirmed: false } }), [
    'cluster.genesis: joined the cluster 0f8fad5b, founded by beta',
  ]);
  assert.deepEqual(told(BEFORE, { ...BEFORE, consensus: { ...consensus, confirmed: false } }), [
    'cluster.confirmed: the cluster 0f8fad5b is confirmed',
  ]);
});

test('an etcd that cannot be asked removes no voters', () => {
  const { consensus } = scene();
  assert.ok(consensus);
  const silent: Observed = { ...BEFORE, consensus: { ...consensus, voters: [] } };
  assert.deepEqual([...told(silent), ...told(BEFORE, silent)], []);
});

test('roles are taken and lost, also by a holder that took its role again', () => {
  const { registry } = scene();
  assert.ok(registry);
  const [, , c] = IDS;
  const again: Observed = {
    ...BEFORE,
    registry: { ...registry, holders: [{ role: 'page', id: c, fence: '30', since: '' }], evicted: [IDS[3]] },
  };
  assert.deepEqual(told(again), ['role.taken: gamma took the role page', 'node.evicted: delta was evicted']);
  assert.deepEqual(told({ ...BEFORE, registry: { ...registry, holders: [] } }), [
    'role.lost: gamma lost the role page; nobody holds it',
  ]);
});

test('conditions begin and end, addresses come and go, refusals are told once', () => {
  const link = (address: string) => [
    {
      name: 'eth0',
      index: 2,
      mac: '',
      multicast: true,
      addresses: [{ family: 'IPv4' as const, address, prefix: 24 }],
    },
  ];
  const condition = { code: 'gossip.port-busy', summary: 'port 7946 is taken', state: 'waiting' as const };
  const moment = '2026-01-01T00:00:01.000Z';
  const refusal = (address: string, times: number) => ({
    address,
    code: 'replayed',
    reason: 'replayed card',
    times,
    first: moment,
    last: moment,
  });
  const after: Observed = {
    ...BEFORE,
    links: link('10.0.0.2'),
    conditions: [condition],
    refusals: [refusal('10.0.0.9', 1), ...(BEFORE.refusals ?? [])],
  };
  assert.deepEqual(told(after, { ...BEFORE, links: link('10.0.0.1') }), [
    'address.gained: gained the address 10.0.0.2 (eth0)',
    'address.lost: lost the address 10.0.0.1 (eth0)',
    'condition.begun: port 7946 is taken',
    'peer.refused: 10.0.0.9 failed authentication: replayed card',
  ]);
  const more = { ...after, refusals: [refusal('10.0.0.9', 20), ...(BEFORE.refusals ?? [])] };
  assert.deepEqual(told(more, after), [], 'the same peer again is no news');
  assert.deepEqual(told({ ...after, conditions: [] }, after), ['condition.ended: over: port 7946 is taken']);
});
