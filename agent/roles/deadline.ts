import { AgentError } from '../errors.ts';

/** Time as the roles see it; replaced in tests. */
export interface Time {
  /** Since boot, sleep included. */
  nowMs(): number;
  /** Ends early, without an error, when the signal aborts. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
}

/** @throws AgentError `role.timeout`; the call itself goes on, and its end is not waited for */
export async function withDeadline<T>(call: Promise<T>, ms: number, time: Time): Promise<T> {
  const done = new AbortController();
  const late = time.pause(ms, done.signal).then(() => {
    if (done.signal.aborted) return new Promise<never>(() => {});
    throw new AgentError({
      code: 'role.timeout',
      exit: 'notRunning',
      message: `no answer within ${ms / 1000} s`,
    });
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    done.abort('done');
  }
}

/** @returns whether it succeeded */
export function settled(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
