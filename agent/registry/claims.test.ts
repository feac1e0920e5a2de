import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Labels, labelsSchema } from '../config/labels.ts';
import { CARD_BYTES } from '../discovery/card.ts';
import type { Member } from '../engine/resources.ts';
import { type Desired, NAME_GRACE_MS, planClaims } from './claims.ts';
import { registryOf } from './reduce.ts';
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
const plan = (
  registry: Partial<Registry>,
  members: readonly Member[] = [],
  nowMs = 100_000,
  labels = desired.labels,
) => {
  const { actions, conditions } = planClaims(
    { ...desired, labels },
    { registry: { ...EMPTY, ...registry }, members },
    nowMs,
    NOW,
  );
  return { what: actions.map(({ what }) => what), codes: conditions.map(({ code }) => code), actions };
};
const registered = (sequence = 3, mac?: string, labels?: Labels) => ({
  nodes: [{ id: ME, signed: cardOf(sequence, mac), registeredAt: 'then', labels }],
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

test('a node whose settings have other labels than its record writes them, and an equal set in another order not', () => {
  const labels = { disk: 'ssd', gpu: '' };
  const written = (before: Labels | undefined, now: Labels) => {
    const { actions } = plan(registered(3, undefined, before), [], 100_000, now);
    return actions.map(({ txn }) => /"labels":(\{.*?\})/.exec(JSON.stringify(txn).replaceAll('\\', ''))?.[1]);
  };
  assert.deepEqual(written(undefined, labels), ['{"disk":"ssd","gpu":""}']);
  assert.deepEqual(written({ ...labels, gpu: 'a' }, labels), ['{"disk":"ssd","gpu":""}']);
  assert.deepEqual(written(labels, {}), [undefined], 'without any');
  assert.deepEqual(written({ gpu: '', disk: 'ssd' }, labels), []);
  assert.deepEqual(written({}, { constructor: '' } as unknown as Labels), ['{"constructor":""}']);
});

test('a record with the largest card and the most labels is read', () => {
  const body = Buffer.alloc(CARD_BYTES, 7).toString('base64');
  const most = Object.fromEntries(Array.from({ length: 28 }, (_, at) => [`k${at}`, 'x'.repeat(62)]));
  const labels = labelsSchema.parse(most);
  assert.ok(JSON.stringify(labels).length > 1_900);
  const signed = { body, signature: `${'c'.repeat(86)}==`, mac: `${'b'.repeat(43)}=` };
  const { actions } = planClaims({ ...desired, signed, labels }, { registry: EMPTY, members: [] }, 0, NOW);
  const [put] = actions.find(({ what }) => what === 'register')?.txn.success ?? [];
  assert.ok(put?.kind === 'put');
  const entry = { key: put.key, value: put.value, createRevision: '1', modRevision: '1', lease: '0' };
  assert.deepEqual(registryOf([entry]).registry.nodes[0]?.labels, labels);
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
    labels: { [ME]: { disk: 'ssd' }, [OTHER]: { gpu: null } },
    timers: { agreed: undefined, turn: undefined, reports: { [OTHER]: { need: 'slow' } } },
  };
  const keys = (swept: ReturnType<typeof planSweep>) =>
    swept.flatMap(({ success }) => success.map(({ key }) => key.split('/').slice(3).join('/')));
  const own = [`timers/nodes/${OTHER}`, `labels/${OTHER}`, `nodes/${OTHER}`];
  const expected = ['addresses/10.42.1.2', 'names/b', ...own];
  assert.deepEqual(keys(planSweep({ ...registry, evicted: [OTHER] }, [], 0)), expected);
  assert.deepEqual(keys(planSweep(registry, [member(OTHER, 'left', 0)], 100_000)), expected);
  assert.deepEqual(keys(planSweep(registry, [member(OTHER, 'left', 99_000)], 100_000)), ['names/b']);
  assert.deepEqual(keys(planSweep(registry, [member(OTHER, 'failed', 0)], 100_000)), []);
});
