import { spawn } from 'node:child_process';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import { clock } from '../build/host.ts';
import { PINNED_NODE } from '../test/cluster/agent-bundle.ts';
import type { HostMachine } from '../test/cluster/namespaces/machine.ts';
import { entering } from '../test/cluster/namespaces/programs.ts';
import { eventually } from '../test/cluster/waits.ts';

interface Answer {
  readonly startMs: number;
  readonly endMs: number;
}

/** The page as one host sees it, asked fifty times a second. Times are ms of {@link machineMs}. */
export interface PageWatch {
  /** The end of the first answer to a question that was asked after that. */
  answeredAfter(ms: number, deadlineMs: number): Promise<number>;
  /** The longest time between two answers since then. */
  longestGapSince(ms: number): number;
  close(): Promise<void>;
}

/** CLOCK_MONOTONIC, the same in all processes and namespaces of this machine. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export async function watchPage(host: HostMachine, url: string): Promise<PageWatch> {
  const probe = path.join(import.meta.dirname, 'page-probe.ts');
  const argv = entering(host.init, ['--mount', '--uts', '--net', '--pid'], [PINNED_NODE, probe, url]);
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const answers: Answer[] = [];
  createInterface(child.stdout).on('line', (line) => {
    const [startMs = 0, endMs = 0, status] = line.split(' ').map(Number);
    if (status === 200) answers.push({ startMs, endMs });
  });
  return {
    answeredAfter: (ms, deadlineMs) =>
      eventually(`${url} answers ${host.name}`, () => answers.find(({ startMs }) => startMs > ms)?.endMs, {
        deadlineMs,
        everyMs: 10,
      }),
    longestGapSince(ms) {
      const ends = answers.map(({ endMs }) => endMs).toSorted((a, b) => a - b);
      const from = Math.max(
        0,
        ends.findLastIndex((end) => end <= ms),
      );
      const gaps = ends.slice(from + 1).map((end, at) => end - (ends[from + at] ?? end));
      return Math.max(0, ...gaps);
    },
    async close() {
      // The signal ends nsenter alone; the probe ends when nobody reads what it prints.
      child.stdout.destroy();
      child.kill('SIGTERM');
      await Promise.race([ended, clock.pause(2_000)]);
    },
  };
}
