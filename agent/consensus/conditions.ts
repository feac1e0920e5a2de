import type { FoundCondition } from '../engine/controller.ts';
import type { UnitState } from '../engine/units.ts';
import { carriersOf, neededFor } from './birth.ts';
import { database, snapshots, versions } from './data-conditions.ts';
import type { Durable } from './durable.ts';
import type { EtcdMember } from './etcd/types.ts';
import type { FoundingView } from './founding.ts';
import type { Sight } from './genesis.ts';
import { type JoiningStep, mayBegin } from './joining.ts';
import { held } from './old-data.ts';
import type { SnapshotState } from './snapshot-keeper.ts';

/** What the conditions are made of. */
export interface ConditionFacts {
  readonly durable: Durable;
  readonly sight: Sight;
  readonly founding: FoundingView;
  readonly joining: JoiningStep;
  readonly unit: UnitState;
  readonly meshReady: boolean;
  readonly quorum: boolean;
  /** Monotonic ms since when there is no quorum. */
  readonly quorumLostMs?: number | undefined;
  readonly members: readonly EtcdMember[];
  readonly alarms: readonly string[];
  readonly snapshot?: SnapshotState | undefined;
  readonly nameOf: (id: string) => string;
  /** Id to version of etcd, of the nodes of our cluster. */
  readonly versions: ReadonlyMap<string, string>;
  readonly peerPort: number;
  readonly clientPort: number;
}

/** A change of leaders is shorter. */
const BLINK_MS = 5_000;
/** A node that has just left a cluster appears as its member until its new card arrives. */
const GIVEN_UP_MS = 30_000;
const EXCEEDED = 'consensus.expect-exceeded';
const ASKED = 'the voters of the cluster are asked';

/** Everything about the cluster that is not as it should be, in the operator's words. Pure. */
export function conditionsOf(facts: ConditionFacts): FoundCondition[] {
  return [
    ...beginning(facts),
    ...agreement(facts),
    ...rivals(facts),
    ...ordered(facts),
    ...engine(facts),
    ...quorum(facts),
    ...joining(facts),
    ...database(facts),
    ...snapshots(facts),
    ...versions(facts),
  ];
}

function beginning({
  durable,
  sight,
  founding: { step, differing },
  nameOf,
}: ConditionFacts): FoundCondition[] {
  const found: FoundCondition[] = [];
  if (differing.length > 0) {
    found.push({
      code: 'consensus.expect-differs',
      state: 'misconfigured',
      summary: `nodes expect different numbers of machines: here ${sight.expect ?? 'none'}`,
      evidence: differing.map(({ id, expects }) => `${nameOf(id)} expects ${expects}`).join('\n'),
      endedBy: 'give all nodes the same consensus.expect',
    });
  }
  if (step.kind === 'wait' && step.for === 'expect') found.push(tooMany(step.known, sight, nameOf));
  if (durable.genesis !== undefined || found.some(({ code }) => code === EXCEEDED)) return found;
  const seen = [sight.self, ...sight.present].map(nameOf).sort().join(', ');
  const waiting = (summary: string, endedBy: string): FoundCondition => ({
    code: 'consensus.waiting',
    state: 'waiting',
    summary,
    evidence: `seen: ${seen}`,
    endedBy,
  });
  if (step.kind === 'wait' && step.for === 'machines') {
    const { seen: count, needed } = step;
    found.push(
      waiting(
        `waiting for machines: ${count} of ${sight.expect} seen, ${needed} needed`,
        `${needed - count} more of the ${sight.expect} expected machines`,
      ),
    );
  } else if (step.kind === 'wait' && step.for === 'join') {
    found.push(
      waiting(
        'waiting for one of the machines to join',
        'a machine of discovery.join that answers; or, to begin here: consensus.bootstrap: true',
      ),
    );
  } else if (step.kind === 'wait' && step.for === 'founder' && step.founder !== undefined) {
    const others = `${nameOf(step.founder)} to begin the cluster`;
    found.push(waiting(`waiting for ${others}`, `${others}; another one does if it is gone for a minute`));
  } else {
    found.push(waiting('looking for machines before a cluster begins', 'a few more seconds'));
  }
  return found;
}

