import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { View } from '../engine/controller.ts';
import type { Resources } from '../engine/resources.ts';
import { machineOf } from '../identity/machine.ts';
import { createLog } from '../log.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { loadCards, saveCards } from './cards-file.ts';
import type { Peer, PeerChannel } from './channel/channel.ts';
import { createClones } from './clones.ts';
import { ownCardController } from './own-card.ts';
import { createOwnPast, pastOf } from './own-past.ts';
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
  const presence = createPresence(() => channel);
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

test('an own card takes the next sequence in each run and day, and when it says something new', async (t) => {
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
      spoilt: [],
      storage: undefined,
    },
    links: [],
  };
  const view: View = { get: (name) => values[name] as never, nudge: () => {} };
  let nowMs = 0;
  let seen = 0;
  let answered = true;
  let board = 'board-1';
  let past = createOwnPast();
  const onDisk = () => JSON.parse(readFileSync(path.join(paths.state, 'own-card.json'), 'utf8')).sequence;
  const sequence = async (controller: ReturnType<typeof make>) => {
    const { outputs } = await controller.reconcile(view, new AbortController().signal);
    const body = outputs?.ownCard?.body;
    return body && JSON.parse(Buffer.from(body, 'base64').toString()).sequence;
  };
  const make = () => {
    past = createOwnPast();
    return ownCardController({
      stateFolder: paths.state,
      configFolder: path.dirname(paths.config),
      log,
      now: () => nowMs,
      keys: () => [keyOf(1)],
      seenSequence: () => seen,
      past,
      machine: async () => machineOf({ board }),
      asked: () => ({ answered, known: 2, graceMs: 10_000 }),
    });
  };
  const first = make();
  assert.equal(await sequence(first), undefined, 'without a place in the mesh there is no card');
  values.mesh = { ready: false, driver: undefined, address: '10.42.7.9', peers: [] };
  assert.equal(await sequence(first), 1);
  assert.equal(await sequence(first), 1);
  nowMs = 86_400_000;
  assert.equal(await sequence(first), 2);
  const second = make();
  assert.equal(await sequence(second), 3);
  assert.equal(await sequence(second), 3);
  values.mesh = { ...values.mesh, address: '10.42.7.10' };
  assert.equal(await sequence(second), 4);
  // Until others were asked it says what it said: they compare the sequence on the disk.
  values.mesh = { ...values.mesh, address: '10.42.7.11' };
  answered = false;
  const held = make();
  assert.equal(await sequence(held), 4);
  answered = true;
  assert.equal(await sequence(held), 5);
  // A restored backup or a clone: others know more. It does not outdo the other machine, here or on the disk.
  seen = 40;
  const restored = make();
  assert.equal(await sequence(restored), 5);
  assert.equal(past.state(), 'behind');
  assert.equal(onDisk(), 5);
  past.settle();
  assert.equal(await sequence(restored), 41);
  assert.equal(onDisk(), 41);
  // In another machine nobody's silence is enough.
  answered = false;
  board = 'board-2';
  const moved = make();
  await sequence(moved);
  nowMs += 10_000;
  assert.equal(await sequence(moved), 41);
  assert.equal(past.state(), 'moved');
  answered = true;
  assert.equal(await sequence(moved), 42);
  answered = false;
  const stays = make();
  await sequence(stays);
  nowMs += 10_000;
  assert.equal(await sequence(stays), 43, 'it is bound to the new machine');
});

test('a card that a full disk does not take is told, and the one that lies there is shown meanwhile', async (t) => {
  const { paths, put } = makeSandbox(t);
  const file = put('state/own-card.json', `${JSON.stringify(cardOf(identityOf(1)))}\n`);
  const values: Partial<Resources> = {
    facts: { identity: identityOf(1), settings: { settings: DEFAULT_SETTINGS } } as Resources['facts'],
    mesh: { ready: true, driver: undefined, address: '10.42.7.9', peers: [] },
  };
  let answered = false;
  const controller = ownCardController({
    stateFolder: paths.state,
    configFolder: path.dirname(paths.config),
    log,
    now: () => 0,
    keys: () => [keyOf(1)],
    seenSequence: () => 0,
    past: createOwnPast(),
    machine: async () => machineOf({}),
    asked: () => ({ answered, known: 2, graceMs: 10_000 }),
  });
  const view: View = { get: (name) => values[name] as never, nudge: () => {} };
  const pass = () => controller.reconcile(view, new AbortController().signal);
  const before = (await pass()).outputs?.ownCard;
  assert.ok(before);
  // Nothing can take the place of a folder.
  rmSync(file);
  mkdirSync(file);
  answered = true;
  const full = await pass();
  assert.deepEqual(full.outputs?.ownCard, before);
  assert.deepEqual(
    full.conditions?.map(({ code }) => code),
    ['file.unwritable'],
  );
  rmSync(file, { recursive: true });
  const free = await pass();
  assert.notDeepEqual(free.outputs?.ownCard, before);
  assert.deepEqual(free.conditions, []);
});

test('the card on the disk is believed when a node knows no newer one, or nobody is there to ask', () => {
  const asked = { disk: 5, seen: 5, answered: false, known: 2, waitedMs: 0, graceMs: 10_000, moved: false };
  assert.equal(pastOf(asked), 'awaited');
  assert.equal(pastOf({ ...asked, answered: true }), 'current');
  assert.equal(pastOf({ ...asked, waitedMs: 10_000 }), 'current');
  assert.equal(pastOf({ ...asked, known: 0 }), 'current');
  assert.equal(pastOf({ ...asked, known: undefined }), 'awaited');
  assert.equal(pastOf({ ...asked, known: 0, moved: true }), 'moved');
  assert.equal(pastOf({ ...asked, waitedMs: 10_000, moved: true }), 'moved');
  assert.equal(pastOf({ ...asked, answered: true, moved: true }), 'current');
  assert.equal(pastOf({ ...asked, seen: 6, answered: true }), 'behind');
  assert.equal(pastOf({ ...asked, disk: undefined, seen: 6, answered: true }), 'current');
});

test('the versions of what is installed are asked of it', async (t) => {
  const box = makeSandbox(t);
  box.put('etc/image.json', '{"id":"debian-13-2026.1"}');
  const versions = await readVersions(path.join(box.folder, 'etc'));
  assert.equal(versions.image, 'debian-13-2026.1');
  assert.match(versions.etcd, /^(\d+\.\d+\.\d+|missing)/);
  assert.match(versions.serf, /^(\d+\.\d+\.\d+|missing)/);
});
