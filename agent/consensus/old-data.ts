import type { OwnPast, PastState } from '../discovery/own-past.ts';
import type { FoundCondition } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import type { Keeper } from './durable.ts';

/**
 * Whether etcd's data on this disk may be old. That it is stays on the disk until the data is gone or an operator
 * decides: a later run of the agent, cut off from those who know, must not start with it.
 *
 * @param past absent: nobody can be asked, and the data is believed
 * @param matters etcd does not run, and there is data to start it with
 */
export async function lookAtPast(
  keeper: Keeper,
  past: OwnPast | undefined,
  matters: boolean,
): Promise<PastState> {
  if (!matters) {
    await believe(keeper, past);
    return 'current';
  }
  const state = past?.state() ?? 'current';
  if (state === 'behind' && !keeper.now().behind)
    await keeper.change((durable) => ({ ...durable, behind: true }));
  return keeper.now().behind ? 'behind' : state;
}

/** @throws AgentError `recover.not-old` */
export async function trustDisk(keeper: Keeper, past: OwnPast | undefined): Promise<void> {
  if (!keeper.now().behind && past?.state() !== 'moved') {
    throw new AgentError({
      code: 'recover.not-old',
      exit: 'notDone',
      message: 'etcd was not kept from starting with the data on this disk',
      fix: 'node-agent status tells what this node waits for',
    });
  }
  await believe(keeper, past);
}

async function believe(keeper: Keeper, past: OwnPast | undefined): Promise<void> {
  past?.settle();
  if (keeper.now().behind) await keeper.change((durable) => ({ ...durable, behind: undefined }));
}

/** What keeps etcd from starting, in the operator's words. Pure. */
export function held(past: Exclude<PastState, 'current'>): FoundCondition {
  if (past === 'behind') {
    return {
      code: 'consensus.old-data',
      state: 'failed',
      summary:
        'etcd does not start: the data on this disk is older than what other nodes know of this one (a restored backup or a cloned disk)',
      endedBy:
        'to join again as a new node: sudo node-agent reset --yes; if no other node has the data: sudo node-agent recover --trust-disk',
    };
  }
  if (past === 'moved') {
    return {
      code: 'consensus.other-machine',
      state: 'waiting',
      summary:
        'etcd does not start: this disk was used in another machine, and no other node answers that could say whether it is a copy',
      endedBy:
        'another node that answers; if this is the only machine with this data: sudo node-agent recover --trust-disk',
    };
  }
  return {
    code: 'consensus.joining',
    state: 'waiting',
    summary: 'other nodes are asked whether the data on this disk is the newest',
    endedBy: 'an answer, or ten seconds without one',
  };
}
