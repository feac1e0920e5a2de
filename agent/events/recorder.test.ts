import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { makeSandbox } from '../testing/sandbox.ts';
import type { Event } from './event.ts';
import { parseLines } from './lines.ts';
import { createEvents } from './recorder.ts';

const clock = { wallClock: () => new Date('2026-01-01T00:00:00Z') };
const summaries = (events: readonly Event[]) => events.map(({ summary }) => summary);

test('events are numbered over restarts, and a line torn by a power cut costs only itself', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.state);
  const first = await createEvents({ paths, clock });
  first.record({ kind: 'a', summary: 'one' });
  first.record({ kind: 'a', summary: 'two', node: 'x', details: { n: 1 } });
  await first.flush();
  assert.equal(statSync(paths.events).mode & 0o777, 0o600);
  appendFileSync(paths.events, '{"at":"2026-01-01T00:00:00.000Z","seq":3,"kind":"a","summ');
  const second = await createEvents({ paths, clock });
  assert.equal(second.record({ kind: 'a', summary: 'three' }).seq, 3);
  await second.flush();
  const third = await createEvents({ paths, clock });
  assert.deepEqual(summaries(await third.since({})), ['one', 'two', 'three']);
  assert.deepEqual(summaries(await third.since({ seq: 2 })), ['three']);
  assert.deepEqual((await third.since({ seq: 1 }))[0]?.details, { n: 1 });
});

test('the file is followed by a second one, and never grows beyond twice its limit', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.state);
  const events = await createEvents({ paths, clock, limit: 4_000 });
  for (let n = 1; n <= 2_000; n += 1) {
    events.record({ kind: 'a', summary: `${n}` });
    if (n % 10 === 0) await events.flush();
  }
  await events.flush();
  assert.ok(statSync(paths.events).size < 6_000);
  assert.ok(statSync(`${paths.events}.1`).size < 6_000);
  assert.equal(existsSync(`${paths.events}.2`), false);
  assert.equal((await events.since({})).at(-1)?.seq, 2_000);
  assert.equal((await events.since({})).length, 500);
  assert.equal(events.count(), 2_000);
});

test('what memory no longer holds is read from the files', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.state);
  const events = await createEvents({ paths, clock });
  for (let n = 1; n <= 1_200; n += 1) {
    events.record({ kind: 'a', summary: `${n}` });
    if (n % 100 === 0) await events.flush();
  }
  const more = await createEvents({ paths, clock });
  more.record({ kind: 'a', summary: 'last' });
  assert.equal((await more.since({ seq: 500 })).length, 501 + 200);
});

test('a disk that takes nothing leaves the events in memory, says so, and gets them later', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.events, { recursive: true });
  const events = await createEvents({ paths, clock });
  for (let n = 1; n <= 600; n += 1) events.record({ kind: 'a', summary: `${n}` });
  await events.flush();
  assert.match(events.problem() ?? '', /EISDIR/);
  assert.equal(events.recent(3).length, 3);
  assert.equal((await events.since({})).length, 500);
  rmSync(paths.events, { recursive: true });
  events.record({ kind: 'a', summary: 'after' });
  await events.flush();
  assert.equal(events.problem(), undefined);
  assert.equal(parseLines(readFileSync(paths.events, 'utf8')).length, 500);
});

test('a follower gets what is recorded after it came, and ends with its signal', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.state);
  const events = await createEvents({ paths, clock });
  events.record({ kind: 'a', summary: 'before' });
  const stop = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const { summary } of events.follow(stop.signal)) {
      seen.push(summary);
      if (seen.length === 2) stop.abort();
    }
  })();
  events.record({ kind: 'a', summary: 'one' });
  await events.flush();
  events.record({ kind: 'a', summary: 'two' });
  await following;
  events.record({ kind: 'a', summary: 'three' });
  assert.deepEqual(seen, ['one', 'two']);
});

test('lines that are no events are left out, whatever they hold', () => {
  const good = '{"at":"2026-01-01T00:00:00.000Z","seq":1,"kind":"a","summary":"s"}';
  const bad = ['', 'null', '[]', '1', '{', '{"seq":1}', good.replace('1,"kind"', '"1","kind"'), '\0'];
  assert.equal(parseLines([...bad, good, ...bad].join('\n')).length, 1);
});
