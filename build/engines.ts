/** The engines: what makes the root file system that the assembly takes, each with the same result. */

import { nearestWord } from '../settings/mistakes.ts';
import { TARGET_RECIPES } from './assemble/targets.ts';
import type { Cache } from './cache.ts';
import type { Plan } from './definition/plan.ts';
import { probeAccelerator } from './doctor/kvm.ts';
import { OperatorError } from './errors.ts';
import { which } from './host.ts';
import { buildWithPacker, type PackerOptions } from './render/engine.ts';
import { machinePlan } from './render/machine-plan.ts';
import { type PackagesTree, packagesTree } from './rootfs/packages.ts';

/**
 * `direct`: mmdebstrap on this machine, in a minute. `packer`: a base image boots in QEMU and Packer's provisioners
 * change it, for teams whose images all come from Packer.
 */
export const ENGINES = ['direct', 'packer'] as const;
export type Engine = (typeof ENGINES)[number];

/** @throws OperatorError `flag.invalid` */
export function engineNamed(word: string): Engine {
  const engine = ENGINES.find((name) => name === word);
  if (engine !== undefined) return engine;
  const nearest = nearestWord(word, ENGINES);
  throw new OperatorError({
    code: 'flag.invalid',
    message: `--engine does not know "${word}"${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
    fix: `choose one of: ${ENGINES.join(', ')}`,
  });
}

interface EngineOptions {
  readonly engine: Engine;
  readonly cache: Cache;
  readonly signal: AbortSignal;
  /** See {@link PackerOptions.makeImage}. */
  readonly makeImage: PackerOptions['makeImage'];
}

/** The root file system of a plan, before the assembly. @throws OperatorError of the engine */
export async function rootFileSystem(
  plan: Plan,
  { engine, cache, signal, makeImage }: EngineOptions,
  onProgress: (step: string) => void,
): Promise<PackagesTree> {
  if (engine === 'direct') return await packagesTree(plan, { cache, signal, onProgress });
  const { accel } = await probeAccelerator({ signal });
  return await buildWithPacker(machinePlan(plan), { cache, signal, accel, makeImage, onProgress });
}

const DIRECT = ['setpriv', 'unshare', 'mmdebstrap'] as const;
const PACKER = ['setpriv', 'unshare', 'qemu-system-x86_64', 'qemu-img', 'ssh-keygen', 'xorriso'] as const;

/**
 * To find out before minutes of work what would fail after them.
 *
 * @throws OperatorError `packer.missing`, `program.missing`
 */
export async function requirePrograms(engine: Engine, plans: readonly Plan[]): Promise<void> {
  if (engine === 'packer' && (await which('packer')) === undefined) throw noPacker();
  const missing = await missingOf([...new Set(plans.flatMap((plan) => programsFor(engine, plan)))]);
  if (missing.length === 0) return;
  throw new OperatorError({
    code: 'program.missing',
    exit: 'missing',
    message: `${missing.length === 1 ? 'a program is' : 'programs are'} not installed: ${missing.join(', ')}`,
    fix: 'run: npx clusteros-build doctor --fix',
  });
}

function programsFor(engine: Engine, { base, target }: Plan): readonly string[] {
  const own = TARGET_RECIPES[target].programs;
  if (engine === 'direct') return [...DIRECT, ...own];
  // Packer starts from an image of ours where the distribution has none to fetch.
  const ofBase = base.distribution === 'debian' ? [...DIRECT, ...TARGET_RECIPES.qcow2.programs] : [];
  return [...PACKER, ...ofBase, ...own];
}

async function missingOf(programs: readonly string[]): Promise<string[]> {
  const found = await Promise.all(programs.map((program) => which(program)));
  return programs.filter((_, index) => found[index] === undefined);
}

function noPacker(): OperatorError {
  return new OperatorError({
    code: 'packer.missing',
    exit: 'missing',
    message: '--engine=packer needs Packer, and it is not installed',
    fix: 'sudo apt-get install packer (Debian has 1.6.6), or omit --engine: the direct engine builds the same packages and files',
  });
}
