import { AgentError } from '../errors.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import { conditionOf, type FoundCondition } from '../status.ts';
import type { Resources } from './resources.ts';
import { DEFAULT_POLICY, failed, mayTry, NO_FAILURES, pauseOf } from './restart.ts';
import type { Store } from './store.ts';

export type { FoundCondition };

export interface Outcome {
  /** The values of the controller's outputs as of now. One that is left out is no more: the engine removes it. */
  readonly outputs?: Partial<Resources>;
  /** What is not as it should be, in the operator's words. Those of the last pass are forgotten. */
  readonly conditions?: readonly FoundCondition[];
  /** Come again after this many ms, even if no input changes. */
  readonly againMs?: number;
  /** Changed inputs wait this many ms, so that many changes are one pass; a nudge does not. 0 when absent. */
  readonly restMs?: number;
}

/**
 * A part of the agent: reads some resources, makes the world like them, writes others. It is called when an
 * input changed, after `againMs`, and after a failure with growing pauses; never twice at once. After a failed pass
 * its outputs stay; while the node is halted it has none.
 */
export interface Controller {
  readonly name: string;
  readonly inputs: readonly (keyof Resources)[];
  readonly outputs: readonly (keyof Resources)[];
  /** @param signal aborts when the agent stops or the pass takes more than `timeoutMs` */
  reconcile(view: View, signal: AbortSignal): Promise<Outcome>;
  /** When the agent stops in order, after the last pass. Engines (Serf, etcd, the mesh) keep running. */
  close?(): Promise<void>;
  /** For one pass; 60 s when absent. */
  readonly timeoutMs?: number;
  /** For an aborted pass to end, before the process is ended; 60 s when absent. */
  readonly abortedMs?: number;
  /** Goes on while the node is halted: what is needed to see whether it may go on. */
  readonly whileHalted?: boolean;
}

interface EngineInputs {
  readonly controllers: readonly Controller[];
  readonly store: Store<Resources>;
  readonly log: Log;
  readonly stop: AbortSignal;
  /** The node must not take part (it left, is reset, is a clone): most controllers then do nothing. */
  readonly halted: () => boolean;
  /** End the process: a pass goes on long after it was aborted, and the next one must not run beside it. */
  readonly giveUp: (reason: string) => void;
}

const HALTED_MS = 500;
const PASS_MS = 60_000;
/** What a pass has begun has limits of its own, which are over by then. */
const ABORTED_MS = 60_000;

/** The inputs as they are now. */
export interface View {
  get<K extends keyof Resources>(name: K): Resources[K] | undefined;
  /** Ask for another pass soon: something changed that is no resource. */
  readonly nudge: () => void;
}

export interface Engine {
  /** All conditions of all controllers, in the controllers' order. */
  conditions(): readonly FoundCondition[];
  /** Settles when all controllers have ended after the signal. */
  readonly done: Promise<void>;
}

/**
 * Run all controllers until the signal.
 *
 * @throws Error when two controllers have one output
 */
export function runControllers(inputs: EngineInputs): Engine {
  const { controllers, store, halted } = inputs;
  const writers = new Map<keyof Resources, string>();
  for (const { name, outputs } of controllers) {
    for (const output of outputs) {
      const other = writers.get(output);
      if (other !== undefined) throw new Error(`${name} and ${other} both write ${output}`);
      writers.set(output, name);
    }
  }
  const conditions = new Map<string, readonly FoundCondition[]>();
  const rests = ({ whileHalted }: Controller) => whileHalted !== true && halted();
  const bells = new Map(controllers.map((controller) => [controller, createBell()]));
  const loops = [...bells].map(([controller, bell]) =>
    loop(
      controller,
      inputs,
      bell,
      () => rests(controller),
      (found) => conditions.set(controller.name, found),
    ),
  );
  // At once, also while a pass of before is under way or a controller waits for its next one.
  const stopLooking = clock.every(HALTED_MS, () => {
    for (const controller of controllers.filter(rests)) {
      conditions.delete(controller.name);
      for (const output of controller.outputs) store.remove(output);
      bells.get(controller)?.ring();
    }
  });
  return {
    conditions: () => controllers.flatMap(({ name }) => conditions.get(name) ?? []),
    done: Promise.all(loops).then(stopLooking),
  };
}

