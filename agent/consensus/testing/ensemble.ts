import type { Random } from '../../testing/random.ts';
import type { EtcdMember } from '../etcd/types.ts';
import { hasSurplus, type MemberHealth, type MembershipStep, planMembership } from '../membership.ts';

/** Machines and the membership of their etcd, in virtual seconds. Raft itself is taken to work. */
export interface Ensemble {
  readonly nodes: readonly Node[];
  members: EtcdMember[];
  nowMs: number;
  /** Machines of one group reach each other. */
  groups: number[];
  readonly leaving: Set<string>;
  readonly evicted: Set<string>;
  readonly lost: Set<string>;
  /** One second: health is looked at, the leader's agent plans and acts. */
  tick(): MembershipStep | undefined;
  /** Voters that reach a majority of voters, from the side of the best one. */
  hasQuorum(): boolean;
  voters(): EtcdMember[];
}

export interface Node {
  readonly id: string;
  up: boolean;
  /** It has etcd's data of its present membership. */
  hasData: boolean;
  left: boolean;
  version: string;
}

export function createEnsemble(size: number, random: Random, graceMs = 60_000): Ensemble {
  const nodes: Node[] = Array.from({ length: size }, (_, index) => ({
    id: `node${index}`,
    up: true,
    hasData: index === 0,
    left: false,
    version: '3.5.16',
  }));
  let nextId = 1;
  const urlOf = (node: Node) => `https://${node.id}:7373`;
  const memberFor = (node: Node, learner: boolean): EtcdMember => ({
    id: String(nextId++),
    name: '',
    peerUrls: [urlOf(node)],
    clientUrls: [],
    learner,
  });
  const [first] = nodes;
  if (first === undefined) throw new Error('no machines');
  const health = new Map<string, MemberHealth>();
  const alive = new Map<string, { alive: boolean; sinceMs: number; failedMs: number }>();
  let lastChangeMs = 0;
  let surplusSinceMs: number | undefined;
  const nodeBehind = (member: EtcdMember) => nodes.find((node) => member.peerUrls.includes(urlOf(node)));
  const serves = (member: EtcdMember) => {
    const node = nodeBehind(member);
    return node?.up === true && node.hasData && member.name !== '';
  };
  const groupOf = (member: EtcdMember) => {
    const node = nodeBehind(member);
    return node === undefined ? -1 : ensemble.groups[nodes.indexOf(node)];
  };

  const ensemble: Ensemble = {
    nodes,
    members: [{ ...memberFor(first, false), name: first.id }],
    nowMs: 0,
    groups: nodes.map(() => 0),
    leaving: new Set(),
    evicted: new Set(),
    lost: new Set(),
    voters: () => ensemble.members.filter(({ learner }) => !learner),
    hasQuorum: () => quorumGroup() !== undefined,
    tick() {
      ensemble.nowMs += 1_000;
      for (const member of ensemble.members) startIfAdded(member);
      const group = quorumGroup();
      if (group === undefined) return undefined;
      const leader = pickLeader(group);
      const node = leader && nodeBehind(leader);
      if (leader === undefined || node === undefined) return undefined;
      look(group);
      const facts = {
        nowMs: ensemble.nowMs,
        self: node.id,
        members: ensemble.members,
        health,
        nodes: nodes
          .filter((other) => !other.left)
          .map((other) => {
            const seen = alive.get(other.id);
            return {
              id: other.id,
              peerUrl: urlOf(other),
              alive: seen?.alive ?? false,
              sinceMs: seen?.sinceMs ?? ensemble.nowMs,
              flapped: ensemble.nowMs - (seen?.failedMs ?? Number.NEGATIVE_INFINITY) < 300_000,
              version: other.version,
            };
          }),
        leaving: ensemble.leaving,
        evicted: ensemble.evicted,
        lost: ensemble.lost,
        clusterId: '1',
        lastChangeMs,
        graceMs,
      };
      surplusSinceMs = hasSurplus(facts) ? (surplusSinceMs ?? ensemble.nowMs) : undefined;
      const step = planMembership({ ...facts, surplusSinceMs });
      act(step);
      return step;
    },
  };
  let leaderId = '1';

  function quorumGroup(): number | undefined {
    const voters = ensemble.voters();
    const needed = Math.floor(voters.length / 2) + 1;
    return [...new Set(ensemble.groups)].find(
      (group) => voters.filter((member) => serves(member) && groupOf(member) === group).length >= needed,
    );
  }

  function pickLeader(group: number): EtcdMember | undefined {
    const able = ensemble.voters().filter((member) => serves(member) && groupOf(member) === group);
    const now = able.find(({ id }) => id === leaderId);
    const leader = now !== undefined && !random.chance(0.01) ? now : random.pick(able);
    if (leader.id !== leaderId) health.clear();
    leaderId = leader.id;
    return leader;
  }

  /** A new learner starts; one whose machine has lost the data asks to be removed. */
  function startIfAdded(member: EtcdMember): void {
    const node = nodeBehind(member);
    if (node === undefined || !node.up) return;
    if (member.name === '' && random.chance(0.5)) {
      node.hasData = true;
      ensemble.members = ensemble.members.map((other) =>
        other === member ? { ...other, name: node.id } : other,
      );
    } else if (member.name !== '' && !node.hasData) ensemble.lost.add(node.id);
  }

  function look(group: number): void {
    for (const member of ensemble.members) {
      const reachable = serves(member) && groupOf(member) === group;
      const before = health.get(member.id);
      const sinceMs = before?.reachable === reachable ? before.sinceMs : ensemble.nowMs;
      health.set(member.id, { reachable, sinceMs, clusterId: reachable ? '1' : undefined, progress: 1 });
    }
    for (const [index, node] of nodes.entries()) {
      const now = node.up && ensemble.groups[index] === group;
      const before = alive.get(node.id);
      if (before?.alive === now) continue;
      const failedMs = now ? (before?.failedMs ?? Number.NEGATIVE_INFINITY) : ensemble.nowMs;
      alive.set(node.id, { alive: now, sinceMs: ensemble.nowMs, failedMs });
    }
  }

  function act(step: MembershipStep): void {
    if (step.kind === 'add') {
      const node = nodes.find(({ id }) => id === step.node.id);
      if (node === undefined) throw new Error('added a stranger');
      if (ensemble.members.some(({ learner }) => learner)) throw new Error('two learners');
      node.hasData = false;
      ensemble.members = [...ensemble.members, memberFor(node, true)];
    } else if (step.kind === 'promote') {
      ensemble.members = ensemble.members.map((member) =>
        member.id === step.member.id ? { ...member, learner: false } : member,
      );
      return;
    } else if (step.kind === 'remove') {
      const node = nodeBehind(step.member);
      ensemble.members = ensemble.members.filter(({ id }) => id !== step.member.id);
      if (node !== undefined) {
        ensemble.lost.delete(node.id);
        node.hasData = false;
      }
    } else if (step.kind === 'yield') {
      leaderId = step.to.id;
      health.clear();
      return;
    } else return;
    lastChangeMs = ensemble.nowMs;
  }

  return ensemble;
}
