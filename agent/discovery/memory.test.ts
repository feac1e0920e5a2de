import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { View } from '../engine/controller.ts';
import type { Resources } from '../engine/resources.ts';
import { createLog } from '../log.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { loadCards, saveCards } from './cards-file.ts';
import type { Peer, PeerChannel } from './channel/channel.ts';
import { createClones } from './clones.ts';
import { ownCardController } from './own-card.ts';
import { createPresence } from './presence.ts';
import { cardOf, identityOf, keyOf, signedOf } from './testing/peers.ts';
import { readVersions } from './versions.ts';

const log = createLog({ write: () => {} });

test('cards of the last run are read again; a damaged or missing file is an empty one', async (t) => {
  const { folder } = makeSandbox(t);
  assert.deepEqual(await loadCards(folder, log), []);
  await saveCards(folder, [signedOf(1), signedOf(2)]);
  assert.deepEqual(await loadCards(folder, log), [signedOf(1), signedOf(2)]);
  for (const damage of ['', '{', '{"version":2}', '[]', '\0'.repeat(100)]) {
    writeFileSync(path.join(folder, 'cards.json'), damage);
    assert.deepEqual(await loadCards(folder, log), []);
  }
});

test('a machine that yielded knows it after a restart, and forgets it ten minutes after the last sight', async (t) => {
  const { folder } = makeSandbox(t);
  const file = path.join(folder, 'duplicate.json');
  let nowMs = 0;
  const make = (instance: string) => createClones({ instance, file, log, now: () => nowMs });
  const first = make('bb'.repeat(8));
  const other = { instance: 'aa'.repeat(8), memberMs: 5_000, duplicate: false };
  assert.equal(first.met(first.standing(), other, '192.168.1.5'), 'yields');
  assert.equal(first.isClone(), true);
  assert.match(first.conditions()[0]?.summary ?? '', /192\.168\.1\.5/);
  await first.save();
  const again = make('cc'.repeat(8));
  await again.load();
  assert.equal(again.isClone(), true);
  nowMs = 600_000;
  assert.equal(again.isClone(), false);
  assert.deepEqual(again.conditions(), []);
  await again.save();
  const last = make('dd'.repeat(8));
  await last.load();
  assert.equal(last.isClone(), false);
});

test('the longer member keeps the identity, and a clone that yielded does not come back by restarting first', () => {
  let nowMs = 0;
  const make = (instance: string) => createClones({ instance, file: '/nowhere', log, now: () => nowMs });
  const [original, clone] = [make('ff'.repeat(8)), make('00'.repeat(8))];
  original.setMember(true);
  nowMs = 10_000;
  clone.setMember(true);
  assert.equal(clone.met(clone.standing(), original.standing(), 'a'), 'yields');
  assert.equal(original.met(original.standing(), clone.standing(), 'b'), 'keeps');
  const rebooted = make('ff'.repeat(8));
  assert.equal(rebooted.met(rebooted.standing(), clone.standing(), 'b'), 'keeps');
  assert.equal(rebooted.isClone(), false);
});

test('a third node refuses the second of two living machines with one identity, and no restarted one', async () => {
  const standing = (instance: string, memberMs = 0) => ({ instance, memberMs, duplicate: false });
  const peer = (address: string, instance: string, memberMs = 0): Peer => ({
    id: identityOf(2).id,
    card: cardOf(identityOf(2)),
    address,
    standing: standing(instance, memberMs),
  });
  let alive = true;
  let calls = 0;
  const channel = {
    call: async () => {
      calls += 1;
      return alive
        ? { answer: null, peer: peer('192.168.1.5', 'aa', 9_000) }
        : { failed: 'nobody listens there' };
    },
  } as unknown as PeerChannel;
  const presence = createPresence(
    () => channel,
    () => 0,
  );
  assert.equal(await presence.check(peer('192.168.1.5', 'aa')), undefined);
  assert.equal(await presence.check(peer('192.168.1.6', 'aa')), undefined, 'another link of the same run');
  assert.equal(await presence.check(peer('192.168.1.5', 'aa')), undefined);
  assert.equal(calls, 0);
  const refused = await presence.check(peer('192.168.1.7', 'bb', 10));
  assert.equal(refused?.reason, 'identity in use by 192.168.1.5');
  assert.equal(await presence.check(peer('192.168.1.5', 'cc')), undefined, 'started again where it was');
  alive = false;
  assert.equal(await presence.check(peer('192.168.1.7', 'bb')), undefined, 'moved while it was off');
});

test('an own card keeps its sequence over a restart, and takes the next when it says something new', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.state, { recursive: true });
  const values: Partial<Resources> = {
    facts: {
      identity: identityOf(1),
      identityCreated: false,
      key: Buffer.alloc(32, 1),
      settings: { settings: DEFAULT_SETTINGS },
      seed: [],
      holdsSeedSettings: false,
      storage: undefined,
    },
    links: [],
  };
  const view: View = { get: (name) => values[name] as never, nudge: () => {} };
  let seen = 0;
  const sequence = async (controller: ReturnType<typeof make>) => {
    const { outputs } = await controller.reconcile(view, new AbortController().signal);
    const body = outputs?.ownCard?.body;
    return body && JSON.parse(Buffer.from(body, 'base64').toString()).sequence;
  };
  const make = () =>
    ownCardController({
      stateFolder: paths.state,
      configFolder: path.dirname(paths.config),
      log,
      now: () => 0,
      keys: () => [keyOf(1)],
      seenSequence: () => seen,
    });
  const first = make();
  assert.equal(await sequence(first), undefined, 'without a place in the mesh there is no card');
  values.mesh = { ready: false, driver: undefined, address: '10.42.7.9', peers: [] };
  assert.equal(await sequence(first), 1);
  assert.equal(await sequence(first), 1);
  assert.equal(await sequence(make()), 1);
  values.mesh = { ...values.mesh, address: '10.42.7.10' };
  assert.equal(await sequence(make()), 2);
  seen = 40;
  assert.equal(await sequence(make()), 41);
  assert.equal(JSON.parse(readFileSync(path.join(paths.state, 'own-card.json'), 'utf8')).sequence, 41);
});

test('the versions of what is installed are asked of it', async (t) => {
  const box = makeSandbox(t);
  box.put('etc/image.json', '{"id":"debian-13-2026.1"}');
  const versions = await readVersions(path.join(box.folder, 'etc'));
  assert.equal(versions.image, 'debian-13-2026.1');
  assert.match(versions.etcd, /^(\d+\.\d+\.\d+|missing)/);
  assert.match(versions.serf, /^(\d+\.\d+\.\d+|missing)/);
});
