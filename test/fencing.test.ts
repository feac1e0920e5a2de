import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handOversIn, overlapsIn, tenuresIn } from './cluster/tenures.ts';

const at = (ms: number, state: string) => `${ms}000000 10000000 ${state}`;

test('a tenure goes from the first look that saw the role to the last', () => {
  const journal = [at(0, '-'), at(10, 'a'), at(20, 'al'), at(25, 'p'), at(30, 'a'), at(40, '-'), at(50, 'l')];
  assert.deepEqual(tenuresIn('n1', journal.join('\n'), 'alp'), [
    { machine: 'n1', fromMs: 10, toMs: 30 },
    { machine: 'n1', fromMs: 50, toMs: 50 },
  ]);
  assert.deepEqual(tenuresIn('n1', journal.join('\n'), 'l'), [
    { machine: 'n1', fromMs: 20, toMs: 20 },
    { machine: 'n1', fromMs: 50, toMs: 50 },
  ]);
});

test('a watcher that was kept from looking says nothing of that time', () => {
  const journal = [at(0, 'a'), at(100, 'a'), at(5_000, 'a')].join('\n');
  assert.deepEqual(
    tenuresIn('n1', journal, 'a').map(({ fromMs, toMs }) => [fromMs, toMs]),
    [
      [0, 100],
      [5_000, 5_000],
    ],
  );
});

test('two machines with the role at one instant are named, and one after the other are a hand-over', () => {
  const one = { machine: 'n1', fromMs: 0, toMs: 100 };
  assert.deepEqual(overlapsIn([{ machine: 'n2', fromMs: 90, toMs: 200 }, one]), [
    'n1 and n2 for 10 ms at 90',
  ]);
  const later = { machine: 'n2', fromMs: 150, toMs: 200 };
  assert.deepEqual(overlapsIn([one, later, { machine: 'n1', fromMs: 50, toMs: 60 }]), []);
  assert.deepEqual(handOversIn([later, one]), [{ from: 'n1', to: 'n2', apartMs: 50 }]);
});
