// needs: cpu 0.8, memory 1.5 GiB
/**
 * The machine with the Raft leader and the role loses its power; the agent of the holder is killed; it is stopped in
 * order; and all the time a watcher on each machine looks for two holders. Then an operator takes machines out of the
 * cluster in every way there is, and back in.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusDocument } from '../../../agent/api/view.ts';
import { clock } from '../../../build/host.ts';
import { createChecker } from '../../cluster/checker.ts';
import { describeReport } from '../../cluster/checker-report.ts';
import { watchFencing } from '../../cluster/fencing.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import { holderOf, leadBy, leaderOf } from '../../cluster/leadership.ts';
import type { Machine } from '../../cluster/machines.ts';
import { eventually } from '../../cluster/waits.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

const SEED = { key: newKey(), nodeYaml: 'consensus: { grace: 10 }' };

test('whatever becomes of the machine that leads and holds the role, another one takes over and no write is lost', async (t) => {
  await withCluster(t, { hosts: 5, seed: SEED }, async ({ machines }) => {
    await formCluster(machines);
    const checker = createChecker();
    await checker.write(machines);
    const fencing = await watchFencing(machines);

    const first = await holderOf(machines);
    await leadBy(machines, first);
    const rest = machines.filter((machine) => machine !== first);
    const cutMs = clock.monotonicMs();
    await first.powerCut();
    await eventually('another machine leads', async () => (await leaderOf(rest)) !== first, {
      deadlineMs: 120_000,
    });
    t.diagnostic(`power cut: seen to be led by another after ${since(cutMs)}`);
    await holderOf(rest);
    t.diagnostic(`power cut: role held by another after ${since(cutMs)}`);
    await checker.progress('writes go on', 30_000);
    await first.powerOn();
    await fencing.watch(first);
    await settled(machines);
    await checker.write(machines);

    const second = await holderOf(machines);
    const killedMs = clock.monotonicMs();
    await second.killAgent();
    const third = await holderOf(machines.filter((machine) => machine !== second));
    t.diagnostic(`agent killed: role held by another after ${since(killedMs)}`);
    await second.startAgent();
    await settled(machines);

    await third.stopAgent();
    const stoppedMs = clock.monotonicMs();
    const fourth = await holderOf(machines.filter((machine) => machine !== third));
    t.diagnostic(`agent stopped: role held by another ${since(stoppedMs)} after its end`);
    await third.startAgent();
    await settled(machines);

    t.diagnostic(describeReport(await checker.finish(machines)));
    const { handOvers, largestGapMs } = await fencing.finish();
    const shown = handOvers.map(({ from, to, apartMs }) => `${from} to ${to} ${apartMs.toFixed(0)} ms`);
    t.diagnostic(
      `nobody had the role: ${shown.join(', ')}; looks at most ${largestGapMs.toFixed(0)} ms apart`,
    );
    const graceful = handOvers.findLast(({ from, to }) => from === third.name && to === fourth.name);
    // Under a second on an idle machine (npm run bench:failover); what is waited out takes nine.
    assert.ok(graceful !== undefined && graceful.apartMs < 7_000, shown.join(', '));
  });
});

test('a voter that leaves is replaced and stays away until it is told to come back; one that is evicted until it is readmitted; one that is reset is new', async (t) => {
  await withCluster(t, { hosts: 5, seed: SEED }, async ({ machines }) => {
    await formCluster(machines);
    const checker = createChecker();
    await checker.write(machines);

    const leaver = await leaderOf(machines);
    const stayers = machines.filter((machine) => machine !== leaver);
    await leaver.must(['node-agent', 'leave', '--yes'], { timeoutMs: 150_000 });
    await settled(stayers, { voters: 3 });
    await leaver.stopAgent();
    await leaver.startAgent();
    await leaver.until('it stays away', ({ conditions }) => has(conditions, 'node.left'), 120_000);
    assert.deepEqual(await engines(leaver), []);
    await leaver.must(['node-agent', 'join', stayers[0]?.address ?? '']);
    await settled(machines);
    await checker.write(machines);

    const evicted = await leaderOf(machines);
    const { id = '' } = await evicted.agentStatus();
    const others = machines.filter((machine) => machine !== evicted);
    const [operator] = others as unknown as [Machine];
    await operator.must(['node-agent', 'evict', evicted.name, '--yes']);
    await settled(others, { voters: 3 });
    for (const machine of others) {
      await machine.until('the evicted one has no place', (status) => !placed(status, id), 30_000);
      assert.doesNotMatch(await machine.must(['cat', '/etc/hosts']), new RegExp(`\\b${evicted.name}\\b`));
    }
    await evicted.until('it stands back', ({ conditions }) => has(conditions, 'node.evicted'), 120_000);
    await evicted.stopAgent();
    await evicted.startAgent();
    await evicted.until('it stands back again', ({ conditions }) => has(conditions, 'node.evicted'), 120_000);
    assert.deepEqual(await engines(evicted), []);
    await operator.until('it refuses the evicted one', (status) => refuses(status, evicted), 60_000);
    await operator.must(['node-agent', 'readmit', id]);
    await settled(machines);
    await checker.write(machines);

    const [reset] = others as unknown as [Machine];
    const old = await reset.agentStatus();
    await reset.must(['node-agent', 'reset', '--yes'], { timeoutMs: 150_000 });
    await reset.until('it is another node', (now) => now.id !== undefined && now.id !== old.id, 60_000);
    await settled(machines, { deadlineMs: 240_000 });
    t.diagnostic(describeReport(await checker.finish(machines)));
  });
});

function since(startMs: number): string {
  return `${((clock.monotonicMs() - startMs) / 1000).toFixed(1)} s`;
}

function has(conditions: StatusDocument['conditions'], code: string): boolean {
  return conditions.some((condition) => condition.code === code);
}

function placed({ consensus, members = [] }: StatusDocument, id: string): boolean {
  const member = members.find((each) => each.id === id);
  return consensus?.voters.includes(id) === true || (member !== undefined && !member.evicted);
}

function refuses({ refusals = [] }: StatusDocument, peer: Machine): boolean {
  return refusals.some(({ address, code }) => address === peer.address && code === 'evicted');
}

async function engines(machine: Machine): Promise<string[]> {
  const names = (await machine.processes()).map(({ name }) => name);
  return names.filter((name) => ['etcd', 'serf', 'wireguard-go'].includes(name));
}
