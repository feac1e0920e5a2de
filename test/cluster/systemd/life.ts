/** One life for machines of our image, whatever they are made of: each back end gives what it can. */
import assert from 'node:assert/strict';
import type { StatusDocument } from '../../../agent/api/view.ts';
import { clock } from '../../../build/host.ts';
import { settled } from '../forming.ts';
import { etcdctl, holderOf, leaderOf } from '../leadership.ts';
import type { Cluster, Machine } from '../machines.ts';
import { answered } from '../pings.ts';
import { eventually } from '../waits.ts';
import { noUnitFailed } from './units.ts';

interface LifeOptions<M extends Machine> {
  /** For a step of the whole cluster; for what one machine does a third of it. */
  readonly deadlineMs: number;
  /** Called when they are one cluster, for what only these machines show. */
  readonly look?: (machines: readonly M[]) => Promise<void>;
  /** Only what no other machines show: a clock that is off, and a leader that crashes. The whole life unless told. */
  readonly short?: boolean;
  /** As an operator does it. Returns when it is up again. */
  readonly reboot: (machine: M) => Promise<void>;
}

const HOUR_MS = 3_600_000;
const KEY = '/life/';
/** In the order of a life, which is theirs by name too. */
const WRITTEN = ['first', 'while one was cut off', 'without its first leader'] as const;
/** etcdctl gives up on a handshake after two seconds, which an emulated machine may need. */
const PATIENCE = ['--dial-timeout=20s', '--command-timeout=60s'];

/**
 * Three machines or more, that are on: they become one cluster, and stay it while a clock is an hour off, a cable is
 * out, the leader crashes and comes back with an empty disk, another is rebooted, and one more loses its power.
 * What was written is there in the end.
 */
export async function liveThrough<M extends Machine>(
  cluster: Omit<Cluster, 'machines'> & { readonly machines: readonly M[] },
  { deadlineMs, look, short = false, reboot }: LifeOptions<M>,
): Promise<void> {
  const { machines } = cluster;
  const lap = laps();
  const inTime = { deadlineMs, everyMs: 1_000 };
  const leaderAmong = (some: readonly M[]) =>
    eventually('one of those left leads', () => leaderOf(some), { ...inTime, everyMs: 2_000 });
  const written: string[] = [];
  const write = (machine: Machine, what: (typeof WRITTEN)[number]) => {
    written.push(what);
    const put = etcdctl(machine, [...PATIENCE, 'put', `${KEY}${what}`, what]);
    return eventually(`"${what}" is written`, async () => /OK/.test(await machine.must(put)), inTime);
  };

  const keptBy = async (some: readonly (readonly [Machine, StatusDocument | undefined])[]) => {
    for (const [machine, status] of some) {
      if (status?.consensus?.place !== 'voter') continue;
      const get = etcdctl(machine, [...PATIENCE, 'get', '--prefix', '--print-value-only', KEY]);
      const kept = await eventually(`${machine.name} reads`, () => machine.must(get), inTime);
      assert.deepEqual(kept.trim().split('\n').sort(), written, machine.name);
    }
  };

  const first = await settled(machines, { deadlineMs });
  lap('one cluster');
  await reachEachOther(machines, first, deadlineMs / 3);
  await look?.(machines);
  const leader = await leaderAmong(machines);
  await write(leader, WRITTEN[0]);
  lap('looked at');

  const others = machines.filter((machine) => machine !== leader);
  const [late, cut] = others;
  assert.ok(late !== undefined && cut !== undefined, 'a life needs three machines');
  const off = cluster.can.has('machine-clock');
  if (off) await late.shiftClock(HOUR_MS);
  if (!short) {
    await cluster.cutLink(cut);
    await cut.until('is cut off', ({ conditions }) => conditions.length > 0, deadlineMs);
    await write(leader, WRITTEN[1]);
    await cluster.restoreLink(cut);
    lap('a cable was out');
    assertSame(first, await settled(machines, { deadlineMs }));
    lap('one cluster again');
  }

  await leader.powerCut();
  const next = await leaderAmong(others);
  await holderOf(others, 'page', deadlineMs);
  await write(next, WRITTEN[2]);
  if (off) assert.ok((await secondsOf(late)) - (await secondsOf(cut)) > 3_000, 'its clock is off still');
  lap('the leader crashed, another leads and holds the role');
  if (short)
    return await keptBy(await Promise.all(others.map(async (each) => [each, await each.agentStatus()])));

  await leader.wipe();
  await cut.powerCut();
  await Promise.all([leader.powerOn(), reboot(late), cut.powerOn()]);
  lap('the leader has an empty disk, one was rebooted, one lost its power');
  const last = await settled(machines, { deadlineMs });
  assertSame(first, last, machines.indexOf(leader));
  lap('one cluster again');
  await reachEachOther(machines, last, deadlineMs / 3);
  for (const machine of machines) await noUnitFailed(machine);
  await keptBy(machines.map((machine, index) => [machine, last[index]]));
  lap('all is there');
}

/** By each name, over the mesh. */
async function reachEachOther(
  machines: readonly Machine[],
  seen: readonly StatusDocument[],
  deadlineMs: number,
): Promise<void> {
  const names = seen.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, 'each has a name of its own');
  const targets = [...names, ...names.map((name) => `${name}.clusteros.internal`)];
  await Promise.all(
    machines.map(async (machine) => {
      for (const target of targets) {
        const reached = async () => (await answered(machine, target, 1)) > 0;
        await eventually(`${machine.name} reaches ${target}`, reached, { deadlineMs, everyMs: 1_000 });
      }
    }),
  );
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
