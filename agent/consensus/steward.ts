import type { Gossip, KnownCard, Mesh } from '../engine/resources.ts';
import { expected } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ClusterLook } from './cluster-look.ts';
import { peerUrlOf, QUOTA_BYTES } from './etcd/config.ts';
import { type EtcdClient, EtcdError, type EtcdMember, type EtcdStatus } from './etcd/types.ts';
import { readWishes, wishKey } from './keys.ts';
import { planCare } from './maintenance.ts';
import {
  hasSurplus,
  type MemberHealth,
  type MembershipFacts,
  type MembershipStep,
  type NodeFacts,
  nodeOf,
  planMembership,
} from './membership.ts';

/** What the agent beside the Raft leader does for the cluster: members, and the database. */
interface Steward {
  /** One look and at most one change. */
  pass(inputs: StewardInputs): Promise<MembershipStep>;
  /** Another agent leads now: what was measured from there counts for nothing here. */
  rest(): void;
}

interface StewardInputs {
  readonly client: EtcdClient;
  readonly handOver: (memberId: string) => Promise<void>;
  readonly self: string;
  readonly uuid: string;
  readonly ownPeerUrl: string;
  readonly look: ClusterLook & { readonly members: readonly EtcdMember[]; readonly status: EtcdStatus };
  readonly cards: readonly KnownCard[];
  readonly gossip: Gossip;
  readonly mesh: Mesh;
  readonly nowMs: number;
  readonly graceMs: number;
}

const FLAPPED_MS = 5 * 60_000;
const CARE_MS = 60_000;

