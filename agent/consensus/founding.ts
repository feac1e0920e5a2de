import * as z from 'zod';
import type { Genesis } from '../engine/resources.ts';
import { expected } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log.ts';
import {
  birthSchema,
  carriersOf,
  expectSchema,
  isBirth,
  isConfirmed,
  neededFor,
  roundOf,
  signBirth,
  uuidOf,
  uuidSchema,
} from './birth.ts';
import { crowdOf } from './crowd.ts';
import { type Durable, type FoundingPromise, type Keeper, MOST_DECLINED, promiseSchema } from './durable.ts';
import {
  answerPromise,
  countPromises,
  type GenesisStep,
  mayVote,
  type PromiseAnswer,
  planGenesis,
  type Sight,
} from './genesis.ts';
import { answerAdopt, heirsToDecline, type Meeting, type OwnCluster, planMeeting } from './meeting.ts';

/** The speaker of genesis.ts and meeting.ts: asks other nodes over the peer channel and answers them. */
export interface Founding {
  /** One look and at most one step. Call it again and again. */
  pass(own: Pick<OwnCluster, 'hasData' | 'empty' | 'quorum' | 'quorumLostMs'>): Promise<FoundingView>;
  answer(kind: FoundingKind, asker: string, body: unknown): Promise<unknown>;
}

export type FoundingKind = 'promise' | 'adopt';

export interface FoundingView {
  readonly step: GenesisStep;
  readonly meeting: Meeting;
  /** Monotonic ms since when another cluster is here. */
  readonly conflictSinceMs?: number | undefined;
  /** Nodes that expect another number of machines. */
  readonly differing: readonly { readonly id: string; readonly expects: number | 'none' }[];
}

interface FoundingDeps {
  readonly self: Pick<Identity, 'id' | 'seed'>;
  readonly keeper: Keeper;
  readonly sight: () => Sight;
  /** @throws AgentError `node.silent` whatever keeps the other from answering in time */
  readonly call: (id: string, kind: FoundingKind, body: unknown) => Promise<unknown>;
  /** As crypto.randomUUID makes them. */
  readonly randomUuid: () => string;
  readonly log: Pick<Log, 'info' | 'warning'>;
}

const requestSchema = z.object({ promise: promiseSchema, yielded: z.array(z.string().max(64)).max(1000) });
const adoptSchema = z.object({ uuid: uuidSchema });
const answerSchema = z.object({
  accepted: z.boolean(),
  promise: promiseSchema.optional(),
  genesis: birthSchema.optional(),
  expects: z.union([expectSchema, z.literal('none')]).optional(),
  crowd: z.int().min(1).max(1_000_000).optional(),
});

