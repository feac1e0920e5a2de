// needs: cpu 0.4, memory 1.5 GiB
/**
 * How machines get the cluster key, and how it is changed: a machine with only a token becomes a member; a token
 * that is used up or expired lets nobody in and says so; the key is changed while the cluster is written to; a
 * machine that was off meanwhile gets the new key by itself; one that was evicted stays out.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusDocument } from '../../../agent/api/view.ts';
import { clock } from '../../../build/host.ts';
import { createChecker } from '../../cluster/checker.ts';
import { describeReport } from '../../cluster/checker-report.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import type { Machine } from '../../cluster/machines.ts';
import { eventually, throughout } from '../../cluster/waits.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

const LONG_MS = 180_000;

test('tokens let machines in, and the key is changed under way without losing a write or a sleeper', async (t) => {
  await withCluster(t, { hosts: 3, agentClock: true, seed: { key: newKey() } }, async (cluster) => {
    const voters = [...cluster.machines];
    const [first] = voters;
    assert.ok(first);
    await formCluster(voters);

    // The shortest life there is: over by the time it is needed, whatever day the voters believe it is.
    const brief = await createToken(first, ['--ttl', '60s', '--note', 'brief']);
    for (const machine of voters) await machine.shiftClock(-48 * 3_600_000);
    // One use: the first machine takes it, the second is told so.
    const once = await createToken(first, ['--uses', '1']);
    const fourth = await cluster.add({ seed: { token: once } });
    let startMs = clock.monotonicMs();
    await fourth.startAgent();
    const fifth = await cluster.add({ seed: {} });
    const joined = await settled([...voters, fourth]);
    t.diagnostic(`a member by a token ${seconds(startMs)} after its start`);
    assert.equal(new Set(joined.map(({ cluster: { keyFingerprint } }) => keyFingerprint)).size, 1);
    assert.equal(outcomeOf(joined.at(-1), 'cluster.token'), 'taken');
    assert.match(await fourth.must(['ls', '-A', fourth.paths.state]), /^(?![\s\S]*cluster\.token)/);

    await fifth.setSeed({ token: once });
    await fifth.startAgent();
    await refusedFor(fifth, /all its uses are taken/);
    await eventually('the brief token has expired', () => hasExpired(first, 'brief'), {
      deadlineMs: 90_000,
      everyMs: 1_000,
    });
    await fifth.setSeed({ token: brief });
    await refusedFor(fifth, /expired at/);
    for (const machine of voters) await machine.shiftClock(0);
    const good = await eventually('a token by the right clock', () => goodToken(first), {
      deadlineMs: 30_000,
    });
    await fifth.setSeed({ token: good });
    await settled([...voters, fourth, fifth]);

    // The fourth sleeps through what comes, the fifth is thrown out and goes on running.
    const before = await keyOf(first);
    await fourth.powerCut();
    const { name: evicted, id: evictedId } = await fifth.agentStatus();
    await createToken(first, ['--uses', '9', '--note', 'read by a thief']);
    await first.must(['node-agent', 'evict', evicted, '--yes']);
    const etcds = await Promise.all(voters.map(etcdOf));
    const checker = createChecker();
    await checker.write(voters);
    await checker.progress('the cluster is written to', 60_000);
    startMs = clock.monotonicMs();
    const said = await first.must(['node-agent', 'key', 'rotate', '--yes']);
    assert.match(said, /Enrolment tokens that ended with the old key: [1-9]/);
    assert.equal((await first.must(['node-agent', 'token', 'list'])).trim(), 'no tokens');
    let longestMs = 0;
    let lastMs = clock.monotonicMs();
    let writes = await checker.acknowledged();
    const after = await eventually(
      'the key is changed everywhere',
      async () => {
        const now = await checker.acknowledged();
        if (now > writes) lastMs = clock.monotonicMs();
        longestMs = Math.max(longestMs, clock.monotonicMs() - lastMs);
        writes = now;
        for (const machine of voters) {
          const kinds = await eventsOf(machine);
          if (!kinds.includes('key.rotated'))
            throw new Error(`${machine.name}: ${kinds.slice(-5).join(', ')}`);
        }
        const keys = await Promise.all(voters.map(keyOf));
        if (new Set(keys).size !== 1 || keys[0] === before) throw new Error(keys.join(' '));
        return keys[0];
      },
      { deadlineMs: LONG_MS, everyMs: 250 },
    );
    const gap = (longestMs / 1000).toFixed(1);
    t.diagnostic(`changed within ${seconds(startMs)}; no write for ${gap} s at most, as far as seen`);
    for (const [index, machine] of voters.entries()) {
      assert.notEqual(await etcdOf(machine), etcds[index], `etcd on ${machine.name} still has the old CA`);
    }
    await checker.progress('writes go on under the new key', 60_000);
    await settled(voters);

    startMs = clock.monotonicMs();
    await fourth.powerOn();
    const all = await settled([...voters, fourth]);
    t.diagnostic(`the sleeper has the new key and is whole ${seconds(startMs)} after its start`);
    assert.deepEqual(
      all.map(({ cluster: { keyFingerprint } }) => keyFingerprint),
      all.map(() => after),
    );
    assert.ok((await eventsOf(fourth)).includes('key.taken'));

    await throughout(
      'the evicted node stays out, and has the old key',
      async () => {
        assert.equal(await keyOf(fifth), before);
        for (const machine of [...voters, fourth]) {
          const { members = [] } = await machine.agentStatus();
          const seen = members.find(({ id }) => id === evictedId);
          assert.notEqual(seen?.status, 'alive', `${machine.name} sees it alive`);
        }
      },
      { forMs: 15_000, everyMs: 1_000 },
    );
    t.diagnostic(describeReport(await checker.finish([...voters, fourth])));
  });
});

async function createToken(machine: Machine, options: readonly string[]): Promise<string> {
  const text = await machine.must(['node-agent', 'token', 'create', '--json', ...options]);
  return (JSON.parse(text) as { token: string }).token;
}

/** The agent sees its clock put right a moment later. @returns undefined for one that has ended already */
async function goodToken(machine: Machine): Promise<string | undefined> {
  const text = await machine.must(['node-agent', 'token', 'create', '--json']);
  const { token, expires } = JSON.parse(text) as { token: string; expires: string };
  return Date.parse(expires) > clock.wallClock().getTime() ? token : undefined;
}

