import type { Controller } from '../engine/controller.ts';
import type { Resources } from '../engine/resources.ts';
import { changesBetween, type Observed } from '../events/changes.ts';
import type { Events } from '../events/recorder.ts';
import type { FoundCondition } from '../status.ts';

interface ObserveDeps {
  readonly events: Events;
  /** Everything as it is now. */
  readonly scene: () => Observed;
}

const LOOK_MS = 1_000;

/** All resources, in the order in which data passes them. */
export const RESOURCES = [
  'facts',
  'links',
  'contacts',
  'ownCard',
  'cards',
  'gossip',
  'mesh',
  'timers',
  'consensus',
  'registry',
  'roles',
] as const satisfies readonly (keyof Resources)[];

/** Writes down what changes: one look a second at most, so that a storm of changes is few events. */
export function observeController({ events, scene }: ObserveDeps): Controller {
  let before: Observed = {};
  return {
    name: 'events',
    inputs: [],
    outputs: [],
    whileHalted: true,
    async reconcile() {
      const after = scene();
      for (const happening of changesBetween(before, after)) events.record(happening);
      before = after;
      return { conditions: unwritten(events.problem()), againMs: LOOK_MS };
    },
    close: () => events.flush(),
  };
}

function unwritten(problem: string | undefined): FoundCondition[] {
  if (problem === undefined) return [];
  return [
    {
      code: 'events.unwritten',
      state: 'failed',
      summary: `events are kept in memory only: ${problem}`,
      endedBy: 'make room on the disk, or see why it cannot be written: dmesg',
    },
  ];
}
