import {
  type DefaultRenderer,
  Listr,
  type ListrTaskWrapper,
  type SimpleRenderer,
  VerboseRenderer,
} from 'listr2';
import { clock } from './host.ts';

/** Shows what a long piece of work is at. It never decides anything: the work runs the same without it. */
export interface Progress {
  /**
   * Show a step while `work` runs. `report` replaces what is said beside the title; it may be called as often as
   * one likes.
   */
  step<T>(title: string, work: (report: (detail: string) => void) => Promise<T>): Promise<T>;
}

/** Lines as they come, for logs: one when a step begins, one when it ends, and at most one every few seconds. */
export function lineProgress(write: (line: string) => void, everyMs = 5000): Progress {
  return {
    async step(title, work) {
      const start = clock.monotonicMs();
      let last = start;
      write(`${title} ...`);
      const result = await work((detail) => {
        if (clock.monotonicMs() - last < everyMs) return;
        last = clock.monotonicMs();
        write(`${title}: ${detail}`);
      });
      write(`${title}: done in ${seconds(clock.monotonicMs() - start)}`);
      return result;
    },
  };
}

/** A spinner for each step, for terminals. */
export function terminalProgress(): Progress {
  return {
    async step(title, work) {
      const start = clock.monotonicMs();
      let result: { value: Awaited<ReturnType<typeof work>> } | undefined;
      const list = new Listr(
        [
          {
            title,
            task: async (
              _: unknown,
              task: ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>,
            ) => {
              const value = await work((detail) => {
                task.output = detail;
              });
              task.title = `${title} (${seconds(clock.monotonicMs() - start)})`;
              result = { value };
            },
          },
        ],
        {
          registerSignalListeners: false,
          rendererOptions: { showErrorMessage: false },
          fallbackRenderer: VerboseRenderer as never,
        },
      );
      await list.run();
      if (result === undefined) throw new Error(`the step "${title}" gave no result`);
      return result.value;
    },
  };
}

export const silentProgress: Progress = { step: (_, work) => work(() => {}) };

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
