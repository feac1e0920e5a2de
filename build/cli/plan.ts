import { openCache } from '../cache.ts';
import type { PlanFlags } from '../definition/make-plan.ts';
import type { Plan } from '../definition/plan.ts';
import { humanSize } from '../definition/size.ts';
import { OperatorError } from '../errors.ts';
import { readArchive } from '../rootfs/archive.ts';
import { packagesKey } from '../rootfs/packages.ts';
import type { Register } from './context.ts';
import { plansFor, withPlanOptions } from './plan-options.ts';

/** A stage of the build, and whether its result is in the cache already. */
interface CacheState {
  readonly stage: string;
  /** Unknown when the archive, whose state is a part of the key, could not be asked. */
  readonly state: 'hit' | 'miss' | 'unknown';
  /** The key, or why there is none. */
  readonly detail: string;
}

export const registerPlan: Register = (program, context) => {
  const command = program
    .command('plan')
    .description('show what would be built: packages, layers, files, ports, cache hits');
  withPlanOptions(command).action(async (flags: PlanFlags) => {
    const plans = await plansFor(context, flags);
    const shown: { readonly plan: Plan; readonly cache: readonly CacheState[] }[] = [];
    for (const plan of plans) shown.push({ plan, cache: [await packagesState(plan, context.signal)] });
    const documents = shown.map(({ plan, cache }) => planAsJson(plan, cache));
    // One target is one document, as it is for most.
    context.answer(documents.length === 1 ? documents[0] : { plans: documents }, () =>
      shown.map(({ plan, cache }) => planAsText(plan, cache)).join('\n\n\n'),
    );
  });
};

async function packagesState(plan: Plan, signal: AbortSignal): Promise<CacheState> {
  try {
    const key = await packagesKey(plan, await readArchive(plan.apt, signal));
    const entries = await (await openCache()).list();
    const present = entries.some((entry) => entry.kind === 'packages' && entry.key === key && entry.complete);
    return { stage: 'packages', state: present ? 'hit' : 'miss', detail: key };
  } catch (error) {
    // A plan can be shown without the network; that the mirror is dead is a part of the answer.
    if (!(error instanceof OperatorError) || error.exit !== 'network') throw error;
    return { stage: 'packages', state: 'unknown', detail: error.message };
  }
}

/** The plan for programs. Layers by name: what they hold is in packages, files, links and units. */
function planAsJson(plan: Plan, cache: readonly CacheState[]): unknown {
  return { ...plan, layers: plan.layers.map(({ name, summary }) => ({ name, summary })), cache };
}

function planAsText(plan: Plan, cache: readonly CacheState[]): string {
  const { apt } = plan;
  const sections: [string, readonly string[]][] = [
    [
      `${plan.name}: ${plan.target} of ${plan.base.name} for ${plan.arch}, disk ${humanSize(plan.diskBytes)}`,
      [
        `mirror    ${apt.mirror} (set by ${apt.mirrorSetBy})`,
        `security  ${apt.securityMirror}`,
        `suites    ${apt.suites.map(({ suite }) => suite).join(' ')} (${apt.components.join(' ')})`,
        `keyring   ${apt.keyring}`,
        `time      ${plan.epoch === undefined ? "the archive's own date" : new Date(plan.epoch * 1000).toISOString()} on every file`,
      ],
    ],
    [
      `layers (${plan.layers.length})`,
      plan.layers.map(({ name, summary }) => `${name.padEnd(10)} ${summary}`),
    ],
    [`packages (${plan.packages.length})`, wrapped(plan.packages, 96)],
    [
      `files (${plan.files.length})`,
      plan.files.map(
        ({ path, mode, text }) =>
          `0${mode.toString(8)} ${humanSize(Buffer.byteLength(text)).padStart(9)}  ${path}`,
      ),
    ],
    [`units (${plan.units.length})`, plan.units.map(({ unit, state }) => `${state.padEnd(9)} ${unit}`)],
    [
      `ports (${plan.ports.length})`,
      plan.ports.map(
        ({ name, port, protocol, scope }) =>
          `${String(port).padEnd(6)} ${protocol.padEnd(8)} ${scope.padEnd(5)} ${name}`,
      ),
    ],
    ['cache', cache.map(({ stage, state, detail }) => `${state.padEnd(7)}  ${stage}  ${detail}`)],
  ];
  return sections
    .map(([title, lines]) => [title, ...lines.map((line) => `  ${line}`)].join('\n'))
    .join('\n\n');
}

function wrapped(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
