import type { EtcdMember } from './etcd/types.ts';

/**
 * Who votes. Only the agent beside the Raft leader plans, one change at a time, and never one after which the
 * voters that answer are no majority of the voters that count.
 */

export interface MembershipFacts {
  readonly nowMs: number;
  /** Node id of the leader: ourselves. */
  readonly self: string;
  readonly members: readonly EtcdMember[];
  /** By member id. */
  readonly health: ReadonlyMap<string, MemberHealth>;
  /** Every node that gossip or the registry knows and that carries our genesis; those that left are absent. */
  readonly nodes: readonly NodeFacts[];
  /** Node ids that asked to go, were thrown out, or lost their data. */
  readonly leaving: ReadonlySet<string>;
  readonly evicted: ReadonlySet<string>;
  readonly lost: ReadonlySet<string>;
  readonly clusterId: string;
  /** Monotonic ms of the last member that came or went, as far as we saw. */
  readonly lastChangeMs: number;
  readonly graceMs: number;
  /** Monotonic ms since when fewer voters would do; absent while they would not. */
  readonly surplusSinceMs?: number | undefined;
}

export interface MemberHealth {
  readonly reachable: boolean;
  /** Monotonic ms since when that is so. */
  readonly sinceMs: number;
  readonly version?: string | undefined;
  readonly clusterId?: string | undefined;
  /** How much of the leader's log a learner has, from 0 to 1. */
  readonly progress?: number | undefined;
}

export interface NodeFacts {
  readonly id: string;
  /** `https://10.42.x.y:7373` */
  readonly peerUrl: string;
  readonly alive: boolean;
  /** Monotonic ms since when it is alive or not. */
  readonly sinceMs: number;
  /** It was seen failed within the last minutes. */
  readonly flapped: boolean;
  /** Of its etcd: `3.5.16`. */
  readonly version: string;
}

export type MembershipStep =
  | { readonly kind: 'calm' }
  | { readonly kind: 'wait'; readonly for: string }
  | { readonly kind: 'add'; readonly node: NodeFacts }
  | { readonly kind: 'promote'; readonly member: EtcdMember }
  | { readonly kind: 'remove'; readonly member: EtcdMember; readonly why: string }
  /** Hand the leadership over, then the new leader removes us. */
  | { readonly kind: 'yield'; readonly to: EtcdMember; readonly why: string };

/** etcd refuses changes as `unhealthy cluster` within 5 s of the last. */
const BETWEEN_MS = 5_500;
const STALLED_MS = 5 * 60_000;
const STEADY_MS = 2_000;
const STEADY_AGAIN_MS = 30_000;
const SURPLUS_MS = 10 * 60_000;
/** etcd promotes at 90 % of the leader's log; a little more spares refusals. */
const READY = 0.9;

/** One voter below 3 nodes, with a copy beside it from two on; three below 7, else five. Pure. */
export function targetVoters(nodes: number): number {
  return nodes < 3 ? 1 : nodes < 7 ? 3 : 5;
}

/** The next change of members, or why there is none. Pure. */
export function planMembership(facts: MembershipFacts): MembershipStep {
  const { nowMs, lastChangeMs, members } = facts;
  const learner = members.find((member) => member.learner);
  const about = learner ? aboutLearner(facts, learner) : undefined;
  // A promotion adds no connection: it need not wait.
  if (about?.kind === 'promote') return about;
  const settling = nowMs - lastChangeMs < BETWEEN_MS && members.length > 1;
  if (settling) return { kind: 'wait', for: 'the last change to settle' };
  return (
    about ??
    departure(facts) ??
    (learner && !isCopy(facts, learner) ? { kind: 'wait', for: 'the learner to catch up' } : undefined) ??
    (learner ? undefined : (replacement(facts) ?? growth(facts))) ??
    shrinkage(facts) ?? { kind: 'calm' }
  );
}

