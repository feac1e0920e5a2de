import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../errors.ts';
import { createKeeper, rememberVoters } from './durable.ts';
import type { EtcdMember } from './etcd/types.ts';

const MEMBERS = ['b', 'a', ''].map((name) => ({ name, learner: false })) as unknown as EtcdMember[];

test('voters that a full disk cannot store are reported, and stored when there is room', async () => {
  let full = true;
  const keeper = createKeeper({}, async () => {
    if (full) throw new AgentError({ code: 'disk.full', exit: 'storage', message: 'cannot write' });
  });
  const told = await rememberVoters(keeper, MEMBERS);
  assert.deepEqual(
    told.map(({ code }) => code),
    ['disk.full'],
  );
  assert.equal(keeper.now().voters, undefined);
  full = false;
  assert.deepEqual(await rememberVoters(keeper, MEMBERS), []);
  assert.deepEqual(keeper.now().voters, ['a', 'b']);
});
