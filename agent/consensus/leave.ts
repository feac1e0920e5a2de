import type { Timers } from '../engine/resources.ts';
import { AgentError, expected } from '../errors.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import { stepOf } from '../timers/steps.ts';
import { setAside } from './data.ts';
import type { Keeper } from './durable.ts';
import { mayBegin } from './joining.ts';
import { wishKey } from './keys.ts';
import { awaited } from './local-etcd.ts';
import type { Member } from './member.ts';

interface LeaveDeps {
  readonly keeper: Keeper;
  readonly member: Member;
  readonly self: string;
  readonly state: string;
  readonly log: Log;
  readonly timers: Timers;
  readonly exclusive: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Handing over, a new learner's growth, its promotion and our removal, with pauses between; at the usual pace. */
const LEAVE_MS = 120_000;

/**
 * Take this node out of its cluster in order: the leader removes it from the voters, then its data is put aside.
 * The last node of a cluster just stops.
 *
 * @returns what was done
 * @throws AgentError `leave.not-begun`, `leave.no-quorum`, `leave.timeout`; the node is then still a member
 */
export async function leaveCluster(deps: LeaveDeps): Promise<string> {
  const { keeper, member, self, state, log, exclusive } = deps;
  const limitMs = LEAVE_MS * stepOf(deps.timers.step).slack;
  const began = clock.monotonicMs();
  if (keeper.now().genesis !== undefined) {
    if (!mayBegin(keeper.now())) {
      throw new AgentError({
        code: 'leave.not-begun',
        exit: 'notDone',
        message: 'the cluster has not begun: the expected machines have not agreed on it yet',
        fix: 'node-agent status tells what they wait for; or, to give up its part in it: node-agent reset --yes',
      });
    }
    const members = await member.client.members().catch((cause: unknown) => {
      expected(cause, 'etcd.');
      throw new AgentError({
        code: 'leave.no-quorum',
        exit: 'notDone',
        message: 'no majority of the voters answers, so that none can agree to this node leaving',
        fix: 'bring the voters back; or, to leave without their knowledge: node-agent reset --yes',
        cause,
      });
    });
    const own = members.find(({ name }) => name === self);
    // A learner that is not here keeps a copy, and nobody from going.
    const lastVoter = members.every(({ name, learner }) => name === self || learner);
    const alone = own !== undefined && lastVoter && member.isAlone();
    if (!alone) {
      await member.client.put(wishKey('leaving', self), '');
      const gone = await awaited(async () => {
        const now = await member.client.members();
        return now.every(({ name }) => name !== self);
      }, limitMs);
      if (!gone) {
        await member.client.delete(wishKey('leaving', self)).catch((error) => expected(error, 'etcd.'));
        throw new AgentError({
          code: 'leave.timeout',
          exit: 'notDone',
          message: `the leader has not removed this voter within ${limitMs / 1000} s`,
          fix: 'node-agent status on the leader tells why; try again, or: node-agent reset --yes',
        });
      }
    }
  }
  await exclusive(async () => {
    await keeper.change(() => ({ left: true }));
    await member.etcd.stop();
    await setAside(state);
  });
  log.info('left the cluster', { tookMs: Math.round(clock.monotonicMs() - began) });
  return 'this node has left its cluster; its data was put aside';
}
