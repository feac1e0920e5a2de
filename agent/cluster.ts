import type { ApiParts } from './api/routes.ts';
import { type ClusterView, viewOf } from './api/view.ts';
import { createDiscovery } from './discovery/discovery.ts';
import { childUnits } from './engine/child-units.ts';
import { type Controller, runControllers } from './engine/controller.ts';
import type { Resources } from './engine/resources.ts';
import { createStore, type Store } from './engine/store.ts';
import { systemdUnits } from './engine/systemd-units.ts';
import type { Facts } from './gather.ts';
import { gossipService } from './gossip/controller.ts';
import { type HaltReason, haltController } from './halt.ts';
import { clock, processes } from './host.ts';
import type { Log } from './log.ts';
import { createMesh } from './mesh/mesh.ts';
import type { Environment, Paths } from './paths.ts';
import { createClusterClient } from './registry/client.ts';
import { createRegistry } from './registry/controller.ts';
import { createRoles } from './roles/controller.ts';
import type { FoundCondition } from './status.ts';

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
  readonly stop: AbortSignal;
}

/** Build all parts, in the order in which data passes them, and let them run. */
export function startCluster({ paths, environment, log, stop }: ClusterInputs): ClusterPart {
  const store = createStore<Resources>();
  const units = underSystemd(environment) ? systemdUnits(paths.run) : childUnits(paths.run, {});
  const discovery = createDiscovery({ paths, log });
  const gossip = gossipService({
    units,
    paths,
    log,
    onRefusal: (address, reason) => discovery.refusals.record(address, 'gossip', reason),
    refused: () => new Set(store.get('registry')?.evicted ?? []),
  });
  const mesh = createMesh({ paths, units });
  const client = createClusterClient(() => store.get('consensus'));
  const registry = createRegistry({ client, log });
  const roles = createRoles({
    client,
    units,
    addresses: {
      hold: mesh.holdAddress,
      release: mesh.releaseAddress,
      listHeld: () => mesh.listHeld(interfaceOf(store)),
    },
    selfArgv: processes.selfArgv(),
    paths,
    log,
  });
  const reason = (): HaltReason | undefined =>
    discovery.clones.isClone() ? { code: 'identity.duplicate' } : undefined;
  const halt = haltController({
    units,
    tearDownMesh: () => mesh.tearDown(interfaceOf(store)),
    resignRoles: (why) => roles.resignAll(why),
    log,
    reason,
  });
  const controllers: readonly Controller[] = [
    halt,
    ...discovery.controllers,
    gossip.controller,
    ...mesh.controllers,
    registry,
    roles,
  ];
  const engine = runControllers({ controllers, store, log, stop, halted: () => reason() !== undefined });
  return {
    takeFacts: (facts) => store.set('facts', facts),
    conditions: () => engine.conditions(),
    view: () => viewOf(sceneOf(store, discovery.refusals.list()), clock.monotonicMs(), clock.wallClock()),
    api: {},
    done: engine.done,
  };
}

function interfaceOf(store: Store<Resources>): string | undefined {
  return store.get('facts')?.settings.settings?.mesh.interface;
}

/** systemd starts each unit with an id of this run; see systemd.exec(5). */
function underSystemd(environment: Environment): boolean {
  return environment.INVOCATION_ID !== undefined && environment.NOTIFY_SOCKET !== undefined;
}

function sceneOf(store: Store<Resources>, refusals: Parameters<typeof viewOf>[0]['refusals']) {
  return {
    refusals,
    ...Object.fromEntries(
      RESOURCES.map((name) => [name, store.get(name)]).filter(([, value]) => value !== undefined),
    ),
  };
}

const RESOURCES = [
  'facts',
  'links',
  'contacts',
  'ownCard',
  'cards',
  'gossip',
  'mesh',
  'consensus',
  'registry',
  'roles',
] as const satisfies readonly (keyof Resources)[];
