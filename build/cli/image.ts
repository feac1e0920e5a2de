import * as path from 'node:path';
import { openCache } from '../cache.ts';
import type { PlanFlags } from '../definition/make-plan.ts';
import { humanSize } from '../definition/size.ts';
import { ENGINES, engineNamed } from '../engines.ts';
import { type BuildEvent, eventProgress } from '../events.ts';
import { clock } from '../host.ts';
import { type BuiltImage, buildImages } from '../pipeline.ts';
import { lineProgress, type Progress, terminalProgress } from '../progress.ts';
import { readSignKey } from '../trust/sign-key.ts';
import { OUTPUT_FOLDER } from './clean.ts';
import type { Context, Register } from './context.ts';
import { BUILD_STOP_MS } from './interrupt.ts';
import { plansFor, withPlanOptions } from './plan-options.ts';

interface ImageFlags extends PlanFlags {
  readonly output: string;
  readonly engine: string;
  readonly signKey?: string;
  readonly force?: boolean;
}

export const registerImage: Register = (program, context) => {
  const command = withPlanOptions(program.command('image'))
    .description('build the image, for one medium or several: packages, node agent, what boots it')
    .option('--output <folder>', 'where the artifact appears', OUTPUT_FOLDER)
    .option('--engine <engine>', `what installs the packages: ${ENGINES.join(', ')}`, 'direct')
    .option('--sign-key <file>', 'sign SHA256SUMS with this key (see: sign-key create)')
    .option('--force', 'replace files of the same names that are not ours')
    .addHelpText(
      'after',
      `
Examples:
  npx clusteros-build image                       debian-13 or ubuntu-24.04, by what this machine is
  npx clusteros-build image --base debian-12
  npx clusteros-build image --target docker       for docker load; --target qcow2,docker makes both
  npx clusteros-build image --mirror http://mirror.lab.example/debian
  npx clusteros-build image --sign-key release.key
  npx clusteros-build image --json | jq -r 'select(.event == "artifact") | .file'

The artifact is dist/<name>-<base>-<arch>/<name>-<base>-<arch>.qcow2, with its bill of materials (.spdx.json),
SHA256SUMS and manifest.json beside it; those of other targets are in folders of their own, such as
dist/<name>-<base>-<arch>-docker/.
`,
    );
  command.action((flags: ImageFlags) => image(context, flags));
};

async function image(context: Context, flags: ImageFlags): Promise<void> {
  context.stopWithin(BUILD_STOP_MS);
  const start = clock.monotonicMs();
  const engine = engineNamed(flags.engine);
  const signKey = flags.signKey === undefined ? undefined : await readSignKey(path.resolve(flags.signKey));
  const plans = await plansFor(context, flags);
  const [plan] = plans;
  if (plan === undefined) throw new Error('no plan');
  const targets = plans.map(({ target }) => target);
  const { json } = context.globals();
  const emit = (event: BuildEvent) => context.emit(event);
  if (json) emit({ event: 'plan', name: plan.name, base: plan.base.name, engine, targets });
  else
    context.note(
      `building ${targets.join(', ')} from ${plan.base.name} (${plan.packages.length} packages named), mirror ${plan.apt.mirror}`,
    );
  const built = await buildImages(plans, {
    cache: await openCache(),
    output: path.resolve(flags.output),
    signal: context.signal,
    progress: json ? eventProgress(emit) : progressForPeople(context),
    engine,
    signKey,
    force: flags.force,
    onBuilt: ({ target, image: file, bytes, sha256, upToDate }) =>
      emit({ event: 'artifact', target, file, bytes, sha256, upToDate }),
  });
  const seconds = Number(((clock.monotonicMs() - start) / 1000).toFixed(1));
  // The first one's facts stand at the top: most builds have one.
  if (json) context.emit({ event: 'result', ...built[0], artifacts: built, seconds });
  else context.answer(undefined, () => summary(built, seconds));
}

function progressForPeople(context: Context): Progress {
  return process.stderr.isTTY ? terminalProgress() : lineProgress(context.note);
}

function summary(built: readonly BuiltImage[], seconds: number): string {
  return [
    ...built.map(
      ({ target, image, bytes, packages, sha256, upToDate }) => `
${target.padEnd(8)} ${path.relative(process.cwd(), image)}
size     ${humanSize(bytes)}, ${packages.count} packages${upToDate ? '; it was there already, made from the same inputs' : ''}
sha256   ${sha256}`,
    ),
    built.every(({ upToDate }) => upToDate) ? '' : `Built in ${seconds.toFixed(1)} s.`,
    '',
    ...built.flatMap(({ target, image }) => {
      const next = NEXT[target]?.(path.relative(process.cwd(), image));
      return next === undefined ? [] : [`next     ${next}`];
    }),
  ].join('\n');
}

/** What one does with a fresh artifact. */
const NEXT: Readonly<Partial<Record<string, (image: string) => string>>> = {
  qcow2: () => 'npx clusteros-build boot       start it in a virtual machine and get a shell',
  docker: (image) => `npx clusteros-build cluster up --image ${image}       five nodes under Docker`,
  usb: (image) => `sudo npx clusteros-build flash DEVICE ${image}       onto a USB stick`,
};
