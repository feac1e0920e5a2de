import { changedLabels, type Labels } from '../config/labels.ts';
import type { StepName } from '../config/settings.ts';
import type { Refusal } from '../discovery/refusals.ts';
import type { Consensus, KnownCard, Place, Resources, RoleState, Timers } from '../engine/resources.ts';
import { type CardFacts, cardFacts } from '../events/card-facts.ts';
import type { Event } from '../events/event.ts';
import type { RegisteredNode } from '../registry/registry.ts';
import type { Status } from '../status.ts';
import { slowestOf, stepOf } from '../timers/steps.ts';
import { wallTimes } from '../wall-time.ts';

/** The cluster as this node sees it: what GET /v1/status says besides the node's own state. Holds no secret. */
export interface ClusterView {
  readonly cluster: {
    readonly uuid: string | undefined;
    readonly founder: string | undefined;
    readonly confirmed: boolean;
    readonly expect: number | undefined;
    /** Of the key in use, from the moment at which it is. */
    readonly keyFingerprint?: string | undefined;
  };
  readonly gossip: {
    readonly running: boolean;
    readonly advertise: string | undefined;
    readonly alive: number;
    readonly failed: number;
  };
  readonly mesh: {
    readonly ready: boolean;
    readonly driver: string | undefined;
    readonly address: string | undefined;
    readonly mtu: number | undefined;
    readonly peers: number;
    /** Peers with a handshake within the last three minutes, the life of a WireGuard session. */
    readonly handshakes: number;
  };
  readonly consensus: {
    readonly place: Place;
    readonly quorum: boolean;
    /** Name, or id where the name is unknown. */
    readonly leader: string | undefined;
    readonly leaderId: string | undefined;
    readonly voters: readonly string[];
    /** Voters that gossip says are alive. */
    readonly votersAlive: number;
    readonly learners: readonly string[];
    readonly databaseBytes: number | undefined;
    readonly quotaBytes: number | undefined;
    readonly alarms: readonly string[];
    /** Where this node keeps snapshots. */
    readonly snapshot?: SnapshotFacts & { readonly ageSeconds?: number };
  };
  /** The pace of this node and its cluster; absent before the first look. */
  readonly timers?: TimersView | undefined;
  readonly members: readonly MemberView[];
  readonly roles: readonly RoleView[];
  /** Newest first. */
  readonly refusals: readonly Refusal[];
  /** Newest last. */
  readonly events: readonly Event[];
}

/** As the resource has it, and what the settings ask for beyond it. */
interface TimersView extends Timers {
  /** Who may restart its etcd now, by name. */
  readonly restarting: string | undefined;
  /** What the cluster agreed on. */
  readonly agreed: StepName | undefined;
  /** How long a question to the agent may take, in ms. */
  readonly answerMs: number;
}

export interface MemberView {
  readonly id: string;
  readonly name: string;
  readonly self: boolean;
  /** `absent`: registered, but gossip does not know it. */
  readonly status: 'alive' | 'leaving' | 'left' | 'failed' | 'absent';
  /** ISO 8601, as far as this agent saw. */
  readonly since: string | undefined;
  readonly lanAddress: string | undefined;
  readonly meshAddress: string | undefined;
  readonly place: Place;
  readonly leader: boolean;
  readonly evicted: boolean;
  readonly roles: readonly string[];
  /** As the registry knows them: of the node's settings, with what operators changed. */
  readonly labels: Labels;
  readonly agent: string | undefined;
  readonly image: string | undefined;
}

export interface RoleView {
  readonly role: string;
  /** Name of the holder. */
  readonly holder: string | undefined;
  readonly holderId: string | undefined;
  readonly address: string | undefined;
  readonly since: string | undefined;
  /** What this node does about it. */
  readonly here: RoleState['state'] | undefined;
  readonly reason: string | undefined;
  /** What would end the reason. */
  readonly endedBy: string | undefined;
  /** Since when this node does what it does, for that reason. */
  readonly hereSince: string | undefined;
}

/** The document of GET /v1/status. */
export type StatusDocument = Omit<Status, 'cluster'> &
  Partial<Omit<ClusterView, 'cluster'>> & {
    readonly cluster: Status['cluster'] & Partial<ClusterView['cluster']>;
  };

/** What the view is made from. Parts of the agent that do not run yet are absent. */
export type Scene = Partial<Resources> & {
  readonly refusals?: readonly Refusal[];
  readonly events?: readonly Event[];
  readonly keyFingerprint?: string | undefined;
};

const SESSION_SECONDS = 180;

/** The node's own state and its view of the cluster in one document. Pure. */
export function statusDocument(status: Status, view: ClusterView | undefined): StatusDocument {
  return view === undefined
    ? status
    : { ...status, ...view, cluster: { ...status.cluster, ...view.cluster } };
}

/**
 * The cluster as the resources show it. Pure.
 *
 * @param nowMs monotonic, of the same clock as the resources' times
 * @param now the same moment as a time of day
 */
