import type { View } from '../engine/controller.ts';
import type { Card, Consensus, Holder } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';

/** What the roles need to know of the node and its cluster at one moment. */
export interface World {
  readonly me: string;
  readonly leaseSeconds: number;
  /** `10.42.0.0/16` */
  readonly range: string;
  /** Whether this node may hold any role. */
  readonly may: true | string;
  /** For a role that has not been looked at. */
  readonly why: string;
  readonly quorum: boolean;
  /** There are endpoints of etcd to talk to. */
  readonly reachable: boolean;
  readonly voters: readonly string[];
  readonly alive: readonly string[];
  readonly versions: Card['versions'];
  readonly voterVersions: readonly Card['versions'][];
  readonly holders: readonly Holder[];
}

/** @param resigned the reason why this node gives up its roles for good */
export function worldOf(view: View, resigned: string | undefined): World | undefined {
  const facts = view.get('facts');
  const identity = facts?.identity;
  const settings = facts?.settings.settings;
  if (identity === undefined || identity instanceof AgentError || settings === undefined) return undefined;
  const consensus = view.get('consensus');
  const own = versionsOf(view);
  const cards = view.get('cards') ?? [];
  const voters = consensus?.voters ?? [];
  const may = resigned ?? mayHold(view, identity.id, consensus);
  return {
    me: identity.id,
    leaseSeconds: settings.roles.lease,
    range: settings.mesh.range,
    may,
    why: may === true ? 'etcd is not reachable yet' : may,
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
    holders: view.get('registry')?.holders ?? [],
  };
}

function mayHold(view: View, me: string, consensus: Consensus | undefined): true | string {
  if (consensus === undefined || consensus.place === 'none') return 'this node is in no cluster yet';
  if (view.get('registry')?.evicted.includes(me)) return 'this node has been evicted';
  if (!view.get('mesh')?.ready) return 'the mesh is not up';
  const own = view.get('gossip')?.members.find(({ id }) => id === me);
  if (own?.status === 'leaving' || own?.status === 'left') return 'this node is leaving';
  return true;
}

/** Our own card is our own writing: it needs no checks. */
function versionsOf(view: View): Card['versions'] {
  const signed = view.get('ownCard');
  if (signed === undefined) return { agent: '', image: '', serf: '', etcd: '' };
  return (JSON.parse(Buffer.from(signed.body, 'base64').toString('utf8')) as Card).versions;
}
