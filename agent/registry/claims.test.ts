import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Member } from '../engine/resources.ts';
import { type Desired, NAME_GRACE_MS, planClaims } from './claims.ts';
import type { Registry } from './registry.ts';
import { planSweep } from './sweep.ts';

const [ME, OTHER] = ['1'.repeat(43), '2'.repeat(43)];
const NOW = new Date(0);
const cardOf = (sequence: number, mac = 'bQ==') => ({
  body: Buffer.from(JSON.stringify({ sequence })).toString('base64'),
  signature: 'cw==',
  mac,
});
const desired: Desired = {
  ...{ id: ME, name: 'alpha', address: '10.42.1.2', signed: cardOf(3), sequence: 3 },
  labels: {},
};
const EMPTY: Registry = { nodes: [], addresses: {}, names: {}, holders: [], evicted: [], tokens: [] };
const member = (id: string, status: Member['status'], sinceMs: number): Member => ({
  id,
  status,
  sinceMs,
  address: '192.168.1.2',
  port: 7946,
  tags: {},
});
const plan = (registry: Partial<Registry>, members: readonly Member[] = [], nowMs = 100_000) => {
  const { actions, conditions } = planClaims(
    desired,
    { registry: { ...EMPTY, ...registry }, members },
    nowMs,
    NOW,
  );
  return { what: actions.map(({ what }) => what), codes: conditions.map(({ code }) => code), actions };
};
const registered = (sequence = 3, mac?: string) => ({
  nodes: [{ id: ME, signed: cardOf(sequence, mac), registeredAt: 'then' }],
  addresses: { '10.42.1.2': ME },
  names: { alpha: ME },
});

test('a new node claims its address and its name, and registers its card', () => {
  assert.deepEqual(plan({}).what, ['claim-address', 'claim-name', 'register']);
});

test('a node that is registered as it is writes nothing', () => {
  assert.deepEqual(plan(registered()).what, []);
});

test('a newer card, and the same card under a new cluster key, are written with the first time', () => {
  for (const before of [registered(2), registered(3, 'b2xk')]) {
    const { what, actions } = plan(before);
    assert.deepEqual(what, ['register']);
    assert.match(JSON.stringify(actions), /then/);
  }
});

test('a node whose disk was put back does not overwrite its newer card, and says so', () => {
  assert.deepEqual(plan(registered(9)).codes, ['registry.newer-card']);
  assert.deepEqual(plan(registered(9)).what, []);
});

test('after a move the old address and name are released', () => {
  const before = {
    ...registered(),
    addresses: { '10.42.1.2': ME, '10.42.9.9': ME },
    names: { alpha: ME, old: ME },
  };
  assert.deepEqual(plan(before).what, ['release', 'release']);
});

test('a claim of another is never overwritten', () => {
  const taken = { ...registered(), addresses: { '10.42.1.2': OTHER }, names: { alpha: OTHER } };
  const { what, codes } = plan(taken, [member(OTHER, 'alive', 0)]);
  assert.deepEqual(what, []);
  assert.deepEqual(codes, ['registry.address-taken', 'registry.name-taken']);
});

test('a wiped machine waits for its own name, and is not told that another machine is called like it', () => {
  const taken = {
    ...registered(),
    nodes: [...registered().nodes, { id: OTHER, signed: cardOf(1), registeredAt: 'then' }],
    names: { alpha: OTHER },
  };
  const failed = member(OTHER, 'failed', 90_000);
  assert.deepEqual(plan(taken, [failed]).codes, ['registry.name-held']);
  // Nobody has told us of it, and we have just come.
  const fresh = [member(ME, 'alive', 90_000), member('3', 'alive', 90_000)];
  assert.deepEqual(plan(taken, fresh).codes, ['registry.name-held']);
  // Serf has forgotten it long ago: only the registry still names it.
  const settled = [member(ME, 'alive', 10_000), member('3', 'alive', 10_000)];
  const { what, actions } = plan(taken, settled);
  assert.deepEqual(what, ['claim-name']);
  assert.match(JSON.stringify(actions), new RegExp(`delete","key":"[^"]*nodes/${OTHER}`));
  // Alone we cannot tell.
  assert.deepEqual(plan(taken, settled.slice(0, 1)).codes, ['registry.name-held']);
  assert.deepEqual(plan(taken, [member(OTHER, 'left', 99_999)]).what, ['claim-name']);
});

test('a name goes to the reinstalled machine that bears it once its holder has failed for a minute', () => {
  const taken = { ...registered(), names: { alpha: OTHER } };
  assert.deepEqual(plan(taken, [member(OTHER, 'failed', 100_000 - NAME_GRACE_MS)]).what, []);
  assert.deepEqual(plan(taken, [member(OTHER, 'failed', 99_999 - NAME_GRACE_MS)]).what, ['claim-name']);
});

test('an evicted node writes nothing', () => {
  assert.deepEqual(plan({ evicted: [ME] }).what, []);
});

test('the sweep removes what evicted nodes and those long gone claim, the name of who has just left, and nothing else', () => {
  const registry: Registry = {
    ...EMPTY,
    addresses: { '10.42.1.1': ME, '10.42.1.2': OTHER },
    names: { a: ME, b: OTHER },
    nodes: [{ id: OTHER, signed: cardOf(1), registeredAt: 'then' }],
  };
  const keys = (swept: ReturnType<typeof planSweep>) =>
    swept.flatMap(({ success }) => success.map(({ key }) => key.split('/').slice(3).join('/')));
  const expected = ['addresses/10.42.1.2', 'names/b', `nodes/${OTHER}`];
  assert.deepEqual(keys(planSweep({ ...registry, evicted: [OTHER] }, [], 0)), expected);
  assert.deepEqual(keys(planSweep(registry, [member(OTHER, 'left', 0)], 100_000)), expected);
  assert.deepEqual(keys(planSweep(registry, [member(OTHER, 'left', 99_000)], 100_000)), ['names/b']);
  assert.deepEqual(keys(planSweep(registry, [member(OTHER, 'failed', 0)], 100_000)), []);
});
