import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeOffers, type Offer } from './judge.ts';
import { parseReport, serializeReport, updateReport } from './report.ts';

const KEY = Buffer.alloc(32, 5);
const OTHER = Buffer.alloc(32, 6);
const NOTHING = { key: undefined, settings: undefined };

const keyOffer = (source: Offer['source'], key: Buffer): Offer => ({
  source,
  item: 'cluster.key',
  place: 'x',
  content: { bytes: Buffer.from(`${key.toString('base64')}\n`) },
});
const settingsOffer = (text: string): Offer => ({
  source: 'seed',
  item: 'node.yaml',
  place: 'seed/node.yaml',
  content: { bytes: Buffer.from(text) },
});

test('a new node takes key and settings of its seed', () => {
  const { decisions, held } = judgeOffers(NOTHING, [keyOffer('seed', KEY), settingsOffer('name: a\n')]);
  assert.deepEqual(
    decisions.map(({ item, outcome }) => [item, outcome]),
    [
      ['cluster.key', 'taken'],
      ['node.yaml', 'taken'],
    ],
  );
  assert.deepEqual(held.key, KEY);
  assert.equal(held.settings?.toString(), 'name: a\n');
});

test('of two different keys offered at once the first is taken and the second refused', () => {
  const { decisions, held } = judgeOffers(NOTHING, [keyOffer('environment', KEY), keyOffer('seed', OTHER)]);
  assert.deepEqual(
    decisions.map(({ outcome }) => outcome),
    ['taken', 'refused'],
  );
  assert.deepEqual(held.key, KEY);
});

test('a later seed cannot change the key, and says both fingerprints but no key', () => {
  const { decisions, held } = judgeOffers({ key: KEY, settings: undefined }, [keyOffer('seed', OTHER)]);
  assert.equal(held.key, KEY);
  assert.match(decisions[0]?.reason ?? '', /another cluster's key/);
  assert.ok(!JSON.stringify(decisions).includes(OTHER.toString('base64').slice(0, 8)));
});

test('settings with a mistake are refused with its line, and those held stay', () => {
  const before = { key: undefined, settings: Buffer.from('name: old\n') };
  const { decisions, held } = judgeOffers(before, [settingsOffer('a: 1\nmesh: 3\n')]);
  assert.equal(held.settings, before.settings);
  assert.match(decisions[0]?.reason ?? '', /seed\/node.yaml:2:1: mesh: expected a map/);
});

test('what was decided alike keeps its time, a taken thing outlives its volume, a refused one does not', () => {
  const [first, second] = [new Date('2026-01-01T00:00:00Z'), new Date('2026-01-02T00:00:00Z')];
  const taken = { item: 'cluster.key', source: 'seed', outcome: 'taken' } as const;
  const refused = { item: 'node.yaml', source: 'seed', outcome: 'refused', reason: 'bad' } as const;
  const report = updateReport([], [taken, refused], first);
  assert.deepEqual(updateReport(report, [taken, refused], second), report);
  assert.deepEqual(updateReport(report, [], second), [{ ...taken, at: first.toISOString() }]);
  assert.equal(
    updateReport(report, [taken, { ...refused, reason: 'worse' }], second)[1]?.at,
    second.toISOString(),
  );
});

test('a report is read back as it was written, and an unreadable one is begun anew', () => {
  const items = updateReport(
    [],
    [{ item: 'x', source: 'seed', outcome: 'ignored', reason: 'r' }],
    new Date(0),
  );
  assert.deepEqual(parseReport(serializeReport(items)), items);
  for (const text of ['', '{', '[]', 'null', '{"version":1,"items":[{"item":3}]}'])
    assert.deepEqual(parseReport(text), []);
});
