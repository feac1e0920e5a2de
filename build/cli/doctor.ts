import { ensureHostPrograms } from '../../bin/host-programs.mjs';
import { SetupError } from '../../bin/setup-error.mjs';
import { cacheFolderOf } from '../cache.ts';
import { readHostFacts } from '../definition/host-facts.ts';
import { humanSize } from '../definition/size.ts';
import { type Accelerator, probeAccelerator } from '../doctor/kvm.ts';
import { type ProgramReport, reportPrograms } from '../doctor/programs.ts';
import { OperatorError } from '../errors.ts';
import { files } from '../host.ts';
import { probeNamespaces } from '../rootfs/namespaces.ts';
import type { Context, Register } from './context.ts';

interface DoctorReport {
  readonly programs: readonly ProgramReport[];
  /** Whether this user may build images here, and if not, how to allow it. */
  readonly mayBuild: { readonly ok: boolean; readonly reason: string; readonly fix?: string | undefined };
  readonly accelerator: Accelerator;
  readonly memoryBytes: number;
  readonly freeBytes: number;
  readonly cacheFolder: string;
  readonly ok: boolean;
}

/** Below these a build is likely to fail, or to be slow. */
const ENOUGH_MEMORY = 2 * 2 ** 30;
const ENOUGH_DISK = 8 * 2 ** 30;

export const registerDoctor: Register = (program, context) => {
  program
    .command('doctor')
    .description('look at what this machine has, lacks and can do')
    .option('--fix', 'install what is missing with apt-get')
    .action(async ({ fix }: { fix?: boolean }) => {
      if (fix) installMissing();
      const report = await examine(context);
      context.answer(report, () => reportAsText(report));
      if (!report.ok) context.exitWith('missing');
    });
};

async function examine(context: Context): Promise<DoctorReport> {
  const { family } = await readHostFacts();
  const cacheFolder = cacheFolderOf();
  await files.makeFolder(cacheFolder);
  const [programs, accelerator, memoryBytes, freeBytes] = await Promise.all([
    reportPrograms(family),
    probeAccelerator({ fresh: true, signal: context.signal }),
    availableMemory(),
    files.freeBytes(cacheFolder),
  ]);
  const mayBuild = await examineRights(programs, context.signal);
  const ok = programs.every(({ present, required }) => present || !required) && mayBuild.ok;
  return { programs, mayBuild, accelerator, memoryBytes, freeBytes, cacheFolder, ok };
}

async function examineRights(
  programs: readonly ProgramReport[],
  signal: AbortSignal,
): Promise<DoctorReport['mayBuild']> {
  const isRoot = process.getuid?.() === 0;
  if (programs.some(({ name, present }) => name === 'mmdebstrap' && !present))
    return { ok: true, reason: 'not tried without mmdebstrap' };
  const refusal = await probeNamespaces(signal);
  if (refusal === undefined) return { ok: true, reason: `as ${isRoot ? 'root' : 'an ordinary user'}: works` };
  return { ok: false, reason: refusal.message, fix: refusal.fix };
}

function installMissing(): void {
  try {
    ensureHostPrograms();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    const exit = error.exitCode === 4 ? 'network' : error.exitCode === 130 ? 'interrupted' : 'missing';
    throw new OperatorError({
      code: 'doctor.install-failed',
      exit,
      message: error.message,
      evidence: error.evidence,
      fix: error.fix,
      cause: error,
    });
  }
}

/** MemAvailable of proc_meminfo(5), in bytes. */
async function availableMemory(): Promise<number> {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(await files.readText('/proc/meminfo'));
  return Number(match?.[1] ?? 0) * 1024;
}

export function reportAsText(report: DoctorReport): string {
  const width = Math.max(...report.programs.map(({ name }) => name.length));
  const lines = report.programs.map(({ name, present, required, version, neededBy, install }) => {
    const state = present ? 'ok     ' : required ? 'MISSING' : 'absent ';
    const rest = present ? (version ?? 'present') : install;
    return `${state}  ${name.padEnd(width)}  ${rest}\n${' '.repeat(width + 11)}for ${neededBy}`;
  });
  const low = (bytes: number, enough: number) =>
    bytes < enough ? ` (low: ${humanSize(enough)} or more is better)` : '';
  const lacks = report.programs.some(({ present, required }) => required && !present);
  const verdicts = [
    ...(lacks ? ['programs are missing; run: npx clusteros-build doctor --fix'] : []),
    ...(report.mayBuild.ok ? [] : [`images cannot be built here; fix: ${report.mayBuild.fix}`]),
  ];
  const verdict = verdicts.length === 0 ? 'everything that is needed is here' : verdicts.join('\n');
  return [
    ...lines,
    '',
    `building    ${report.mayBuild.reason}`,
    `machines    ${report.accelerator.accel}: ${report.accelerator.reason}`,
    `memory      ${humanSize(report.memoryBytes)} available${low(report.memoryBytes, ENOUGH_MEMORY)}`,
    `disk        ${humanSize(report.freeBytes)} free for ${report.cacheFolder}${low(report.freeBytes, ENOUGH_DISK)}`,
    '',
    verdict,
  ].join('\n');
}
