import type { EtcdClient } from '../consensus/etcd/types.ts';
import type { Controller, FoundCondition, Outcome, View } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import { type Absences, absencesOf, lostForGood } from './absence.ts';
import { type Desired, type Plan, planClaims } from './claims.ts';
import { KEYS } from './keys.ts';
import { createMirror, type Mirror } from './mirror.ts';
import { registryOf } from './reduce.ts';
import { planSweep } from './sweep.ts';

interface RegistryDeps {
  /** Of the whole cluster, see `createClusterClient`. */
  readonly client: EtcdClient;
  readonly log: Log;
}

/** A failed transaction means that our copy was old: its news come at once, else we look again after this long. */
const AGAIN_MS = 5_000;

/** The same writes again no sooner than this: two machines with one identity must not fight at full speed. */
const WRITES_APART_MS = 5_000;

/**
 * Keeps the copy of etcd's `/clusteros/v1/`, writes this node's card and claims into it, and, beside the Raft
 * leader, removes what evicted and lost nodes left behind. While etcd cannot be reached the last copy stays.
 */
export function createRegistry({ client, log }: RegistryDeps): Controller {
  let mirror: Mirror | undefined;
  let nudge = () => {};
  let lastWrite = { mark: '', atMs: Number.NEGATIVE_INFINITY };
  let absences: Absences = new Map();
  const told = new Set<string>();
  let read: { readonly version: number; readonly found: ReturnType<typeof registryOf> } | undefined;

  const complain = (ignored: readonly string[]) => {
    for (const key of ignored) {
      if (told.has(key) || told.size >= 1_000) continue;
      told.add(key);
      log.warning('a value in etcd is malformed and was left out', { key });
    }
  };

  return {
    name: 'registry',
    inputs: ['consensus', 'ownCard', 'mesh', 'facts', 'gossip'],
    outputs: ['registry'],
    async reconcile(view: View): Promise<Outcome> {
      nudge = view.nudge;
      const consensus = view.get('consensus');
      const last = read && { outputs: { registry: read.found.registry } };
      if (consensus === undefined || consensus.endpoints.length === 0) return last ?? {};
      mirror ??= createMirror(client, log, () => nudge());
      if (mirror.entries === undefined) return { ...last, againMs: AGAIN_MS };
      if (read?.version !== mirror.version) {
        read = { version: mirror.version, found: registryOf(mirror.entries.values()) };
        complain(read.found.ignored);
      }
      const { registry } = read.found;
      const members = view.get('gossip')?.members ?? [];
      const nowMs = clock.monotonicMs();
      const desired = desiredOf(view);
      const leaves = desired !== undefined && mirror.entries.has(KEYS.leaving(desired.id));
      const plan: Plan =
        desired === undefined || leaves
          ? { actions: [], conditions: [] }
          : planClaims(desired, { registry, members }, nowMs, clock.wallClock());
      // All agents count, so that the next leader goes on where this one ends.
      absences = absencesOf(absences, registry, members, desired?.id ?? '', nowMs);
      const lost = lostForGood(absences, [...consensus.voters, ...consensus.learners], nowMs);
      const sweep =
        desired !== undefined && consensus.leader === desired.id
          ? planSweep(registry, members, nowMs, lost)
          : [];
      const transactions = [...plan.actions.map(({ txn }) => txn), ...sweep];
      const mark = JSON.stringify(transactions);
      const early = mark === lastWrite.mark && nowMs - lastWrite.atMs < WRITES_APART_MS;
      let failure: FoundCondition | undefined;
      if (transactions.length > 0 && consensus.quorum && !early) {
        lastWrite = { mark, atMs: nowMs };
        failure = await write(client, transactions);
      }
      return {
        outputs: { registry },
        conditions: [...plan.conditions, ...(failure ? [failure] : [])],
        againMs: transactions.length > 0 ? AGAIN_MS : 30_000,
      };
    },
    close: async () => {
      await mirror?.close();
    },
  };
}

async function write(
  client: EtcdClient,
  transactions: readonly Parameters<EtcdClient['txn']>[0][],
): Promise<FoundCondition | undefined> {
  try {
    for (const txn of transactions) await client.txn(txn);
    return undefined;
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return {
      code: 'registry.not-written',
      state: 'waiting',
      summary: `this node could not be registered: ${error.message}`,
      evidence: error.evidence,
      endedBy: 'it is tried again by itself once etcd answers',
    };
  }
}

/** What the registry should say of us; undefined while a part is missing. */
function desiredOf(view: View): Desired | undefined {
  const { identity, settings } = view.get('facts') ?? {};
  const signed = view.get('ownCard');
  const address = view.get('mesh')?.address;
  const labels = settings?.settings?.labels;
  if (identity === undefined || identity instanceof AgentError) return undefined;
  if (!signed || !address || labels === undefined) return undefined;
  const card = JSON.parse(Buffer.from(signed.body, 'base64').toString('utf8')) as {
    name: string;
    sequence: number;
  };
  return { id: identity.id, name: card.name, address, signed, sequence: card.sequence, labels };
}
