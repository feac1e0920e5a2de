import { createHash } from 'node:crypto';
import * as path from 'node:path';
import * as z from 'zod';
import type { MachineIds } from '../host/machine-ids.ts';
import { files } from '../host.ts';
import { readRecord } from '../own-record.ts';

/** Hashes of the ids of the machine that the state folder was last used in. */
export type Machine = MachineIds;

const hash = z.string().regex(/^[0-9a-f]{32}$/);
const schema = z.strictObject({
  version: z.literal(1),
  board: hash.optional(),
  disk: hash.optional(),
});
const LIMIT = 4_096;

function machineFile(state: string): string {
  return path.join(state, 'machine.json');
}

/** An id of nothing but zeros or letters F is that of many machines. Pure. */
export function machineOf({ board, disk }: MachineIds): Machine {
  return { board: hashOf('board', board), disk: hashOf('disk', disk) };
}

/** Whether the folder came from another machine or disk; what either side does not know says nothing. Pure. */
export function isOther(before: Machine, now: Machine): boolean {
  const differs = (one?: string, other?: string) => one !== undefined && other !== undefined && one !== other;
  return differs(before.board, now.board) || differs(before.disk, now.disk);
}

/** Of the last run; nothing when the file is missing or damaged. */
export async function loadMachine(state: string): Promise<Machine> {
  const record = await readRecord(machineFile(state), LIMIT, schema);
  return record === undefined ? {} : { board: record.board, disk: record.disk };
}

/** What is not known now stays as it was. @returns what is held from now on */
export async function saveMachine(state: string, before: Machine, now: Machine): Promise<Machine> {
  const next = { board: now.board ?? before.board, disk: now.disk ?? before.disk };
  if (next.board === before.board && next.disk === before.disk) return before;
  await files.writeDurable(machineFile(state), `${JSON.stringify({ version: 1, ...next })}\n`, 0o600);
  return next;
}

function hashOf(kind: string, id: string | undefined): string | undefined {
  if (id === undefined || /^[0f\s-]*$/i.test(id)) return undefined;
  return createHash('sha256').update(`${kind} ${id.toLowerCase()}`).digest('hex').slice(0, 32);
}
