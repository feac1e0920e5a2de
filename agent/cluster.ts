import { randomBytes } from 'node:crypto';
import type { ApiParts } from './api/routes.ts';
import { type ClusterView, viewOf } from './api/view.ts';
import { type ConsensusPart, createConsensus } from './consensus/consensus.ts';
import { createDeparture, type Departure } from './departure.ts';
import { createDiscovery } from './discovery/discovery.ts';
import { unitsFor } from './engine/choose-units.ts';
import { type Controller, type Engine, runControllers } from './engine/controller.ts';
import type { Resources } from './engine/resources.ts';
import { createStore, type Store } from './engine/store.ts';
import { AgentError } from './errors.ts';
import { createEvents } from './events/recorder.ts';
import { createEviction } from './eviction.ts';
import type { Facts } from './gather.ts';
import { gossipService } from './gossip/controller.ts';
import { type HaltReason, haltController } from './halt.ts';
import { clock, processes, usage } from './host.ts';
import type { Log } from './log.ts';
import { createMesh } from './mesh/mesh.ts';
import { createMetrics } from './metrics/controller.ts';
import { renderMetrics } from './metrics/render.ts';
import { observeController, RESOURCES } from './observe.ts';
import { createOperations } from './operations/create.ts';
import { loadJoins } from './operations/joins.ts';
import type { Environment, Paths } from './paths.ts';
import { createClusterClient } from './registry/client.ts';
import { createRegistry } from './registry/controller.ts';
import { createRoles } from './roles/controller.ts';
import { createGuard } from './roles/guard.ts';
import { conditionsOf, type FoundCondition, stateOf } from './status.ts';
import type { ServiceManager } from './systemd.ts';
import { VERSION } from './version.ts';

/** Beside a role's lease a call must be short: a voter that hangs is left for another. */
const ROLE_CALL_MS = 1_500;
const EVENTS_SHOWN = 10;
const LEAVE_MS = 30_000;

const STARTING: FoundCondition = {
  code: 'agent.starting',
  state: 'waiting',
  summary: 'the agent has just started and looks around',
  endedBy: 'a few seconds',
};

/** What makes machines a cluster, as the daemon sees it. */
export interface ClusterPart {
  /** What the inputs of the node say now; cheap when nothing changed. */
  takeFacts(facts: Facts): void;
  /** What keeps this node from being a whole member, as of now. */
  conditions(): readonly FoundCondition[];
  view(): ClusterView;
  readonly api: Omit<ApiParts, 'snapshot' | 'now'>;
  /** Settles when all is put down in order after the signal. */
  readonly done: Promise<void>;
}

export interface ClusterInputs {
  readonly paths: Paths;
  readonly environment: Environment;
  readonly log: Log;
  readonly manager: ServiceManager;
  readonly stop: AbortSignal;
  /** Ends this part and the daemon, to begin anew in the same process. */
  readonly again: () => void;
}

