import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Called } from '../discovery/channel/channel.ts';
import type { Outcome, View } from '../engine/controller.ts';
import { IDS, sceneCard } from '../testing/scene.ts';
import { createEviction } from './eviction.ts';

const EVICTED: Called = { refused: { code: 'evicted', reason: 'it refused us: evicted' } };
const ANSWERED = { answer: { cards: [] }, peer: { id: IDS[1] } } as unknown as Called;

/** A node of a cluster of two that hears these answers, one a pass. */
function node(quorum: boolean, evicted: readonly string[] = []) {
  const signed = sceneCard(1);
  const card = JSON.parse(Buffer.from(signed.body, 'base64').toString('utf8'));
  const resources: Record<string, unknown> = {
    facts: { identity: { id: IDS[0] } },
    consensus: { genesis: {}, confirmed: true, quorum },
    registry: { evicted },
    cards: [{ card, signed, hash: '' }],
  };
  const view: View = { get: (name) => resources[name] as never, nudge: () => {} };
  const heard: Called[] = [];
  let asked = 0;
  const eviction = createEviction({
    call: async () => {
      asked += 1;
      return heard.shift() ?? { failed: 'nobody there' };
    },
  });
  const pass = (answer?: Called): Promise<Outcome> => {
    if (answer !== undefined) heard.push(answer);
    return eviction.controller.reconcile(view, new AbortController().signal);
  };
  return { eviction, pass, asked: () => asked };
}

test('a node without a quorum stands back when a member says that it was evicted, until one answers it again', async () => {
  const { eviction, pass } = node(false);
  await pass();
  assert.equal(eviction.reason(), undefined);
  await pass(EVICTED);
  assert.equal(eviction.reason()?.code, 'node.evicted');
  await pass({ failed: 'nobody there' });
  assert.equal(eviction.reason()?.condition?.evidence, 'beta says so');
  await pass(ANSWERED);
  assert.equal(eviction.reason(), undefined);
});

test('a node with a quorum asks nobody, unless the registry names it', async () => {
  const calm = node(true);
  await calm.pass(EVICTED);
  assert.deepEqual([calm.asked(), calm.eviction.reason()], [0, undefined]);
  const named = node(true, [IDS[0]]);
  await named.pass(EVICTED);
  assert.equal(named.eviction.reason()?.code, 'node.evicted');
});
