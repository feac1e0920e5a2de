/**
 * The same life as in network namespaces, on three machines with their own kernels: systemd runs the engines in
 * their sandboxes, the kernel makes the mesh, and each machine has seen nothing but the image and one seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusDocument } from '../../agent/api/view.ts';
import { clock } from '../../build/host.ts';
import { rebootGuest } from '../../qemu/booted.ts';
import { newKey, settled } from '../cluster/forming.ts';
import { etcdctl, holderOf, leaderOf } from '../cluster/leadership.ts';
import type { Machine } from '../cluster/machines.ts';
import { answered } from '../cluster/pings.ts';
import type { QemuMachine } from '../cluster/qemu/machine.ts';
import { withMachines } from '../cluster/qemu/with-machines.ts';
import { eventually } from '../cluster/waits.ts';

/** Emulated processors are twenty times slower, on a host with much to do more. */
const LONG_MS = 15 * 60_000;
const HOUR_MS = 3_600_000;
const KEY = '/qemu-cluster/';
/** etcdctl gives up on a handshake after two seconds. */
const PATIENCE = ['--dial-timeout=20s', '--command-timeout=60s'];
const NODE_YAML = `cluster:
  name: lab
consensus:
  expect: 3
  timers: slow
roles:
  lease: 30
`;

test('three machines of one image and one seed are one cluster, and stay it through cable, clock, crash, lost disk and reboot', async (t) => {
  const lap = laps();
  const key = newKey();
  await withMachines(
    t,
    { machines: 3, seed: { key, nodeYaml: NODE_YAML } },
    async ({ machines, cutLink, restoreLink }) => {
      lap('three machines booted');
      const first = await settled(machines, { deadlineMs: LONG_MS });
      lap('one cluster');
      await reachEachOther(machines, first);
      await Promise.all(machines.map((machine) => isInOrder(machine, key)));
      await write(machines[0], 'first');
      lap('looked at');

      const leader = await leaderAmong(machines);
      const [late, cut] = machines.filter((machine) => machine !== leader) as [QemuMachine, QemuMachine];
      await late.shiftClock(HOUR_MS);
      await cutLink(cut);
      await cut.until('is cut off', ({ conditions }) => conditions.length > 0, LONG_MS);
      await write(leader, 'an hour off, and one cut off');
      await restoreLink(cut);
      assertSame(first, await settled(machines, { deadlineMs: LONG_MS }));
      assert.ok((await secondsOf(late)) - (await secondsOf(leader)) > 3_000, 'its clock is off still');
      lap('the cable was out, and a clock is an hour off');

      await leader.powerCut();
      const next = await leaderAmong([late, cut]);
      await holderOf([late, cut], 'page', LONG_MS);
      await write(next, 'without its first leader');
      lap('the leader crashed, another leads and holds the role');

      await leader.wipe();
      await cut.powerCut();
      await Promise.all([leader.powerOn(), rebootGuest(late.hardware), cut.powerOn()]);
      lap('the leader has an empty disk, one was rebooted, one lost its power');
      const last = await settled(machines, { deadlineMs: LONG_MS });
      assertSame(first, last, machines.indexOf(leader));
      lap('one cluster again');
      await reachEachOther(machines, last);
      for (const machine of machines) await noUnitFailed(machine);
      await readBack(machines);
      lap('all is there');
    },
  );
});

async function reachEachOther(machines: readonly Machine[], seen: readonly StatusDocument[]): Promise<void> {
  const names = seen.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, 'nobody named them, and each has a name of its own');
  const targets = [...names, ...names.map((name) => `${name}.clusteros.internal`)];
  await Promise.all(
    machines.map(async (machine) => {
      for (const target of targets) {
        await eventually(
          `${machine.name} reaches ${target}`,
          async () => (await answered(machine, target, 1)) > 0,
          {
            deadlineMs: 300_000,
            everyMs: 1_000,
          },
        );
      }
    }),
  );
}

