import type { Genesis } from '../../engine/resources.ts';
import { AgentError } from '../../errors.ts';
import { identityFromSeed } from '../../identity/identity.ts';
import { createLog } from '../../log.ts';
import type { Random } from '../../testing/random.ts';
import { createKeeper, type Durable, type Keeper } from '../durable.ts';
import { createFounding, type Founding, type FoundingView } from '../founding.ts';
import type { Sight } from '../genesis.ts';
import { mayBegin } from '../joining.ts';

/** Machines that want to become a cluster, in virtual time: messages are late or lost, machines crash. */
export interface World {
  readonly machines: readonly Machine[];
  /** Let virtual ms pass. */
  run(ms: number): Promise<void>;
  /** Who reaches whom: machines of one group. */
  groups: readonly (readonly number[])[];
  /** Share of messages that are lost. */
  loss: number;
  /** What all machines are told to expect. */
  expect: number | undefined;
  nowMs(): number;
  /** Every genesis that any machine ever held for confirmed. */
  readonly everConfirmed: ReadonlySet<string>;
  /** Every genesis that came to be. */
  readonly everFounded: ReadonlySet<string>;
}

export interface Machine {
  readonly id: string;
  disk: Durable;
  up: boolean;
  view: FoundingView | undefined;
  /** Somebody has written to the cluster that it founded. */
  written: boolean;
  start(): void;
  crash(): void;
}

interface WorldOptions {
  readonly size: number;
  readonly random: Random;
  readonly expect?: number | undefined;
  readonly joins?: boolean;
  /** Virtual ms between two looks of a machine; 1500 unless given. */
  readonly passMs?: number;
  /** Virtual ms that a card travels at most; none unless given. */
  readonly cardMs?: number;
}

const IDENTITIES = Array.from({ length: 8 }, (_, index) =>
  identityFromSeed(Buffer.alloc(32, index + 1), new Date(0)),
).sort((a, b) => (a.id < b.id ? -1 : 1));

const PRESENT_MS = 8_000;
const CALL_MS = 4_000;
const QUIET = createLog({ write: () => {} });

interface Run {
  readonly startedMs: number;
  readonly keeper: Keeper;
  readonly founding: Founding;
  /** The newest card of each other, and when it was heard from itself. */
  readonly cards: Map<string, { sequence: number; genesis?: Genesis | undefined }>;
  readonly heardMs: Map<string, number>;
  newestMs: number | undefined;
  grewMs: number | undefined;
}

