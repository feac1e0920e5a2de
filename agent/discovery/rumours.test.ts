import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRumours } from './rumours.ts';

function node(voters: readonly string[]) {
  const looked: string[] = [];
  const believed: string[] = [];
  const time = { ms: 0 };
  const rumours = createRumours({
    now: () => time.ms,
    voters: () => voters,
    look: (address) => looked.push(address),
    believed: (address) => believed.push(address),
  });
  return { rumours, looked, believed, time };
}

test('one member that says our identity is in use elsewhere makes us look there, and no more', () => {
  const { rumours, looked, believed, time } = node(['me', 'b', 'c']);
  for (let round = 0; round < 10; round += 1) {
    rumours.heard('192.0.2.7', 'b');
    rumours.heard('192.0.2.7', `invented${round}`);
    time.ms += 1_000;
  }
  rumours.heard('not an address', 'c');
  assert.deepEqual(believed, []);
  assert.deepEqual(looked, ['192.0.2.7', '192.0.2.7']);
});

test('a majority of the voters is believed where the other machine cannot be reached, within a minute', () => {
  const { rumours, believed, time } = node(['me', 'b', 'c']);
  rumours.heard('192.0.2.7', 'b');
  time.ms = 60_000;
  rumours.heard('192.0.2.7', 'c');
  assert.deepEqual(believed, []);
  rumours.heard('192.0.2.7', 'b');
  assert.deepEqual(believed, ['192.0.2.7']);
});