export function viewOf(scene: Scene, nowMs: number, now: Date): ClusterView {
  const { consensus, gossip, mesh } = scene;
  const isoOf = wallTimes(nowMs, now);
  const members = membersOf(scene, isoOf);
  const nameOf = (id: string | undefined) =>
    id && (members.find((member) => member.id === id)?.name ?? id.slice(0, 8));
  const alive = members.filter(({ status }) => status === 'alive');
  const genesis = consensus?.genesis;
  return {
    cluster: {
      uuid: genesis?.uuid,
      founder: genesis?.founder,
      confirmed: consensus?.confirmed ?? false,
      expect: genesis?.expect,
      ...(scene.keyFingerprint === undefined ? {} : { keyFingerprint: scene.keyFingerprint }),
    },
    gossip: {
      running: gossip?.running ?? false,
      advertise: gossip?.advertise,
      alive: alive.length,
      failed: members.filter(({ status }) => status === 'failed').length,
    },
    mesh: {
      ready: mesh?.ready ?? false,
      driver: mesh?.driver,
      address: mesh?.address,
      mtu: mesh?.mtu,
      peers: mesh?.peers.length ?? 0,
      handshakes:
        mesh?.peers.filter(({ handshakeAge = Number.POSITIVE_INFINITY }) => handshakeAge <= SESSION_SECONDS)
          .length ?? 0,
    },
    consensus: {
      place: consensus?.place ?? 'none',
      quorum: consensus?.quorum ?? false,
      leader: nameOf(consensus?.leader),
      leaderId: consensus?.leader,
      voters: consensus?.voters ?? [],
      votersAlive: alive.filter(({ id }) => consensus?.voters.includes(id)).length,
      learners: consensus?.learners ?? [],
      databaseBytes: consensus?.databaseBytes,
      quotaBytes: consensus?.quotaBytes,
      alarms: consensus?.alarms ?? [],
      ...(consensus?.snapshot === undefined ? {} : { snapshot: agedSnapshot(consensus.snapshot, now) }),
    },
    timers: scene.timers && {
      ...scene.timers,
      restarting: nameOf(scene.registry?.timers?.turn),
      agreed: scene.registry?.timers?.agreed?.step,
      answerMs: stepOf(slowestOf([scene.timers.step, scene.timers.need]) ?? scene.timers.step).answerMs,
    },
    members,
    roles: rolesOf(scene, nameOf, isoOf),
    refusals: scene.refusals ?? [],
    events: scene.events ?? [],
  };
}

type SnapshotFacts = NonNullable<Consensus['snapshot']>;

/** By the clocks of then and now: a negative age is none. */
function agedSnapshot(snapshot: SnapshotFacts, now: Date) {
  if (snapshot.takenAt === undefined) return snapshot;
  const ageSeconds = Math.round((now.getTime() - Date.parse(snapshot.takenAt)) / 1000);
  return { ...snapshot, ageSeconds: Math.max(0, ageSeconds) };
}

/** Everybody that gossip or the registry names, evicted nodes too; by name. */
function membersOf(scene: Scene, isoOf: (ms: number) => string): MemberView[] {
  const facts = factsById(
    scene.ownCard === undefined ? [] : [scene.ownCard],
    scene.cards,
    scene.registry?.nodes,
  );
  const gossiped = new Map((scene.gossip?.members ?? []).map((member) => [member.id, member]));
  const registered = new Map(scene.registry?.nodes.map((node) => [node.id, node]));
  const self = scene.ownCard && cardFacts(scene.ownCard)?.id;
  const { evicted = [], evictedNames = {} } = scene.registry ?? {};
  const ids = new Set([
    ...gossiped.keys(),
    ...registered.keys(),
    ...evicted,
    ...(self === undefined ? [] : [self]),
  ]);
  const members = [...ids].map((id): MemberView => {
    const known = facts.get(id);
    const member = gossiped.get(id);
    const held = scene.registry?.holders.filter((holder) => holder.id === id) ?? [];
    return {
      id,
      name: known?.name ?? evictedNames[id] ?? id.slice(0, 8),
      self: id === self,
      status: member?.status ?? 'absent',
      since: member && isoOf(member.sinceMs),
      lanAddress: member?.address ?? known?.addresses[0],
      meshAddress: known?.meshAddress,
      place: placeOf(scene, id, registered.has(id)),
      leader: scene.consensus?.leader === id,
      evicted: evicted.includes(id),
      roles: held.map(({ role }) => role).sort(),
      labels: changedLabels(registered.get(id)?.labels ?? {}, scene.registry?.labels?.[id]),
      agent: known?.agent,
      image: known?.image,
    };
  });
  return members.sort((a, b) => (a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1));
}

function placeOf({ consensus }: Scene, id: string, registered: boolean): Place {
  if (consensus?.voters.includes(id)) return 'voter';
  if (consensus?.learners.includes(id)) return 'learner';
  return registered ? 'client' : 'none';
}

/** A later source wins: what the registry says is older than what a card says. */
function factsById(
  own: readonly Parameters<typeof cardFacts>[0][],
  cards: readonly KnownCard[] = [],
  nodes: readonly RegisteredNode[] = [],
): Map<string, CardFacts> {
  const all = [...nodes.map(({ signed }) => signed), ...cards.map(({ signed }) => signed), ...own];
  return new Map(all.flatMap((signed) => cardFacts(signed) ?? []).map((facts) => [facts.id, facts]));
}

function rolesOf(
  scene: Scene,
  nameOf: (id: string | undefined) => string | undefined,
  isoOf: (ms: number) => string,
): RoleView[] {
  const names = new Set([
    ...(scene.registry?.holders ?? []).map(({ role }) => role),
    ...(scene.roles ?? []).map(({ role }) => role),
  ]);
  return [...names].sort().map((role) => {
    const held = scene.registry?.holders.find((holder) => holder.role === role);
    const here = scene.roles?.find((state) => state.role === role);
    return {
      role,
      holder: nameOf(held?.id ?? here?.holder),
      holderId: held?.id ?? here?.holder,
      address: held?.address ?? here?.address,
      since: held?.since,
      here: here?.state,
      reason: here?.reason,
      endedBy: here?.endedBy,
      hereSince: here?.sinceMs === undefined ? undefined : isoOf(here.sinceMs),
    };
  });
}
