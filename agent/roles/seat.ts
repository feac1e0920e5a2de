import type { EtcdClient } from '../consensus/etcd/types.ts';
import type { FoundCondition } from '../engine/controller.ts';
import type { RoleState } from '../engine/resources.ts';
import { failed, NO_FAILURES, pauseOf, type RestartPolicy } from '../engine/restart.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import { serviceAddress } from '../mesh/address.ts';
import type { Move } from '../registry/registry.ts';
import { mayPlace } from '../workloads/place.ts';
import { fits } from '../workloads/versions.ts';
import type { Obstacle, Workload } from '../workloads/workload.ts';
import { settled, type Time, withDeadline } from './deadline.ts';
import { type LeaseTiming, type SeenKey, type Sighting, sighted, timingOf } from './lease.ts';
import { type Decision, planRole } from './plan.ts';
import { createTenure, type Effects, type Tenure } from './tenure.ts';
import type { Pace } from './terms.ts';
import { turnMs } from './turn.ts';
import { readRole } from './watch.ts';
import type { World } from './world.ts';

/** A role that failed here is left to others for 30 s, then longer. */
const FAULTS: RestartPolicy = { firstMs: 30_000, longestMs: 600_000, forgiveMs: 600_000 };

interface SeatDeps {
  readonly role: Workload;
  readonly world: Pick<World, 'me' | 'leaseSeconds' | 'slack' | 'range'>;
  readonly instance: string;
  readonly client: Pick<EtcdClient, 'txn' | 'range'>;
  readonly time: Time;
  readonly log: Log;
  readonly effects: (address: string | undefined) => Effects;
  readonly changed: () => void;
  /** Another than the setting's; for tests. */
  readonly timing?: LeaseTiming;
}

interface Seated {
  readonly state: RoleState;
  /** To an operator who wants the role here; absent while it is not known, or nobody asks. */
  readonly answer?: Move['answer'];
  readonly conditions: readonly FoundCondition[];
  readonly againMs: number;
}

/** One role as one node sees it: what it knows of the key, its own tenure, its faults. */
export interface Seat {
  readonly role: Workload;
  readonly tenure: Tenure;
  see(key: SeenKey | undefined): void;
  decide(world: World): Seated;
}

export function createSeat({
  role,
  world,
  instance,
  client,
  time,
  log,
  effects,
  changed,
  ...rest
}: SeatDeps): Seat {
  const paceOf = ({ leaseSeconds, slack }: Pick<World, 'leaseSeconds' | 'slack'>): Pace => ({
    timing: rest.timing ?? timingOf(leaseSeconds),
    slack,
  });
  let { timing } = paceOf(world);
  const address =
    role.serviceAddress === undefined ? undefined : serviceAddress(world.range, role.serviceAddress);
  let sighting: Sighting | undefined;
  let former: string | undefined;
  let faults = NO_FAILURES;
  let backoffUntilMs = Number.NEGATIVE_INFINITY;
  let lastFault: string | undefined;
  let lastTryMs = Number.NEGATIVE_INFINITY;
  let restUntilMs = Number.NEGATIVE_INFINITY;

  const tenure = createTenure({
    role: role.name,
    client,
    time,
    pace: paceOf(world),
    effects: effects(address),
    holder: { id: world.me, ...(address === undefined ? {} : { address }) },
    instance,
    isoNow: () => clock.wallClock().toISOString(),
    startMs: role.startMs ?? 15_000,
    stopMs: role.stopMs ?? 5_000,
    changed,
    ended: (reason, how) => {
      log[how === 'given-back' ? 'info' : 'warning']('role ended here', { role: role.name, reason });
      // Whoever gives a role back wants another to have it.
      if (how === 'given-back') restUntilMs = time.nowMs() + timing.leaseMs;
      if (how !== 'fault') return;
      faults = failed(faults, time.nowMs(), FAULTS);
      [lastFault, backoffUntilMs] = [reason, time.nowMs() + pauseOf(faults, FAULTS)];
      changed();
    },
  });

  const see = (key: SeenKey | undefined) => {
    sighting = sighted(sighting, key, time.nowMs());
    former = key?.id ?? former;
    tenure.witness(key);
    changed();
  };

  const attempt = async (silent: SeenKey | undefined): Promise<void> => {
    lastTryMs = time.nowMs();
    await tenure.take(silent);
    if (tenure.state === 'holding') {
      log.info('role held here', { role: role.name, fence: tenure.fence });
    } else {
      // Perhaps the watch is behind: look at the key itself, so that it counts as seen now.
      await settled(withDeadline(readRole(client, role.name).then(see), timing.callMs, time));
    }
  };

  return {
    role,
    tenure,
    see,
    decide(now) {
      const nowMs = time.nowMs();
      const pace = paceOf(now);
      timing = pace.timing;
      tenure.adapt(pace);
      const may = mayRun(role, now);
      const move = now.moves[role.name];
      const decision = planRole(
        {
          me: now.me,
          may,
          quorum: now.quorum,
          tenure: tenure.state,
          sighting,
          fence: tenure.fence,
          move: move && { to: move.to, revision: move.revision, isAccepted: move.answer === 'ready' },
          turnMs: turnMs({ role: role.name, me: now.me, voters: now.voters, alive: now.alive, former }),
          backoffUntilMs,
          lastFault,
          lastTryMs,
          restUntilMs,
          timing,
        },
        nowMs,
      );
      if (decision.act === 'take') void attempt(decision.silent);
      if (decision.act === 'resign') void tenure.resign(decision.reason ?? 'it may not run here any more');
      return {
        state: stateOf(decision, now.me),
        ...(move?.to === now.me && move.answer === undefined ? { answer: answerOf(may, decision) } : {}),
        conditions: conditionsOf(role.name, decision),
        againMs: decision.atMs === undefined ? 30_000 : Math.max(10, decision.atMs - nowMs),
      };
    },
  };

  function stateOf({ state, reason, endedBy }: Decision, me: string): RoleState {
    const ours = tenure.state === 'holding' || tenure.state === 'stopping';
    return {
      role: role.name,
      state,
      ...(reason === undefined ? {} : { reason, endedBy }),
      ...(ours ? { holder: me, fence: tenure.fence, ...(address === undefined ? {} : { address }) } : {}),
    };
  }
}

function mayRun(role: Workload, world: World): true | Obstacle {
  if (world.may !== true) return world.may;
  const placed = mayPlace(role.name, world.workloads[role.name], world.labels);
  if (placed !== true) return placed;
  const fit = fits(role.needs, world.versions, world.voterVersions);
  if (fit === true) return true;
  return { reason: fit, endedBy: 'install the image of the other nodes on this one' };
}

/** Absent while this node knows too little. */
function answerOf(may: true | Obstacle, { state, reason = '', endedBy = '' }: Decision): Move['answer'] {
  if (may !== true) return may;
  if (state === 'failed') return { reason, endedBy };
  return state === 'candidate' || state === 'holding' ? 'ready' : undefined;
}

function conditionsOf(role: string, { state, reason = '' }: Decision): readonly FoundCondition[] {
  if (state !== 'failed') return [];
  return [
    {
      code: `role.${role}.failed`,
      state: 'failed',
      summary: `the role ${role} does not work on this node`,
      evidence: reason,
      endedBy: `another node takes it, and it is tried here again by itself; journalctl -u 'clusteros-role-*'`,
    },
  ];
}
