// needs: cpu 0.4, memory 1.5 GiB
/**
 * Five empty machines become one cluster without a word of where the others are, it works as an operator expects,
 * is closed towards the LAN, and grows.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusDocument } from '../../../agent/api/view.ts';
import { renderSerfWrapper } from '../../../agent/gossip/operator.ts';
import type { Random } from '../../../agent/testing/random.ts';
import { clock } from '../../../build/host.ts';
import { chance } from '../../chance.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import type { Machine } from '../../cluster/machines.ts';
import type { NamespaceCluster } from '../../cluster/namespaces/cluster.ts';
import { allReach } from '../../cluster/pings.ts';
import { type PortState, portStates } from '../../cluster/ports.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

/** Over which the machines are switched on. */
const SPREAD_MS = 8_000;
const SERVICE = '10.42.255.1';
/** etcd's two, the metrics, the status page, Serf's RPC. */
const CLOSED = [7373, 7374, 7375, 80, 7950];
const OPEN = [7946, 7947];

test('five empty machines, started in any order, are one cluster with three voters, and seven have five', async (t) => {
  const random = chance(t);
  await withCluster(t, { hosts: 5, seed: { key: newKey() } }, async (cluster) => {
    const machines = [...cluster.machines];
    const startMs = clock.monotonicMs();
    await startAtRandom(machines, random);
    const five = await settled(machines);
    t.diagnostic(`five are settled ${seconds(startMs)} after the first start`);

    const names = machines.map(({ name }) => name);
    await allReach(machines, [...names, ...names.map((name) => `${name}.clusteros.internal`)]);
    for (const [index, machine] of machines.entries()) await looksWell(machine, five[index], names);
    await servesOverTheMesh(machines, five);
    await isClosedOnTheLan(cluster, five);

    const growMs = clock.monotonicMs();
    const seven = await formCluster([...machines, await cluster.add(), await cluster.add()]);
    t.diagnostic(`seven are settled, with five voters, ${seconds(growMs)} later`);
    assert.equal(seven[0]?.consensus?.voters.length, 5);
    assert.equal(seven[0]?.cluster.uuid, five[0]?.cluster.uuid);
    const old = five[0]?.consensus?.voters ?? [];
    assert.ok(old.every((id) => seven[0]?.consensus?.voters.includes(id)));
  });
});

/** In an order and with pauses by chance. */
async function startAtRandom(machines: readonly Machine[], random: Random): Promise<void> {
  const plan = machines
    .map((machine) => ({ machine, atMs: random.next() * SPREAD_MS }))
    .sort((a, b) => a.atMs - b.atMs);
  const beginMs = clock.monotonicMs();
  for (const { machine, atMs } of plan) {
    await clock.pause(Math.max(0, beginMs + atMs - clock.monotonicMs()));
    await machine.startAgent();
  }
}

/** What an operator gets to see on this machine. */
async function looksWell(machine: Machine, it: StatusDocument | undefined, names: readonly string[]) {
  assert.ok(it?.id !== undefined && it.cluster.uuid !== undefined);
  const { name } = machine;
  const status = await machine.must(['node-agent', 'status']);
  assert.match(status, new RegExp(`^node +${name} \\(${it.id.slice(0, 8)}\\), ready for \\d+ (s|min)$`, 'm'));
  assert.match(status, /^cluster +clusteros, confirmed, [0-9a-f]{8}, 5 nodes, key [0-9a-f]{8}$/m);
  assert.doesNotMatch(status, / 00000000,/, 'the short uuid tells clusters apart');
  assert.match(status, /^quorum +yes, voters 3 of 3 answering, leader n\d$/m);
  assert.match(status, /^place +(client|voter), database \d+ KiB of \d+ MiB$/m);
  assert.match(status, /^mesh +10\.42\.\S+, up, by \S+, 4 of 4 peers with a handshake$/m);
  assert.match(status, new RegExp(`^page +n\\d +${SERVICE.replaceAll('.', '\\.')} +\\d+ s +\\w+$`, 'm'));
  assert.ok(
    status.split('\n').every((line) => line.length <= 110),
    `lines fit a terminal:\n${status}`,
  );

  const members = (await machine.must(['node-agent', 'members'])).trimEnd().split('\n').slice(1);
  assert.deepEqual(
    members.map((line) => line.split(' ')[0]),
    names,
  );
  for (const line of members) assert.match(line, / alive .* 10\.42\.\S+ +10\.99\.0\.\d +(voter|client)/);
  assert.equal(members.filter((line) => line.includes(', leader')).length, 1);
  assert.match(members.find((line) => line.includes(' * ')) ?? '', new RegExp(`^${name} `));

  const info = await machine.must(['node-agent', 'info']);
  assert.match(info, new RegExp(`^ +id +${it.id}$`, 'm'));
  assert.match(info, /^ +settings +all as by default$/m);
  const events = await machine.must(['node-agent', 'events']);
  assert.match(events, /^\d{4}-\S+Z {2}cluster\.(genesis|confirmed) +\S.* [0-9a-f]{8}\b/m);
  assert.match(events, /^\d{4}-\S+Z {2}leader\.changed +n\d leads$/m);

  // As the image installs it; here the plain program comes first on the PATH.
  await machine.writeFile('/tmp/serf', renderSerfWrapper(machine.paths.run), 0o755);
  const serf = (await machine.must(['/tmp/serf', 'members'])).trimEnd().split('\n');
  assert.equal(serf.filter((line) => / alive /.test(line)).length, names.length, serf.join('\n'));
}