export function createSteward(log: Log): Steward {
  const health = new Map<string, MemberHealth>();
  const failedMs = new Map<string, number>();
  const defragmentedMs = new Map<string, number>();
  let lastChangeMs: number | undefined;
  let surplusSinceMs: number | undefined;
  let lastCareMs = Number.NEGATIVE_INFINITY;
  let lastSaid = '';

  async function measure({ client, look, nowMs }: StewardInputs): Promise<Map<string, EtcdStatus>> {
    const found = new Map<string, EtcdStatus>();
    await Promise.all(
      look.members.map(async ({ id, clientUrls: [endpoint] }) => {
        const status = endpoint && (await client.status(endpoint).catch((error) => expected(error, 'etcd.')));
        if (status) found.set(id, status);
      }),
    );
    const leaderIndex = Number(look.status.raftIndex);
    for (const { id } of look.members) {
      const status = found.get(id);
      const reachable = status !== undefined && status.leader !== '0';
      const before = health.get(id);
      health.set(id, {
        reachable,
        sinceMs: before?.reachable === reachable ? before.sinceMs : nowMs,
        version: status?.version,
        clusterId: status?.clusterId,
        progress: status && leaderIndex > 0 ? Number(status.raftIndex) / leaderIndex : undefined,
      });
    }
    for (const id of health.keys()) if (!look.members.some((member) => member.id === id)) health.delete(id);
    return found;
  }

  function nodesOf(inputs: StewardInputs): NodeFacts[] {
    const { cards, gossip, mesh, self, uuid, nowMs, look } = inputs;
    const nodes: NodeFacts[] = [
      {
        id: self,
        peerUrl: inputs.ownPeerUrl,
        alive: true,
        sinceMs: 0,
        flapped: false,
        version: look.status.version,
      },
    ];
    for (const { card } of cards) {
      if (card.id === self || card.genesis?.uuid !== uuid) continue;
      const member = gossip.members.find(({ id }) => id === card.id);
      if (member?.status === 'left') continue;
      const alive = member?.status === 'alive';
      if (!alive) failedMs.set(card.id, nowMs);
      const address = mesh.peers.find(({ id }) => id === card.id)?.address ?? card.meshAddress;
      nodes.push({
        id: card.id,
        peerUrl: peerUrlOf(address, card.ports.raft),
        alive,
        sinceMs: member?.sinceMs ?? Number.NEGATIVE_INFINITY,
        // Everybody is new at first: only who was alive before can have failed.
        flapped: alive && nowMs - (failedMs.get(card.id) ?? Number.NEGATIVE_INFINITY) < FLAPPED_MS,
        version: card.versions.etcd,
      });
    }
    return nodes;
  }

  async function change(inputs: StewardInputs, facts: MembershipFacts): Promise<MembershipStep> {
    const { client } = inputs;
    const step = planMembership(facts);
    const say = (event: string, member: EtcdMember, why?: string) =>
      log.info(event, { node: nodeOf(member, facts.nodes)?.id ?? member.name, member: member.id, why });
    if (step.kind === 'add') {
      await client.addMember([step.node.peerUrl], true);
      log.info('added a learner', { node: step.node.id, address: step.node.peerUrl });
    } else if (step.kind === 'promote') {
      await client.promoteMember(step.member.id);
      say('made a learner a voter', step.member);
    } else if (step.kind === 'remove') {
      await client.removeMember(step.member.id);
      say('removed a member', step.member, step.why);
      const id = nodeOf(step.member, facts.nodes)?.id ?? step.member.name;
      if (facts.lost.has(id)) await client.delete(wishKey('lost', id));
    } else if (step.kind === 'yield') {
      await inputs.handOver(step.to.id);
      say('handed the leadership over', step.to, step.why);
    }
    if (step.kind === 'add' || step.kind === 'remove' || step.kind === 'yield') lastChangeMs = inputs.nowMs;
    return step;
  }

  async function care(inputs: StewardInputs, found: ReadonlyMap<string, EtcdStatus>): Promise<void> {
    const { client, look, nowMs } = inputs;
    if (nowMs - lastCareMs < CARE_MS) return;
    lastCareMs = nowMs;
    const databases = look.members.flatMap(({ id, clientUrls: [endpoint] }) => {
      const status = found.get(id);
      if (status === undefined || endpoint === undefined) return [];
      return [
        {
          memberId: id,
          endpoint,
          leads: id === look.status.leader,
          size: status.dbSize,
          inUse: status.dbSizeInUse,
        },
      ];
    });
    const step = planCare({ nowMs, alarms: await client.alarms(), databases, defragmentedMs }, QUOTA_BYTES);
    if (step.kind === 'none') return;
    // More may be to do: not only in a minute.
    lastCareMs = Number.NEGATIVE_INFINITY;
    if (step.kind === 'compact') {
      await client.compact((await client.range('\0', { keysOnly: true })).revision);
      defragmentedMs.set('compacted', nowMs);
    } else if (step.kind === 'defragment') {
      defragmentedMs.set(step.memberId, nowMs);
      await client.defragment(step.endpoint);
    } else {
      await client.disarm(step.memberId, 'NOSPACE');
      defragmentedMs.clear();
    }
    log.info('cared for the database', { step: step.kind, member: 'memberId' in step ? step.memberId : '' });
  }

  return {
    async pass(inputs) {
      const { client, look, nowMs, self } = inputs;
      // What changed right before our time as leader is not known.
      lastChangeMs ??= nowMs;
      const [found, leaving, evicted, lost] = await Promise.all([
        measure(inputs),
        readWishes(client, 'leaving'),
        readWishes(client, 'evicted'),
        readWishes(client, 'lost'),
      ]);
      for (const id of lost) {
        if (!look.members.some(({ name }) => name === id)) await client.delete(wishKey('lost', id));
      }
      const nodes = nodesOf(inputs).filter(({ id }) => !evicted.has(id));
      surplusSinceMs = hasSurplus({ members: look.members, nodes }) ? (surplusSinceMs ?? nowMs) : undefined;
      const facts: MembershipFacts = {
        nowMs,
        self,
        members: look.members,
        health,
        nodes,
        leaving,
        evicted,
        lost,
        clusterId: look.status.clusterId,
        lastChangeMs,
        graceMs: inputs.graceMs,
        surplusSinceMs,
      };
      const step = await change(inputs, facts).catch((error: unknown): MembershipStep => {
        if (!(error instanceof EtcdError)) throw error;
        // Refused: the state has changed, or the cluster has not settled. The next pass looks again.
        if (lastSaid !== error.message)
          log.info('etcd refused a change of members', { reason: error.message });
        lastSaid = error.message;
        return { kind: 'wait', for: error.message };
      });
      if (step.kind === 'calm') await care(inputs, found);
      return step;
    },
    rest() {
      health.clear();
      lastChangeMs = undefined;
      surplusSinceMs = undefined;
    },
  };
}
