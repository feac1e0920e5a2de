import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { PeerChannel } from '../discovery/channel/channel.ts';
import { cardOf, identityOf } from '../discovery/testing/peers.ts';
import type { Resources } from '../engine/resources.ts';
import { fingerprint, wireguardKeys } from '../identity/keys.ts';
import { createLog } from '../log.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { createKeyHolder } from './held-keys.ts';
import { answerRekey } from './rekey.ts';
import { rekeyController } from './rekey-controller.ts';
import { beginRotation, moveRotation, readRotation } from './rotation-records.ts';

const OLD = Buffer.alloc(32, 1);
const SLEEPER = identityOf(9);
const VOTERS = [1, 2, 3].map((byte) => identityOf(byte));

/** A node that slept through a change of the key, and voters of whom some answer. */
async function woken(t: TestContext, answering: number) {
  const { paths, put } = makeSandbox(t);
  put('state/cluster.key', `${OLD.toString('base64')}\n`);
  const keys = await createKeyHolder(paths.state, () => new Date());
  const etcd = createMemoryEtcd();
  const meshKey = wireguardKeys(SLEEPER.seed).publicKey.toString('base64');
  const { rotation } = await beginRotation(
    etcd,
    [{ id: SLEEPER.id, meshKey }],
    OLD,
    randomBytes,
    new Date(0),
  );
  await moveRotation(etcd, (await readRotation(etcd)) ?? assert.fail(), { phase: 'done' });
  const channel: Pick<PeerChannel, 'call'> = {
    call: async ({ address }) => {
      const index = Number(address.split('.').at(-1)) - 1;
      const id = VOTERS[index]?.id;
      if (id === undefined || index >= answering) return { failed: 'nobody listens there' };
      const deps = { etcd, fingerprints: () => [rotation.newFingerprint] };
      const answer = await answerRekey(deps, SLEEPER.id, fingerprint(OLD));
      return { answer, peer: { id } as never };
    },
  };
  const noted: (readonly string[])[] = [];
  let nowMs = 0;
  const controller = rekeyController({
    keys,
    channel,
    voters: {
      now: async () => VOTERS.map(({ id }) => id),
      note: async (voters, present) => void noted.push([...voters, ...present]),
    },
    hints: () => [],
    events: { record: () => ({}) as never },
    log: createLog({ write: () => {} }),
    now: () => nowMs,
    random: () => 0,
    replaced: () => {},
  });
  const resources = {
    facts: { identity: SLEEPER },
    consensus: { genesis: {}, quorum: false, voters: ['invented'] },
    cards: VOTERS.map((identity, index) => ({
      card: cardOf(identity, { addresses: [`192.168.1.${index + 1}`] }),
    })),
  } as unknown as Resources;
  const look = async () => {
    nowMs += 10_000;
    const view = { get: (name: keyof Resources) => resources[name] as never, nudge: () => {} };
    return controller.reconcile(view, new AbortController().signal);
  };
  const taken = () => fingerprint(keys.now()?.current ?? OLD) === rotation.newFingerprint;
  return { keys, look, taken, noted, resources };
}

test('a node that slept takes the key that a majority of the last voters gives, and none from fewer', async (t) => {
  for (const [answering, expected] of [
    [1, false],
    [2, true],
  ] as const) {
    const { look, taken } = await woken(t, answering);
    for (let pass = 0; pass < 3; pass += 1) await look();
    assert.equal(taken(), expected, `${answering} of 3`);
  }
});

test('a key of a rotation that this node is past is taken from nobody', async (t) => {
  const { keys, look, taken } = await woken(t, 3);
  await keys.reach({ id: 'ab'.repeat(8), number: 2 });
  for (let pass = 0; pass < 3; pass += 1) await look();
  assert.equal(taken(), false);
});

test('who votes is noted while a majority answers only, by those who have proven to be here', async (t) => {
  const { look, noted, resources } = await woken(t, 0);
  await look();
  assert.deepEqual(noted, []);
  resources.consensus = { ...resources.consensus, quorum: true };
  await look();
  assert.deepEqual(noted, [['invented']]);
});
