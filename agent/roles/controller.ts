import { randomBytes } from 'node:crypto';
import type { EtcdClient } from '../consensus/etcd/types.ts';
import type { Controller, FoundCondition, Outcome, View } from '../engine/controller.ts';
import type { RoleState } from '../engine/resources.ts';
import type { Units } from '../engine/units.ts';
import { boottime, clock } from '../host.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import type { Workload } from '../workloads/workload.ts';
import { WORKLOADS } from '../workloads/workloads.ts';
import { createAges } from './ages.ts';
import { createAnswers } from './answers.ts';
import { settled, type Time, withDeadline } from './deadline.ts';
import { createEffects, type ServiceAddresses } from './effects.ts';
import type { Guard } from './guard.ts';
import { createSeat, type Seat } from './seat.ts';
import { followRoles } from './watch.ts';
import { worldOf } from './world.ts';

interface RolesDeps {
  /** Of the whole cluster, see `createClusterClient`. */
  readonly client: Pick<EtcdClient, 'txn' | 'range' | 'watch'>;
  readonly units: Units;
  readonly addresses: ServiceAddresses;
  readonly guard?: Guard;
  /** How this program starts itself: `['/usr/bin/node-agent']`, absolute path first. */
  readonly selfArgv: readonly [string, ...string[]];
  readonly paths: Paths;
  readonly log: Log;
  readonly roles?: readonly Workload[];
  readonly time?: Time;
}

interface RolesController extends Controller {
  /** Give every role back, in order, and take none until the agent starts anew: before a node leaves. */
  resignAll(reason: string): Promise<void>;
}

/** systemd ends the agent and all that is bound to it 20 s after it asked: see `image-layers/agent.ts`. */
const CLOSE_MS = 15_000;
const REAL_TIME: Time = { nowMs: boottime.sinceBootMs, pause: clock.pause };

/** Elects one holder for each role, and runs what is held here; see `lease.ts` for the rules. */
export function createRoles(deps: RolesDeps): RolesController {
  const { client, log, roles = WORKLOADS, time = REAL_TIME } = deps;
  const instance = randomBytes(12).toString('hex');
  const stop = new AbortController();
  let seats: readonly Seat[] | undefined;
  let following: Promise<void> | undefined;
  let resigned: string | undefined;
  let clean = false;
  let slack = 1;
  const ages = createAges();
  let nudge = () => {};

  /** What an agent that was killed left behind: before anything else, since the role may be elsewhere by now. */
  const cleanUp = async (): Promise<void> => {
    await Promise.all((await deps.addresses.listHeld()).map((ip) => deps.addresses.release(ip)));
    for (const role of roles) {
      await createEffects({ ...deps, role, address: undefined, time }).stop(0);
    }
    clean = true;
  };

  const seatsFor = (world: NonNullable<ReturnType<typeof worldOf>>): readonly Seat[] =>
    roles.map((role) =>
      createSeat({
        role,
        world,
        instance,
        client,
        time,
        log,
        effects: (address) => createEffects({ ...deps, role, address, time }),
        changed: () => nudge(),
      }),
    );

  const answer = createAnswers({ client, time, failed: () => nudge() });

  const resignAll = async (reason: string): Promise<void> => {
    resigned = reason;
    const longestMs = Math.max(5_000, ...roles.map(({ stopMs }) => stopMs ?? 0)) * slack + 3_000;
    const all = Promise.all((seats ?? []).map((seat) => seat.tenure.resign(reason)));
    await settled(withDeadline(all, longestMs, time));
  };

  return {
    name: 'roles',
    inputs: ['facts', 'timers', 'consensus', 'registry', 'mesh', 'gossip', 'cards', 'ownCard'],
    outputs: ['roles'],
    async reconcile(view: View): Promise<Outcome> {
      nudge = view.nudge;
      if (!clean) await cleanUp();
      const world = worldOf(view, resigned);
      if (world === undefined) {
        // Whoever has lost identity or settings has no business with a role.
        for (const seat of seats ?? []) void seat.tenure.resign('this node is not ready any more');
        return { outputs: { roles: ages(unwanted(roles), clock.monotonicMs()) } };
      }
      slack = world.slack;
      if (world.reachable) {
        seats ??= seatsFor(world);
        following ??= followRoles(
          client,
          roles.map(({ name }) => name),
          time,
          stop.signal,
          (name, key) => seats?.find((seat) => seat.role.name === name)?.see(key),
          log,
        );
      }
      const results = (seats ?? []).map((seat) => seat.decide(world));
      for (const [index, { name }] of roles.entries()) {
        answer(name, world.moves[name], results[index]?.answer);
      }
      const held = world.holders;
      const states = roles.map((role, index): RoleState => {
        const holder = held.find((entry) => entry.role === role.name);
        const own = results[index]?.state ?? { role: role.name, state: 'waiting', ...world.why };
        const elsewhere = holder && { holder: holder.id, fence: holder.fence, address: holder.address };
        return own.holder === undefined ? { ...elsewhere, ...own } : own;
      });
      const next = Math.min(...results.map(({ againMs }) => againMs), 30_000);
      return {
        outputs: { roles: ages(states, clock.monotonicMs()) },
        conditions: results.flatMap(({ conditions }): readonly FoundCondition[] => conditions),
        againMs: next,
      };
    },
    resignAll,
    close: async () => {
      await settled(withDeadline(resignAll('the agent stops'), CLOSE_MS, time));
      stop.abort();
      if (following !== undefined) await settled(withDeadline(following, 2_000, time));
    },
  };
}

function unwanted(roles: readonly Workload[]): readonly RoleState[] {
  return roles.map(({ name }) => ({ role: name, state: 'unwanted' }));
}
