import assert from 'node:assert/strict';
import { test } from 'node:test';
import { howMany } from '../../test/depth.ts';
import { randomFrom } from '../testing/random.ts';
import { planAgreement } from '../timers/agree.ts';
import { KEYS, PREFIX } from './keys.ts';
import { registryOf } from './reduce.ts';

const ID = '4'.repeat(43);
const SIGNED = { body: 'e30=', signature: 'YQ==', mac: 'Yg==' };
const REVISIONS = { createRevision: '7', modRevision: '9', lease: '0' };
const WHEN = '2026-01-01T00:00:00.000Z';

const ROUNDS = howMany(10_000, 100_000, '100,000 damaged records of the registry', 1);

const GOOD = [
  { key: KEYS.node(ID), value: JSON.stringify({ signed: SIGNED, registeredAt: WHEN }) },
  { key: KEYS.address('10.42.1.2'), value: ID },
  { key: KEYS.name('alpha'), value: ID },
  { key: KEYS.role('page'), value: JSON.stringify({ id: ID, since: WHEN, address: '10.42.255.1', beat: 3 }) },
  { key: KEYS.evicted(ID), value: '{"name":"omega"}' },
  { key: KEYS.evicted('5'.repeat(43)), value: '{}' },
  { key: KEYS.token('t1'), value: JSON.stringify({ key: 'YQ==', expires: WHEN, usesLeft: 2 }) },
  { key: `${PREFIX}genesis`, value: '{}' },
  { key: KEYS.labels(ID), value: JSON.stringify({ changes: { disk: 'ssd', gpu: null } }) },
].map((entry) => ({ ...entry, ...REVISIONS }));

test('the registry is what the keys say, and a role carries its create revision as fence', () => {
  const { registry, ignored } = registryOf(GOOD);
  assert.deepEqual(ignored, []);
  assert.deepEqual(registry, {
    nodes: [{ id: ID, signed: SIGNED, registeredAt: WHEN }],
    addresses: { '10.42.1.2': ID },
    names: { alpha: ID },
    holders: [{ role: 'page', id: ID, fence: '7', since: WHEN, address: '10.42.255.1' }],
    evicted: [ID, '5'.repeat(43)],
    evictedNames: { [ID]: 'omega' },
    tokens: [{ id: 't1', key: 'YQ==', expires: WHEN, usesLeft: 2 }],
    labels: { [ID]: { disk: 'ssd', gpu: null } },
  });
});

test('a move counts as long as its lease, and what has none is no move', () => {
  const entry = { key: KEYS.move('page'), value: JSON.stringify({ to: ID, answer: 'ready' }), ...REVISIONS };
  assert.deepEqual(registryOf([{ ...entry, lease: '5' }]).registry.moves, {
    page: { to: ID, answer: 'ready', lease: '5', fence: '7', revision: '9' },
  });
  const hostile = JSON.stringify({ to: ID, answer: { reason: 'no\u001b[2J', endedBy: 'a\nb' } });
  assert.deepEqual(registryOf([{ ...entry, lease: '5', value: hostile }]).registry.moves?.page?.answer, {
    reason: 'no?[2J',
    endedBy: 'a?b',
  });
  const { registry, ignored } = registryOf([entry]);
  assert.deepEqual([registry.moves, ignored], [undefined, [entry.key]]);
});

test('a turn given to no node is reported as ignored, and can still be ended', () => {
  const agreed = {
    key: KEYS.agreedTimers,
    value: JSON.stringify({ step: 'slow', why: '', calmSeconds: 600 }),
  };
  const turn = { key: KEYS.timersTurn, value: '{"id":5}' };
  const { registry, ignored } = registryOf([agreed, turn].map((entry) => ({ ...entry, ...REVISIONS })));
  assert.deepEqual(ignored, [turn.key]);
  const { agreed: step, turn: given, reports } = registry.timers ?? {};
  const report = { need: 'slow', runs: 'normal' } as const;
  const { step: next } = planAgreement({
    nowMs: 0,
    self: ID,
    agreed: step,
    voters: [{ id: ID, answers: true }],
    reports: new Map([...Object.entries(reports ?? {}), [ID, report]]),
    turn: given,
    patience: {},
    nameOf: (id) => id,
  });
  assert.deepEqual(next, { kind: 'end-turn', id: turn.value });
});

test('the order of the keys does not matter', () => {
  assert.deepEqual(registryOf([...GOOD].reverse()), registryOf(GOOD));
});

test('values that are malformed or above 8 KiB are left out and named', () => {
  const big = JSON.stringify({ signed: SIGNED, registeredAt: WHEN, more: 'x'.repeat(9_000) });
  for (const entry of [
    { key: KEYS.node(ID), value: big },
    { key: KEYS.node('../x'), value: GOOD[0]?.value ?? '' },
    { key: KEYS.name('__proto__'), value: ID },
    { key: KEYS.name('alpha'), value: 'not an id' },
    { key: KEYS.address('10.42.1.999'), value: ID },
    { key: KEYS.role('page'), value: '[]' },
  ]) {
    const { registry, ignored } = registryOf([{ ...entry, ...REVISIONS }]);
    assert.deepEqual(ignored, [entry.key]);
    assert.deepEqual(
      [registry.nodes, registry.names, registry.addresses, registry.holders],
      [[], {}, {}, []],
    );
  }
});

test(`${ROUNDS} damaged key-values never throw, and what gets through has the right shape`, () => {
  const random = randomFrom(7).below;
  const nasty = [
    '\0',
    '__proto__',
    '"',
    '{',
    '[',
    '1e999',
    '/',
    '\u202e',
    'null',
    '-1',
    '9'.repeat(400),
    '..',
  ];
  const damage = (text: string): string => {
    let result = text;
    for (let left = random(4); left > 0; left -= 1) {
      const [from, to] = [random(result.length + 1), random(result.length + 1)].sort((a, b) => a - b) as [
        number,
        number,
      ];
      const put = random(2) === 0 ? (nasty[random(nasty.length)] ?? '') : String.fromCharCode(random(256));
      result = result.slice(0, from) + put + result.slice(random(3) === 0 ? to : from);
    }
    return result;
  };
  let left = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const { key, value } = GOOD[random(GOOD.length)] as (typeof GOOD)[number];
    const inKey = random(3) === 0;
    const entry = { key: inKey ? damage(key) : key, value: inKey ? value : damage(value), ...REVISIONS };
    const { registry, ignored } = registryOf([entry]);
    left += ignored.length;
    for (const { id } of [...registry.nodes, ...registry.holders]) assert.match(id, /^[1-9A-Za-z]{32,44}$/);
    for (const name of Object.keys(registry.names)) assert.match(name, /^[a-z0-9-]{1,63}$/);
    for (const ip of Object.keys(registry.addresses)) assert.match(ip, /^\d+\.\d+\.\d+\.\d+$/);
  }
  assert.ok(left > ROUNDS / 5, `${left} were left out`);
});
