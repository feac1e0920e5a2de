import { randomBytes } from 'node:crypto';
import type { ApiParts } from '../api/routes.ts';
import type { ClusterView } from '../api/view.ts';
import { createConsensus } from '../consensus/consensus.ts';
import { createDiscovery } from '../discovery/discovery.ts';
import { unitsFor } from '../engine/choose-units.ts';
import { type Engine, runControllers } from '../engine/controller.ts';
import type { Resources } from '../engine/resources.ts';
import { createStore } from '../engine/store.ts';
import { AgentError, EXIT_CODES } from '../errors.ts';
import { createEvents } from '../events/recorder.ts';
import type { Facts } from '../gather.ts';
import { gossipService } from '../gossip/controller.ts';
import { clock, processes } from '../host.ts';
import type { Log } from '../log.ts';
import { createMesh } from '../mesh/mesh.ts';
import { createMetrics } from '../metrics/controller.ts';
import { createKeyHolder } from '../operations/held-keys.ts';
import { loadJoins } from '../operations/joins.ts';
import { createKeyChanges, type KeyChanges } from '../operations/key-changes.ts';
import { keyUses } from '../operations/key-uses.ts';
import type { Environment, Paths } from '../paths.ts';
import { createClusterClient } from '../registry/client.ts';
import { createRegistry } from '../registry/controller.ts';
import { createRoles } from '../roles/controller.ts';
import { createGuard } from '../roles/guard.ts';
import type { FoundCondition } from '../status.ts';
import type { ServiceManager } from '../systemd.ts';
import { createTimers } from '../timers/controller.ts';
import { stepOf, USUAL } from '../timers/steps.ts';
import { createDeparture, type Departure } from './departure.ts';
import { createEviction } from './eviction.ts';
import { type HaltReason, haltController } from './halt.ts';
import { observeController } from './observe.ts';
import { createOrders } from './orders.ts';
import { createScene } from './scene.ts';

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

interface ClusterInputs {
  readonly paths: Paths;
  readonly environment: Environment;
  readonly log: Log;
  readonly manager: ServiceManager;
  readonly stop: AbortSignal;
  /** Ends this part and the daemon, to begin anew in the same process. */
  readonly again: () => void;
}

/** Of a role's lease: a call beside it must be short, a voter that hangs is left for another. */
const ROLE_CALL = 0.15;
/** Who writes to the registry or waits for an order can wait longer than who looks at the members. */
const CALL_MS = 5_000;

/**
 * The table of contents of a node: all parts, in the order in which data passes them. Parts that need each other
 * ask through functions, since the later one does not exist yet.
 */
export async function startCluster(inputs: ClusterInputs): Promise<ClusterPart> {
  const { paths, log, manager, stop, again } = inputs;
  const store = createStore<Resources>();
  const units = unitsFor(paths, inputs.environment);
  const events = await createEvents({ paths, clock });
  const keys = await createKeyHolder(paths.state, clock.wallClock);
  const uses = keyUses(keys);
  let joins = await loadJoins(paths.state);
  let keyChanges: KeyChanges | undefined;
  let departure: Departure | undefined;
  let engine: Engine | undefined;

  const discovery = createDiscovery({
    paths,
    log,
    silent: () => departure?.reason() !== undefined,
    moreJoins: () => joins,
    clusterKeys: uses.clusterKeys,
    retiredKeys: keys.retired,
    graceMs: () => 2 * pace().answerMs,
  });
  const gossip = gossipService({
    units,
    paths,
    log,
    onRefusal: (address, reason) => discovery.refusals.record(address, 'gossip', reason),
    refused: () => new Set(store.get('registry')?.evicted ?? []),
    keyring: uses.keyring,
  });
  const mesh = createMesh({ paths, units });
  const consensus = createConsensus({
    paths,
    log,
    units,
    channel: discovery.channel,
    caKeys: uses.caKeys,
    mayRestart: () => keyChanges?.mayRestart() ?? false,
    past: discovery.past,
  });
  const pace = () => stepOf(store.get('timers')?.step ?? USUAL);
  const client = createClusterClient(
    () => store.get('consensus'),
    () => Math.max(CALL_MS, pace().callMs),
  );
  const roles = createRoles({
    client: createClusterClient(
      () => store.get('consensus'),
      () => (store.get('timers')?.leaseSeconds ?? pace().leaseSeconds) * 1_000 * ROLE_CALL,
    ),
    units,
    addresses: {
      hold: mesh.holdAddress,
      release: mesh.releaseAddress,
      listHeld: mesh.listHeld,
    },
    guard: createGuard(manager.setWatchdog),
    selfArgv: processes.selfArgv(),
    paths,
    log,
  });
  keyChanges = createKeyChanges({
    state: paths.state,
    keys,
    etcd: client,
    discovery,
    gossip,
    consensus,
    self: () => {
      const identity = store.get('facts')?.identity;
      return identity === undefined || identity instanceof AgentError ? undefined : identity.id;
    },
    clusterName: () => store.get('facts')?.settings.settings?.cluster.name ?? '',
    events,
    log,
    now: clock.monotonicMs,
    wallClock: clock.wallClock,
    random: Math.random,
    randomBytes,
  });
  departure = await createDeparture({
    state: paths.state,
    log,
    resignRoles: roles.resignAll,
    leaveConsensus: () => consensus.leave().then(() => {}),
    leaveGossip: gossip.leave,
  });
  const eviction = createEviction(discovery.channel);
  const halted = (): HaltReason | undefined =>
    discovery.clones.isClone() ? { code: 'identity.duplicate' } : (departure.reason() ?? eviction.reason());
  const scene = createScene({
    store,
    events,
    refusals: discovery.refusals.list,
    key: () => keys.now()?.current,
    found: () => engine?.conditions() ?? [],
    halted,
  });
  const controllers = [
    haltController({
      units,
      tearDownMesh: mesh.tearDown,
      resignRoles: roles.resignAll,
      log,
      reason: halted,
      again,
    }),
    ...discovery.controllers,
    ...keyChanges.controllers,
    eviction.controller,
    gossip.controller,
    ...mesh.controllers,
    createTimers({ client, paths, log }),
    consensus.controller,
    createRegistry({ client, log }),
    roles,
    createMetrics({ text: scene.metrics }),
    observeController({ events, scene: scene.observed }),
  ];
  const joinsChanged = (addresses: readonly string[]) => {
    joins = addresses;
  };
  const operations = createOrders({
    ...{ store, paths, log, consensus, keys, departure, joinsChanged, again },
    etcd: client,
    forceLeave: gossip.evict,
  });
  const giveUp = (reason: string) => {
    log.error('this process ends, since a part of it hangs; systemd starts it again', { reason });
    processes.endNow(EXIT_CODES.internal.code);
  };
  engine = runControllers({ controllers, store, log, stop, halted: () => halted() !== undefined, giveUp });
  return {
    takeFacts: (facts) => {
      if (store.set('facts', facts)) void keys.load();
    },
    conditions: scene.conditions,
    view: scene.view,
    api: { operations, events, metrics: scene.metrics },
    done: engine.done,
  };
}
