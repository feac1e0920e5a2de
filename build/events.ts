/**
 * A build as programs follow it (`image --json`): each event is one line of JSON, with its kind in `event`. Kinds and
 * keys are only ever added to; see docs/events.md.
 */
import { clock } from './host.ts';
import type { Progress } from './progress.ts';

export type BuildEvent =
  /** The first: what will be made. */
  | {
      readonly event: 'plan';
      readonly name: string;
      readonly base: string;
      readonly engine: string;
      readonly targets: readonly string[];
    }
  | { readonly event: 'started'; readonly stage: string }
  /** Words, or bytes of all bytes: the view decides how often. */
  | { readonly event: 'progress'; readonly stage: string; readonly detail: string }
  | {
      readonly event: 'progress';
      readonly stage: string;
      readonly bytes: number;
      readonly totalBytes: number;
    }
  | {
      readonly event: 'finished';
      readonly stage: string;
      readonly seconds: number;
      readonly outcome?: string;
    }
  /** What went wrong follows in the last event, `error`. */
  | { readonly event: 'failed'; readonly stage: string; readonly seconds: number }
  | {
      readonly event: 'artifact';
      readonly target: string;
      readonly file: string;
      readonly bytes: number;
      readonly sha256: string;
      readonly upToDate: boolean;
    };

/**
 * The stages of a build as events.
 *
 * @param everyMs the least time between two `progress` events of one stage; what comes sooner is left out
 */
export function eventProgress(emit: (event: BuildEvent) => void, everyMs = 500): Progress {
  return {
    async step(stage, work, outcome) {
      const startMs = clock.monotonicMs();
      const seconds = () => Math.round(clock.monotonicMs() - startMs) / 1000;
      let nextMs = 0;
      emit({ event: 'started', stage });
      try {
        const result = await work((detail) => {
          const nowMs = clock.monotonicMs();
          if (nowMs < nextMs) return;
          nextMs = nowMs + everyMs;
          if (typeof detail === 'string') emit({ event: 'progress', stage, detail });
          else emit({ event: 'progress', stage, bytes: detail.done, totalBytes: detail.total });
        });
        const said = outcome?.(result);
        emit({
          event: 'finished',
          stage,
          seconds: seconds(),
          ...(said ? { outcome: said } : {}),
        });
        return result;
      } catch (error) {
        emit({ event: 'failed', stage, seconds: seconds() });
        throw error;
      }
    },
  };
}
