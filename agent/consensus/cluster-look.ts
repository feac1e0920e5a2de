import { expected } from '../errors.ts';
import type { EtcdClient, EtcdMember, EtcdStatus } from './etcd/types.ts';

/** What the cluster's members say of themselves, at one look. */
export interface ClusterLook {
  /** As a majority has them. */
  readonly members?: readonly EtcdMember[] | undefined;
  /** As some member remembers them; for words only. */
  readonly remembered: readonly EtcdMember[];
  /** Of the member here, or else of any that answers. */
  readonly status?: EtcdStatus | undefined;
  /** The status is of the member here. */
  readonly local: boolean;
  /** Node id of the leader. */
  readonly leader?: string | undefined;
}

export const NOTHING_SEEN: ClusterLook = { remembered: [], local: false };

/**
 * Ask the cluster; no answer is an answer, too.
 *
 * @param localEndpoint of the member here, when one runs
 * @param endpoints of all members that may answer
 */
export async function lookAtCluster(
  client: EtcdClient,
  localEndpoint: string | undefined,
  endpoints: readonly string[],
  before: ClusterLook,
): Promise<ClusterLook> {
  const members = await client.members().catch(unanswered);
  const remembered =
    members ??
    (await client.members({ serializable: true }).catch((error) => unanswered(error) ?? before.remembered));
  const local = localEndpoint && (await client.status(localEndpoint).catch(unanswered));
  const status = local || (await firstStatus(client, endpoints));
  const leader = remembered.find(({ id }) => id === status?.leader)?.name;
  return { members, remembered, status, local: Boolean(local), leader: leader || undefined };
}

const unanswered = (error: unknown) => expected(error, 'etcd.');

async function firstStatus(
  client: EtcdClient,
  endpoints: readonly string[],
): Promise<EtcdStatus | undefined> {
  for (const endpoint of endpoints.slice(0, 3)) {
    const status = await client.status(endpoint).catch(unanswered);
    if (status !== undefined) return status;
  }
  return undefined;
}

/** Where clients go: the started voters, as the cluster tells them. Pure. */
export function endpointsOf(members: readonly EtcdMember[]): string[] {
  return members
    .filter(({ learner, name }) => !learner && name !== '')
    .flatMap(({ clientUrls }) => clientUrls.slice(0, 1))
    .sort();
}
