/** Programs that want all of this machine's processors, beside machines under test. */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { clock } from '../../build/host.ts';
import type { Machine } from './machines.ts';

/** @returns how to end them */
export function keepBusy(programs: number): () => void {
  const loop = 'for (;;) {}';
  const children = Array.from({ length: programs }, () =>
    spawn(process.execPath, ['--eval', loop], { stdio: 'ignore' }),
  );
  return () => {
    for (const child of children) child.kill('SIGKILL');
  };
}

export function tenPerCore(): number {
  return 10 * availableParallelism();
}

interface BusyReport {
  readonly looks: number;
  /** Looks that showed what was last known. */
  readonly lastKnown: number;
  readonly longestAnswerMs: number;
  readonly oldestSeconds: number;
}

interface Said {
  readonly pid: number;
  readonly lastKnown?: { readonly ageSeconds: number };
}

/**
 * Ask each machine by its own command for so long: each time it answers, or says what it last knew and how old that is.
 *
 * @throws Error when it says neither, or when an agent is another process than at first
 */
export async function askAllTheTime(
  machines: readonly Machine[],
  forMs: number,
  patienceMs: number,
): Promise<BusyReport> {
  const endMs = clock.monotonicMs() + forMs;
  const report = { looks: 0, lastKnown: 0, longestAnswerMs: 0, oldestSeconds: 0 };
  await Promise.all(
    machines.map(async (machine) => {
      let pid: number | undefined;
      while (clock.monotonicMs() < endMs) {
        const startMs = clock.monotonicMs();
        const { stdout } = await machine.exec(['node-agent', 'status', '--json'], { timeoutMs: patienceMs });
        const said = JSON.parse(stdout) as Said;
        const tookMs = clock.monotonicMs() - startMs;
        pid ??= said.pid;
        if (said.pid !== pid) throw new Error(`${machine.name}: agent ${pid} was replaced by ${said.pid}`);
        report.looks += 1;
        report.longestAnswerMs = Math.max(report.longestAnswerMs, tookMs);
        if (said.lastKnown !== undefined) {
          report.lastKnown += 1;
          report.oldestSeconds = Math.max(report.oldestSeconds, said.lastKnown.ageSeconds);
        }
        await clock.pause(3_000);
      }
    }),
  );
  return report;
}
