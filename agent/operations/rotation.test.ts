import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { publicKeyOf } from '../identity/ed25519.ts';
import { fingerprint } from '../identity/keys.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { randomFrom } from '../testing/random.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { answerRekey, believed, type Given, readGiven } from './rekey.ts';
import { certificateKeys, type HeldKeys, keysInUse } from './rotation.ts';
import { rotationPass } from './rotation-pass.ts';
import { beginRotation, readRotation, takeSealed } from './rotation-records.ts';
import { adoptNextKey, holdNextKey, loadHeldKeys, nextKeyFile } from './rotation-store.ts';
import { openSealed, seal } from './seal.ts';

const OLD = Buffer.alloc(32, 1);
const ID = (index: number) => 'ABCDEFGH'.charAt(index).repeat(43);

interface Machine {
  readonly id: string;
  readonly meshPrivateKey: Buffer;
  alive: boolean;
  /** On its disk. */
  held: HeldKeys;
  /** What channel and etcd were last made to be, or made at boot. */
  applied: HeldKeys;
  /** Keys that it has replaced. */
  retired: Buffer[];
}

/** A cluster in memory whose machines crash, die and come back as the random numbers say. */
async function simulate(seed: number, crashes: boolean) {
  const random = randomFrom(seed).below;
  const count = 3 + random(4);
  const machines = Array.from({ length: count }, (_, index): Machine => {
    const held = { current: OLD };
    const meshPrivateKey = createHash('sha256').update(`${index}`).digest();
    return { id: ID(index), meshPrivateKey, alive: true, held, applied: held, retired: [] };
  });
  const voters = machines.slice(0, 3).map(({ id }) => id);
  const etcd = createMemoryEtcd();
  const recipients = machines.map(({ id, meshPrivateKey }) => ({
    id,
    meshKey: publicKeyOf('x25519', meshPrivateKey).toString('base64'),
  }));
  await beginRotation(etcd, recipients, OLD, randomBytes, new Date(0));

  /** Certificates fit both ways with some other voter that is up: etcd can be reached, and gossip goes on. */
  const reaches = (machine: Machine) =>
    machines.some(
      (other) =>
        other !== machine &&
        other.alive &&
        voters.includes(other.id) &&
        trusts(machine.applied, other.applied) &&
        trusts(other.applied, machine.applied),
    );

  /** As the controller does it: all that are up are asked, and a majority of the voters must agree. */
  let rekeyed = 0;
  const rekey = async (machine: Machine) => {
    const given = new Map<string, Given>();
    const mark = fingerprint(machine.held.current);
    for (const other of machines) {
      const keys = [...keysInUse(other.applied), ...other.retired];
      if (other === machine || !other.alive || !keys.some((key) => fingerprint(key) === mark)) continue;
      const deps = { etcd, fingerprints: () => keysInUse(other.applied).map(fingerprint) };
      const answer = await answerRekey(deps, machine.id, mark).catch(() => undefined);
      const got = readGiven(answer, machine.meshPrivateKey);
      if (got !== undefined) given.set(other.id, got);
    }
    const good = believed(given, voters);
    if (good === undefined) return;
    rekeyed += 1;
    machine.held =
      good.phase === 'drop' || good.phase === 'done'
        ? { current: good.key }
        : { current: machine.held.current, next: good };
    machine.applied = machine.held;
  };

  const pass = async (machine: Machine, drives: boolean) => {
    const power = () => {
      if (crashes && random(12) === 0) throw new Error('power cut');
    };
    const alive = machines.filter((other) => other.alive && reaches(other));
    const reached = () => (machine.held.reached === undefined ? {} : { reached: machine.held.reached });
    await rotationPass(
      etcd,
      {
        fingerprint,
        store: {
          load: async () => machine.held,
          holdNext: async (next) => {
            power();
            machine.held = { ...machine.held, next };
            power();
          },
          adopt: async (next) => {
            machine.retired.push(machine.held.current);
            machine.held = { ...reached(), current: next.key, next };
            power();
            machine.held = { ...reached(), current: next.key };
          },
          forgetNext: async () => {
            machine.held = { ...reached(), current: machine.held.current };
          },
          reach: async ({ id, number }) => {
            machine.held = { ...machine.held, reached: { id, number } };
            power();
          },
        },
        apply: async (held) => {
          power();
          const restarts =
            certificateKeys(held).trusted.length !== certificateKeys(machine.applied).trusted.length;
          const { rotation } = (await readRotation(etcd)) ?? assert.fail();
          const behind = held.next !== undefined && held.next.phase !== rotation.phase;
          if (restarts && !behind && voters.includes(machine.id)) assert.equal(rotation.turn, machine.id);
          // Engines take their time.
          if (random(3) === 0) return false;
          machine.applied = held;
          power();
          return true;
        },
      },
      {
        id: machine.id,
        meshPrivateKey: machine.meshPrivateKey,
        isVoter: voters.includes(machine.id),
        drives,
      },
      {
        alive: alive.map(({ id }) => id),
        voters,
        quorum: alive.filter(({ id }) => voters.includes(id)).length >= 2,
      },
    );
  };

  for (let round = 0; round < 4_000; round += 1) {
    const machine = machines[random(count)] ?? assert.fail();
    const others = machines.filter((other) => other.alive && other !== machine);
    const quorate = others.filter(({ id }) => voters.includes(id)).length >= 2;
    if (crashes && round < 2_000 && machine.alive && quorate && random(15) === 0) machine.alive = false;
    else if (!machine.alive && (round >= 2_000 || random(60) === 0)) {
      machine.alive = true;
      machine.applied = machine.held;
    }
    if (!machine.alive) continue;
    if (!reaches(machine)) {
      await rekey(machine);
      continue;
    }
    const leader = machines.find((one) => one.alive && voters.includes(one.id) && reaches(one));
    await pass(machine, machine === leader || random(20) === 0).catch((error: Error) => {
      if (error.message !== 'power cut') throw error;
      machine.applied = machine.held;
    });
    assertConnected(machines.filter(reaches), seed);
  }
  const end = await readRotation(etcd);
  return { machines, end, rekeyed };
}

