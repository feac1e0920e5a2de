import type { Settings, StepName } from '../config/settings.ts';
import type { OwnPast } from '../discovery/own-past.ts';
import type { Gossip, KnownCard, Mesh, Timers } from '../engine/resources.ts';
import type { UnitState, Units } from '../engine/units.ts';
import { expected } from '../errors.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import { stepOf, USUAL } from '../timers/steps.ts';
import { type ClusterLook, endpointsOf, lookAtCluster, NOTHING_SEEN } from './cluster-look.ts';
import { holdsData, setAside } from './data.ts';
import type { Keeper } from './durable.ts';
import { createEtcdClient } from './etcd/client.ts';
import { clientUrlOf, peerUrlOf } from './etcd/config.ts';
import { tlsFromFiles } from './etcd/tls-files.ts';
import { createTransport } from './etcd/transport.ts';
import type { EtcdClient, EtcdClientOptions, EtcdMember } from './etcd/types.ts';
import { type JoiningStep, mayBegin, planJoining } from './joining.ts';
import { GENESIS_KEY, holdsOnlyOurs, uuidIn, wishKey } from './keys.ts';
import { createLocalEtcd, type LocalEtcd, markOf, type Wish } from './local-etcd.ts';
import { keepsSnapshots } from './maintenance.ts';
import type { MembershipStep } from './membership.ts';
import { lookAtPast } from './old-data.ts';
import { pin } from './pin.ts';
import { createSnapshotKeeper, type SnapshotKeeper } from './snapshot-keeper.ts';
import { createSteward } from './steward.ts';
import { isTurn } from './turn.ts';
import { carriersHere, idBehind, otherEndpoints } from './whereabouts.ts';

/** This node as a member or client of its cluster's etcd. */
export interface Member {
  readonly client: EtcdClient;
  readonly etcd: LocalEtcd;
  readonly snapshots: SnapshotKeeper;
  /** One look and at most one step. */
  pass(inputs: MemberInputs): Promise<MemberView>;
  /** Nothing was written to the cluster but by agents, and nobody else is a member. */
  isEmpty(): Promise<boolean>;
  /** No other node that is here carries our genesis. */
  isAlone(): boolean;
  /** See {@link import('./consensus.ts').ConsensusPart}. */
  hasApplied(caKeys: readonly Uint8Array[]): boolean;
}

export interface MemberInputs {
  readonly self: string;
  readonly settings: Settings;
  readonly caKeys: readonly Uint8Array[];
  readonly mesh: Mesh | undefined;
  readonly timers: Timers;
  readonly gossip: Gossip | undefined;
  readonly cards: readonly KnownCard[];
  readonly present: readonly string[];
  readonly nowMs: number;
  /** An operator makes the node leave: its wish stands. */
  readonly leaving: boolean;
}

export interface MemberView {
  readonly unit: UnitState;
  readonly joining: JoiningStep;
  readonly look: ClusterLook;
  readonly hasData: boolean;
  /** What etcd here serves with, once that is as it should be. */
  readonly timers?: StepName | undefined;
  readonly alarms: readonly string[];
  readonly membership?: MembershipStep | undefined;
  /** Monotonic ms since when no majority answers. */
  readonly quorumLostMs?: number | undefined;
}

interface MemberDeps {
  readonly paths: Paths;
  readonly units: Units;
  readonly log: Log;
  readonly keeper: Keeper;
  readonly mayRestart?: (() => boolean) | undefined;
  readonly past?: OwnPast | undefined;
}

const ALARMS_MS = 15_000;
const HAND_OVER = '/v3/maintenance/transfer-leadership';

