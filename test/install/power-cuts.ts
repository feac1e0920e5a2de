/** Moments of an installation at which power is cut, and what is on the disk then. */
import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { hasProtectiveMbr, readTable } from '../../agent/installer/gpt.ts';
import { clock, files, run } from '../../build/host.ts';
import type { DiskSpec } from '../../qemu/argv.ts';
import type { Machine } from '../../qemu/machine.ts';
import { waitFor } from '../../qemu/wait.ts';
import { INSTALL_LIMIT_MS } from './machines.ts';

/** In their order. */
const PHASES = ['Writing', 'Reading back', 'Moving the seed', 'Finishing'] as const;

interface Moment {
  readonly phase: (typeof PHASES)[number];
  /** Of the phase. */
  readonly percent: number;
  /** Milliseconds after that. */
  readonly moreMs: number;
}

/** What is rare in time is not rare here. The last two phases take a second or so. */
const TURNS = ['Writing', 'Finishing', 'Moving the seed', 'Reading back', 'Writing', 'Finishing'] as const;
const LONGEST_MORE_MS = { Writing: 1_000, 'Reading back': 1_000, 'Moving the seed': 1_000, Finishing: 400 };

/** By chance, and the same for the same seed. */
export function chanceMoments(count: number, seed: string): Moment[] {
  return Array.from({ length: count }, (_, index) => {
    const digest = createHash('sha256').update(`${seed}/${index}`).digest();
    const phase = TURNS[index % TURNS.length] ?? 'Writing';
    const hasPercent = phase === 'Writing' || phase === 'Reading back';
    return {
      phase,
      percent: hasPercent ? Math.floor((digest.readUInt32LE(0) / 2 ** 32) * 100) : 0,
      moreMs: Math.floor((digest.readUInt32LE(4) / 2 ** 32) * LONGEST_MORE_MS[phase]),
    };
  });
}

/** Cut the power of an installation that goes on, at this moment of it. @returns what was said last */
export async function cutAt(machine: Machine, from: number, moment: Moment): Promise<string> {
  const { phase, percent, moreMs } = moment;
  await waitFor(
    `${phase} ${percent} % on ${machine.name}`,
    async () => {
      const said = machine.console.since(from);
      const at = progressOf(said, phase);
      return at !== undefined && at >= percent
        ? { done: true, value: undefined }
        : { done: false, saw: said.slice(-200) };
    },
    { deadlineMs: INSTALL_LIMIT_MS, everyMs: 20, failFast: () => machine.trouble() },
  );
  await clock.pause(moreMs);
  await machine.crash();
  return (
    machine.console
      .lastLines(1)
      .trim()
      .split(new RegExp(`(?=${PHASES.join('|')})`))
      .at(-1) ?? ''
  );
}

/** Percent of a phase; 100 when a later one has begun; undefined when it has not come yet. */
function progressOf(said: string, phase: Moment['phase']): number | undefined {
  if (PHASES.slice(PHASES.indexOf(phase) + 1).some((later) => said.includes(later))) return 100;
  const shown = [...said.matchAll(new RegExp(`${phase} +(\\d+) %`, 'g'))].at(-1)?.[1];
  if (shown !== undefined) return Number(shown);
  return said.includes(phase) ? 0 : undefined;
}

/** @returns whether firmware finds a system on the disk; a half of one is an error */
export async function isBootable({ file, format, sector }: DiskSpec): Promise<boolean> {
  const head = path.join(path.dirname(file), 'head.raw');
  await files.remove(head);
  await run(['qemu-img', 'dd', '-f', format, '-O', 'raw', 'bs=4096', 'count=16', `if=${file}`, `of=${head}`]);
  const bytes = await files.readBytes(head);
  if (!hasProtectiveMbr(bytes)) {
    if (bytes.readUInt16LE(510) === 0xaa55) throw new Error(`${file}: half of a boot sector`);
    return false;
  }
  const partitions = readTable(bytes, sector ?? 512)?.map(({ name }) => name);
  if (partitions?.join() !== 'bios-boot,esp,root') throw new Error(`${file}: MBR, but ${partitions}`);
  return true;
}
