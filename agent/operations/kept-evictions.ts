import * as path from 'node:path';
import * as z from 'zod';
import { type EtcdClient, EtcdError } from '../consensus/etcd/types.ts';
import type { Controller, Outcome } from '../engine/controller.ts';
import type { Genesis } from '../engine/resources.ts';
import type { Events } from '../events/recorder.ts';
import { files } from '../host.ts';
import { readRecord } from '../own-record.ts';
import { KEYS } from '../registry/keys.ts';
import { nodeId, nodeName } from '../registry/records.ts';
import type { Registry } from '../registry/registry.ts';

/** Who was evicted, on this node's own disk: etcd's data may be begun again from older data, this not. */
interface KeptEvictions {
  /** The cluster whose registry said so; absent before there was one. */
  readonly cluster?: string | undefined;
  /** Name by node id, where it is known. */
  readonly evicted: Readonly<Record<string, string | null>>;
}

const LIMIT = 1024 * 1024;
const fileSchema = z.object({
  cluster: z.string().max(64).optional(),
  evicted: z.record(nodeId, nodeName.nullable()),
});

function evictionsFile(state: string): string {
  return path.join(state, 'evicted.json');
}

/** Nobody when the file is missing or damaged: what etcd says is written into it again. */
export async function loadKeptEvictions(state: string): Promise<KeptEvictions> {
  return (await readRecord(evictionsFile(state), LIMIT, fileSchema)) ?? { evicted: {} };
}

async function save(state: string, kept: KeptEvictions): Promise<void> {
  await files.writeDurable(evictionsFile(state), `${JSON.stringify(kept)}\n`, 0o600);
}

/** What the file should say while the cluster that it is of is ours. Pure. */
function keptFrom({ evicted, evictedNames = {} }: Registry, cluster: string): KeptEvictions {
  return { cluster, evicted: Object.fromEntries(evicted.map((id) => [id, evictedNames[id] ?? null])) };
}

/** Was our cluster recovered as this one, so that what we know may be missing there? Pure. */
function isHeir({ uuid, ancestors = [] }: Genesis, { cluster }: KeptEvictions): boolean {
  return cluster !== undefined && cluster !== uuid && ancestors.includes(cluster);
}

/**
 * Evict again whom the recovered data does not know as evicted. Each is carried over once: another node that comes
 * later with the same knowledge must not undo a readmission.
 *
 * @returns the ids of those that were missing
 */
export async function carryOver(
  etcd: Pick<EtcdClient, 'txn'>,
  { evicted }: KeptEvictions,
  now: Date,
): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const [id, name] of Object.entries(evicted)) {
    const value = JSON.stringify({ at: now.toISOString(), ...(name === null ? {} : { name }) });
    const first = { key: KEYS.carried(id), target: 'create', value: '0' } as const;
    const mark = { kind: 'put', key: KEYS.carried(id), value: '' } as const;
    const { succeeded } = await etcd.txn({
      compare: [first, { key: KEYS.evicted(id), target: 'create', value: '0' }],
      success: [{ kind: 'put', key: KEYS.evicted(id), value }, mark],
    });
    if (succeeded) missing.push(id);
    else await etcd.txn({ compare: [first], success: [mark] });
  }
  return missing;
}

interface KeptEvictionsDeps {
  readonly etcd: Pick<EtcdClient, 'txn'>;
  readonly state: string;
  readonly events: Pick<Events, 'record'>;
  readonly wallClock: () => Date;
}

const AGAIN_MS = 5_000;

/** Keeps the evictions of this node's cluster on its disk, and takes them into a cluster recovered from it. */
export function keptEvictionsController({ etcd, state, events, wallClock }: KeptEvictionsDeps): Controller {
  let kept: KeptEvictions | undefined;
  return {
    name: 'kept-evictions',
    inputs: ['consensus', 'registry'],
    outputs: [],
    async reconcile(view): Promise<Outcome> {
      const { genesis, quorum = false } = view.get('consensus') ?? {};
      const registry = view.get('registry');
      if (genesis === undefined || registry === undefined || !quorum) return {};
      kept ??= await loadKeptEvictions(state);
      try {
        if (isHeir(genesis, kept)) {
          for (const node of await carryOver(etcd, kept, wallClock())) {
            const name = kept.evicted[node] ?? node;
            events.record({
              kind: 'node.evicted',
              summary: `${name} stays evicted: the recovered cluster did not know it`,
              node,
            });
          }
          kept = { ...kept, cluster: genesis.uuid };
          await save(state, kept);
          return { againMs: AGAIN_MS };
        }
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        return { againMs: AGAIN_MS };
      }
      const now = keptFrom(registry, genesis.uuid);
      if (JSON.stringify(now) !== JSON.stringify(kept)) await save(state, now);
      kept = now;
      return {};
    },
  };
}