export function createMember({ paths, units, log, keeper, mayRestart, past }: MemberDeps): Member {
  const etcd = createLocalEtcd(paths, units);
  const steward = createSteward(log);
  let endpoints: readonly string[] = [];
  let look = NOTHING_SEEN;
  let looksInVain = 0;
  let cluster: string | undefined;
  let alone = true;
  let greeted = false;
  let absentSinceMs: number | undefined;
  let quorumLostMs: number | undefined;
  let alarms: readonly string[] = [];
  let alarmsMs = Number.NEGATIVE_INFINITY;
  let appliedKeys = '';
  let callMs = stepOf(USUAL).callMs;
  let runsWith: StepName | undefined;
  const options: EtcdClientOptions = {
    endpoints: () => endpoints,
    tls: tlsFromFiles(() => etcd.tls),
    timeoutMs: () => callMs,
    clusterId: () => keeper.now().clusterId,
  };
  const client = createEtcdClient(options);
  const transport = createTransport(options);
  const snapshots = createSnapshotKeeper(client, paths.state, log);

  const isOwn = (self: string, ownPeerUrl: string) => (member: EtcdMember) =>
    member.name === self || (member.name === '' && member.peerUrls.includes(ownPeerUrl));

  function begin(): void {
    look = NOTHING_SEEN;
    greeted = false;
    absentSinceMs = undefined;
    quorumLostMs = undefined;
    alarms = [];
    steward.rest();
  }

  /** What a member says of its cluster once, when it can be written. */
  async function greet({ self, leaving }: MemberInputs): Promise<void> {
    const { genesis } = keeper.now();
    if (greeted || genesis === undefined || look.members === undefined) return;
    if (genesis.founder === self && look.local) {
      const [kv] = (await client.range(GENESIS_KEY)).kvs;
      if (uuidIn(kv?.value ?? '') !== genesis.uuid) await client.put(GENESIS_KEY, JSON.stringify(genesis));
    }
    if (!leaving) await client.delete(wishKey('leaving', self));
    greeted = true;
  }

  async function act(step: JoiningStep, inputs: MemberInputs, wish: Wish, unit: UnitState): Promise<void> {
    const { nowMs, self, timers } = inputs;
    if (step.kind === 'set-aside') {
      await etcd.stop();
      const to = await setAside(paths.state, keeper.now().staleData ? undefined : log);
      if (to !== undefined) log.warning("put etcd's data aside", { why: step.why, to });
      await keeper.change((durable) => ({ ...durable, staleData: undefined }));
      look = NOTHING_SEEN;
    } else if (step.kind === 'start') {
      await etcd.start({ ...wish, members: step.members, state: step.state }, nowMs);
    } else if (step.kind === 'client') {
      appliedKeys = markOf(inputs.caKeys);
    } else if (step.kind === 'report-lost') {
      await client.put(wishKey('lost', self), '');
    } else if (step.kind === 'run') {
      if (look.local && look.status?.leader !== '0' && !keeper.now().started) {
        await keeper.change((durable) => ({ ...durable, started: true }));
      }
      const outdated = await etcd.isOutdated(wish, unit);
      if (!outdated && look.local && look.members) {
        appliedKeys = markOf(inputs.caKeys);
        runsWith = wish.timers;
      }
      const turn =
        mayRestart?.() || timers.turn || isTurn(self, look.members, clock.wallClock(), timers.step);
      if (outdated && turn) {
        runsWith = undefined;
        log.info('etcd is started again with new settings');
        await etcd.stop();
      }
    }
  }

  async function keepSnapshots(inputs: MemberInputs): Promise<void> {
    const { genesis, clusterId } = keeper.now();
    const members = clusterId === undefined ? [] : (look.members ?? []);
    const here = [inputs.self, ...carriersHere(inputs, genesis?.uuid)];
    await snapshots.look(keepsSnapshots(inputs.self, members, here), endpointsOf(members), inputs.nowMs);
  }

  async function serve(
    inputs: MemberInputs,
    ownPeerUrl: string,
    local: string,
  ): Promise<MembershipStep | undefined> {
    const { self, nowMs, gossip, mesh, cards, timers } = inputs;
    const { members, status } = look;
    const { genesis, confirmed } = keeper.now();
    if (members === undefined || status === undefined || !look.local || genesis === undefined)
      return undefined;
    if (nowMs - alarmsMs >= ALARMS_MS) {
      alarmsMs = nowMs;
      alarms = [...new Set((await client.alarms()).map(({ alarm }) => alarm))];
    }
    if (status.leader !== status.memberId || !confirmed || !gossip || !mesh) {
      steward.rest();
      return undefined;
    }
    const done = { parse: () => undefined, timeoutMs: callMs, leader: true };
    const handOver = (targetID: string) => transport.post(local, HAND_OVER, { targetID }, done);
    return steward.pass({
      client,
      handOver,
      self,
      uuid: genesis.uuid,
      ownPeerUrl,
      look: { ...look, members, status },
      cards,
      gossip,
      mesh,
      nowMs,
      graceMs: timers.graceSeconds * 1000,
    });
  }

  return {
    client,
    etcd,
    snapshots,
    isAlone: () => alone,
    hasApplied: (caKeys) => appliedKeys === markOf(caKeys),
    async isEmpty() {
      if ((look.members ?? look.remembered).length !== 1) return false;
      return holdsOnlyOurs(client).catch((error) => expected(error, 'etcd.') ?? false);
    },
    async pass(inputs) {
      const { self, settings, mesh, nowMs, caKeys } = inputs;
      const { consensus } = settings;
      callMs = stepOf(inputs.timers.step).callMs;
      const { genesis } = keeper.now();
      // Until it was agreed on there was nobody to answer: it begins then.
      const now = genesis && `${genesis.uuid} ${mayBegin(keeper.now())}`;
      if (now !== cluster) begin();
      cluster = now;
      alone = carriersHere(inputs, genesis?.uuid).length === 0;
      const unit = await etcd.observe();
      const hasData = await holdsData(paths.state);
      const view = (joining: JoiningStep, membership?: MembershipStep): MemberView => ({
        unit,
        joining,
        look,
        hasData,
        alarms,
        timers: unit.state === 'running' ? runsWith : undefined,
        membership,
        quorumLostMs,
      });
      if (mesh?.ready !== true || mesh.address === undefined || caKeys.length === 0)
        return view({ kind: 'wait' });
      await etcd.certify(caKeys, self, mesh.address);
      const ownPeerUrl = peerUrlOf(mesh.address, consensus.peer_port);
      const local = clientUrlOf('127.0.0.1', consensus.client_port);
      const remembered = look.members ?? look.remembered;
      // An etcd of a cluster that we have left speaks for that one until it is put aside.
      const runs = unit.state === 'running' && !keeper.now().staleData;
      const votes =
        runs &&
        (remembered.some((member) => member.name === self && !member.learner) || genesis?.founder === self);
      looksInVain = look.members === undefined ? looksInVain + 1 : 0;
      const others = otherEndpoints(inputs, remembered, genesis?.uuid, looksInVain);
      endpoints = [...(votes ? [local] : []), ...others];
      if (genesis !== undefined && (endpoints.length > 0 || runs)) {
        look = await lookAtCluster(client, runs ? local : undefined, endpoints, look);
        await pin(client, keeper, look, self).catch((error) => expected(error, 'etcd.'));
      }
      // Before that the answers may be of another cluster.
      if (keeper.now().clusterId === undefined) look = { ...look, members: undefined };
      quorumLostMs = look.members !== undefined ? undefined : genesis && (quorumLostMs ?? nowMs);
      const absent = look.members !== undefined && !look.members.some(isOwn(self, ownPeerUrl));
      absentSinceMs = absent ? (absentSinceMs ?? nowMs) : undefined;
      const joining = planJoining({
        durable: keeper.now(),
        self,
        ownPeerUrl,
        hasData,
        past: await lookAtPast(keeper, past, hasData && unit.state !== 'running'),
        unit: unit.state,
        members: look.members,
        idOf: (url) => idBehind(inputs, url),
        absentSinceMs,
        nowMs,
      });
      const wish: Wish = {
        nodeId: self,
        meshAddress: mesh.address,
        peerPort: consensus.peer_port,
        clientPort: consensus.client_port,
        members: { [self]: ownPeerUrl },
        state: 'existing',
        token: genesis?.uuid ?? '',
        timers: inputs.timers.etcd,
      };
      await act(joining, inputs, wish, unit);
      await greet(inputs).catch((error) => expected(error, 'etcd.'));
      await keepSnapshots(inputs);
      return view(joining, await serve(inputs, ownPeerUrl, local).catch(refused));
    },
  };

  /** The cluster changed under us; the next pass looks again. */
  function refused(error: unknown): MembershipStep {
    expected(error, 'etcd.');
    log.debug('the cluster could not be cared for', { reason: String(error) });
    return { kind: 'wait', for: 'the cluster to answer' };
  }
}
