import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { test } from 'node:test';
import { createLog } from '../log.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { isResetRequested, performReset, type ResetHooks, requestReset } from './reset.ts';

const log = createLog({ write: () => {} });

function hooks(done: string[], fail: (step: string) => boolean = () => false): ResetHooks {
  const step = (name: string) => async () => {
    if (fail(name)) throw new Error('power cut');
    done.push(name);
  };
  return {
    leave: step('leave'),
    'stop-engines': step('stop-engines'),
    'tear-down-mesh': step('tear-down-mesh'),
  };
}

test('a reset leaves, stops, tears down and wipes, and follows no link out of the folder', async (t) => {
  const { paths, put, folder } = makeSandbox(t);
  put('state/identity.json', '{}');
  put('state/etcd/member/wal/1', 'x');
  const outside = put('outside/file', 'x');
  symlinkSync(`${folder}/outside`, `${paths.state}/link`);
  const done: string[] = [];
  await requestReset(paths, new Date(0));
  await performReset(paths, hooks(done), log);
  assert.deepEqual(done, ['leave', 'stop-engines', 'tear-down-mesh']);
  assert.deepEqual(readdirSync(paths.state), []);
  assert.ok(existsSync(outside));
  assert.equal(await isResetRequested(paths), false);
});

test('after a power cut at any step the reset goes on, and never leaves twice', async (t) => {
  const { paths, put } = makeSandbox(t);
  put('state/identity.json', '{}');
  await requestReset(paths, new Date(0));
  const done: string[] = [];
  await assert.rejects(
    performReset(
      paths,
      hooks(done, (step) => step === 'stop-engines'),
      log,
    ),
    /power cut/,
  );
  assert.ok(await isResetRequested(paths));
  assert.ok(existsSync(`${paths.state}/identity.json`), 'nothing is wiped while engines may run');
  await requestReset(paths, new Date(1));
  await performReset(paths, hooks(done), log);
  assert.deepEqual(done, ['leave', 'stop-engines', 'tear-down-mesh']);
  assert.deepEqual(readdirSync(paths.state), []);
});

test('a cluster that cannot be left, a mesh that is gone and a torn marker do not keep a node from forgetting', async (t) => {
  const { paths, put } = makeSandbox(t);
  mkdirSync(paths.state);
  put('state/reset.json', '{"version":1,"do');
  put('state/cluster.key', 'x');
  const done: string[] = [];
  await performReset(
    paths,
    hooks(done, (step) => step !== 'stop-engines'),
    log,
  );
  assert.deepEqual(done, ['stop-engines']);
  assert.deepEqual(readdirSync(paths.state), []);
});

test('a disk that takes no marker, since it is full, does not keep a node from forgetting', async (t) => {
  const { paths, put } = makeSandbox(t);
  // Nothing can take the place of a folder.
  put('state/reset.json/x', '');
  put('state/large', 'x');
  const done: string[] = [];
  assert.ok(await isResetRequested(paths));
  await performReset(paths, hooks(done), log);
  assert.deepEqual(done, ['leave', 'stop-engines', 'tear-down-mesh']);
  assert.deepEqual(readdirSync(paths.state), []);
});
