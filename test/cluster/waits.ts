/** Waiting for a cluster: by condition, with a deadline, and with what was last seen in the error. */
import { clock } from '../../build/host.ts';

interface EventuallyOptions {
  readonly deadlineMs: number;
  /** Time between two looks; 100 ms unless given. */
  readonly everyMs?: number;
}

/**
 * Look until it holds. The check throws to say what it sees instead (an assertion does), or returns `false` or
 * undefined; anything else is the result.
 *
 * @param sentence what is waited for: "the five are one cluster"
 * @throws Error `waited 12.0 s for ...; last seen: ...`, its cause what the check threw last
 */
export async function eventually<T>(
  sentence: string,
  check: () => Promise<T> | T,
  { deadlineMs, everyMs = 100 }: EventuallyOptions,
): Promise<Exclude<T, false | undefined>> {
  const startMs = clock.monotonicMs();
  for (;;) {
    // A look that began in time counts, however long it takes.
    const lastLook = clock.monotonicMs() - startMs >= deadlineMs;
    const seen = await look(check);
    if ('value' in seen && seen.value !== false && seen.value !== undefined) {
      return seen.value as Exclude<T, false | undefined>;
    }
    if (lastLook) {
      const spent = ((clock.monotonicMs() - startMs) / 1000).toFixed(1);
      const saw = 'value' in seen ? String(seen.value) : describe(seen.thrown);
      throw new Error(`waited ${spent} s for: ${sentence}; last seen: ${saw}`, {
        cause: 'value' in seen ? undefined : seen.thrown,
      });
    }
    const leftMs = deadlineMs - (clock.monotonicMs() - startMs);
    await clock.pause(Math.max(1, Math.min(everyMs, leftMs)));
  }
}

/**
 * It holds now and at every look until the time is over: "no instant with two holders".
 *
 * @throws Error `no longer after 3.2 s: ...`
 */
export async function throughout(
  sentence: string,
  check: () => Promise<unknown> | unknown,
  { forMs, everyMs = 100 }: { readonly forMs: number; readonly everyMs?: number },
): Promise<void> {
  const startMs = clock.monotonicMs();
  for (;;) {
    const seen = await look(check);
    const spentMs = clock.monotonicMs() - startMs;
    if ('thrown' in seen || seen.value === false) {
      const saw = 'thrown' in seen ? describe(seen.thrown) : 'false';
      const cause = 'thrown' in seen ? seen.thrown : undefined;
      throw new Error(`no longer after ${(spentMs / 1000).toFixed(1)} s: ${sentence}; seen: ${saw}`, {
        cause,
      });
    }
    if (spentMs >= forMs) return;
    await clock.pause(Math.max(1, Math.min(everyMs, forMs - spentMs)));
  }
}

type Seen<T> = { readonly value: T } | { readonly thrown: unknown };

async function look<T>(check: () => Promise<T> | T): Promise<Seen<T>> {
  try {
    return { value: await check() };
  } catch (thrown) {
    return { thrown };
  }
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
