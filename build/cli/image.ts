import * as path from 'node:path';
import { openCache } from '../cache.ts';
import type { PlanFlags } from '../definition/make-plan.ts';
import { clock } from '../host.ts';
import { type BuiltImage, buildImage } from '../pipeline.ts';
import { lineProgress, type Progress, silentProgress, terminalProgress } from '../progress.ts';
import { OUTPUT_FOLDER } from './clean.ts';
import type { Context, Register } from './context.ts';
import { planFor, withPlanOptions } from './plan-options.ts';

interface ImageFlags extends PlanFlags {
  readonly output: string;
}

export const registerImage: Register = (program, context) => {
  const command = withPlanOptions(program.command('image'))
    .description('build the image: packages, node agent, both boot chains, one file')
    .option('--output <folder>', 'where the artifact appears', OUTPUT_FOLDER)
    .addHelpText(
      'after',
      `
Examples:
  npx clusteros-build image                       debian-13 or ubuntu-24.04, by what this machine is
  npx clusteros-build image --base debian-12
  npx clusteros-build image --mirror http://mirror.lab.example/debian

The artifact is dist/<name>-<base>-<arch>/<name>-<base>-<arch>.qcow2, with SHA256SUMS and manifest.json beside it.
`,
    );
  command.action((flags: ImageFlags) => image(context, flags));
};

async function image(context: Context, flags: ImageFlags): Promise<void> {
  const start = clock.monotonicMs();
  const plan = await planFor(context, flags);
  context.note(
    `building ${plan.target} from ${plan.base.name} (${plan.packages.length} packages named), mirror ${plan.apt.mirror}`,
  );
  const built = await buildImage(plan, {
    cache: await openCache(),
    output: path.resolve(flags.output),
    signal: context.signal,
    progress: progressFor(context),
  });
  const took = (clock.monotonicMs() - start) / 1000;
  context.answer({ ...built, seconds: Number(took.toFixed(1)) }, () => summary(built, took));
}

function progressFor(context: Context): Progress {
  if (context.globals().json) return silentProgress;
  return process.stderr.isTTY ? terminalProgress() : lineProgress(context.note);
}

function summary(built: BuiltImage, seconds: number): string {
  const image = path.relative(process.cwd(), built.image);
  return `
image    ${image}
size     ${(built.bytes / 2 ** 20).toFixed(0)} MiB, ${built.packages.count} packages
sha256   ${built.sha256}
${built.upToDate ? 'It was there already, made from the same inputs.' : `Built in ${seconds.toFixed(1)} s.`}

next     npx clusteros-build boot       start it in a virtual machine and get a shell
`;
}
