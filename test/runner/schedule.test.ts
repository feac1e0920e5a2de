import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestFile } from './collect.ts';
import { IMAGES, type Job, jobsOf, nextJob } from './schedule.ts';

const job = (name: string, more: Partial<Job> = {}): Job => ({
  ...{ name, files: [name], seconds: 10, cpu: 1, memoryMiB: 100, images: false },
  ...more,
});
const file = (name: string, more: Partial<TestFile> = {}): TestFile => ({
  ...{ file: name, kind: 'unit', cpu: 1, memoryMiB: 100, images: false, quiet: false },
  ...more,
});
const CAPACITY = { cpu: 2, memoryMiB: 1000 };

test('types and format come first, then the images, then what needs all processors, then the longest file', () => {
  const files = [
    file('a.test.ts'),
    file('b.test.ts', { images: true }),
    file('large.test.ts', { cpu: 3, images: true }),
    file('test/lint.test.ts'),
  ];
  const seconds = new Map([
    ['a.test.ts', 5],
    ['b.test.ts', 50],
  ]);
  const jobs = jobsOf(files, (name) => seconds.get(name), job(IMAGES));
  assert.deepEqual(
    jobs.map(({ name }) => name),
    ['test/lint.test.ts', IMAGES, 'large.test.ts', 'b.test.ts', 'a.test.ts'],
  );
});

test('images are made only when a file needs them', () => {
  assert.deepEqual(
    jobsOf([file('a.test.ts')], () => undefined, job(IMAGES)).map(({ name }) => name),
    ['a.test.ts'],
  );
});

test('quiet files share processes of about twenty seconds, and each file is in one', () => {
  const quiet = Array.from({ length: 30 }, (_, index) => file(`q${index}.test.ts`, { quiet: true }));
  const jobs = jobsOf(quiet, () => 4, undefined);
  assert.deepEqual(
    jobs.map(({ files }) => files.length),
    [5, 5, 5, 5, 5, 5],
  );
  assert.deepEqual(jobs.flatMap(({ files }) => files).sort(), quiet.map((each) => each.file).sort());
});

test('what waits more than it computes starts beside what fills a processor', () => {
  const [machine, scenario, other] = [job('machine'), job('scenario', { cpu: 0.6 }), job('other')];
  assert.equal(nextJob([other, scenario], [machine], CAPACITY, true), other);
  assert.equal(
    nextJob([job('two'), scenario], [machine, job('half', { cpu: 0.4 })], CAPACITY, true),
    scenario,
  );
  assert.equal(nextJob([scenario], [machine, other], CAPACITY, true), undefined);
});

test('a file that boots an image waits until the images are made', () => {
  const boots = job('boots', { images: true });
  assert.equal(nextJob([boots, job('unit')], [], CAPACITY, false)?.name, 'unit');
  assert.equal(nextJob([boots], [], CAPACITY, false), undefined);
  assert.equal(nextJob([boots], [], CAPACITY, true), boots);
});

test('what is too large for the machine runs alone, and memory counts too', () => {
  const huge = job('huge', { cpu: 8, memoryMiB: 64_000 });
  assert.equal(nextJob([huge], [job('other')], CAPACITY, true), undefined);
  assert.equal(nextJob([huge], [], CAPACITY, true), huge);
  const large = job('large', { memoryMiB: 950 });
  assert.equal(nextJob([large], [job('other')], CAPACITY, true), undefined);
});

test('a large file that is first in order is not passed over for ever', () => {
  const capacity = { cpu: 2.8, memoryMiB: 1000 };
  const large = job('large', { cpu: 2 });
  const scenario = job('scenario', { cpu: 0.8 });
  assert.equal(nextJob([large, scenario], [job('machine')], capacity, true), undefined);
  assert.equal(nextJob([large, scenario], [scenario], capacity, true), large);
  assert.equal(nextJob([scenario], [large], capacity, true), scenario);
});