async function servesOverTheMesh(machines: readonly Machine[], five: readonly StatusDocument[]) {
  const [reader] = machines;
  assert.ok(reader !== undefined);
  for (const { name } of machines) {
    const metrics = await reader.must(['curl', '-fsS', '-m', '5', `http://${name}:7375/metrics`]);
    assert.match(metrics, /^# TYPE clusteros_\w+ gauge$/m);
    assert.match(metrics, /^clusteros_members\{[^}]*alive[^}]*\} 5$/m);
  }
  const holder = five[0]?.roles?.find(({ role }) => role === 'page')?.holder;
  for (const machine of machines) {
    const page = await machine.must(['curl', '-fsS', '-m', '5', `http://${SERVICE}/`]);
    assert.match(page, /^<!doctype html>/);
    assert.match(page, new RegExp(`seen by <b>${holder}</b>, ready`));
  }
}

/** Neither somebody on the LAN nor a member gets to what is for the mesh, also not by its mesh address. */
async function isClosedOnTheLan(cluster: NamespaceCluster, five: readonly StatusDocument[]) {
  const stranger = await cluster.add({ name: 'stranger' });
  const leader = cluster.machine(five[0]?.consensus?.leader ?? '');
  const other = cluster.machines.find(({ name }) => name !== leader.name) as Machine;
  const meshAddress = five.find(({ name }) => name === leader.name)?.mesh?.address ?? '';
  await onlyTheOpen(other, leader.address);
  await onlyTheOpen(stranger, leader.address);
  const inside = await portStates(other, meshAddress, [...CLOSED, ...OPEN]);
  assert.deepEqual(inside, {
    ...each(OPEN, 'open'),
    ...each([7373, 7374, 7375], 'open'),
    ...each([80, 7950], 'closed'),
  });
  // Linux answers for any of its addresses on any interface.
  await stranger.must(['ip', 'route', 'add', '10.42.0.0/16', 'via', leader.address]);
  await onlyTheOpen(stranger, meshAddress);
  const holder = cluster.machine(five[0]?.roles?.find(({ role }) => role === 'page')?.holder ?? '');
  await stranger.must(['ip', 'route', 'add', SERVICE, 'via', holder.address]);
  await onlyTheOpen(stranger, SERVICE);
  await stranger.powerCut();
}

/** The rest is dropped, not refused: nobody learns from outside what runs here. */
async function onlyTheOpen(from: Machine, address: string): Promise<void> {
  const states = await portStates(from, address, [...CLOSED, ...OPEN]);
  assert.deepEqual(
    states,
    { ...each(OPEN, 'open'), ...each(CLOSED, 'silent') },
    `${from.name} at ${address}`,
  );
}

function each(ports: readonly number[], state: PortState): Record<number, PortState> {
  return Object.fromEntries(ports.map((port) => [port, state]));
}

function seconds(sinceMs: number): string {
  return `${((clock.monotonicMs() - sinceMs) / 1000).toFixed(1)} s`;
}