/** What only a machine with systemd and its own kernel shows. */
async function isInOrder(machine: Machine, key: string): Promise<void> {
  await noUnitFailed(machine);
  for (const unit of ['node-agent', 'clusteros-serf', 'clusteros-etcd']) {
    const state = await machine.exec(['systemctl', 'is-active', unit]);
    assert.equal(state.stdout.trim(), 'active', `${unit} of ${machine.name}`);
  }
  const { mesh } = (await machine.agentStatus()) as StatusDocument;
  assert.equal(mesh?.driver, 'kernel');
  assert.match(await machine.must(['wg', 'show', 'wg0', 'peers']), /^\S{44}\n\S{44}\n$/);
  assert.match(await machine.must(['nft', 'list', 'table', 'inet', 'clusteros']), /udp dport 51820 accept/);
  const members = await machine.must(['sudo', '-n', '/usr/local/bin/serf', 'members']);
  assert.equal(members.match(/ alive /g)?.length, 3, members);
  await eventually(`the watchdog of ${machine.name} fits its role`, () => watchdogFits(machine), {
    deadlineMs: 300_000,
    everyMs: 5_000,
  });
  const journal = await machine.must(['journalctl', '--boot', '--no-pager', '--output=short-full']);
  const warnings = ['--unit=node-agent', '--unit=clusteros-*', '--priority=warning', '--output=cat'];
  const warned = await machine.must(['journalctl', '--boot', '--no-pager', ...warnings]);
  const serious = warned.split('\n').filter((line) => line !== '' && !SLOWNESS.test(line));
  assert.deepEqual(serious, [], `warnings of ${machine.name}`);
  const running = await machine.must(['ps', '-ww', '-eo', 'args=']);
  const rpcSecret = (await machine.readText(`${machine.paths.run}/serf/rpc-secret`)).trim();
  const meshKey = (await machine.must(['wg', 'show', 'wg0', 'private-key'])).trim();
  for (const secret of [key, rpcSecret, meshKey]) {
    assert.ok(secret.length >= 43 && !journal.includes(secret), `a secret in the journal of ${machine.name}`);
    assert.ok(!running.includes(secret), `a secret in a command line of ${machine.name}`);
  }
}

/** What a machine may say that gets too little of its processor: here that is the host's fault. */
const SLOWNESS =
  /in time|timed out|result '(timeout|signal)'|status=9\/KILL|not answer|had not ended|no end after|not come round/;

/** Soon, as a role that had to be killed has failed until its agent has seen to it. */
async function noUnitFailed(machine: Machine): Promise<void> {
  await eventually(
    `no unit of ${machine.name} has failed`,
    async () => {
      const failed = await machine.must(['systemctl', 'list-units', '--failed', '--plain', '--no-legend']);
      assert.equal(failed.trim(), '');
      return true;
    },
    { deadlineMs: 120_000, everyMs: 5_000 },
  );
}

/** It is shorter than the lease while a role is held here: the role may just have moved. */
async function watchdogFits(machine: Machine): Promise<boolean> {
  const { roles } = await machine.agentStatus();
  const holds = roles?.find(({ role }) => role === 'page')?.here === 'holding';
  const watchdog = await machine.must(['systemctl', 'show', 'node-agent', '--property=WatchdogUSec']);
  assert.equal(watchdog.trim(), `WatchdogUSec=${holds ? '18s' : '1min'}`, `${machine.name} holds: ${holds}`);
  return true;
}

async function leaderAmong(machines: readonly QemuMachine[]): Promise<QemuMachine> {
  return eventually('one of those left leads', () => leaderOf(machines), {
    deadlineMs: LONG_MS,
    everyMs: 2_000,
  });
}

async function write(machine: Machine | undefined, what: string): Promise<void> {
  assert.ok(machine !== undefined);
  await eventually(
    `"${what}" is written`,
    async () =>
      (await machine.must(etcdctl(machine, [...PATIENCE, 'put', `${KEY}${what}`, what]))).includes('OK'),
    { deadlineMs: LONG_MS, everyMs: 1_000 },
  );
}

async function readBack(machines: readonly Machine[]): Promise<void> {
  for (const machine of machines) {
    const kept = await eventually(
      `${machine.name} reads`,
      () => machine.must(etcdctl(machine, [...PATIENCE, 'get', '--prefix', '--print-value-only', KEY])),
      { deadlineMs: 300_000, everyMs: 1_000 },
    );
    assert.deepEqual(
      kept.trim().split('\n').sort(),
      ['an hour off, and one cut off', 'first', 'without its first leader'],
      machine.name,
    );
  }
}

/** The same cluster; the same nodes at the same addresses, but for the one that was made anew. */
function assertSame(before: readonly StatusDocument[], after: readonly StatusDocument[], anew = -1): void {
  const facts = ({ id, name, cluster, mesh }: StatusDocument) => ({
    id,
    name,
    cluster: cluster.uuid,
    address: mesh?.address,
  });
  for (const [index, status] of after.entries()) {
    const old = before[index];
    assert.ok(old !== undefined);
    if (index !== anew) assert.deepEqual(facts(status), facts(old));
    else {
      assert.equal(status.cluster.uuid, old.cluster.uuid);
      assert.notEqual(status.id, old.id);
    }
  }
}

async function secondsOf(machine: Machine): Promise<number> {
  return Number(await machine.must(['date', '+%s']));
}

/** Tells how long each part took, as it goes: the whole takes minutes. */
function laps(): (what: string) => void {
  let fromMs = clock.monotonicMs();
  return (what) => {
    const nowMs = clock.monotonicMs();
    process.stdout.write(`${((nowMs - fromMs) / 1000).toFixed(0)} s: ${what}\n`);
    fromMs = nowMs;
  };
}
