import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { machineIds } from '../host.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { isOther, loadMachine, machineOf, saveMachine } from './machine.ts';

test('a machine is another one when an id that both sides know differs', () => {
  const [one, other] = ['12345678-aaaa', '87654321-bbbb'].map((board) => machineOf({ board, disk: 'S1' }));
  assert.ok(one && other);
  assert.equal(isOther(one, one), false);
  assert.equal(isOther(one, machineOf({ board: '12345678-AAAA', disk: 'S1' })), false);
  assert.equal(isOther(one, other), true);
  assert.equal(isOther(one, machineOf({ board: '12345678-aaaa', disk: 'S2' })), true);
  // Containers and network namespaces know neither; many boards have an id of zeros.
  assert.equal(isOther(one, machineOf({})), false);
  assert.equal(isOther(machineOf({}), one), false);
  assert.equal(isOther(one, machineOf({ board: '00000000-0000-0000-0000-000000000000' })), false);
});

test('the machine of the last run is kept as hashes; a damaged file is none', async (t) => {
  const { paths, put } = makeSandbox(t);
  mkdirSync(paths.state, { recursive: true });
  assert.deepEqual(await loadMachine(paths.state), {});
  const first = await saveMachine(paths.state, {}, machineOf({ board: 'b1', disk: 's1' }));
  assert.deepEqual(await loadMachine(paths.state), first);
  const later = await saveMachine(paths.state, first, machineOf({ board: 'b2' }));
  assert.equal(later.disk, first.disk, 'what is not known now stays');
  assert.notEqual(later.board, first.board);
  put('state/machine.json', '{');
  assert.deepEqual(await loadMachine(paths.state), {});
});

test('the ids of this machine are read without an error, wherever it runs', async () => {
  const ids = await machineIds(import.meta.dirname);
  assert.deepEqual(ids, await machineIds(import.meta.dirname));
  assert.equal((await machineIds('/nonexistent')).disk, undefined);
});