/** The node behind a member: by name, or by address before it has started. Pure. */
export function nodeOf(member: EtcdMember, nodes: readonly NodeFacts[]): NodeFacts | undefined {
  return nodes.find(({ id, peerUrl }) =>
    member.name === '' ? member.peerUrls.includes(peerUrl) : member.name === id,
  );
}

function aboutLearner(facts: MembershipFacts, learner: EtcdMember): MembershipStep | undefined {
  const node = nodeOf(learner, facts.nodes);
  const health = facts.health.get(learner.id);
  const remove = (why: string): MembershipStep => ({ kind: 'remove', member: learner, why });
  const goes = node === undefined ? 'it is unknown' : reasonToGo(facts, node.id);
  if (goes !== undefined) return remove(goes);
  const stays = isCopy(facts, learner);
  if (isDead(facts, learner) && !stays) return remove('it died before it could vote');
  const known = health?.clusterId;
  if (known !== undefined && known !== facts.clusterId) return remove('it is of another cluster');
  if (learner.name !== '' && health?.reachable && (health.progress ?? 0) >= READY) {
    const { live, count } = voters(facts);
    if (stays) return undefined;
    // It must not make a majority out of reach: not even if it stops right after.
    if (live + 1 >= majority(count + 1) && live === count) return { kind: 'promote', member: learner };
    return undefined;
  }
  // A copy may have been switched off: it is older then, and better than none.
  if (stays && health?.reachable !== true) return undefined;
  const sinceMs = Math.max(facts.lastChangeMs, stays ? (health?.sinceMs ?? 0) : 0);
  const stalled = facts.nowMs - sinceMs >= STALLED_MS;
  return stalled ? remove('it has not caught up within five minutes') : undefined;
}

/**
 * Of one or two nodes one votes, since two voters would both be needed. The other one keeps a copy of the data: a
 * learner that has started and does not vote before somebody is there to be the third.
 */
function isCopy(facts: MembershipFacts, learner: EtcdMember): boolean {
  return (
    learner.name !== '' && voters(facts).count === 1 && !isHeirless(facts) && candidates(facts).length === 0
  );
}

/** The last voter wants to go: somebody must come first, whatever the size. */
function isHeirless(facts: MembershipFacts): boolean {
  return voters(facts).count === 1 && reasonToGo(facts, facts.self) !== undefined;
}

/** Voters that shall go at once: they asked for it, were thrown out, or have no data any more. */
function departure(facts: MembershipFacts): MembershipStep | undefined {
  const all = facts.members.filter(({ learner }) => !learner);
  for (const member of all) {
    const id = nodeOf(member, facts.nodes)?.id ?? member.name;
    const why = reasonToGo(facts, id);
    if (why === undefined) continue;
    if (id === facts.self) {
      const heir = all.find(
        (other) => other !== member && isLive(facts, other) && reasonToGo(facts, other.name) === undefined,
      );
      if (heir !== undefined) return { kind: 'yield', to: heir, why };
      continue;
    }
    if (staysSafe(facts, member)) return { kind: 'remove', member, why };
  }
  return undefined;
}

/** A dead voter goes when somebody is there to take its place; else it is worth more than none. */
function replacement(facts: MembershipFacts): MembershipStep | undefined {
  const dead = facts.members.find(
    (member) => !member.learner && nodeOf(member, facts.nodes)?.id !== facts.self && isDead(facts, member),
  );
  if (dead === undefined) return undefined;
  if (candidates(facts).length === 0) return undefined;
  if (!staysSafe(facts, dead)) return { kind: 'wait', for: 'a majority that answers' };
  return { kind: 'remove', member: dead, why: `dead for ${Math.round(facts.graceMs / 1000)} s` };
}

function growth(facts: MembershipFacts): MembershipStep | undefined {
  const { live, count } = voters(facts);
  const alive = facts.nodes.filter((node) => node.alive && reasonToGo(facts, node.id) === undefined);
  const [first] = candidates(facts);
  if (first === undefined) return undefined;
  // Beside a voter that is alone the first one is a copy until there is a third.
  if (count > 1 && count >= targetVoters(alive.length)) return undefined;
  if (live < count) return { kind: 'wait', for: 'all voters to be connected' };
  return { kind: 'add', node: first };
}

