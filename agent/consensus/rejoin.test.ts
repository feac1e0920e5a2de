import assert from 'node:assert/strict';
import { test } from 'node:test';
import { files } from '../host.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { type ConsensusDeps, createConsensus } from './consensus.ts';
import { loadDurable, saveDurable } from './durable.ts';

test('a node that had left before its agent began is told to come back', async (t) => {
  const { paths } = makeSandbox(t);
  await files.makeFolder(paths.state, 0o700);
  await saveDurable(paths.state, { left: true });
  // Nothing of the rest is called: a node that has left runs no controller.
  const deps = { paths, channel: { handle: () => {} } } as unknown as ConsensusDeps;
  await createConsensus(deps).rejoin();
  assert.equal((await loadDurable(paths.state)).left, undefined);
});
