import * as path from 'node:path';
import { openCache } from '../cache.ts';
import type { PlanFlags } from '../definition/make-plan.ts';
import type { Target } from '../definition/plan.ts';
import { clock } from '../host.ts';
import { type BuiltImage, buildImages } from '../pipeline.ts';
import { lineProgress, type Progress, silentProgress, terminalProgress } from '../progress.ts';
import { OUTPUT_FOLDER } from './clean.ts';
import type { Context, Register } from './context.ts';
import { plansFor, withPlanOptions } from './plan-options.ts';

interface ImageFlags extends PlanFlags {
  readonly output: string;
}

export const registerImage: Register = (program, context) => {
  const command = withPlanOptions(program.command('image'))
    .description('build the image, for one medium or several: packages, node agent, what boots it')
    .option('--output <folder>', 'where the artifact appears', OUTPUT_FOLDER)
    .addHelpText(
      'after',
      `
Examples:
  npx clusteros-build image                       debian-13 or ubuntu-24.04, by what this machine is
  npx clusteros-build image --base debian-12
  npx clusteros-build image --target docker       for docker load; --target qcow2,docker makes both
  npx clusteros-build image --mirror http://mirror.lab.example/debian

The artifact is dist/<name>-<base>-<arch>/<name>-<base>-<arch>.qcow2, with SHA256SUMS and manifest.json beside it;
those of other targets are in folders of their own, such as dist/<name>-<base>-<arch>-docker/.
`,
    );
  command.action((flags: ImageFlags) => image(context, flags));
};

async function image(context: Context, flags: ImageFlags): Promise<void> {
  const start = clock.monotonicMs();
  const plans = await plansFor(context, flags);
  const [plan] = plans;
  if (plan === undefined) throw new Error('no plan');
  context.note(
    `building ${plans.map(({ target }) => target).join(', ')} from ${plan.base.name} (${plan.packages.length} packages named), mirror ${plan.apt.mirror}`,
  );
  const built = await buildImages(plans, {
    cache: await openCache(),
    output: path.resolve(flags.output),
    signal: context.signal,
    progress: progressFor(context),
  });
  const took = (clock.monotonicMs() - start) / 1000;
  // The first one's facts stand at the top: most builds have one.
  const document = { ...built[0], artifacts: built, seconds: Number(took.toFixed(1)) };
  context.answer(document, () => summary(built, took));
}

function progressFor(context: Context): Progress {
  if (context.globals().json) return silentProgress;
  return process.stderr.isTTY ? terminalProgress() : lineProgress(context.note);
}

function summary(built: readonly BuiltImage[], seconds: number): string {
  return [
    ...built.map(
      ({ target, image, bytes, packages, sha256, upToDate }) => `
${target.padEnd(8)} ${path.relative(process.cwd(), image)}
size     ${(bytes / 2 ** 20).toFixed(0)} MiB, ${packages.count} packages${upToDate ? '; it was there already, made from the same inputs' : ''}
sha256   ${sha256}`,
    ),
    built.every(({ upToDate }) => upToDate) ? '' : `Built in ${seconds.toFixed(1)} s.`,
    '',
    ...built.map(({ target, image }) => `next     ${NEXT[target](path.relative(process.cwd(), image))}`),
  ].join('\n');
}

const NEXT: Readonly<Record<Target, (image: string) => string>> = {
  qcow2: () => 'npx clusteros-build boot       start it in a virtual machine and get a shell',
  docker: (image) => `npx clusteros-build cluster up --image ${image}       five nodes under Docker`,
};