/** Only nodes that left make voters surplus; those that died are waited for. */
function shrinkage(facts: MembershipFacts): MembershipStep | undefined {
  const { live, count } = voters(facts);
  if (!hasSurplus(facts) || live < count) return undefined;
  if (facts.nowMs - (facts.surplusSinceMs ?? facts.nowMs) < SURPLUS_MS) return undefined;
  const order = facts.nodes.toSorted(byPreference).map(({ id }) => id);
  const [member] = facts.members
    .filter(({ learner, name }) => !learner && name !== facts.self)
    .sort((a, b) => order.indexOf(b.name) - order.indexOf(a.name));
  if (member === undefined || !staysSafe(facts, member)) return undefined;
  return { kind: 'remove', member, why: 'fewer voters do, since nodes have left' };
}

/** More voters than the known nodes, living or not, ask for. Pure. */
export function hasSurplus(facts: Pick<MembershipFacts, 'members' | 'nodes'>): boolean {
  return facts.members.filter(({ learner }) => !learner).length > targetVoters(facts.nodes.length);
}

function candidates(facts: MembershipFacts): NodeFacts[] {
  const version = seriesOf(facts.nodes.find(({ id }) => id === facts.self)?.version ?? '');
  return facts.nodes
    .filter((node) => {
      const taken = facts.members.some(
        (member) => member.name === node.id || member.peerUrls.includes(node.peerUrl),
      );
      const steady = facts.nowMs - node.sinceMs >= (node.flapped ? STEADY_AGAIN_MS : STEADY_MS);
      const stays = reasonToGo(facts, node.id, true) === undefined;
      return node.alive && !taken && steady && stays && seriesOf(node.version) === version;
    })
    .sort(byPreference);
}

/** Longest alive first, by tens of seconds, then the lowest id. */
function byPreference(a: NodeFacts, b: NodeFacts): number {
  const tens = (node: NodeFacts) => Math.floor(node.sinceMs / 10_000);
  return Number(b.alive) - Number(a.alive) || tens(a) - tens(b) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** @param asCandidate a node that lost its data may come again once its old membership is gone */
function reasonToGo(facts: MembershipFacts, id: string, asCandidate = false): string | undefined {
  if (facts.evicted.has(id)) return 'it was evicted';
  if (facts.leaving.has(id)) return 'it leaves';
  if (facts.lost.has(id) && !asCandidate) return 'it lost its data';
  return undefined;
}

function isDead(facts: MembershipFacts, member: EtcdMember): boolean {
  const node = nodeOf(member, facts.nodes);
  const health = facts.health.get(member.id);
  const since = (ms: number) => facts.nowMs - ms >= facts.graceMs;
  const silent = health !== undefined && !health.reachable && since(health.sinceMs);
  return silent && (node === undefined || (!node.alive && since(node.sinceMs)));
}

function isLive(facts: MembershipFacts, member: EtcdMember): boolean {
  return facts.health.get(member.id)?.reachable === true;
}

function voters(facts: MembershipFacts) {
  const all = facts.members.filter(({ learner }) => !learner);
  return { count: all.length, live: all.filter((member) => isLive(facts, member)).length };
}

/** Without this voter the others that answer are still a majority, and they are one now to agree to it. */
function staysSafe(facts: MembershipFacts, without: EtcdMember): boolean {
  const { count, live } = voters(facts);
  const left = live - (isLive(facts, without) ? 1 : 0);
  return live >= majority(count) && count > 1 && left >= majority(count - 1);
}

function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** etcd 3.4 and 3.5 do not vote together. Pure. */
export function seriesOf(version: string): string {
  return /^\D*(\d+\.\d+)/.exec(version)?.[1] ?? version;
}
