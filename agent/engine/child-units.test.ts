import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeSandbox } from '../testing/sandbox.ts';
import { childUnits } from './child-units.ts';
import type { UnitSpec, Units } from './units.ts';

const SLEEPER: UnitSpec = { name: 'role-test', argv: ['/usr/bin/sleep', '1000'], configDigest: 'a' };

function unitsFor(t: TestContext): { units: Units; run: string; again: () => Units } {
  const { paths } = makeSandbox(t);
  const units = childUnits(paths.run, {});
  t.after(() => units.stop('role-test', 1_000));
  return { units, run: paths.run, again: () => childUnits(paths.run, {}) };
}

async function until(units: Units, state: string) {
  for (let left = 500; left > 0; left -= 1) {
    const seen = await units.observe('role-test');
    if (seen.state === state) return seen;
    await delay(20);
  }
  throw new Error(`never ${state}: ${JSON.stringify(await units.observe('role-test'))}`);
}

test('a program is started once, found by the next agent, and stopped', async (t) => {
  const { units, again } = unitsFor(t);
  assert.equal((await units.observe('role-test')).state, 'stopped');
  await units.start(SLEEPER);
  const { pid } = await units.observe('role-test');
  await units.start(SLEEPER);
  assert.equal((await again().observe('role-test')).pid, pid);
  await again().stop('role-test', 2_000);
  assert.equal((await until(units, 'stopped')).exit?.signal, 'SIGTERM');
});

test('another configuration means another process', async (t) => {
  const { units } = unitsFor(t);
  await units.start(SLEEPER);
  const { pid } = await units.observe('role-test');
  await units.start({ ...SLEEPER, configDigest: 'b' });
  const after = await units.observe('role-test');
  assert.notEqual(after.pid, pid);
  assert.equal(after.configDigest, 'b');
});

test('a program that fails is failed, with its exit code and its last words', async (t) => {
  const { units } = unitsFor(t);
  await units.start({ ...SLEEPER, argv: ['/usr/bin/sleep', 'nonsense'] });
  const seen = await until(units, 'failed');
  assert.equal(seen.exit?.code, 1);
  assert.match(seen.lastLines.join('\n'), /invalid time interval/);
});

test('a program that ignores SIGTERM is killed when its time is up', async (t) => {
  const { units } = unitsFor(t);
  await units.start({ ...SLEEPER, argv: ['/usr/bin/env', '--ignore-signal=TERM', 'sleep', '1000'] });
  await units.stop('role-test', 200);
  assert.notEqual((await units.observe('role-test')).state, 'running');
});

test('a process id that now belongs to another program is not ours', async (t) => {
  const { units, run } = unitsFor(t);
  await units.start(SLEEPER);
  const file = `${run}/units/role-test.json`;
  const record = JSON.parse(readFileSync(file, 'utf8'));
  await units.stop('role-test', 1_000);
  writeFileSync(file, JSON.stringify({ ...record, pid: process.pid }));
  assert.equal((await units.observe('role-test')).state, 'failed');
  await units.stop('role-test', 100);
});

test('a missing program is named with the package that has it', async (t) => {
  const { units } = unitsFor(t);
  for (const program of ['/usr/bin/no-such-etcd', '/proc/version'] as const) {
    await assert.rejects(units.start({ ...SLEEPER, name: 'etcd', argv: [program] }), {
      code: 'unit.missing-program',
      fix: 'apt-get install etcd-server',
    });
  }
});
