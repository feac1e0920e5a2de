// needs: images, cpu 3, memory 5 GiB
/**
 * The same life as in network namespaces, on three machines with their own kernels: systemd runs the engines in
 * their sandboxes, the kernel makes the mesh, and each machine has seen nothing but the image and one seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rebootGuest } from '../../qemu/booted.ts';
import { newKey } from '../cluster/forming.ts';
import type { Machine } from '../cluster/machines.ts';
import { withMachines } from '../cluster/qemu/with-machines.ts';
import { assertConfined } from '../cluster/systemd/confined.ts';
import { liveThrough } from '../cluster/systemd/life.ts';
import { noUnitFailed } from '../cluster/systemd/units.ts';
import { eventually } from '../cluster/waits.ts';
import { depth } from '../depth.ts';

/** Emulated processors are twenty times slower, on a host with much to do more. */
const LONG_MS = 15 * 60_000;
/** Where `auto` ends here, without the way there: busy.test.ts has that. */
const NODE_YAML = `cluster:
  name: lab
consensus:
  expect: 3
  timers: slowest
`;

/** docker.test.ts tries it from inside the same units, and lives the whole life. */
const CONFINEMENT = depth('what can be reached from inside the units of an emulated machine', 5);
const SHORT = depth(
  'a cable that is out, a lost disk, a reboot and one more power loss of emulated machines',
  11,
);

test('three machines of one image and one seed are one cluster, and stay it through a clock that is off and a crash', async (t) => {
  const key = newKey();
  await withMachines(t, { machines: 3, seed: { key, nodeYaml: NODE_YAML } }, (cluster) =>
    liveThrough(cluster, {
      deadlineMs: LONG_MS,
      short: SHORT !== false,
      look: async (machines) => {
        await areDifferent(machines);
        await Promise.all(machines.map((machine) => isInOrder(machine, key)));
        const [first] = machines;
        assert.ok(first !== undefined);
        if (CONFINEMENT === false) await assertConfined(first);
      },
      reboot: ({ hardware }) => rebootGuest(hardware),
    }),
  );
});

/** One image and one seed make as many machines as there are. */
async function areDifferent(machines: readonly Machine[]): Promise<void> {
  for (const file of ['/etc/machine-id', '/etc/ssh/ssh_host_ed25519_key.pub']) {
    const texts = await Promise.all(machines.map((machine) => machine.readText(file)));
    assert.equal(new Set(texts).size, machines.length, file);
  }
}

/** What only a machine with its own kernel shows. */
async function isInOrder(machine: Machine, key: string): Promise<void> {
  await noUnitFailed(machine);
  for (const unit of ['node-agent', 'clusteros-serf', 'clusteros-etcd']) {
    const state = await machine.exec(['systemctl', 'is-active', unit]);
    assert.equal(state.stdout.trim(), 'active', `${unit} of ${machine.name}`);
  }
  const { mesh } = await machine.agentStatus();
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

/** It is shorter than the lease, which fits the machine, while a role is held here: the role may just have moved. */
async function watchdogFits(machine: Machine): Promise<boolean> {
  const { roles, timers } = await machine.agentStatus();
  const holds = roles?.find(({ role }) => role === 'page')?.here === 'holding';
  const watchdog = await machine.must(['systemctl', 'show', 'node-agent', '--property=WatchdogUSec']);
  const seconds = Number(
    watchdog.trim().replace(/^WatchdogUSec=(?:(\d)min|([\d.]+)s)$/, (_, min, s) => s ?? min * 60),
  );
  const expected = holds ? (timers?.leaseSeconds ?? 0) * 0.6 : 180;
  assert.ok(Math.abs(seconds - expected) < 0.01, `${watchdog.trim()}, ${machine.name} holds: ${holds}`);
  return true;
}
