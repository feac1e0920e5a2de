/** Two machines on one Ethernet: one is installed and is a node, the other is installed later and joins it. */
import assert from 'node:assert/strict';
import type { StatusDocument } from '../../agent/api/view.ts';
import { targetVoters } from '../../agent/consensus/membership.ts';
import type { Machine } from '../../qemu/machine.ts';
import { createSwitch } from '../../qemu/network.ts';
import { whyUnsettled } from '../cluster/forming.ts';
import { journalOf } from '../cluster/systemd/record.ts';
import { eventually } from '../cluster/waits.ts';
import { agentStatus, writtenStatus } from '../nodes.ts';

/** Discovery, mesh and consensus of two emulated machines, with others at work beside them. */
const JOIN_LIMIT_MS = 20 * 60_000;
const ASK_EVERY_MS = 2_000;

export interface Pair {
  /** A place on its Ethernet. */
  readonly plug: (name: string) => Promise<{ readonly socket: string }>;
  /** Settles when {@link Pair.settle} is called; then it is a node that runs. */
  readonly first: Promise<FirstNode>;
  readonly settle: (first: FirstNode) => void;
  /** The first did not become a node: nobody waits for it any more. Nothing, when it is one. */
  readonly giveUp: () => void;
  /** To be cleared away when the second needs it no more. */
  readonly later: (work: () => Promise<void>) => void;
  /** Safe to call twice. */
  readonly dispose: () => Promise<void>;
}

interface FirstNode {
  readonly machine: Machine;
  /** While it was alone. */
  readonly status: StatusDocument;
}

export async function createPair(): Promise<Pair> {
  const net = await createSwitch();
  const { promise, resolve, reject } = Promise.withResolvers<FirstNode>();
  // Whoever waits for it hears of it; that nobody does is no fault.
  promise.catch(() => {});
  const left: (() => Promise<void>)[] = [() => net.close()];
  return {
    plug: (name) => net.plug(name),
    first: promise,
    settle: resolve,
    giveUp: () => reject(new Error('the machine that is to be joined did not become a node')),
    later: (work) => void left.unshift(work),
    dispose: async () => {
      for (const work of left.splice(0)) await work();
    },
  };
}

/**
 * Wait until both are one settled cluster of two, as each of them sees it; `node-agent status` then shows both alive.
 *
 * @returns the name of the one that joined, and whether it took over the cluster of the first. When it was alone for too
 *   long it has begun one too: of two that are provisional either may go over to the other.
 */
export async function joined(
  first: FirstNode,
  machine: Machine,
): Promise<{ readonly name: string; readonly tookOver: boolean }> {
  await eventually(
    `${machine.name} and ${first.machine.name} are a cluster of two`,
    async () => {
      const seen = await Promise.all([machine, first.machine].map(writtenStatus));
      assert.deepEqual(whyUnsettled(seen, targetVoters(2)), []);
      return true;
    },
    { deadlineMs: JOIN_LIMIT_MS, everyMs: ASK_EVERY_MS },
  ).catch(async (error: unknown) => {
    for (const each of [first.machine, machine]) await tellJournal(each);
    throw error;
  });
  const { name, cluster, members = [] } = await agentStatus(machine);
  assert.deepEqual(
    members.map(({ status }) => status),
    ['alive', 'alive'],
  );
  return { name, tookOver: cluster?.uuid === first.status.cluster?.uuid };
}

/** On standard output, which a failed file's log has. */
async function tellJournal({ name, guest }: Machine): Promise<void> {
  for (const unit of ['node-agent', 'clusteros-*']) {
    const said = await journalOf(guest, unit, 'short').catch(String);
    process.stdout.write(`── the journal of ${name}, ${unit}\n${said}\n`);
  }
}
