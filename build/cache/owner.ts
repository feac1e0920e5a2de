import { files } from '../host.ts';

/**
 * A process, told apart from a later one with the same number by its start: `1234-567890`. Names of work folders
 * begin with it, so that what a crash left behind can be known for that.
 */
export async function ownOwner(): Promise<string> {
  return `${process.pid}-${(await startOf(process.pid)) ?? 0}`;
}

/** Whether the process that a name begins with is still there. */
export async function ownerLives(name: string): Promise<boolean> {
  const match = OWNED.exec(name);
  if (match === null) return false;
  return (await startOf(Number(match[1]))) === Number(match[2]);
}

/** Whether a name is of a process of ours that is gone: only what is so named is removed. */
export async function isLeftover(name: string): Promise<boolean> {
  return OWNED.test(name) && !(await ownerLives(name));
}

const OWNED = /^(\d+)-(\d+)\./;

/** Start of a process in clock ticks after the boot: field 22 of proc_pid_stat(5). */
async function startOf(pid: number): Promise<number | undefined> {
  try {
    const status = await files.readText(`/proc/${pid}/stat`);
    // The second field is the program's name in brackets and may hold anything, brackets and blanks too.
    return Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return undefined;
  }
}
