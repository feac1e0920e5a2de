import { closeSync, fstatSync, globSync, openSync, readSync } from 'node:fs';
import * as path from 'node:path';
import { headline } from '../../../agent/status.ts';
import type { LoggedLine, Machine, MachineRecord } from '../machines.ts';

/** Bytes of an engine's log that are kept. */
const TAIL = 16 * 1024;

/** @param run the folder that is /run inside; those of earlier starts lie beside it as `run.1`, ... */
export async function recordOf(
  machine: Machine,
  lines: readonly LoggedLine[],
  run: string,
): Promise<MachineRecord> {
  const status = machine.on
    ? await machine.agentStatus().catch((error: unknown) => `no status: ${(error as Error).message}`)
    : 'off';
  const processes = (await machine.processes()).map(({ pid, argv }) => `${pid} ${argv.join(' ')}`);
  return {
    name: machine.name,
    lines: [...lines],
    headline: typeof status === 'string' ? status : headline(status),
    conditions:
      typeof status === 'string'
        ? []
        : status.conditions.map((each) =>
            [`${each.code} since ${each.since}: ${each.summary}`, each.evidence, `ended by: ${each.endedBy}`]
              .filter(Boolean)
              .join('\n'),
          ),
    engines: Object.fromEntries(logsIn(run).map((file) => [labelOf(file, run), tailOf(file)])),
    processes,
  };
}

function logsIn(run: string): string[] {
  return globSync(`${run}{,.*}/clusteros/log/*.log`).sort();
}

function labelOf(file: string, run: string): string {
  const [start = ''] = path.relative(path.dirname(run), file).split('/');
  const unit = path.basename(file, '.log');
  return start === 'run' ? unit : `${unit}, before power cut ${start.split('.')[1]}`;
}

function tailOf(file: string): string {
  const handle = openSync(file, 'r');
  try {
    const { size } = fstatSync(handle);
    const buffer = Buffer.alloc(Math.min(size, TAIL));
    readSync(handle, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8');
  } finally {
    closeSync(handle);
  }
}