export function createWorld(options: WorldOptions): World {
  const { size, random, joins = false, passMs = 1_500, cardMs = 0 } = options;
  let nowMs = 1_000;
  const queue: { atMs: number; order: number; act: () => void }[] = [];
  let order = 0;
  let uuids = 0;
  const everConfirmed = new Set<string>();
  const everFounded = new Set<string>();
  const later = (ms: number, act: () => void) => {
    queue.push({ atMs: nowMs + ms, order: order++, act });
  };
  const sequences = new Map<string, number>();
  const runs = new Map<string, Run>();

  const machines = IDENTITIES.slice(0, size).map((identity): Machine => {
    const { id } = identity;
    const machine: Machine = {
      id,
      disk: {},
      up: false,
      view: undefined,
      written: false,
      start() {
        if (machine.up) return;
        machine.up = true;
        const keeper = createKeeper(machine.disk, (durable) =>
          write(machine, () => runs.get(id) === run, durable),
        );
        const founding = createFounding({
          self: identity,
          keeper,
          sight: () => sightOf(machine, run),
          call: (to, kind, body) => call(machine, run, to, kind, body),
          randomUuid: () => `${String(++uuids).padStart(8, '0')}-0000-4000-8000-000000000000`,
          log: QUIET,
        });
        const run: Run = {
          startedMs: nowMs,
          keeper,
          founding,
          cards: new Map(),
          heardMs: new Map(),
          newestMs: undefined,
          grewMs: undefined,
        };
        runs.set(id, run);
        later(random.below(passMs), () => void loop(machine, run));
      },
      crash() {
        machine.up = false;
        machine.view = undefined;
        runs.delete(id);
      },
    };
    return machine;
  });
  const world: World = {
    machines,
    groups: [machines.map((_, index) => index)],
    loss: 0,
    expect: options.expect,
    everConfirmed,
    everFounded,
    nowMs: () => nowMs,
    async run(ms) {
      const end = nowMs + ms;
      for (;;) {
        let first = -1;
        for (const [index, event] of queue.entries()) {
          const best = queue[first];
          if (
            best === undefined ||
            event.atMs < best.atMs ||
            (event.atMs === best.atMs && event.order < best.order)
          )
            first = index;
        }
        const event = queue[first];
        if (event === undefined || event.atMs > end) break;
        queue.splice(first, 1);
        nowMs = event.atMs;
        event.act();
        await new Promise(setImmediate);
      }
      nowMs = end;
    },
  };

  function reaches(from: string, to: string): boolean {
    const index = (id: string) => machines.findIndex((machine) => machine.id === id);
    return world.groups.some((group) => group.includes(index(from)) && group.includes(index(to)));
  }

  /** A write that a crash may interrupt: it is then on the disk, or not. */
  function write(machine: Machine, alive: () => boolean, durable: Durable): Promise<void> {
    return new Promise((resolve) => {
      later(random.below(20), () => {
        if (!alive()) {
          return;
        }
        machine.disk = durable;
        if (durable.genesis) everFounded.add(durable.genesis.uuid);
        if (durable.confirmed && durable.genesis) everConfirmed.add(durable.genesis.uuid);
        // It may be on the disk without the machine having lived to know it.
        later(random.below(5), resolve);
      });
    });
  }

  function call(machine: Machine, run: Run, to: string, kind: 'promise' | 'adopt', body: unknown) {
    return new Promise<unknown>((resolve, reject) => {
      const text = JSON.stringify(body);
      const travel = () => 1 + random.below(random.chance(0.1) ? 3_000 : 50);
      later(CALL_MS, () => runs.get(machine.id) === run && reject(noAnswer(to)));
      later(travel(), () => {
        const other = runs.get(to);
        if (other === undefined || !reaches(machine.id, to) || random.chance(world.loss)) return;
        other.heardMs.set(machine.id, nowMs);
        void other.founding.answer(kind, machine.id, JSON.parse(text)).then((answer) => {
          const back = JSON.stringify(answer);
          later(travel(), () => {
            if (runs.get(machine.id) !== run || !reaches(to, machine.id) || random.chance(world.loss)) return;
            resolve(JSON.parse(back));
          });
        });
      });
    });
  }

  async function loop(machine: Machine, run: Run): Promise<void> {
    if (runs.get(machine.id) !== run) return;
    tell(machine, run);
    const durable = run.keeper.now();
    const hasData = durable.genesis?.founder === machine.id && !durable.staleData && mayBegin(durable);
    const view = await run.founding.pass({ hasData, empty: !machine.written });
    if (runs.get(machine.id) !== run) return;
    machine.view = view;
    later(passMs / 2 + random.below(passMs), () => void loop(machine, run));
  }

  /** Cards go round: our own and those that we know. */
  function tell(machine: Machine, run: Run): void {
    const sequence = (sequences.get(machine.id) ?? 0) + 1;
    sequences.set(machine.id, sequence);
    const own = { sequence, genesis: run.keeper.now().genesis };
    for (const other of machines) {
      const theirs = runs.get(other.id);
      if (theirs === undefined || other === machine || !reaches(machine.id, other.id)) continue;
      if (random.chance(world.loss)) continue;
      const told = new Map([...run.cards, [machine.id, own]]);
      const arrive = () => {
        const before = theirs.heardMs.get(machine.id);
        if (before === undefined || nowMs - before > PRESENT_MS) theirs.newestMs = nowMs;
        theirs.heardMs.set(machine.id, nowMs);
        for (const [id, card] of told) {
          if (id !== other.id && !theirs.cards.has(id)) theirs.grewMs = nowMs;
          if (id !== other.id && card.sequence > (theirs.cards.get(id)?.sequence ?? 0))
            theirs.cards.set(id, card);
        }
      };
      if (cardMs === 0) arrive();
      else later(random.below(cardMs), arrive);
    }
  }

  function sightOf(machine: Machine, run: Run): Sight {
    const byUuid = new Map<string, { genesis: Genesis; carriers: string[] }>();
    for (const [id, { genesis }] of run.cards) {
      if (genesis === undefined) continue;
      const entry = byUuid.get(genesis.uuid) ?? { genesis, carriers: [] };
      entry.carriers.push(id);
      byUuid.set(genesis.uuid, entry);
    }
    return {
      self: machine.id,
      nowMs,
      startedMs: run.startedMs,
      expect: world.expect,
      bootstrap: false,
      joins,
      present: [...run.heardMs].filter(([, at]) => nowMs - at <= PRESENT_MS).map(([id]) => id),
      lastSeenMs: run.heardMs,
      newestContactMs: run.newestMs,
      known: [...run.cards.keys()],
      knownGrewMs: run.grewMs,
      sightings: [...byUuid.values()],
    };
  }

  return world;
}

function noAnswer(id: string): AgentError {
  return new AgentError({ code: 'node.silent', exit: 'notRunning', message: `${id} does not answer` });
}