/** Build all parts, in the order in which data passes them, and let them run. */
export async function startCluster({
  paths,
  environment,
  log,
  manager,
  stop,
  again,
}: ClusterInputs): Promise<ClusterPart> {
  const store = createStore<Resources>();
  const units = unitsFor(paths, environment);
  const events = await createEvents({ paths, clock });
  const discovery = createDiscovery({
    paths,
    log,
    silent: () => departure.reason() !== undefined,
    moreJoins: () => joins,
  });
  let joins = await loadJoins(paths.state);
  const gossip = gossipService({
    units,
    paths,
    log,
    onRefusal: (address, reason) => discovery.refusals.record(address, 'gossip', reason),
    refused: () => new Set(store.get('registry')?.evicted ?? []),
  });
  const mesh = createMesh({ paths, units });
  const client = createClusterClient(() => store.get('consensus'));
  const consensus = createConsensus({ paths, log, units, channel: discovery.channel });
  const roles = createRoles({
    client: createClusterClient(() => store.get('consensus'), ROLE_CALL_MS),
    units,
    addresses: {
      hold: mesh.holdAddress,
      release: mesh.releaseAddress,
      listHeld: () => mesh.listHeld(interfaceOf(store)),
    },
    guard: createGuard(manager.setWatchdog),
    selfArgv: processes.selfArgv(),
    paths,
    log,
  });
  const departure: Departure = await createDeparture({
    state: paths.state,
    log,
    resignRoles: roles.resignAll,
    leaveConsensus: () => consensus.leave().then(() => {}),
    leaveGossip: gossip.leave,
  });
  const eviction = createEviction(discovery.channel);
  const halted = (): HaltReason | undefined =>
    discovery.clones.isClone() ? { code: 'identity.duplicate' } : (departure.reason() ?? eviction.reason());
  let engine: Engine | undefined;
  const conditionsNow = () => {
    const found = engine?.conditions() ?? [];
    // Nothing is wrong yet because nobody has looked: that is not ready.
    const looked = found.length > 0 || store.get('consensus') !== undefined || keyOf(store) === undefined;
    return looked ? found : [STARTING];
  };
  const view = () => viewOf(sceneOf(), clock.monotonicMs(), clock.wallClock());
  const sceneOf = () => ({
    ...resourcesOf(store),
    conditions: conditionsNow(),
    refusals: discovery.refusals.list(),
    events: events.recent(EVENTS_SHOWN),
  });
  const stateNow = () => {
    const facts = store.get('facts');
    return facts === undefined
      ? 'starting'
      : stateOf(conditionsOf(facts, conditionsNow(), [], clock.wallClock()));
  };
  const metrics = () =>
    renderMetrics({
      state: stateNow(),
      version: VERSION,
      view: view(),
      peers: store.get('mesh')?.peers ?? [],
      events: events.count(),
      refusals: discovery.refusals.list().length,
      process: usage.ofSelf(),
    });
  const controllers: readonly Controller[] = [
    haltController({
      units,
      tearDownMesh: () => mesh.tearDown(interfaceOf(store)),
      resignRoles: roles.resignAll,
      log,
      reason: halted,
      again,
    }),
    ...discovery.controllers,
    eviction.controller,
    gossip.controller,
    ...mesh.controllers,
    consensus.controller,
    createRegistry({ client, log }),
    roles,
    createMetrics({ text: metrics }),
    observeController({ events, scene: sceneOf }),
  ];
  const operations = createOperations({
    etcd: client,
    paths,
    self: () => idOf(store),
    clusterKey: () => keyOf(store),
    consensus: () => store.get('consensus'),
    registry: () => store.get('registry'),
    now: clock.wallClock,
    random: randomBytes,
    joinsChanged: (addresses) => {
      joins = addresses;
      if (departure.reason() !== undefined) void comeBack(departure, consensus, again, log);
    },
    forceLeave: gossip.evict,
    leave: departure.leave,
    recover: async ({ mode, snapshot }) => ({
      done: await (mode === 'from-snapshot'
        ? consensus.recoverFromSnapshot(snapshot)
        : consensus.forceNewCluster()),
    }),
    resetRequested: () => void leaveThen(departure, log, again),
  });
  engine = runControllers({ controllers, store, log, stop, halted: () => halted() !== undefined });
  return {
    takeFacts: (facts) => store.set('facts', facts),
    conditions: conditionsNow,
    view,
    api: { operations, events, metrics },
    done: engine.done,
  };
}

/** A node that is told to forget everything first takes its leave, if there is anybody to listen. */
async function leaveThen(departure: Departure, log: Log, again: () => void): Promise<void> {
  try {
    await Promise.race([departure.leave(), clock.pause(LEAVE_MS)]);
  } catch (error) {
    log.warning('the node is reset without the cluster having let it go', { reason: String(error) });
  }
  again();
}

async function comeBack(
  departure: Departure,
  consensus: ConsensusPart,
  again: () => void,
  log: Log,
): Promise<void> {
  try {
    await consensus.rejoin();
    await departure.comeBack();
    again();
  } catch (error) {
    log.error('the node could not come back', { reason: String(error) });
  }
}

function idOf(store: Store<Resources>): string | undefined {
  const identity = store.get('facts')?.identity;
  return identity === undefined || identity instanceof AgentError ? undefined : identity.id;
}

function keyOf(store: Store<Resources>): Buffer | undefined {
  const key = store.get('facts')?.key;
  return Buffer.isBuffer(key) ? key : undefined;
}

function interfaceOf(store: Store<Resources>): string | undefined {
  return store.get('facts')?.settings.settings?.mesh.interface;
}

function resourcesOf(store: Store<Resources>): Partial<Resources> {
  return Object.fromEntries(
    RESOURCES.map((name) => [name, store.get(name)]).filter(([, value]) => value !== undefined),
  );
}