async function loop(
  controller: Controller,
  { store, log, stop, giveUp }: EngineInputs,
  bell: Bell,
  rests: () => boolean,
  found: (conditions: readonly FoundCondition[]) => void,
): Promise<void> {
  const unwatch = store.watch(controller.inputs, bell.change);
  const view: View = {
    get: (name) => store.get(name),
    nudge: bell.ring,
  };
  let restart = NO_FAILURES;
  let lastFailure = '';
  const tell = (error: unknown) => {
    const condition = failureOf(controller.name, error);
    found([condition]);
    if (lastFailure !== condition.summary) {
      log.warning(`${controller.name}: ${condition.summary}`, {
        evidence: condition.evidence,
        fix: condition.endedBy,
      });
    }
    lastFailure = condition.summary;
  };
  while (!stop.aborted) {
    if (rests()) {
      await clock.pause(HALTED_MS, stop);
      continue;
    }
    bell.reset();
    let againMs: number | undefined;
    let restMs = 0;
    try {
      const outcome = await limited(controller, view, stop, tell, giveUp);
      if (rests()) continue;
      for (const output of controller.outputs) {
        const value = outcome.outputs?.[output];
        if (value === undefined) store.remove(output);
        else store.set(output, value as never);
      }
      found(outcome.conditions ?? []);
      ({ againMs, restMs = 0 } = outcome);
      lastFailure = '';
      if (mayTry(restart, clock.monotonicMs() - DEFAULT_POLICY.forgiveMs)) restart = NO_FAILURES;
    } catch (error) {
      if (stop.aborted) break;
      if (rests()) continue;
      restart = failed(restart, clock.monotonicMs());
      againMs = pauseOf(restart);
      tell(error);
      await clock.pause(againMs, stop);
      continue;
    }
    await bell.wait(againMs, Math.min(restMs, againMs ?? restMs), stop);
  }
  unwatch();
  await controller.close?.();
}

/**
 * One pass, to its end: one that takes too long is aborted and waited for.
 *
 * @param late told at once when it takes too long
 * @throws Error when it took too long, whatever came of it
 */
async function limited(
  controller: Controller,
  view: View,
  stop: AbortSignal,
  late: (error: Error) => void,
  giveUp: (reason: string) => void,
): Promise<Outcome> {
  const { name, timeoutMs = PASS_MS, abortedMs = ABORTED_MS } = controller;
  const limit = new AbortController();
  const onStop = () => limit.abort(stop.reason);
  stop.addEventListener('abort', onStop, { once: true });
  let tooLong: Error | undefined;
  let cancel = clock.after(timeoutMs, () => {
    tooLong = new Error(`no end after ${timeoutMs / 1000} s`);
    limit.abort(tooLong);
    late(tooLong);
    cancel = clock.after(abortedMs, () =>
      giveUp(`${name} was aborted after ${timeoutMs / 1000} s and has not ended ${abortedMs / 1000} s later`),
    );
  });
  try {
    const outcome = await controller.reconcile(view, limit.signal);
    if (tooLong === undefined) return outcome;
  } catch (error) {
    if (tooLong === undefined) throw error;
  } finally {
    cancel();
    stop.removeEventListener('abort', onStop);
  }
  throw tooLong;
}

function failureOf(name: string, error: unknown): FoundCondition {
  if (error instanceof AgentError) return conditionOf(error);
  return {
    code: `${name}.failed`,
    state: 'failed',
    summary: `${name} failed: ${error instanceof Error ? error.message : String(error)}`,
    endedBy: 'it is tried again by itself; journalctl -u node-agent tells more',
  };
}

type Bell = ReturnType<typeof createBell>;

/** One bell per loop: rung while the loop works, it makes the next wait end at once. */
function createBell() {
  let rung = false;
  let changed = false;
  let resting = false;
  let wake: (() => void) | undefined;
  // There are many passes each second: this spends no abort controllers and no exceptions on them.
  const sleep = (ms: number, stop: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const end = () => {
        cancel();
        stop.removeEventListener('abort', end);
        wake = undefined;
        resolve();
      };
      const cancel = clock.after(ms, end);
      stop.addEventListener('abort', end, { once: true });
      wake = end;
    });
  return {
    ring: () => {
      rung = true;
      wake?.();
    },
    /** An input changed: heard only once the rest is over. */
    change: () => {
      changed = true;
      if (!resting) wake?.();
    },
    reset: () => {
      rung = false;
      changed = false;
    },
    /** @param ms until the next pass when nothing happens; undefined: for ever */
    wait: async (ms: number | undefined, restMs: number, stop: AbortSignal): Promise<void> => {
      if (restMs > 0 && !rung && !stop.aborted) {
        resting = true;
        await sleep(restMs, stop);
        resting = false;
      }
      if (rung || changed || stop.aborted) return;
      await sleep(ms === undefined ? 2 ** 31 - 1 : Math.max(0, ms - restMs), stop);
    },
  };
}