function tooMany(known: number, sight: Sight, nameOf: (id: string) => string): FoundCondition {
  const names = [sight.self, ...sight.known].map(nameOf).sort();
  return {
    code: EXCEEDED,
    state: 'misconfigured',
    summary: `${known} machines have this cluster key, but consensus.expect is ${sight.expect}: none begins a cluster, or parts of them could begin one each`,
    evidence: `known: ${names.join(', ')}`,
    endedBy: `set consensus.expect to ${known} or more on all of them; or, to begin on one of them: consensus.bootstrap: true there`,
  };
}

/** The expected machines vote on a new cluster by taking it for theirs; etcd begins when a majority has. */
function agreement({ durable, sight, nameOf }: ConditionFacts): FoundCondition[] {
  const { genesis } = durable;
  if (genesis === undefined || mayBegin(durable)) return [];
  const carriers = [...new Set([...carriersOf(genesis, sight), sight.self])];
  const needed = neededFor(genesis);
  if (carriers.length >= needed) return [joiningCondition(ASKED, 'a few seconds')];
  const more = `${needed - carriers.length} more of the ${genesis.expect} expected machines`;
  return [
    {
      code: 'consensus.agreeing',
      state: 'waiting',
      summary: `a new cluster is agreed on: ${carriers.length} of ${needed} machines have taken it for theirs`,
      evidence: `founder: ${nameOf(genesis.founder)}\ntaken by: ${carriers.map(nameOf).sort().join(', ')}`,
      endedBy:
        genesis.expect === sight.expect
          ? more
          : `${more}; since ${sight.expect ?? 'no number'} is expected now: node-agent reset --yes on those that have taken it`,
    },
  ];
}

function rivals({
  durable,
  founding: { meeting, conflictSinceMs = Number.POSITIVE_INFINITY },
  sight,
  nameOf,
}: ConditionFacts): FoundCondition[] {
  if (meeting.kind !== 'conflict' || durable.genesis === undefined) return [];
  const own = durable.genesis.uuid;
  const heirs = meeting.others.filter(({ genesis }) => genesis.ancestors?.includes(own));
  const founders = heirs.map(({ genesis }) => nameOf(genesis.founder)).join(', ');
  const ours = carriersOf(durable.genesis, sight);
  const line = (uuid: string, ids: readonly string[]) => `${uuid}: ${ids.map(nameOf).join(', ')}`;
  const evidence = [
    line(durable.genesis.uuid, [sight.self, ...ours].sort()),
    ...meeting.others.map(({ genesis, carriers }) => line(genesis.uuid, carriers)),
  ].join('\n');
  if (sight.nowMs - conflictSinceMs < GIVEN_UP_MS) {
    return [
      {
        code: 'consensus.other-cluster',
        state: 'waiting',
        summary: 'another cluster with this key is seen',
        evidence,
        endedBy:
          'one of them gives way within half a minute; if both hold data, you are asked to decide then',
      },
    ];
  }
  return [
    {
      code: 'consensus.two-clusters',
      state: durable.confirmed ? 'failed' : 'waiting',
      summary: `there are ${meeting.others.length + 1} clusters with one key; they are kept apart`,
      evidence,
      endedBy:
        heirs.length === 0
          ? 'decide which one to give up, and on each of its nodes: node-agent reset --yes'
          : `decide which one to give up: to keep this one, node-agent reset --yes on each node of the cluster that was recovered on ${founders}; to give up this one, node-agent recover --follow ${founders} on each of its nodes`,
    },
  ];
}

function ordered({ durable, nameOf }: ConditionFacts): FoundCondition[] {
  if (durable.follow === undefined) return [];
  const founder = nameOf(durable.follow);
  return [
    {
      code: 'consensus.following',
      state: 'waiting',
      summary: `ordered to follow the cluster that was recovered on ${founder}, which is not seen yet`,
      endedBy: `${founder} on this network, or node-agent join ADDRESS`,
    },
  ];
}

