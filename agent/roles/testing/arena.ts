import { DEFAULT_SETTINGS } from '../../config/settings.ts';
import { createLog } from '../../log.ts';
import { KEYS } from '../../registry/keys.ts';
import type { Workload } from '../../workloads/workload.ts';
import type { LeaseTiming } from '../lease.ts';
import { createSeat, type Seat } from '../seat.ts';
import type { Effects } from '../tenure.ts';
import { followRoles } from '../watch.ts';
import type { World } from '../world.ts';
import { createFakeEtcd, type FakeEtcd, type Path } from './fake-etcd.ts';
import { createVirtualTime, type Host, newHost, type VirtualTime } from './virtual-time.ts';

/** Candidates for one role around one etcd, in virtual time, with the real seats and tenures. */
export interface Arena {
  readonly time: VirtualTime;
  readonly etcd: FakeEtcd;
  readonly machines: readonly Machine[];
  /** Machines whose unit runs and can do something at this moment. */
  active(): readonly Machine[];
  /** All of them see an operator's wish that the role goes to a machine, which has said yes. */
  move(to: Machine): void;
}

export interface Machine {
  readonly id: string;
  readonly path: Path;
  readonly seat: Seat | undefined;
  readonly unitRuns: boolean;
  healthy: boolean;
  /** The agent dies with its unit, and another begins after a while. */
  crash(backAfterMs: number): void;
  /** Its timers are others from now on. */
  useLease(seconds: number): void;
  /** What the registry says is this from now on. */
  seeMoves(moves: World['moves']): void;
  /** `agent`: only the agent sleeps, its unit runs on; `machine`: everything sleeps. */
  sleep(what: 'agent' | 'machine', ms: number): void;
}

interface ArenaOptions {
  readonly count: number;
  readonly random: () => number;
  readonly timing?: LeaseTiming;
  readonly leaseSeconds?: number;
  /** The unit looks at the lease by itself. */
  readonly guarded?: boolean;
}

const QUIET = createLog({ write: () => {} });
const ROLE: Workload = { name: 'page', units: () => [], health: async () => true, startMs: 3_000 };

export function createArena(options: ArenaOptions): Arena {
  const time = createVirtualTime();
  const etcd = createFakeEtcd(time);
  const ids = Array.from({ length: options.count }, (_, index) => `${'1'.repeat(40)}${'ABCDEFGHJK'[index]}`);
  const machines = ids.map((id) => createMachine(id, ids, time, etcd, options));
  return {
    time,
    etcd,
    machines,
    move: ({ id: to }) => {
      const put = { kind: 'put', key: KEYS.move(ROLE.name), value: '' } as const;
      const { revision } = etcd.apply({ compare: [], success: [put] });
      const move = { to, fence: revision, revision, lease: '1', answer: 'ready' } as const;
      for (const machine of machines) machine.seeMoves({ [ROLE.name]: move });
    },
    active: () => machines.filter((machine) => machine.unitRuns && !machine.frozen),
  };
}

function createMachine(
  id: string,
  ids: readonly string[],
  time: VirtualTime,
  etcd: FakeEtcd,
  { random, timing, leaseSeconds = 10, guarded = true }: ArenaOptions,
): Machine & { readonly frozen: boolean } {
  /** The clocks of two machines differ by less than a tenth. */
  const rate = 0.96 + random() * 0.08;
  let host: Host = newHost();
  let seat: Seat | undefined;
  let ring = () => {};
  let [unitRuns, frozen, endsMs, runs] = [false, false, 0, 0];
  const path: Path = {
    cut: false,
    calm: false,
    delay: () => (!path.calm && random() < 0.05 ? random() * 6_000 : 2 + random() * 40),
    lost: () => !path.calm && random() < 0.02,
  };
  let world: World = {
    me: id,
    leaseSeconds,
    slack: 1,
    range: '10.42.0.0/16',
    may: true,
    why: { reason: '', endedBy: '' },
    quorum: true,
    reachable: true,
    voters: ids,
    alive: ids,
    versions: { agent: '', image: '', serf: '', etcd: '' },
    voterVersions: [],
    holders: [],
    moves: {},
    workloads: DEFAULT_SETTINGS.workloads,
    labels: {},
  };

  const boot = () => {
    const own = newHost();
    host = own;
    runs += 1;
    const clock = time.on(own, rate);
    let bell = new AbortController();
    const effects: Effects = {
      async start(right, signal) {
        await clock.pause(random() * 400, signal);
        if (signal.aborted || !right.mayAct() || own.gone) throw new Error('late');
        unitRuns = true;
        guard();
      },
      async stop(deadlineMs) {
        await clock.pause(Math.min(deadlineMs, random() * 4_000));
        if (!own.gone) unitRuns = false;
      },
      health: async () => (machine.healthy && unitRuns ? true : 'it is sick'),
      lease: async () => {},
      proven: (_fence, ends) => {
        endsMs = ends;
      },
    };
    const guard = () => {
      if (!guarded || own.gone || !unitRuns) return;
      if (!frozen && time.nowMs() * rate >= endsMs) unitRuns = false;
      time.after(100, guard);
    };
    const mine = createSeat({
      role: ROLE,
      world,
      instance: `${id}.${runs}`,
      client: etcd.client(own, path),
      time: clock,
      log: QUIET,
      effects: () => effects,
      changed: () => bell.abort(),
      ...(timing === undefined ? {} : { timing }),
    });
    seat = mine;
    ring = () => bell.abort();
    const client = etcd.client(own, path);
    void followRoles(
      client,
      [ROLE.name],
      clock,
      new AbortController().signal,
      (_role, key) => mine.see(key),
      QUIET,
    );
    const loop = async () => {
      while (!own.gone) {
        bell = new AbortController();
        const { againMs } = mine.decide(world);
        await clock.pause(againMs, bell.signal);
      }
    };
    void loop();
  };

  const wake = () => {
    host.asleep = false;
    frozen = false;
    for (const call of host.overdue.splice(0)) time.after(0, call, host);
  };

  const machine = {
    id,
    path,
    healthy: true,
    get seat() {
      return seat;
    },
    get unitRuns() {
      return unitRuns;
    },
    get frozen() {
      return frozen;
    },
    useLease: (seconds: number) => {
      world = { ...world, leaseSeconds: seconds };
      ring();
    },
    seeMoves: (moves: World['moves']) => {
      world = { ...world, moves };
      ring();
    },
    crash: (backAfterMs: number) => {
      if (host.gone) return;
      host.gone = true;
      host.asleep = false;
      [unitRuns, frozen, seat] = [false, false, undefined];
      time.after(backAfterMs, boot);
    },
    sleep: (what: 'agent' | 'machine', ms: number) => {
      if (host.gone || host.asleep) return;
      const sleeper = host;
      host.asleep = true;
      frozen = what === 'machine';
      time.after(ms, () => {
        if (host === sleeper && !host.gone) wake();
      });
    },
  };
  boot();
  return machine;
}
