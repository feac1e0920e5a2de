import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Called } from '../discovery/channel/channel.ts';
import type { Outcome, View } from '../engine/controller.ts';
import { IDS, sceneCard } from '../testing/scene.ts';
import { createEviction } from './eviction.ts';

const [SELF, BETA, GAMMA, DELTA] = IDS;
const UNSIGNED: Called = { refused: { code: 'evicted', reason: 'it refused us: evicted' } };
const by = (id: string): Called => ({
  refused: { code: 'evicted', reason: 'it refused us: evicted', by: id },
});
const answered = (id: string) => ({ answer: { cards: [] }, peer: { id } }) as unknown as Called;

/** A node that knows three others, two of them voters beside itself, and what each of them answers. */
function node(quorum: boolean, evicted: readonly string[] = [], lastVoters = [SELF, BETA, GAMMA]) {
  const cards = [1, 2, 3].map((index) => {
    const signed = sceneCard(index);
    const card = JSON.parse(Buffer.from(signed.body, 'base64').toString('utf8'));
    return { card: { ...card, addresses: [IDS[index]] }, signed, hash: '' };
  });
  const resources: Record<string, unknown> = {
    facts: { identity: { id: SELF } },
    consensus: { genesis: {}, confirmed: true, quorum, lastVoters },
    registry: { evicted },
    cards,
  };
  const view: View = { get: (name) => resources[name] as never, nudge: () => {} };
  let says: Readonly<Record<string, Called>> = {};
  let asked = 0;
  const eviction = createEviction({
    call: async ({ address }) => {
      asked += 1;
      return says[address] ?? { failed: 'nobody there' };
    },
  });
  const pass = (answers: Readonly<Record<string, Called>> = {}): Promise<Outcome> => {
    says = answers;
    return eviction.controller.reconcile(view, new AbortController().signal);
  };
  return { eviction, pass, asked: () => asked };
}

test('a majority of the last known voters makes a node stand back, until one answers it as a member', async () => {
  const { eviction, pass } = node(false);
  await pass();
  assert.equal(eviction.reason(), undefined);
  await pass({ [BETA]: by(BETA), [GAMMA]: by(GAMMA) });
  assert.equal(eviction.reason()?.code, 'node.evicted');
  await pass();
  assert.equal(eviction.reason()?.condition?.evidence, 'according to beta, gamma');
  await pass({ [BETA]: answered(BETA) });
  assert.equal(eviction.reason(), undefined);
});

test('the thief of one voter cannot stop a node that is cut off, however many ids it invents', async () => {
  const { eviction, pass } = node(false);
  const { conditions = [] } = await pass({ [BETA]: by(BETA), [DELTA]: by(DELTA) });
  assert.equal(eviction.reason(), undefined);
  assert.deepEqual(
    conditions.map(({ code, state }) => [code, state]),
    [['node.eviction-claimed', 'waiting']],
  );
  // In the place of another, or signed by nobody, it counts for nothing.
  await pass({ [BETA]: by(BETA), [GAMMA]: by(BETA) });
  await pass({ [BETA]: UNSIGNED, [GAMMA]: UNSIGNED });
  assert.equal(eviction.reason(), undefined);
  const alone = node(false, [], []);
  await alone.pass({ [BETA]: by(BETA), [GAMMA]: by(GAMMA), [DELTA]: by(DELTA) });
  assert.equal(alone.eviction.reason(), undefined);
});

test('a node with a quorum asks nobody, unless the registry names it', async () => {
  const calm = node(true);
  await calm.pass({ [BETA]: by(BETA), [GAMMA]: by(GAMMA) });
  assert.deepEqual([calm.asked(), calm.eviction.reason()], [0, undefined]);
  const named = node(true, [SELF]);
  await named.pass();
  assert.equal(named.eviction.reason()?.code, 'node.evicted');
});
