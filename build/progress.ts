import { humanSize } from './definition/size.ts';
import { clock } from './host.ts';

/** What a step is at: words, or how many of all its bytes are done. */
export type Detail = string | { readonly done: number; readonly total: number };

/** Shows what a long piece of work is at. It never decides anything: the work runs the same without it. */
export interface Progress {
  /**
   * Show a step while `work` runs; several may run at once. `report` replaces what is said beside the title; it may
   * be called as often as one likes.
   *
   * @param outcome a few words about the result, said when the step is done
   */
  step<T>(
    title: string,
    work: (report: (detail: Detail) => void) => Promise<T>,
    outcome?: (result: T) => string,
  ): Promise<T>;
}

/** Lines as they come, for logs: one when a step begins, one when it ends, and at most one every few seconds. */
export function lineProgress(write: (line: string) => void, everyMs = 5000): Progress {
  return {
    async step(title, work, outcome) {
      const start = clock.monotonicMs();
      let last = start;
      write(`${title} ...`);
      const result = await work((detail) => {
        if (clock.monotonicMs() - last < everyMs) return;
        last = clock.monotonicMs();
        write(`${title}: ${detailText(detail)}`);
      });
      const end = `done in ${seconds(clock.monotonicMs() - start)}`;
      write(`${title}: ${[end, outcome?.(result)].filter(Boolean).join(', ')}`);
      return result;
    },
  };
}

/** The part of a terminal's stream that is needed; process.stderr is one. */
export interface Terminal {
  readonly columns?: number;
  write(text: string): unknown;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const FRAME_MS = 100;
/** ECMA-48: to the first column, and erase from here to the end of the screen. */
const ERASE_BELOW = '\r\x1b[J';

/**
 * A line with a spinner for each running step, for terminals. The cursor waits on an empty line above these, so
 * that whatever else is written meanwhile stays, and they follow below it.
 */
export function terminalProgress(terminal: Terminal = process.stderr): Progress {
  const running = new Set<{ readonly title: string; detail: string }>();
  let timer: NodeJS.Timeout | undefined;
  let frame = 0;
  const paint = () => {
    const mark = FRAMES[frame++ % FRAMES.length];
    const lines = [...running].map(({ title, detail }) =>
      fitting(`${mark} ${title}${detail === '' ? '' : `: ${detail}`}`, terminal.columns),
    );
    terminal.write(`${ERASE_BELOW}\n${lines.map((line) => `${line}\n`).join('')}\x1b[${lines.length + 1}A`);
  };
  return {
    async step(title, work, outcome) {
      const start = clock.monotonicMs();
      const shown = { title, detail: '' };
      const end = (mark: string, said?: string) => {
        running.delete(shown);
        const took = seconds(clock.monotonicMs() - start);
        terminal.write(`${ERASE_BELOW}${mark} ${title} (${[took, said].filter(Boolean).join(', ')})\n`);
        if (running.size > 0) return paint();
        clearInterval(timer);
        timer = undefined;
      };
      running.add(shown);
      timer ??= setInterval(paint, FRAME_MS);
      paint();
      try {
        const result = await work((detail) => {
          shown.detail = detailText(detail);
        });
        end('✔', outcome?.(result));
        return result;
      } catch (error) {
        end('✖');
        throw error;
      }
    },
  };
}

export const silentProgress: Progress = { step: (_, work) => work(() => {}) };

/** A detail for people: `37 % of 1.2 GiB`. */
function detailText(detail: Detail): string {
  if (typeof detail === 'string') return detail;
  const { done, total } = detail;
  return `${total > 0 ? Math.floor((done / total) * 100) : 100} % of ${humanSize(total)}`;
}

/** One line that does not wrap and moves no cursor: a program's output may hold anything. */
function fitting(text: string, columns = 80): string {
  const width = columns > 0 ? columns : 80;
  const plain = text.replaceAll(/\p{Cc}+/gu, ' ');
  return [...plain].slice(0, width - 1).join('');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
