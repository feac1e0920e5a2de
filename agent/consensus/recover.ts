import { randomUUID } from 'node:crypto';
import * as path from 'node:path';
import type { Genesis } from '../engine/resources.ts';
import { AgentError, expected } from '../errors.ts';
import { clock, files, folders, programs } from '../host.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import { stepOf } from '../timers/steps.ts';
import { signBirth, uuidOf } from './birth.ts';
import { dataFolder, freeName, holdsData, setAside } from './data.ts';
import type { Keeper } from './durable.ts';
import { createEtcdClient } from './etcd/client.ts';
import { tlsFromFiles } from './etcd/tls-files.ts';
import type { EtcdClient, RangeResult } from './etcd/types.ts';
import { PREFIX } from './keys.ts';
import { awaited, type LocalEtcd, type Wish } from './local-etcd.ts';
import { latestSnapshot, snapshotFolder } from './snapshots.ts';

/**
 * What an operator can do when the voters' majority is gone for ever. Each makes a cluster of this node alone,
 * with a genesis that names the old cluster among its ancestors: nodes of the old one that have no quorum follow
 * it by themselves and put their data aside; nodes that do have one show `consensus.two-clusters`.
 */
export interface RecoverDeps {
  readonly paths: Paths;
  readonly log: Log;
  readonly keeper: Keeper;
  readonly etcd: LocalEtcd;
  readonly identity: Identity;
  readonly wish: Omit<Wish, 'state' | 'members' | 'token'>;
  readonly ownPeerUrl: string;
  readonly localEndpoint: string;
}

export interface Recovered {
  readonly done: string;
  /** What was lost, and what comes next. */
  readonly notes: readonly string[];
}

/** Called with the data as it stands on this node alone, before anybody else can reach it. @returns sentences */
export type AfterRecovery = (etcd: EtcdClient) => Promise<readonly string[]>;

const NOTHING_MORE: AfterRecovery = async () => [];
/** On a machine of the usual pace. */
const RESTORE_MS = 120_000;
const FORCE_MS = 60_000;
/** All keys of a full database are read at once. */
const LOCAL_CALL_MS = 5_000;
const MOST_KEYS = 20_000;
const MOST_SHOWN = 10;

/**
 * Begin again from a snapshot. What was written after it is lost.
 *
 * @param file the newest one of this node when absent
 * @throws AgentError `recover.no-snapshot`, `recover.restore`, `recover.start`
 */
export async function recoverFromSnapshot(
  deps: RecoverDeps,
  file: string | undefined,
  after = NOTHING_MORE,
): Promise<Recovered> {
  const { paths, etcd } = deps;
  const snapshot = file ?? (await latestSnapshot(paths.state));
  if (snapshot === undefined || (await files.look(snapshot))?.kind !== 'file') {
    throw new AgentError({
      code: 'recover.no-snapshot',
      exit: 'usage',
      message: snapshot
        ? `there is no snapshot ${snapshot}`
        : `there is no snapshot in ${snapshotFolder(paths.state)}`,
      fix: 'voters take one each hour: look on the others, and name its file',
    });
  }
  const genesis = nextGenesis(deps);
  const restored = await restore(deps, snapshot, genesis, []);
  const local = localClient(deps);
  try {
    const before = await newestHere(local);
    await etcd.stop();
    const aside = await setAside(paths.state);
    return await orPutBack(deps, aside, async () => {
      await folders.moveDurable(restored, dataFolder(paths.state));
      await etcd.start(aloneAs(deps, genesis), clock.monotonicMs());
      if (!(await leadsAlone(local, deps))) {
        const message = `etcd does not start with the data of ${snapshot}`;
        throw await notStarted(deps, 'recover.start', message, 'take another snapshot');
      }
      const notes = [lostSince(before, await local.range('\0', { keysOnly: true })), ...(await after(local))];
      await settle(deps, genesis);
      const kept = aside ? `; the old data is in ${aside}` : '';
      return { done: `began again from ${path.basename(snapshot)}${kept}`, notes };
    });
  } finally {
    await local.close();
  }
}

