import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JoinInput, planJoins } from './joins.ts';
import { contact, knownCard, member } from './testing/fixtures.ts';

const plan = (more: Partial<JoinInput>) =>
  planJoins({
    ownId: 'own',
    own: { addresses: ['10.0.0.1', '10.0.2.15'], port: 7946 },
    cards: [],
    contacts: [],
    members: [],
    refused: new Set(),
    tries: {},
    announced: true,
    nowMs: 0,
    ...more,
  });

test('a node with a verified card that is no member is joined where it was proven', () => {
  const cards = [knownCard('b', ['10.0.2.15', '10.0.0.2'], { address: '10.0.0.2', provenMs: 0 })];
  assert.deepEqual(plan({ cards }).addresses, ['10.0.0.2:7946']);
  assert.deepEqual(plan({ cards, members: [member('b', '10.0.0.2')] }).addresses, []);
  assert.deepEqual(plan({ cards, refused: new Set(['b']) }).addresses, []);
});

test('a contact without a card is a stranger and is not joined', () => {
  assert.deepEqual(plan({ contacts: [contact('10.0.0.2', { id: 'b' })] }).addresses, []);
});

test('we never join ourselves', () => {
  const cards = [knownCard('own', ['10.0.0.1']), knownCard('b', ['10.0.2.15', 'fd00::2'])];
  assert.deepEqual(plan({ cards }).addresses, ['[fd00::2]:7946']);
});

test('attempts go on for ever with growing pauses and take turns with the addresses', () => {
  const cards = [knownCard('b', ['10.0.0.2', '10.0.0.3'])];
  let tries: JoinInput['tries'] = {};
  const times: number[] = [];
  const seen = new Set<string>();
  for (let nowMs = 0; nowMs < 600_000; nowMs += 500) {
    const step = plan({ cards, tries, nowMs });
    tries = step.tries;
    if (step.addresses.length > 0) times.push(nowMs);
    for (const address of step.addresses) seen.add(address);
  }
  const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  assert.deepEqual(pauses.slice(0, 6), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
  assert.equal(Math.max(...pauses), 30_000);
  assert.deepEqual([...seen], ['10.0.0.2:7946', '10.0.0.3:7946']);
});

test('silent nodes do not hold up those that are heard', () => {
  const silent = Array.from({ length: 20 }, (_, index) => knownCard(`s${index}`, [`10.0.1.${index}`]));
  const heard = [1, 2, 3, 4].map((n) => knownCard(`h${n}`, [`10.0.3.${n}`], { provenMs: 0 }));
  const { addresses } = plan({ cards: [...silent, ...heard] });
  assert.deepEqual(addresses, ['10.0.3.1:7946', '10.0.3.2:7946', '10.0.1.0:7946']);
});

test('failed members are tried one after the other, without a card too', () => {
  const members = ['b', 'c'].map((id, index) => member(id, `10.0.0.${index + 2}`, { status: 'failed' }));
  const first = plan({ members });
  const second = plan({ members, tries: first.tries, nowMs: 500 });
  assert.deepEqual([...first.addresses, ...second.addresses], ['10.0.0.2:7946', '10.0.0.3:7946']);
});

test('who has left is joined again only when he is heard', () => {
  const members = [member('b', '10.0.0.2', { status: 'left' })];
  const cards = [knownCard('b', ['10.0.0.2'])];
  assert.deepEqual(plan({ cards, members, nowMs: 60_000 }).addresses, []);
  const contacts = [contact('10.0.0.2', { id: 'b', heardMs: 59_000 })];
  assert.deepEqual(plan({ cards, members, contacts, nowMs: 60_000 }).addresses, ['10.0.0.2:7946']);
});

test('a Serf that was started joins one living member, until one has answered', () => {
  const members = ['own', 'b', 'c'].map((id, index) => member(id, `10.0.0.${index + 1}`));
  const first = plan({ members, announced: false });
  assert.deepEqual(first.addresses, ['10.0.0.2:7946']);
  const { tries } = first;
  assert.deepEqual(plan({ members, announced: false, tries, nowMs: 500 }).addresses, []);
  assert.deepEqual(plan({ members, announced: false, tries, nowMs: 1_000 }).addresses, ['10.0.0.3:7946']);
  assert.deepEqual(plan({ members, tries, nowMs: 1_000 }).addresses, []);
  assert.deepEqual(plan({ members: members.slice(0, 1), announced: false }).addresses, []);
});
