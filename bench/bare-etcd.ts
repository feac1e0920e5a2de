import type { TestContext } from 'node:test';
import { type Rig, type RigMember, startRig, until } from '../agent/consensus/etcd/testing/rig.ts';
import type { EtcdClient } from '../agent/consensus/etcd/types.ts';
import { clock } from '../build/host.ts';

/** A put is tried this often, whatever became of those before it: as finely is the election measured. */
const TRY_MS = 25;
/** A put that was forwarded to the dead leader is lost: waiting longer would measure our patience. */
const PATIENCE_MS = 400;
const LIMIT_MS = 30_000;

/**
 * The floor: three members of etcd on this machine, without anything of ours around them, with the configuration,
 * mTLS and timers that the agent gives them.
 *
 * @returns ms from kill -9 of the Raft leader to a put that another member has taken, for each round
 */
export async function bareElections(rounds: number, say: (line: string) => void): Promise<number[]> {
  const ends: (() => unknown)[] = [];
  const bench = { after: (end: () => unknown) => void ends.push(end) } as Pick<TestContext, 'after'>;
  try {
    const rig = await startRig(bench, 3);
    const found: number[] = [];
    for (let round = 0; round < rounds; round++) {
      found.push(await election(rig));
      say(`bare etcd: ${found.at(-1)?.toFixed(0)} ms`);
    }
    return found;
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function election(rig: Rig): Promise<number> {
  const watcher = rig.client();
  const leader = await leaderOf(rig, watcher);
  const others = rig.members.filter((member) => member !== leader);
  const clients = others.map(({ endpoint }) =>
    rig.client({ endpoints: () => [endpoint], timeoutMs: PATIENCE_MS }),
  );
  // With connections open, as a client has them.
  await Promise.all(clients.map((client) => client.put('bench', 'before')));
  const startMs = clock.monotonicMs();
  leader.signal('SIGKILL');
  const took = (await firstPut(clients, startMs)) - startMs;
  await leader.exited();
  leader.restart();
  await until('all members answer again', async () =>
    (await Promise.all(rig.members.map(({ endpoint }) => watcher.health(endpoint)))).every(Boolean),
  );
  await Promise.all([watcher, ...clients].map((client) => client.close()));
  return took;
}

/** @returns monotonic ms of the first answer */
async function firstPut(clients: readonly EtcdClient[], startMs: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let done = false;
  const arrived = promise.finally(() => {
    done = true;
  });
  for (let at = 0; !done; at++) {
    if (clock.monotonicMs() - startMs > LIMIT_MS) throw new Error('bare etcd elects nobody');
    clients[at % clients.length]?.put('bench', `put ${at}`).then(
      () => resolve(clock.monotonicMs()),
      () => {}, // The next one is on its way.
    );
    await clock.pause(TRY_MS);
  }
  return arrived;
}

async function leaderOf(rig: Rig, client: EtcdClient): Promise<RigMember> {
  let found: RigMember | undefined;
  await until('there is a leader, and all members know it', async () => {
    const all = await Promise.all(rig.members.map(({ endpoint }) => client.status(endpoint)));
    const [leader] = new Set(all.map((status) => status.leader));
    found = rig.members[all.findIndex(({ memberId }) => memberId === leader)];
    return new Set(all.map((status) => status.leader)).size === 1 && found !== undefined;
  });
  if (found === undefined) throw new Error('no member leads');
  return found;
}
