import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { isAlive } from './processes.ts';

/** Files of this process that are being written: as its number may be that of a dead one, that alone tells nothing. */
const underWay = new Set<string>();

/** The name of a file that goes with the process that made it: its own, or the next agent's, `removeLeftovers` takes it. */
export function temporaryBeside(file: string): string {
  return `${file}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`;
}

/** Write through a file beside another one: no leftover while the work goes on, and gone when it fails. */
export async function throughTemporary<T>(file: string, work: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = path.resolve(temporaryBeside(file));
  underWay.add(temporary);
  try {
    return await work(temporary);
  } catch (cause) {
    await fs.rm(temporary, { force: true });
    throw cause;
  } finally {
    underWay.delete(temporary);
  }
}

/** Of a process that was killed, or of before a power cut. */
export function isLeftover(file: string): boolean {
  const writer = /\.(\d+)\.[0-9a-f]{12}\.tmp$/.exec(file)?.[1];
  if (writer === undefined || underWay.has(path.resolve(file))) return false;
  return Number(writer) === process.pid || !isAlive(Number(writer));
}
