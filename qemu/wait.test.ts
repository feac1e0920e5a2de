import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatorError } from '../build/errors.ts';
import { waitFor } from './wait.ts';

const not = (saw: string) => ({ done: false, saw }) as const;

test('a wait ends with the value of the look that succeeds', async () => {
  let looks = 0;
  const probe = () => (++looks === 3 ? ({ done: true, value: 'there' } as const) : not('nothing'));
  assert.equal(await waitFor('it', probe, { deadlineMs: 5_000, everyMs: 1 }), 'there');
});

test('a wait that runs out says what it last saw', async () => {
  let looks = 0;
  await assert.rejects(
    waitFor('the door to open', () => not(`look ${++looks}`), {
      deadlineMs: 30,
      everyMs: 5,
      evidence: () => 'a picture',
    }),
    (error) => {
      assert.ok(error instanceof OperatorError);
      assert.equal(error.code, 'wait.timeout');
      assert.match(error.message, /^waited 0\.\d s for the door to open; last seen: look \d+$/);
      assert.equal(error.evidence, 'a picture');
      return true;
    },
  );
});

test('exactly one look, flagged as the last, follows the end of the time', async () => {
  const flags: boolean[] = [];
  const probe = (last: boolean) => {
    flags.push(last);
    return not('no');
  };
  await assert.rejects(waitFor('it', probe, { deadlineMs: 20, everyMs: 5 }));
  assert.deepEqual(flags.filter(Boolean), [true]);
  assert.equal(flags.at(-1), true);
});

test('a condition that holds at the last look counts', async () => {
  const probe = (last: boolean) => (last ? ({ done: true, value: 1 } as const) : not('no'));
  assert.equal(await waitFor('it', probe, { deadlineMs: 10, everyMs: 5 }), 1);
});

test('a reason to give up ends the wait at once', async () => {
  const started = performance.now();
  await assert.rejects(
    waitFor('it', () => not('no'), { deadlineMs: 60_000, failFast: () => 'the machine is on fire' }),
    { code: 'wait.hopeless', message: /given up after .*: the machine is on fire$/ },
  );
  assert.ok(performance.now() - started < 5_000);
});

test('a wait can be stopped', async () => {
  const stop = new AbortController();
  const wait = waitFor('it', () => not('no'), { deadlineMs: 60_000, everyMs: 30_000, signal: stop.signal });
  stop.abort();
  await assert.rejects(wait, { code: 'interrupted' });
});
