import { changedLabels, type Labels } from '../config/labels.ts';
import type { WorkloadSettings } from '../config/workloads.ts';
import type { View } from '../engine/controller.ts';
import type { Card, Consensus } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import type { Holder, Move } from '../registry/registry.ts';
import { usualTimers } from '../timers/resource.ts';
import { slowestOf, stepOf } from '../timers/steps.ts';
import type { Obstacle } from '../workloads/workload.ts';

/** What the roles need to know of the node and its cluster at one moment. */
export interface World {
  readonly me: string;
  readonly leaseSeconds: number;
  /** How much longer than usual the programs of roles may take. */
  readonly slack: number;
  /** `10.42.0.0/16` */
  readonly range: string;
  /** Whether this node may hold any role. */
  readonly may: true | Obstacle;
  /** For a role that has not been looked at. */
  readonly why: Obstacle;
  readonly quorum: boolean;
  /** There are endpoints of etcd to talk to. */
  readonly reachable: boolean;
  readonly voters: readonly string[];
  readonly alive: readonly string[];
  readonly versions: Card['versions'];
  readonly voterVersions: readonly Card['versions'][];
  readonly holders: readonly Holder[];
  readonly moves: Readonly<Record<string, Move>>;
  readonly workloads: WorkloadSettings;
  /** Of this node. */
  readonly labels: Labels;
}

const RESIGNED_ENDED_BY = 'the agent starts anew; after a leave: node-agent join ADDRESS';
const NOT_REACHABLE: Obstacle = {
  reason: 'etcd is not reachable yet',
  endedBy: 'a voter that this node reaches through the mesh: node-agent members',
};

const REGISTRY_UNREAD: Obstacle = {
  reason: 'this node has not read the registry yet: its labels are not known',
  endedBy: 'etcd answers the first question, within seconds',
};

/** @param resigned the reason why this node gives up its roles for good */
export function worldOf(view: View, resigned: string | undefined): World | undefined {
  const facts = view.get('facts');
  const identity = facts?.identity;
  const settings = facts?.settings.settings;
  if (identity === undefined || identity instanceof AgentError || settings === undefined) return undefined;
  const consensus = view.get('consensus');
  const timers = view.get('timers') ?? usualTimers(settings);
  const own = versionsOf(view);
  const cards = view.get('cards') ?? [];
  const voters = consensus?.voters ?? [];
  const registry = view.get('registry');
  const may =
    resigned === undefined
      ? mayHold(view, identity.id, consensus)
      : { reason: resigned, endedBy: RESIGNED_ENDED_BY };
  return {
    me: identity.id,
    leaseSeconds: timers.leaseSeconds,
    slack: stepOf(slowestOf([timers.step, timers.need]) ?? timers.step).slack,
    range: settings.mesh.range,
    may,
    why: may === true ? NOT_REACHABLE : may,
    quorum: consensus?.quorum ?? false,
    reachable: (consensus?.endpoints.length ?? 0) > 0,
    voters,
    alive: (view.get('gossip')?.members ?? []).filter(({ status }) => status === 'alive').map(({ id }) => id),
    versions: own,
    voterVersions: voters.flatMap((id) => {
      if (id === identity.id) return [own];
      const known = cards.find(({ card }) => card.id === id);
      return known === undefined ? [] : [known.card.versions];
    }),
    holders: registry?.holders ?? [],
    moves: registry?.moves ?? {},
    workloads: settings.workloads,
    labels: changedLabels(settings.labels, registry?.labels?.[identity.id]),
  };
}

function mayHold(view: View, me: string, consensus: Consensus | undefined): true | Obstacle {
  if (consensus === undefined || consensus.place === 'none') {
    return { reason: 'this node is in no cluster yet', endedBy: 'it joins one: node-agent status says how' };
  }
  const registry = view.get('registry');
  if (registry === undefined) return consensus.endpoints.length === 0 ? NOT_REACHABLE : REGISTRY_UNREAD;
  if (registry.evicted.includes(me)) {
    return { reason: 'this node has been evicted', endedBy: `on any other node: node-agent readmit ${me}` };
  }
  if (!view.get('mesh')?.ready) {
    return { reason: 'the mesh is not up', endedBy: 'node-agent status says what the mesh waits for' };
  }
  const own = view.get('gossip')?.members.find(({ id }) => id === me);
  if (own?.status === 'leaving' || own?.status === 'left') {
    return { reason: 'this node is leaving', endedBy: RESIGNED_ENDED_BY };
  }
  return true;
}

/** Our own card is our own writing: it needs no checks. */
function versionsOf(view: View): Card['versions'] {
  const signed = view.get('ownCard');
  if (signed === undefined) return { agent: '', image: '', serf: '', etcd: '' };
  return (JSON.parse(Buffer.from(signed.body, 'base64').toString('utf8')) as Card).versions;
}