/** A recovery that fails leaves the node as it was: with other data its cluster could not take it back. */
async function orPutBack<T>(
  { etcd, paths }: RecoverDeps,
  aside: string | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await etcd.stop();
    await folders.removeTree(dataFolder(paths.state));
    if (aside !== undefined) await folders.moveDurable(aside, dataFolder(paths.state));
    throw error;
  }
}

async function notStarted({ etcd }: RecoverDeps, code: string, message: string, fix: string) {
  const { lastLines } = await etcd.observe();
  return new AgentError({
    code,
    exit: 'notDone',
    message,
    evidence: lastLines.slice(-3).join('\n'),
    fix: `the data is as it was; ${fix}`,
  });
}

/** Make a data folder of a cluster of this node alone; what runs is not touched: a bad file changes nothing. */
async function restore(
  { paths, identity, ownPeerUrl, wish }: RecoverDeps,
  snapshot: string,
  genesis: Genesis,
  more: readonly string[],
): Promise<string> {
  const restored = `${dataFolder(paths.state)}.restored`;
  await folders.removeTree(restored);
  const { code, stderr } = await programs.run(
    [
      '/usr/bin/etcdctl',
      'snapshot',
      'restore',
      snapshot,
      `--name=${identity.id}`,
      `--initial-cluster=${identity.id}=${ownPeerUrl}`,
      `--initial-cluster-token=${genesis.uuid}`,
      `--initial-advertise-peer-urls=${ownPeerUrl}`,
      `--data-dir=${restored}`,
      ...more,
    ],
    { environment: { ETCDCTL_API: '3' }, timeoutMs: RESTORE_MS * stepOf(wish.timers).slack },
  );
  if (code !== 0) {
    await folders.removeTree(restored);
    throw new AgentError({
      code: 'recover.restore',
      exit: 'notDone',
      message: `etcdctl cannot restore ${snapshot}`,
      evidence: stderr.trim().split('\n').slice(-3).join('\n'),
      fix: 'take an older snapshot, or one of another voter',
    });
  }
  return restored;
}

/** What etcd here had until now; undefined when it does not run. */
async function newestHere(local: EtcdClient): Promise<RangeResult | undefined> {
  const all = { prefix: true, keysOnly: true, serializable: true, limit: MOST_KEYS } as const;
  return await local.range('', all).catch((error) => expected(error, 'etcd.'));
}

/** What the snapshot does not have of what stood here, as a sentence. Pure. */
export function lostSince(
  before: RangeResult | undefined,
  { revision }: Pick<RangeResult, 'revision'>,
): string {
  if (before === undefined) {
    return 'Lost: all writes after the snapshot; etcd did not run here, so that they cannot be counted.';
  }
  const writes = BigInt(before.revision) - BigInt(revision);
  if (writes <= 0n) return 'Lost: no write that this node knew of; other voters may have had more.';
  const keys = before.kvs
    .filter(({ modRevision }) => BigInt(modRevision) > BigInt(revision))
    .map(({ key }) => key);
  const own = keys.filter((key) => key.startsWith(PREFIX)).length;
  const others = keys.filter((key) => !key.startsWith(PREFIX));
  const shown = others.slice(0, MOST_SHOWN).map((key) => JSON.stringify(key.slice(0, 80)));
  const more = others.length > shown.length ? `, and ${others.length - shown.length} more` : '';
  return [
    `Lost: ${writes} writes after the snapshot (revisions ${BigInt(revision) + 1n} to ${before.revision} of this node; other voters may have had more).`,
    `Keys that changed since: ${own} of Cluster-OS${shown.length === 0 ? '' : `, ${shown.join(', ')}${more}`}.`,
  ].join('\n');
}

