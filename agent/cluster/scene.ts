import { type ClusterView, viewOf } from '../api/view.ts';
import type { Refusal } from '../discovery/refusals.ts';
import type { Resources } from '../engine/resources.ts';
import type { Store } from '../engine/store.ts';
import type { Observed } from '../events/changes.ts';
import type { Events } from '../events/recorder.ts';
import { clock, usage } from '../host.ts';
import { fingerprint } from '../identity/keys.ts';
import { renderMetrics } from '../metrics/render.ts';
import { conditionsOf, type FoundCondition, stateOf } from '../status.ts';
import { VERSION } from '../version.ts';
import type { HaltReason } from './halt.ts';
import { RESOURCES } from './observe.ts';

/** Everything that people and programs see of the cluster, as of the moment when they ask. */
export interface Scene {
  view(): ClusterView;
  conditions(): readonly FoundCondition[];
  /** Prometheus text. */
  metrics(): string;
  observed(): Observed;
}

interface SceneDeps {
  readonly store: Store<Resources>;
  readonly events: Pick<Events, 'recent' | 'count'>;
  readonly refusals: () => readonly Refusal[];
  /** The cluster key in use. */
  readonly key: () => Uint8Array | undefined;
  /** What the controllers found. */
  readonly found: () => readonly FoundCondition[];
  /** Why this node takes no part in its cluster, if it does not. */
  readonly halted: () => HaltReason | undefined;
}

const EVENTS_SHOWN = 10;

const STARTING: FoundCondition = {
  code: 'agent.starting',
  state: 'waiting',
  summary: 'the agent has just started and looks around',
  endedBy: 'a few seconds',
};

export function createScene(deps: SceneDeps): Scene {
  const { store, events, refusals, found, halted } = deps;
  const conditions = () => {
    const now = withHalt(found(), halted()?.condition);
    const holdsKey = Buffer.isBuffer(store.get('facts')?.key);
    // Nothing is wrong yet because nobody has looked: that is not ready.
    return now.length > 0 || store.get('consensus') !== undefined || !holdsKey ? now : [STARTING];
  };
  const observed = () => ({ ...resourcesOf(store), conditions: conditions(), refusals: refusals() });
  const view = () => {
    const key = deps.key();
    const own = { events: events.recent(EVENTS_SHOWN), keyFingerprint: key && fingerprint(key) };
    return viewOf({ ...observed(), ...own }, clock.monotonicMs(), clock.wallClock());
  };
  const state = () => {
    const facts = store.get('facts');
    return facts === undefined ? 'starting' : stateOf(conditionsOf(facts, conditions(), [], 0));
  };
  return {
    view,
    conditions,
    observed,
    metrics: () =>
      renderMetrics({
        state: state(),
        version: VERSION,
        view: view(),
        peers: store.get('mesh')?.peers ?? [],
        events: events.count(),
        refusals: refusals().length,
        process: usage.ofSelf(),
      }),
  };
}

function resourcesOf(store: Store<Resources>): Partial<Resources> {
  return Object.fromEntries(
    RESOURCES.map((name) => [name, store.get(name)]).filter(([, value]) => value !== undefined),
  );
}

/** The halt tells its reason once all engines have ended; until then the node is not ready either. */
function withHalt(
  found: readonly FoundCondition[],
  why: FoundCondition | undefined,
): readonly FoundCondition[] {
  if (why === undefined || found.some(({ code }) => code === why.code)) return found;
  const stopping: FoundCondition = {
    code: 'node.stopping',
    state: 'waiting',
    summary: `${why.summary}; what runs is being stopped`,
    endedBy: 'a few seconds',
  };
  return [stopping, ...found];
}
