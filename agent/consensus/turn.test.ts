import * as assert from 'node:assert/strict';
import { test } from 'node:test';
import { steps } from '../timers/steps.ts';
import { isTurn } from './turn.ts';

const MEMBERS = ['c', 'a', 'b'].map((name) => ({ name }));
const DAY_MS = Date.parse('2026-01-01T00:00:00Z');
/** From a stop in order until etcd serves again, at the pace of `normal`. */
const RESTART_MS = 7_000;

test('no two voters start etcd again at once, at any pace, and each has its turn', () => {
  for (const { name, slack } of steps()) {
    const turns = new Map<string, number>();
    let last = { self: '', atMs: Number.NEGATIVE_INFINITY };
    for (let atMs = DAY_MS; atMs < DAY_MS + 300_000 * slack; atMs += 250) {
      for (const { name: self } of MEMBERS) {
        if (!isTurn(self, MEMBERS, new Date(atMs), name)) continue;
        const apart = self === last.self || atMs - last.atMs > RESTART_MS * slack;
        assert.ok(apart, `${name}: ${self} ${atMs - last.atMs} ms after ${last.self}`);
        last = { self, atMs };
        turns.set(self, (turns.get(self) ?? 0) + 1);
      }
    }
    assert.equal(turns.size, MEMBERS.length, name);
  }
  assert.ok(isTurn('alone', [{ name: 'alone' }], new Date(DAY_MS), 'normal'));
});
