// needs: cpu 0.4, memory 1.5 GiB
/**
 * The life of five machines while they are written to all the time: programs are killed at random moments, frames are
 * lost, an address and a clock change, a disk is full, a disk is wiped. The cluster heals by itself each time, and in
 * the end every acknowledged write is there.
 *
 * CLUSTEROS_SEED: of an earlier run, to kill alike.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusDocument } from '../../../agent/api/view.ts';
import { clock } from '../../../build/host.ts';
import { chanceSeed } from '../../chance.ts';
import { createChecker } from '../../cluster/checker.ts';
import { describeReport } from '../../cluster/checker-report.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import { createKiller } from '../../cluster/kills.ts';
import { leaderOf } from '../../cluster/leadership.ts';
import type { Machine } from '../../cluster/machines.ts';
import { step } from '../../cluster/step.ts';
import { withCluster } from '../../cluster/with-cluster.ts';
import { howMany } from '../../depth.ts';

const KILLS = howMany(30, 200, '200 programs killed in a running cluster', 9);
const LONGEST_PAUSE_MS = 6_000;
const HEALED_MS = 240_000;
const LOSS_PERCENT = 30;
const HOUR_MS = 3_600_000;

const OPTIONS = {
  hosts: 5,
  seed: { key: newKey(), nodeYaml: 'consensus: { grace: 10 }' },
  diskMiB: 400,
  agentClock: true,
};

test('five machines live through kills, loss, new addresses, wrong clocks, full and wiped disks, and lose no write', async (t) => {
  await withCluster(t, OPTIONS, async (cluster) => {
    const { machines } = cluster;
    await formCluster(machines);
    const checker = createChecker();
    await checker.write(machines);
    const killer = createKiller(chanceSeed(t), LONGEST_PAUSE_MS);
    const heals = async (inner: Pick<typeof t, 'diagnostic'>) => {
      const startMs = clock.monotonicMs();
      await settled(machines, { deadlineMs: HEALED_MS });
      await checker.write(machines);
      await checker.progress('it is written to', 30_000);
      inner.diagnostic(`whole again after ${((clock.monotonicMs() - startMs) / 1000).toFixed(1)} s`);
    };

    await step(t, 'programs are killed', async (inner) => {
      await killer.kill(machines, Math.ceil(KILLS / 2));
      await heals(inner);
    });
    await step(t, 'programs are killed while three frames of ten are lost', async (inner) => {
      await cluster.loss(LOSS_PERCENT);
      await killer.kill(machines, Math.floor(KILLS / 2));
      await cluster.heal();
      await heals(inner);
      inner.diagnostic(`killed: ${killer.toll()}`);
    });
    await step(t, 'a machine gets another address while it runs', async (inner) => {
      const [mover, witness] = machines as unknown as [Machine, Machine];
      await mover.readdress('10.99.7.7/16');
      await witness.until('it sees the new address', seesAt('10.99.7.7'), HEALED_MS);
      await heals(inner);
    });
    await step(t, "the clock of the leader's agent is an hour ahead, then an hour behind", async (inner) => {
      const leader = await leaderOf(machines);
      for (const shiftMs of [HOUR_MS, -HOUR_MS, 0]) {
        await leader.shiftClock(shiftMs);
        await heals(inner);
      }
    });
    await step(t, 'the disk of a voter is full, and free again', async (inner) => {
      const voter = await leaderOf(machines);
      await voter.fillDisk();
      await voter.kill('etcd', 'SIGKILL');
      const says = await voter.until('it says that its disk is full', hasFullDisk, 120_000);
      inner.diagnostic(says.conditions.map(({ code, summary }) => `${code}: ${summary}`).join('; '));
      await checker.progress('the others are written to', 60_000);
      await voter.freeDisk();
      await heals(inner);
    });
    await step(t, 'a voter loses its disk and comes back as a new node', async (inner) => {
      const voter = await leaderOf(machines);
      const { id: old = '' } = await voter.agentStatus();
      await voter.powerCut();
      await voter.wipe();
      await voter.powerOn();
      await voter.until('it is a new node', ({ id }) => id !== undefined && id !== old, 60_000);
      await heals(inner);
      const { consensus } = await voter.agentStatus();
      assert.ok(!consensus?.voters.includes(old));
    });
    t.diagnostic(describeReport(await checker.finish(machines)));
  });
});

function seesAt(address: string) {
  return ({ members = [] }: StatusDocument) => members.some(({ lanAddress }) => lanAddress === address);
}

function hasFullDisk({ conditions }: StatusDocument): boolean {
  return conditions.some(({ summary, evidence = '' }) =>
    /disk is full|no space left|ENOSPC/i.test(`${summary} ${evidence}`),
  );
}
