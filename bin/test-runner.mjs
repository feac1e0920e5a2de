/**
 * Runs the tests under the pinned Node: unit tests two files at a time; then the cluster scenarios in network
 * namespaces, which mostly wait, three at a time; then the integration tests that build images and boot machines, two
 * at a time, since an emulated machine keeps one processor, and the two longest with several machines alone. A file
 * that hangs is ended and has failed. What failed in any phase is told once more at the end; the last line is
 * `N passed, N failed`.
 */
import { globSync } from 'node:fs';
import * as path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { inspect } from 'node:util';
import { ROOT } from './npm-packages.mjs';

const UNIT = ['{bin,build,packer,image-layers,firstboot,agent,qemu}/**/*.test.ts', 'test/*.test.ts'];
/** The longest scenario first: the others fill the rest of the time beside it. */
const CLUSTER = ['test/integration/cluster/life.test.ts', 'test/integration/cluster/*.test.ts'];
const SEVERAL_MACHINES = ['test/integration/install.test.ts', 'test/integration/qemu-cluster.test.ts'];
/** The longest first here, too. */
const INTEGRATION = ['boot', 'installer', 'first-boot', 'image', '*'].map(
  (name) => `test/integration/${name}.test.ts`,
);

/**
 * In minutes, far above what a file of a whole run takes: one that goes on so long hangs. Who names files or kinds may
 * want of them what takes an hour, as twenty power cuts do.
 */
const PATIENCE = { unit: 10, whole: 45 };
/** What the longest list of durations shows at the end. */
const LONGEST = 12;
/** Lines of one failure, as it is told once more at the end. */
const FAILURE_LINES = 30;

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */
/** @typedef {{ files: string[], concurrency: number, minutes: number }} Phase */

const words = process.argv.slice(2);
const files = words.filter((word) => word.endsWith('.test.ts'));
const kinds = words.filter((word) => ['unit', 'cluster', 'integration', 'golden'].includes(word));
const unknown = words.filter((word) => !files.includes(word) && !kinds.includes(word));
if (unknown.length > 0) {
  process.stderr.write(
    `clusteros: no such tests: ${unknown.join(' ')}; say unit, cluster, integration, golden or a file\n`,
  );
  process.exit(2);
}

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());

/** @type {Counts} */
const total = { passed: 0, failed: 0, skipped: 0 };
/** Seconds of each file. @type {Map<string, number>} */
const durations = new Map();
/** @type {string[]} */
const failures = [];
for (const phase of phases()) {
  if (stop.signal.aborted || phase.files.length === 0) continue;
  add(total, await runPhase(phase));
}
if (durations.size > LONGEST) tellLongest();
if (files.length === 0 && failures.length > 0)
  process.stdout.write(`\nonce more, what failed:\n${failures.join('')}\n`);
report(total);

/** @returns {Phase[]} */
function phases() {
  if (files.length > 0)
    return [{ files: files.map((file) => path.resolve(file)), concurrency: 1, minutes: Infinity }];
  const patience = (/** @type {number} */ minutes) => (kinds.length === 0 ? minutes : Infinity);
  const minutes = patience(PATIENCE.whole);
  const wants = (/** @type {string[]} */ ...names) =>
    kinds.length === 0 || names.some((name) => kinds.includes(name));
  return [
    { files: wants('unit', 'golden') ? find(UNIT) : [], concurrency: 2, minutes: patience(PATIENCE.unit) },
    { files: wants('cluster') ? find(CLUSTER) : [], concurrency: 3, minutes },
    { files: wants('integration') ? find(INTEGRATION, SEVERAL_MACHINES) : [], concurrency: 2, minutes },
    { files: wants('integration') ? find(SEVERAL_MACHINES) : [], concurrency: 1, minutes },
  ];
}

/**
 * @param {readonly string[]} patterns
 * @param {readonly string[]} [without]
 */
function find(patterns, without = []) {
  const found = patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT, exclude: without }).sort());
  return [...new Set(found)].map((file) => path.join(ROOT, file));
}

/**
 * @param {Phase} phase
 * @returns {Promise<Counts>}
 */
async function runPhase({ files, concurrency, minutes }) {
  /** @type {Counts} */
  const counts = { passed: 0, failed: 0, skipped: 0 };
  // First the test that hangs is told, and what it made is removed; what does not end then either is ended.
  const timeout = minutes * 60_000;
  if (timeout < Infinity) process.env.CLUSTEROS_TEST_FILE_LIMIT_MS = `${timeout + 5 * 60_000}`;
  const execArgv = ['--import', path.join(ROOT, 'bin', 'test-file-limit.mjs')];
  const events = run({ files, concurrency, timeout, execArgv, signal: stop.signal, cwd: ROOT });
  events.on('test:summary', ({ counts: seen, file }) => {
    if (file !== undefined) return;
    counts.passed += seen.passed;
    counts.failed +=
      /** @type {{ failed: number }} */ (/** @type {unknown} */ (seen)).failed + seen.cancelled;
    counts.skipped += seen.skipped + seen.todo;
  });
  events.on('test:complete', ({ name, details }) => {
    if (files.includes(name)) durations.set(path.relative(ROOT, name), details.duration_ms / 1000);
  });
  events.on('test:fail', ({ name, file, line, details }) => {
    const { error } = details;
    // A suite only repeats what its tests said.
    if (/** @type {{ failureType?: string }} */ (error).failureType === 'subtestsFailed') return;
    const where = file === undefined ? '' : ` (${path.relative(ROOT, file)}:${line})`;
    const lines = inspect(error.cause ?? error).split('\n');
    const said = lines.filter((text) => !/^\s+at .*node:internal/.test(text)).slice(0, FAILURE_LINES);
    failures.push(`✖ ${name}${where}\n${said.map((text) => `    ${text}\n`).join('')}`);
  });
  // The runner counts a file without any test as a test that passed.
  events.on('test:pass', ({ name, file }) => {
    if (file === undefined || path.resolve(ROOT, name) !== file) return;
    process.stdout.write(`✖ ${name} holds no test\n`);
    counts.passed -= 1;
    counts.failed += 1;
  });
  for await (const text of events.compose(new spec())) process.stdout.write(text);
  return counts;
}

function tellLongest() {
  const longest = [...durations].sort(([, a], [, b]) => b - a).slice(0, LONGEST);
  const lines = longest.map(([file, seconds]) => `${Math.round(seconds).toString().padStart(6)} s  ${file}`);
  process.stdout.write(`the longest files:\n${lines.join('\n')}\n`);
}

/**
 * @param {Counts} sum
 * @param {Counts} counts
 */
function add(sum, counts) {
  sum.passed += counts.passed;
  sum.failed += counts.failed;
  sum.skipped += counts.skipped;
}

/** @param {Counts} counts */
function report(counts) {
  const { passed, failed, skipped } = counts;
  if (passed + failed === 0) process.stdout.write('no test ran\n');
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  process.exitCode = stop.signal.aborted ? 130 : failed > 0 || passed === 0 ? 1 : 0;
}
