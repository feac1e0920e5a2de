import { randomUUID } from 'node:crypto';
import type { PeerChannel } from '../discovery/channel/channel.ts';
import type { OwnPast } from '../discovery/own-past.ts';
import type { Controller, FoundCondition, Outcome, View } from '../engine/controller.ts';
import type { Units } from '../engine/units.ts';
import { AgentError } from '../errors.ts';
import { clock } from '../host.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import { callNode } from './call-node.ts';
import { type ConditionFacts, conditionsOf } from './conditions.ts';
import { setAside } from './data.ts';
import { createKeeper, type Keeper, loadDurable, rememberVoters, saveDurable } from './durable.ts';
import { clientUrlOf, peerUrlOf } from './etcd/config.ts';
import { createFounding, type Founding, type FoundingKind } from './founding.ts';
import { type Inputs, inputsFrom, sightInputs } from './inputs.ts';
import { leaveCluster } from './leave.ts';
import { createMember, type Member } from './member.ts';
import { renameMissing } from './missing.ts';
import { trustDisk } from './old-data.ts';
import { consensusOf, NO_CLUSTER, nameIn, versionsIn } from './outcome.ts';
import {
  type AfterRecovery,
  forceNewCluster,
  type RecoverDeps,
  type Recovered,
  recoverFromSnapshot,
} from './recover.ts';
import { createObserver, type Observer } from './sight.ts';
import { listSnapshots, type SnapshotFile } from './snapshots.ts';
import { SURVEY, type Survey, type SurveyAnswer } from './survey.ts';
import { surveyNodes } from './survey-nodes.ts';
import { createTurns } from './turns.ts';

export interface ConsensusDeps {
  readonly paths: Paths;
  readonly log: Log;
  readonly units: Units;
  readonly channel: Pick<PeerChannel, 'handle' | 'call'>;
  /** `ca` subkeys, newest first, several during a rotation of the cluster key; from the held key when absent. */
  readonly caKeys?: (view: View) => readonly Uint8Array[];
  /** While true, etcd is started again at once for new CA keys: its turn is seen to elsewhere. */
  readonly mayRestart?: () => boolean;
  /** What other nodes know of this one; without it the data on the disk is believed. */
  readonly past?: OwnPast;
}

export interface ConsensusPart {
  readonly controller: Controller;
  /** Take this node out of its cluster. @throws AgentError `leave.*` */
  leave(): Promise<string>;
  /** Take part again after {@link leave}. */
  rejoin(): Promise<void>;
  /** @throws AgentError `recover.*` */
  recoverFromSnapshot(file: string | undefined, after?: AfterRecovery): Promise<Recovered>;
  /** @throws AgentError `recover.*` */
  forceNewCluster(after?: AfterRecovery): Promise<Recovered>;
  /** Ask every node that we know how it sees the cluster: before {@link recoverFromSnapshot} and the like. */
  survey(): Promise<Survey>;
  /** Go over to the cluster that this node recovered from ours, or has a key of. */
  follow(founder: string): Promise<void>;
  /** Start etcd with the data on this disk, although it is old. @throws AgentError `recover.not-old` */
  trustDisk(): Promise<void>;
  /** Take a snapshot of the cluster's data now. @throws whatever keeps it from being taken */
  takeSnapshot(): Promise<SnapshotFile>;
  /** Those of this node, oldest first. */
  listSnapshots(): Promise<readonly SnapshotFile[]>;
  /** The files for etcd are by these CA keys, and etcd, if it is to run here, serves with them. */
  hasApplied(caKeys: readonly Uint8Array[]): boolean;
  /** Something that is no resource has changed, such as the CA keys. */
  wake(): void;
}

/** All that lives as long as the node has one identity. */
interface Life {
  readonly identity: Identity;
  readonly observer: Observer;
  readonly keeper: Keeper;
  readonly founding: Founding;
  readonly member: Member;
  inputs: Inputs;
}

const CALM_MS = 4_000;
const SOON_MS = 500;
const KINDS: readonly FoundingKind[] = ['promise', 'adopt'];

