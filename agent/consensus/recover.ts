import { randomUUID } from 'node:crypto';
import * as path from 'node:path';
import type { Genesis } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { clock, files, folders, programs } from '../host.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import { signBirth, uuidOf } from './birth.ts';
import { dataFolder, freeName, holdsData, setAside } from './data.ts';
import type { Keeper } from './durable.ts';
import type { EtcdClient } from './etcd/types.ts';
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
  readonly client: EtcdClient;
  readonly identity: Identity;
  readonly wish: Omit<Wish, 'state' | 'members' | 'token'>;
  readonly ownPeerUrl: string;
  readonly localEndpoint: string;
}

const RESTORE_MS = 120_000;
const FORCE_MS = 60_000;

/**
 * Begin again from a snapshot. What was written after it is lost.
 *
 * @param file the newest one of this node when absent
 * @returns what was done
 * @throws AgentError `recover.no-snapshot`, `recover.restore`
 */
export async function recoverFromSnapshot(deps: RecoverDeps, file: string | undefined): Promise<string> {
  const { paths, etcd, identity, ownPeerUrl } = deps;
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
  const restored = `${dataFolder(paths.state)}.restored`;
  await folders.removeTree(restored);
  // Before anything is stopped: a bad file changes nothing.
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
    ],
    { environment: { ETCDCTL_API: '3' }, timeoutMs: RESTORE_MS },
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
  await etcd.stop();
  const aside = await setAside(paths.state);
  await folders.moveDurable(restored, dataFolder(paths.state));
  await settle(deps, genesis);
  return `began again from ${path.basename(snapshot)}${aside ? `; the old data is in ${aside}` : ''}`;
}

/**
 * Make a cluster of this node alone from its own data (etcd's --force-new-cluster), which is copied first.
 *
 * @throws AgentError `recover.no-data`, `recover.force`
 */
export async function forceNewCluster(deps: RecoverDeps): Promise<string> {
  const { paths, etcd, client, wish, ownPeerUrl, localEndpoint } = deps;
  if (!(await holdsData(paths.state))) {
    throw new AgentError({
      code: 'recover.no-data',
      exit: 'usage',
      message: "this node holds no data of etcd's",
      fix: 'run it on a node that was a voter, or use a snapshot: node-agent recover --from-snapshot FILE',
    });
  }
  const genesis = nextGenesis(deps);
  await etcd.stop();
  const copy = await freeName(paths.state);
  await folders.copyTree(dataFolder(paths.state), copy);
  const alone = {
    ...wish,
    members: { [wish.nodeId]: ownPeerUrl },
    state: 'existing' as const,
    token: genesis.uuid,
  };
  await etcd.start(alone, clock.monotonicMs(), true);
  const leads = await awaited(async () => {
    const status = await client.status(localEndpoint);
    return status.leader === status.memberId;
  }, FORCE_MS);
  const { lastLines } = await etcd.observe();
  await etcd.stop();
  if (!leads) {
    throw new AgentError({
      code: 'recover.force',
      exit: 'notDone',
      message: 'etcd did not come up with --force-new-cluster',
      evidence: lastLines.slice(-3).join('\n'),
      fix: `the data as it was is in ${copy}; try node-agent recover --from-snapshot`,
    });
  }
  await settle(deps, genesis);
  return `made a cluster of this node alone; the data as it was is in ${copy}`;
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