function engine({ unit, peerPort, clientPort, joining: { kind } }: ConditionFacts): FoundCondition[] {
  if (unit.state === 'running' || kind === 'client' || kind === 'wait' || kind === 'hold') return [];
  const said = unit.lastLines.join('\n');
  if (/address already in use/.test(said)) {
    return [
      {
        code: 'consensus.port-busy',
        state: 'failed',
        summary: `etcd cannot start: port ${peerPort} or ${clientPort} is in use`,
        evidence: unit.lastLines.filter((line) => line.includes('already in use')).at(-1),
        endedBy: `stop what listens there (ss -ltnp 'sport = :${peerPort} or sport = :${clientPort}')`,
      },
    ];
  }
  if (/no space left on device/.test(said)) {
    return [
      {
        code: 'consensus.disk-full',
        state: 'failed',
        summary: 'etcd cannot write: the disk is full',
        evidence: unit.lastLines.at(-1),
        endedBy: 'free some space on the disk; etcd is started again by itself',
      },
    ];
  }
  if (unit.state !== 'failed') return [];
  return [
    {
      code: 'consensus.etcd-failed',
      state: 'failed',
      summary: `etcd ended with ${unit.exit?.signal ?? `exit code ${unit.exit?.code ?? 'unknown'}`}`,
      evidence: unit.lastLines.slice(-3).join('\n') || undefined,
      endedBy: 'it is started again by itself; journalctl -u clusteros-etcd tells more',
    },
  ];
}

function quorum(facts: ConditionFacts): FoundCondition[] {
  const { durable, sight, members, quorumLostMs, nameOf } = facts;
  if (!mayBegin(durable) || facts.quorum || quorumLostMs === undefined) return [];
  if (!facts.meshReady) return [];
  const voters = members.filter(({ learner }) => !learner).map(({ name }) => name);
  if (sight.nowMs - quorumLostMs < BLINK_MS) {
    return voters.length > 0 ? [] : [joiningCondition(ASKED, 'a few seconds')];
  }
  const missing = voters.filter((id) => id !== sight.self && !sight.present.includes(id));
  const needed = Math.floor(voters.length / 2) + 1;
  const known = voters.length > 0;
  const copy = members.some(({ learner, name }) => learner && name === sight.self);
  const names = missing.map(nameOf);
  const more = needed - (voters.length - missing.length);
  return [
    {
      code: 'consensus.no-quorum',
      state: 'waiting',
      summary: known
        ? `no majority of the ${voters.length} voters answers; ${needed} are needed`
        : 'no voter of the cluster answers',
      evidence: names.length > 0 ? `missing: ${names.join(', ')}` : undefined,
      endedBy: `${
        more > 1
          ? `the return of ${more} of ${names.join(', ')}`
          : names.length > 0
            ? `the return of ${names.join(' or ')}`
            : 'voters that answer'
      }; if they are gone for ever${
        copy
          ? ', this node has a copy of their data: sudo node-agent recover --force-new-cluster'
          : ': node-agent recover --help'
      }`,
    },
  ];
}

function joining({ joining: step, durable, meshReady, quorum }: ConditionFacts): FoundCondition[] {
  if (durable.genesis === undefined) return [];
  if (!meshReady)
    return [joiningCondition('the cluster is reached over the mesh, which is not up', 'the mesh')];
  if (step.kind === 'hold') return [held(step.past)];
  if (step.kind === 'report-lost') {
    return [
      {
        code: 'consensus.removed',
        state: 'waiting',
        summary: 'this voter has lost its data; its old membership has to end',
        endedBy: 'the leader removes it within seconds, then the node is added anew',
      },
    ];
  }
  if (step.kind === 'start' && quorum) return [joiningCondition('etcd starts as a member', 'a few seconds')];
  return [];
}

function joiningCondition(summary: string, endedBy: string): FoundCondition {
  return { code: 'consensus.joining', state: 'waiting', summary, endedBy };
}
