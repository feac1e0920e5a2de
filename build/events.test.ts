import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import * as path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type BuildEvent, eventProgress } from './events.ts';

function recorder(everyMs?: number) {
  const events: BuildEvent[] = [];
  return { events, progress: eventProgress((event) => events.push(event), everyMs) };
}

const kinds = (events: readonly BuildEvent[]) => events.map(({ event }) => event);

test('a stage is an event when it starts and one with its seconds when it is finished', async () => {
  const { events, progress } = recorder();
  const value = await progress.step(
    'image qcow2',
    async () => {
      await delay(20);
      return 7;
    },
    (result) => `${result} MiB`,
  );
  assert.equal(value, 7);
  assert.deepEqual(events[0], { event: 'started', stage: 'image qcow2' });
  const [, end] = events;
  assert.ok(end?.event === 'finished' && end.seconds >= 0.015 && end.seconds < 60, JSON.stringify(end));
  assert.deepEqual(Object.keys(end), ['event', 'stage', 'seconds', 'outcome']);
  assert.equal(end.outcome, '7 MiB');
});

test('progress is bytes of all bytes, or words', async () => {
  const { events, progress } = recorder(0);
  await progress.step('packages', async (report) => {
    report('unpacking libc6');
    report({ done: 5, total: 10 });
  });
  assert.deepEqual(events.slice(1, 3), [
    { event: 'progress', stage: 'packages', detail: 'unpacking libc6' },
    { event: 'progress', stage: 'packages', bytes: 5, totalBytes: 10 },
  ]);
});

test('a stage that reports without end is not a flood', async () => {
  const { events, progress } = recorder(10_000);
  await progress.step('image', async (report) => {
    for (let done = 0; done < 10_000; done++) report({ done, total: 10_000 });
  });
  assert.deepEqual(kinds(events), ['started', 'progress', 'finished']);
});

test('a stage that fails says so, and its error goes on as it is', async () => {
  const { events, progress } = recorder();
  const error = new Error('no more');
  const failing = progress.step('image', () => Promise.reject(error));
  await assert.rejects(failing, (seen) => seen === error);
  assert.deepEqual(kinds(events), ['started', 'failed']);
});

test('docs/events.md names every event and every key of it', async () => {
  const manual = await readFile(path.join(import.meta.dirname, '..', 'docs', 'events.md'), 'utf8');
  const source = await readFile(path.join(import.meta.dirname, 'events.ts'), 'utf8');
  const said = [...source.matchAll(/readonly event: '(\w+)'/g)].map(([, kind]) => kind);
  assert.ok(said.length >= 7);
  for (const kind of [...said, 'result', 'error']) assert.match(manual, new RegExp(`^\\| \`${kind}\` `, 'm'));
  for (const [, key = ''] of source.matchAll(/readonly (\w+)\??:/g))
    if (key !== 'event') assert.ok(manual.includes(`\`${key}\``), key);
});