function trusts(a: HeldKeys, b: HeldKeys): boolean {
  const { leaf } = certificateKeys(b);
  return certificateKeys(a).trusted.some((key) => key.equals(leaf));
}

/** Any two that are up share a key, and each one's certificate is trusted by the other. */
function assertConnected(machines: readonly Machine[], seed: number): void {
  const alive = machines.filter((machine) => machine.alive);
  for (const a of alive) {
    for (const b of alive) {
      const shared = keysInUse(a.applied).some((key) =>
        keysInUse(b.applied).some((other) => other.equals(key)),
      );
      assert.ok(shared, `seed ${seed}: two machines share no key`);
    }
  }
}

test('without trouble everybody ends with the new key, and no pair is ever apart', async () => {
  for (let seed = 1; seed <= 5; seed += 1) {
    const { machines, end } = await simulate(seed, false);
    assert.equal(end?.rotation.phase, 'done');
    for (const { held } of machines) {
      assert.equal(fingerprint(held.current), end?.rotation.newFingerprint);
      assert.equal(held.next, undefined);
    }
  }
});

test('power cuts at any step, sleepers that return, and second drivers do not split the cluster', async () => {
  let sleepers = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const { machines, end, rekeyed } = await simulate(seed, true);
    sleepers += rekeyed;
    assert.equal(end?.rotation.phase, 'done', `seed ${seed}`);
    for (const { held } of machines) {
      assert.equal(fingerprint(held.current), end?.rotation.newFingerprint, `seed ${seed}`);
    }
  }
  assert.ok(sleepers > 10, `only ${sleepers} slept through a change`);
});

test('in each phase what one node sends and shows is understood and trusted by all a phase apart', () => {
  const next = (phase: NonNullable<HeldKeys['next']>['phase']): HeldKeys => ({
    current: OLD,
    next: { rotation: 'ab', phase, key: Buffer.alloc(32, 2) },
  });
  const path = [{ current: OLD }, ...(['distribute', 'use', 'trust', 'certify', 'drop'] as const).map(next)];
  path.push({ current: Buffer.alloc(32, 2) });
  for (const [index, held] of path.entries()) {
    for (const other of path.slice(Math.max(0, index - 1), index + 2)) {
      const sends = keysInUse(held)[0] ?? assert.fail();
      assert.ok(
        keysInUse(other).some((key) => key.equals(sends)),
        `step ${index}`,
      );
      const { leaf } = certificateKeys(held);
      assert.ok(
        certificateKeys(other).trusted.some((key) => key.equals(leaf)),
        `step ${index}`,
      );
    }
  }
});

test('only its own node opens a sealed key, and a second rotation must wait for the first', async () => {
  const [mine, theirs] = [randomBytes(32), randomBytes(32)];
  const sealed = seal(OLD, publicKeyOf('x25519', mine), 'context', randomBytes(32));
  assert.deepEqual(openSealed(sealed, mine, 'context'), OLD);
  assert.equal(openSealed(sealed, theirs, 'context'), undefined);
  assert.equal(openSealed(sealed, mine, 'another'), undefined);
  for (const bad of ['', 'x', sealed.slice(4), Buffer.alloc(96).toString('base64')]) {
    assert.equal(openSealed(bad, mine, 'context'), undefined);
  }
  const etcd = createMemoryEtcd();
  const meshKey = publicKeyOf('x25519', mine).toString('base64');
  const { rotation } = await beginRotation(etcd, [{ id: ID(0), meshKey }], OLD, randomBytes, new Date(0));
  const key = await takeSealed(etcd, rotation, ID(0), mine);
  assert.equal(key && fingerprint(key), rotation.newFingerprint);
  assert.equal(await takeSealed(etcd, rotation, ID(1), theirs), undefined);
  await assert.rejects(beginRotation(etcd, [], OLD, randomBytes, new Date(0)), {
    code: 'rotation.under-way',
  });
});

test('the keys on the disk are read back, a torn next key counts as none, and adopting may be cut short', async (t) => {
  const { paths, put } = makeSandbox(t);
  assert.equal(await loadHeldKeys(paths.state), undefined);
  put('state/cluster.key', `${OLD.toString('base64')}\n`);
  const next = { rotation: '0123456789abcdef', phase: 'trust', key: Buffer.alloc(32, 2) } as const;
  await holdNextKey(paths.state, next);
  assert.equal(statSync(nextKeyFile(paths.state)).mode & 0o777, 0o600);
  assert.deepEqual(await loadHeldKeys(paths.state), { current: OLD, next });
  await adoptNextKey(paths.state, next);
  assert.deepEqual(await loadHeldKeys(paths.state), { current: next.key });
  await holdNextKey(paths.state, next);
  const between = await loadHeldKeys(paths.state);
  assert.deepEqual(between && keysInUse(between), [next.key]);
  writeFileSync(nextKeyFile(paths.state), '{"version":1,"rot');
  assert.deepEqual(await loadHeldKeys(paths.state), { current: next.key });
});
