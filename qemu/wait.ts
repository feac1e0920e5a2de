import { OperatorError } from '../build/errors.ts';
import { clock, interrupted } from '../build/host.ts';

export type Look<T> =
  | { readonly done: true; readonly value: T }
  /** What was seen instead, for the error. */
  | { readonly done: false; readonly saw: string };

export interface WaitOptions {
  readonly deadlineMs: number;
  /** Time between two looks. */
  readonly everyMs?: number;
  /** Looked at before each probe: a text says why waiting on is in vain. */
  readonly failFast?: (() => string | undefined) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** More for the error than what the last look saw, such as the end of the console. */
  readonly evidence?: (() => string) | undefined;
}

/**
 * Look again and again until the condition holds.
 *
 * @param describe what is waited for, as it goes into "waited N s for ..."
 * @param probe one look; `last` is true on the one look that follows the end of the time. What it throws ends
 *   the wait.
 * @throws OperatorError `wait.timeout` with what was last seen, `wait.hopeless` when failFast gave a reason,
 *   `interrupted`
 */
export async function waitFor<T>(
  describe: string,
  probe: (last: boolean) => Promise<Look<T>> | Look<T>,
  options: WaitOptions,
): Promise<T> {
  const started = clock.monotonicMs();
  for (;;) {
    if (options.signal?.aborted) throw interrupted(options.signal.reason);
    const reason = options.failFast?.();
    const spent = clock.monotonicMs() - started;
    if (reason !== undefined) throw hopeless(describe, reason, spent, options.evidence?.());
    const last = spent >= options.deadlineMs;
    const look = await probe(last);
    if (look.done) return look.value;
    if (last) throw timeout(describe, look.saw, spent, options.evidence?.());
    const remaining = options.deadlineMs - (clock.monotonicMs() - started);
    await pauseUnlessStopped(Math.max(1, Math.min(options.everyMs ?? 100, remaining)), options.signal);
  }
}

async function pauseUnlessStopped(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await clock.pause(ms, signal);
  } catch (cause) {
    if (signal?.aborted) throw interrupted(cause);
    throw cause;
  }
}

function hopeless(describe: string, reason: string, spent: number, evidence?: string): OperatorError {
  return new OperatorError({
    code: 'wait.hopeless',
    exit: 'boot',
    message: `waiting for ${describe} was given up after ${seconds(spent)}: ${reason}`,
    evidence,
  });
}

function timeout(describe: string, saw: string, spent: number, evidence?: string): OperatorError {
  return new OperatorError({
    code: 'wait.timeout',
    exit: 'boot',
    message: `waited ${seconds(spent)} for ${describe}; last seen: ${saw}`,
    evidence,
  });
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
