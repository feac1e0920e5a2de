import type { Controller, FoundCondition } from '../engine/controller.ts';
import type { Units } from '../engine/units.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';

/** Why a node must not take part in its cluster, and what would end that. */
export interface HaltReason {
  readonly code: string;
  /** Absent where another part of the agent shows the condition. */
  readonly condition?: FoundCondition;
}

interface HaltDeps {
  readonly units: Units;
  readonly tearDownMesh: () => Promise<void>;
  readonly resignRoles: (reason: string) => Promise<void>;
  readonly log: Log;
  /** The reason as of now, if there is one. */
  readonly reason: () => HaltReason | undefined;
  /** Begin anew: called when the reason has gone. */
  readonly again: () => void;
}

const LOOK_MS = 1_000;
const STOP_MS = 5_000;
/** Most passes are over by then; what starts later is seen by its unit. */
const UNDER_WAY_MS = 10_000;
const ENGINES = ['etcd', 'serf', 'wireguard'] as const;

/**
 * Stops the engines of a node that must not take part: it is a clone, it has left, it is being reset. Data on
 * disk is left alone. When the reason goes, the other controllers start everything again.
 */
export function haltController({
  units,
  tearDownMesh,
  resignRoles,
  log,
  reason,
  again,
}: HaltDeps): Controller {
  let stopped: string | undefined;
  let sinceMs = 0;
  return {
    name: 'halt',
    inputs: ['facts', 'cards', 'contacts'],
    outputs: [],
    whileHalted: true,
    async reconcile() {
      const why = reason();
      if (why === undefined) {
        if (stopped !== undefined) {
          log.info('the node takes part again', { after: stopped });
          again();
        }
        return { againMs: LOOK_MS };
      }
      if (stopped === undefined) {
        log.warning('the node does not take part in its cluster', { reason: why.code });
        await resignRoles(why.code);
        sinceMs = clock.monotonicMs();
      }
      // A pass of another controller that was under way when the halt began may still start an engine.
      const runs = await Promise.all(ENGINES.map(async (name) => (await units.observe(name)).state));
      if (runs.includes('running') || clock.monotonicMs() - sinceMs < UNDER_WAY_MS) {
        await Promise.all((['etcd', 'serf'] as const).map((name) => units.stop(name, STOP_MS)));
        await tearDownMesh();
      }
      stopped = why.code;
      return { conditions: why.condition === undefined ? [] : [why.condition], againMs: LOOK_MS };
    },
  };
}
