import { openCache } from '../cache.ts';
import { cacheKeysOf } from '../cache-keys.ts';
import type { PlanFlags } from '../definition/make-plan.ts';
import type { Plan } from '../definition/plan.ts';
import { humanSize } from '../definition/size.ts';
import type { Register } from './context.ts';
import { planFor, withPlanOptions } from './plan-options.ts';

/** A stage of the build, and whether its result is in the cache already. */
export interface CacheHit {
  readonly stage: string;
  readonly key: string;
  readonly hit: boolean;
}

export const registerPlan: Register = (program, context) => {
  const command = program
    .command('plan')
    .description('show what would be built: packages, layers, files, ports, cache hits');
  withPlanOptions(command).action(async (flags: PlanFlags) => {
    const plan = await planFor(context, flags);
    const hits = await cacheHits(plan);
    context.answer(planAsJson(plan, hits), () => planAsText(plan, hits));
  });
};

async function cacheHits(plan: Plan): Promise<CacheHit[]> {
  const cache = await openCache();
  const present = new Set(
    (await cache.list()).filter((entry) => entry.complete).map(({ kind, key }) => `${kind} ${key}`),
  );
  return cacheKeysOf(plan).map(({ kind, key }) => ({ stage: kind, key, hit: present.has(`${kind} ${key}`) }));
}

/** The plan for programs. Layers by name: what they hold is in packages, files, links and units. */
export function planAsJson(plan: Plan, hits: readonly CacheHit[]): unknown {
  return { ...plan, layers: plan.layers.map(({ name, summary }) => ({ name, summary })), cache: hits };
}

export function planAsText(plan: Plan, hits: readonly CacheHit[]): string {
  const { apt } = plan;
  const sections: [string, readonly string[]][] = [
    [
      `${plan.name}: ${plan.target} of ${plan.base.name} for ${plan.arch}, disk ${humanSize(plan.diskBytes)}`,
      [
        `mirror    ${apt.mirror} (set by ${apt.mirrorSetBy})`,
        `security  ${apt.securityMirror}`,
        `suites    ${apt.suites.map(({ suite }) => suite).join(' ')} (${apt.components.join(' ')})`,
        `keyring   ${apt.keyring}`,
        `time      ${new Date(plan.epoch * 1000).toISOString()} on every file`,
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
    [
      'cache',
      hits.map(({ stage, key, hit }) => `${hit ? 'hit ' : 'miss'} ${stage.padEnd(9)} ${key.slice(0, 16)}`),
    ],
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
