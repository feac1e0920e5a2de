import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnitName, Units } from '../engine/units.ts';
import { createLog } from '../log.ts';
import { type HaltReason, haltController } from './halt.ts';

function halted(reason: () => HaltReason | undefined) {
  const running = new Set<UnitName>(['serf', 'etcd']);
  const done: string[] = [];
  const units: Units = {
    start: async () => assert.fail('nothing is started by a halt'),
    stop: async (name) => {
      running.delete(name);
    },
    observe: async (name) => ({ state: running.has(name) ? 'running' : 'stopped', lastLines: [] }),
  };
  const controller = haltController({
    units,
    tearDownMesh: async () => void done.push('mesh'),
    resignRoles: async () => void done.push('roles'),
    log: createLog({ write: () => {}, format: 'text' }),
    reason,
    again: () => void done.push('again'),
  });
  const pass = () =>
    controller.reconcile({ get: () => undefined, nudge: () => {} }, new AbortController().signal);
  return { running, done, pass };
}

test('a halted node stops its engines, also one that a pass under way started a moment later', async () => {
  const { running, done, pass } = halted(() => ({ code: 'identity.duplicate' }));
  await pass();
  assert.deepEqual([...running], []);
  assert.deepEqual(done.slice(0, 2), ['roles', 'mesh']);
  running.add('serf');
  await pass();
  assert.deepEqual([...running], []);
  assert.equal(done.filter((word) => word === 'roles').length, 1);
});

test('when the reason has gone the node begins anew', async () => {
  let reason: HaltReason | undefined = { code: 'identity.duplicate' };
  const { done, pass } = halted(() => reason);
  await pass();
  reason = undefined;
  await pass();
  assert.equal(done.at(-1), 'again');
});