/** Raft's life on this node: whether there is a cluster, what this node is in it, what its leader has to do. */
export function createConsensus(deps: ConsensusDeps): ConsensusPart {
  const { paths, log, units, channel, caKeys, mayRestart, past } = deps;
  let life: Life | undefined;
  let evicted: readonly string[] = [];
  let leaving = false;
  const turns = createTurns(() => nudge());
  let last: Outcome = {};
  let nudge = () => {};

  for (const kind of KINDS) {
    channel.handle(kind, (peer, body) => {
      if (life === undefined || life.keeper.now().left)
        throw new Error('not ready to take part in a founding');
      return life.founding.answer(kind, peer.id, body);
    });
  }

  channel.handle(SURVEY, async () => ownAnswer());

  const sight = (now: Life) =>
    now.observer.look({ ...sightInputs(now.inputs), nowMs: clock.monotonicMs(), evicted });

  async function begin(identity: Identity, inputs: Life['inputs']): Promise<Life> {
    const keeper = await keeperOf(paths.state);
    const made: Life = {
      identity,
      // From here on others can be seen: without a cluster key, however long, they cannot.
      observer: createObserver(clock.monotonicMs()),
      keeper,
      inputs,
      member: createMember({ paths, units, log, keeper, mayRestart, past }),
      founding: createFounding({
        self: identity,
        keeper,
        sight: () => sight(made),
        call: (id, kind, body) => callNode(channel, made.inputs, id, kind, body),
        randomUuid: randomUUID,
        log,
      }),
    };
    return made;
  }

  async function pass(view: View): Promise<Outcome> {
    const inputs = inputsFrom(view, leaving, caKeys);
    if (inputs === undefined) return {};
    if (life?.identity.id !== inputs.identity.id) life = await begin(inputs.identity, inputs);
    life.inputs = inputs;
    nudge = view.nudge;
    evicted = view.get('registry')?.evicted ?? [];
    const { keeper, member } = life;
    if (keeper.now().left) return await away(life);
    const hasRivals = sight(life).sightings.some(
      ({ genesis }) => genesis.uuid !== keeper.now().genesis?.uuid,
    );
    const hasData = keeper.now().started === true && !keeper.now().staleData;
    const founding = await life.founding.pass({
      hasData,
      empty: hasRivals && hasData ? await member.isEmpty() : false,
      quorum: hadQuorum,
      quorumLostMs: lastLostMs,
    });
    const now = sight(life);
    const seen = await member
      .pass({ ...inputs, nowMs: now.nowMs, present: now.present })
      .catch(renameMissing);
    lastLostMs = seen.quorumLostMs;
    hadQuorum = seen.look.members !== undefined;
    index = seen.look.local ? seen.look.status?.raftIndex : undefined;
    const unwritten = await rememberVoters(keeper, seen.look.members);
    const durable = keeper.now();
    const conditions = conditionsOf({
      durable,
      sight: now,
      founding,
      joining: seen.joining,
      unit: seen.unit,
      meshReady: inputs.mesh?.ready === true,
      quorum: seen.look.members !== undefined,
      quorumLostMs: seen.quorumLostMs,
      members: seen.look.members ?? seen.look.remembered,
      alarms: seen.alarms,
      snapshot: member.snapshots.state(),
      nameOf: (id) => (id === inputs.self ? 'this node' : nameIn(inputs.cards, id)),
      versions: versionsIn(inputs.cards, durable, seen),
      peerPort: inputs.settings.consensus.peer_port,
      clientPort: inputs.settings.consensus.client_port,
    } satisfies ConditionFacts);
    const calm =
      seen.look.members !== undefined &&
      (seen.joining.kind === 'run' || seen.joining.kind === 'client') &&
      (seen.membership === undefined || seen.membership.kind === 'calm') &&
      member.hasApplied(inputs.caKeys) &&
      durable.confirmed === true;
    const consensus = consensusOf(durable, seen, inputs.self, member.etcd.tls, member.snapshots.state());
    place = consensus.place;
    return {
      outputs: { consensus },
      conditions: [...unwritten, ...conditions],
      againMs: calm ? CALM_MS : SOON_MS,
      // A node that comes changes cards, gossip and mesh a dozen times: no reason to ask the voters each time.
      restMs: calm ? CALM_MS : 0,
    };
  }
  let lastLostMs: number | undefined;
  let hadQuorum = false;
  let place: SurveyAnswer['place'] = 'none';
  let index: string | undefined;

  function ownAnswer(): SurveyAnswer {
    return { uuid: life?.keeper.now().genesis?.uuid, quorum: hadQuorum, place, index };
  }

  async function away({ member }: Life): Promise<Outcome> {
    await member.etcd.stop();
    await setAside(paths.state);
    const condition: FoundCondition = {
      code: 'consensus.left',
      state: 'waiting',
      summary: 'this node has given up its place in the cluster',
      endedBy: 'node-agent join ADDRESS, to take part again; or node-agent reset --yes',
    };
    return { outputs: { consensus: NO_CLUSTER }, conditions: [condition], againMs: CALM_MS };
  }

  function living(): Life {
    if (life !== undefined) return life;
    throw notYet('consensus.not-ready', 'this node takes no part in a cluster yet', 'what it waits for');
  }

  function recovery(): RecoverDeps {
    const { inputs, identity, keeper, member } = living();
    const { self, settings, mesh, timers } = inputs;
    if (!mesh?.ready || mesh.address === undefined)
      throw notYet('recover.mesh', 'the mesh is not up, and etcd needs its address', 'why');
    const { peer_port: peerPort, client_port: clientPort } = settings.consensus;
    return {
      paths,
      log,
      keeper,
      identity,
      etcd: member.etcd,
      wish: { nodeId: self, meshAddress: mesh.address, peerPort, clientPort, timers: timers.etcd },
      ownPeerUrl: peerUrlOf(mesh.address, peerPort),
      localEndpoint: clientUrlOf('127.0.0.1', clientPort),
    };
  }

  return {
    controller: {
      name: 'consensus',
      inputs: ['facts', 'cards', 'gossip', 'mesh', 'registry', 'timers'],
      outputs: ['consensus'],
      timeoutMs: 180_000,
      async reconcile(view) {
        if (turns.busy()) return { ...last, againMs: SOON_MS };
        last = await turns.exclusive(() => pass(view));
        return last;
      },
      async close() {
        life?.member.snapshots.close();
        life?.member.client.close();
      },
    },
    async leave() {
      const { keeper, member, inputs } = living();
      leaving = true;
      try {
        return await leaveCluster({
          ...{ keeper, member, self: inputs.self, state: paths.state, log, timers: inputs.timers },
          exclusive: turns.order,
        });
      } finally {
        leaving = false;
        nudge();
      }
    },
    async rejoin() {
      // A node that had left when its agent began takes no part yet.
      const keeper = life?.keeper ?? (await keeperOf(paths.state));
      await keeper.change((durable) => ({ ...durable, left: undefined }));
      nudge();
    },
    recoverFromSnapshot: (file, after) => turns.order(() => recoverFromSnapshot(recovery(), file, after)),
    forceNewCluster: (after) => turns.order(() => forceNewCluster(recovery(), after)),
    async survey() {
      const now = living();
      const voters = now.keeper.now().voters ?? [];
      return { own: ownAnswer(), others: await surveyNodes(channel, now.inputs, voters, sight(now)) };
    },
    async follow(founder) {
      const { keeper } = living();
      await keeper.change((durable) => ({ ...durable, follow: founder }));
      log.warning('ordered to follow a recovered cluster', { founder });
      nudge();
    },
    trustDisk: () => turns.order(() => trustDisk(living().keeper, past)),
    takeSnapshot: async () => living().member.snapshots.take(),
    listSnapshots: () => listSnapshots(paths.state),
    hasApplied: (keys) => life?.member.hasApplied(keys) ?? false,
    wake: () => nudge(),
  };
}

function notYet(code: string, message: string, told: string): AgentError {
  return new AgentError({ code, exit: 'notDone', message, fix: `node-agent status tells ${told}` });
}

async function keeperOf(state: string): Promise<Keeper> {
  return createKeeper(await loadDurable(state), (durable) => saveDurable(state, durable));
}
