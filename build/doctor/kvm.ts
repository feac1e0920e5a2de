import { release, tmpdir } from 'node:os';
import * as path from 'node:path';
import { z } from 'zod';
import { cacheFolderOf } from '../cache.ts';
import { OperatorError } from '../errors.ts';
import { clock, files, tryRun } from '../host.ts';
import { bootSector, GREETED_EXIT, probeArgv } from './boot-sector.ts';

/** How machines run here, and why. */
export interface Accelerator {
  readonly accel: 'kvm' | 'tcg';
  /** One clause without a full stop. */
  readonly reason: string;
}

interface ProbeOptions {
  /** Probe again, whatever an earlier probe said. */
  readonly fresh?: boolean;
  readonly signal?: AbortSignal | undefined;
}

const LIMIT_SECONDS = 6;
const MEMO_MS = 86_400_000;

const memoSchema = z.strictObject({
  key: z.string(),
  atMs: z.number(),
  accel: z.enum(['kvm', 'tcg']),
  reason: z.string(),
});

/**
 * Whether KVM runs a guest here. Not only that `/dev/kvm` opens: there are machines where it does, and where the
 * guest never executes an instruction. The verdict is remembered for a day, for this kernel, QEMU and user.
 *
 * Never throws for a machine without KVM; an interrupted probe throws `interrupted`.
 */
export async function probeAccelerator(options: ProbeOptions = {}): Promise<Accelerator> {
  const access = await deviceAccess();
  if (access !== undefined) return { accel: 'tcg', reason: access };
  const key = await memoKey();
  const file = path.join(cacheFolderOf(), 'kvm.json');
  const remembered = options.fresh ? undefined : await recall(file, key);
  if (remembered !== undefined) return remembered;
  const verdict = await runGuest(options.signal);
  await remember(file, key, verdict);
  return verdict;
}

/** Why `/dev/kvm` cannot be opened, or undefined when it can. */
async function deviceAccess(): Promise<string | undefined> {
  try {
    const handle = await files.openFile('/dev/kvm', 'r+');
    await handle.close();
    return undefined;
  } catch (error) {
    const reason = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
    if (reason === 'ENOENT') return 'this machine has no /dev/kvm: using TCG';
    if (reason === 'EACCES') {
      return '/dev/kvm may not be opened by this user (sudo adduser $USER kvm, then log in again): using TCG';
    }
    return `/dev/kvm cannot be opened (${reason}): using TCG`;
  }
}

async function runGuest(signal: AbortSignal | undefined): Promise<Accelerator> {
  const folder = await files.makeWorkFolder(tmpdir(), 'clusteros-kvm');
  try {
    const disk = path.join(folder, 'sector.img');
    await files.writeAtomic(disk, bootSector());
    // timeout(1) ends a QEMU that does not listen to SIGTERM, as one with a hanging guest may not.
    const limit = ['timeout', '--signal=KILL', String(LIMIT_SECONDS)];
    const { exitCode, stderr } = await tryRun([...limit, ...probeArgv(disk, 'kvm')], { signal });
    return judgeProbe(exitCode, stderr);
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'program.missing') throw error;
    return { accel: 'tcg', reason: 'qemu-system-x86_64 is missing, so KVM could not be tried: using TCG' };
  } finally {
    await files.remove(folder);
  }
}

/** What the end of the probe says. Pure. */
export function judgeProbe(exitCode: number, stderr: string): Accelerator {
  if (exitCode === GREETED_EXIT) return { accel: 'kvm', reason: 'KVM ran a guest' };
  // 137 and 128: killed by the time limit.
  if (exitCode === 137 || exitCode === 128 || exitCode === 124) {
    return {
      accel: 'tcg',
      reason: `KVM opens, but a guest did not run within ${LIMIT_SECONDS} s: using TCG`,
    };
  }
  if (exitCode === 127)
    return { accel: 'tcg', reason: 'qemu-system-x86_64 is missing, so KVM could not be tried: using TCG' };
  const words = stderr.trim().split('\n').at(-1)?.slice(0, 200) || `exit code ${exitCode}`;
  return { accel: 'tcg', reason: `KVM opens, but QEMU cannot use it (${words}): using TCG` };
}

async function memoKey(): Promise<string> {
  const version = await tryRun(['qemu-system-x86_64', '--version']).catch(() => undefined);
  return [release(), version?.stdout.split('\n')[0] ?? 'no qemu', process.getuid?.() ?? 0].join(' | ');
}

async function recall(file: string, key: string): Promise<Accelerator | undefined> {
  try {
    const memo = memoSchema.parse(JSON.parse(await files.readText(file)));
    const age = clock.wallClock().getTime() - memo.atMs;
    return memo.key === key && age >= 0 && age < MEMO_MS
      ? { accel: memo.accel, reason: memo.reason }
      : undefined;
  } catch {
    // No memo, or one that cannot be read: the guest tells.
    return undefined;
  }
}

async function remember(file: string, key: string, verdict: Accelerator): Promise<void> {
  try {
    const memo: z.infer<typeof memoSchema> = { key, atMs: clock.wallClock().getTime(), ...verdict };
    await files.writeAtomic(file, `${JSON.stringify(memo)}\n`);
  } catch (error) {
    // A cache that cannot be written costs some seconds next time, and is reported by whoever needs it.
    if (!(error instanceof OperatorError)) throw error;
  }
}