async function hasExpired(machine: Machine, note: string): Promise<boolean> {
  const text = await machine.must(['node-agent', 'token', 'list', '--json']);
  const { tokens } = JSON.parse(text) as { tokens: { note?: string; expired: boolean }[] };
  return tokens.some((token) => token.note === note && token.expired);
}

/** The kinds of all events that the machine has written down, oldest first. */
async function eventsOf(machine: Machine): Promise<string[]> {
  const text = await machine.must(['node-agent', 'events', '--json']);
  return [...text.matchAll(/"kind": ?"([a-z.-]+)"/g)].map(([, kind = '']) => kind);
}

async function etcdOf(machine: Machine): Promise<number | undefined> {
  return (await machine.processes()).find(({ name }) => name === 'etcd')?.pid;
}

async function keyOf(machine: Machine): Promise<string | undefined> {
  return (await machine.agentStatus()).cluster.keyFingerprint;
}

function outcomeOf(status: StatusDocument | undefined, item: string): string | undefined {
  return status?.seed.find((entry) => entry.item === item)?.outcome;
}

async function refusedFor(machine: Machine, reason: RegExp): Promise<void> {
  await machine.until(
    `is refused: ${reason}`,
    ({ state, conditions }) =>
      state === 'waiting' &&
      conditions.some(({ code, evidence }) => code === 'enrol.waiting' && reason.test(evidence ?? '')),
    LONG_MS,
  );
}

function seconds(sinceMs: number): string {
  return `${((clock.monotonicMs() - sinceMs) / 1000).toFixed(1)} s`;
}