/**
 * Make a cluster of this node alone from its own data (etcd's --force-new-cluster), which is copied first.
 *
 * @throws AgentError `recover.no-data`, `recover.force`
 */
export async function forceNewCluster(deps: RecoverDeps, after = NOTHING_MORE): Promise<Recovered> {
  const { paths, etcd } = deps;
  if (!(await holdsData(paths.state))) {
    throw new AgentError({
      code: 'recover.no-data',
      exit: 'usage',
      message: "this node holds no data of etcd's",
      fix: 'run it on a node that was a voter, or use a snapshot: node-agent recover --from-snapshot FILE',
    });
  }
  const genesis = nextGenesis(deps);
  // Etcd's --force-new-cluster panics on the data of a learner (3.4.23): its database is restored as a snapshot is.
  const asked = localClient(deps);
  const isCopy = await asked.status(deps.localEndpoint).then(
    ({ learner }) => learner,
    (error) => expected(error, 'etcd.') ?? false,
  );
  asked.close();
  await etcd.stop();
  const copy = await freeName(paths.state);
  await folders.copyTree(dataFolder(paths.state), copy);
  const local = localClient(deps);
  try {
    return await orPutBack(deps, copy, async () => {
      if (isCopy) {
        // It was shut down cleanly: every write is in it. Only `snapshot save` writes a checksum.
        const database = path.join(copy, 'member', 'snap', 'db');
        const restored = await restore(deps, database, genesis, ['--skip-hash-check']);
        await folders.removeTree(dataFolder(paths.state));
        await folders.moveDurable(restored, dataFolder(paths.state));
      }
      await etcd.start(aloneAs(deps, genesis), clock.monotonicMs(), !isCopy);
      if (!(await leadsAlone(local, deps))) {
        const message = 'etcd did not come up with --force-new-cluster';
        throw await notStarted(deps, 'recover.force', message, 'try node-agent recover --from-snapshot');
      }
      const notes = ['Lost: what only other voters had; it cannot be counted here.', ...(await after(local))];
      // Without the flag it is started again.
      await etcd.stop();
      await settle(deps, genesis);
      return { done: `made a cluster of this node alone; the data as it was is in ${copy}`, notes };
    });
  } finally {
    await local.close();
  }
}

function aloneAs({ wish, ownPeerUrl }: RecoverDeps, { uuid }: Genesis): Wish {
  return { ...wish, members: { [wish.nodeId]: ownPeerUrl }, state: 'existing', token: uuid };
}

function leadsAlone(local: EtcdClient, { localEndpoint, wish }: RecoverDeps): Promise<boolean> {
  return awaited(async () => {
    const status = await local.status(localEndpoint);
    return status.leader === status.memberId;
  }, FORCE_MS * stepOf(wish.timers).slack);
}

/** Of the etcd here alone, whatever cluster it is of: restored data has another id than the cluster of before. */
function localClient({ etcd, localEndpoint, wish }: RecoverDeps): EtcdClient {
  return createEtcdClient({
    endpoints: () => [localEndpoint],
    tls: tlsFromFiles(() => etcd.tls),
    timeoutMs: Math.max(LOCAL_CALL_MS, stepOf(wish.timers).callMs),
  });
}

function nextGenesis({ keeper, identity }: RecoverDeps): Genesis {
  const before = keeper.now().genesis;
  const ancestors = before === undefined ? [] : [before.uuid, ...(before.ancestors ?? [])];
  // It expects one machine: it stands at once.
  return signBirth(identity, { uuid: uuidOf(0, randomUUID()), expect: 1, ancestors });
}

async function settle({ keeper, log }: RecoverDeps, genesis: Genesis): Promise<void> {
  const before = keeper.now().genesis?.uuid;
  await keeper.change(({ promise }) => ({ promise, genesis, confirmed: true, started: true }));
  log.warning('recovered the cluster as a new one', { cluster: genesis.uuid, before });
}