export function createFounding({ self, keeper, sight, call, randomUuid, log }: FoundingDeps): Founding {
  let competing: FoundingPromise | undefined;
  let yielded: readonly string[] = [];
  let leaving = false;
  let holdsData = false;
  let conflictSinceMs: number | undefined;
  let held: { readonly uuid: string | undefined; readonly sinceMs: number } | undefined;

  /** @returns the answers that came, whatever came wrong left out */
  async function askAll(to: readonly string[], promise: FoundingPromise) {
    const answers = new Map<string, PromiseAnswer>();
    await Promise.all(
      to.map(async (id) => {
        const said = await call(id, 'promise', { promise, yielded }).catch(silent);
        const read = answerSchema.safeParse(said);
        if (!read.success) return;
        const { genesis, ...answer } = read.data;
        answers.set(id, { ...answer, ...(isBirth(genesis) ? { genesis } : {}) });
      }),
    );
    return answers;
  }

  async function propose(promise: FoundingPromise, to: readonly string[]) {
    const promised = await keeper.change((durable) =>
      // While we waited for the disk another founder may have got our promise.
      !durable.confirmed && mayPromise(durable, promise) ? { ...durable, promise } : undefined,
    );
    if (promised.promise?.uuid !== promise.uuid) return [];
    const answers = await askAll(to, promise);
    const count = countPromises(promise, promised.genesis, answers);
    competing = count.competing;
    yielded = count.accepted;
    // While we asked we may have heard of more.
    const crowded = crowdOf(keeper.now(), sight()) !== undefined;
    if (count.agreed && !crowded) await found(promise.uuid, promise.expect, promise);
    return count.differing;
  }

  async function found(uuid: string, expect: number | undefined, agreed?: FoundingPromise) {
    const genesis = signBirth(self, { uuid, expect });
    const after = await keeper.change((durable) => {
      const { promise, genesis: before } = durable;
      if (durable.confirmed || (before !== undefined && agreed === undefined)) return undefined;
      if (agreed && promise?.uuid !== agreed.uuid) return undefined;
      const confirmed = neededFor(genesis) === 1;
      // Our own data goes on under the new name; a former founder's place is left.
      if (before === undefined || before.founder === self.id) return { ...durable, genesis, confirmed };
      return { promise, genesis, confirmed, staleData: true };
    });
    if (after.genesis?.uuid === uuid) log.info('founded a cluster', { cluster: uuid, expect });
  }

  /** Take a genesis for our own; an asked node must stand by it first. */
  async function take(
    { genesis, ask, why }: { genesis: Genesis; ask?: string | undefined; why: string },
    before: Genesis | undefined,
    confirmed: boolean,
  ) {
    leaving = before !== undefined;
    try {
      if (ask !== undefined) {
        const said = (await call(ask, 'adopt', { uuid: genesis.uuid }).catch(silent)) as
          | { held?: unknown }
          | undefined;
        if (said?.held !== true) return;
      }
      await keeper.change((durable) => {
        if (durable.genesis?.uuid !== before?.uuid) return undefined;
        // While we asked we may have promised a later round.
        if (!confirmed && ask === undefined && !mayVote(durable, genesis, sight())) return undefined;
        const promise = raise(durable.promise, genesis);
        return {
          ...{ promise, genesis, confirmed: ask !== undefined },
          ...(before ? { staleData: true } : {}),
          // We founded it once, and have left it since: what others carry has begun, and never begins again.
          ...(genesis.founder === self.id ? { started: true } : {}),
        };
      });
    } finally {
      leaving = false;
    }
    if (keeper.now().genesis?.uuid !== genesis.uuid) return;
    log.info(before ? 'left a cluster for another' : 'took a cluster for ours', {
      cluster: genesis.uuid,
      founder: genesis.founder,
      left: before?.uuid,
      why,
    });
  }

  /** What we know of is remembered before anything is decided: after a cut we would see fewer. */
  async function count(now: Sight): Promise<void> {
    const { confirmed, crowd } = keeper.now();
    const found = crowdOf(keeper.now(), now);
    if (confirmed || found === undefined || found === crowd) return;
    await keeper.change((durable) => ({ ...durable, crowd: found }));
    log.warning('more machines than expected: none begins a cluster', { known: found, expect: now.expect });
  }

  async function confirm(now: Sight): Promise<void> {
    const { genesis, confirmed } = keeper.now();
    if (genesis === undefined || confirmed) return;
    if (!isConfirmed(genesis, [...new Set([...carriersOf(genesis, now), self.id])])) return;
    const after = await keeper.change((durable) =>
      durable.genesis?.uuid === genesis.uuid ? { ...durable, confirmed: true } : undefined,
    );
    if (after.confirmed) log.info('the cluster is confirmed', { cluster: genesis.uuid });
  }

  async function decline(own: OwnCluster, now: Sight): Promise<void> {
    const heirs = heirsToDecline(own, now);
    if (heirs.length === 0) return;
    await keeper.change((durable) => {
      if (durable.genesis?.uuid !== own.durable.genesis?.uuid) return undefined;
      return { ...durable, notFollowed: [...(durable.notFollowed ?? []), ...heirs].slice(-MOST_DECLINED) };
    });
    log.warning('a cluster was recovered from ours while ours has a quorum: it is not followed', {
      heirs: heirs.join(', '),
    });
  }

  return {
    async pass(own) {
      const now = sight();
      await count(now);
      await confirm(now);
      const durable = keeper.now();
      holdsData = own.hasData && !own.empty;
      const uuid = durable.genesis?.uuid;
      if (held === undefined || held.uuid !== uuid) held = { uuid, sinceMs: now.nowMs };
      const step = planGenesis(durable, now, randomUuid(), held.sinceMs, competing);
      let differing: FoundingView['differing'] = [];
      if (step.kind === 'propose') differing = await propose(step.promise, step.to);
      if (step.kind === 'found') await found(uuidOf(0, randomUuid()), step.expect);
      if (step.kind === 'adopt') {
        await take(
          { ...step, why: 'it lives' },
          undefined,
          isConfirmed(step.genesis, carriersOf(step.genesis, now)),
        );
      }
      await decline({ ...own, durable }, now);
      const meeting = planMeeting({ ...own, durable: keeper.now(), conflictSinceMs }, now);
      // Also while the other one has not answered yet.
      if (meeting.kind === 'none') conflictSinceMs = undefined;
      else conflictSinceMs ??= now.nowMs;
      if (meeting.kind === 'leave') {
        const forced = meeting.genesis.ancestors?.includes(durable.genesis?.uuid ?? '') ?? false;
        await take(
          meeting,
          durable.genesis,
          forced || isConfirmed(meeting.genesis, carriersOf(meeting.genesis, now)),
        );
      }
      return { step, meeting, conflictSinceMs, differing };
    },

    async answer(kind, asker, body) {
      if (kind === 'promise') {
        const { promise, yielded } = requestSchema.parse(body);
        return keep((durable) => answerPromise(durable, sight(), asker, { promise, yielded }, holdsData));
      }
      const { uuid } = adoptSchema.parse(body);
      return keep((durable) => answerAdopt(durable, uuid, leaving));
    },
  };

  async function keep<A>(decide: (durable: Durable) => { answer: A; keep?: Durable }): Promise<A> {
    const made: { answer?: A } = {};
    await keeper.change((durable) => {
      const decided = decide(durable);
      made.answer = decided.answer;
      return decided.keep;
    });
    return made.answer as A;
  }
}

const silent = (error: unknown) => expected(error, 'node.silent');

function mayPromise({ promise: held, genesis }: Durable, promise: FoundingPromise): boolean {
  if (held?.uuid === promise.uuid) return true;
  return (held?.round ?? 0) < promise.round && (genesis === undefined || roundOf(genesis) < promise.round);
}

/** A vote is a promise, too: none for an earlier round may follow. */
function raise(promise: FoundingPromise | undefined, genesis: Genesis): FoundingPromise | undefined {
  const { uuid, founder, expect } = genesis;
  const round = roundOf(genesis);
  if (expect === undefined || round <= (promise?.round ?? 0)) return promise;
  return { round, founder, uuid, expect };
}
