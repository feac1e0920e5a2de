import * as path from 'node:path';
import { openCache } from '../cache.ts';
import { readHostFacts } from '../definition/host-facts.ts';
import { loadDefinition } from '../definition/load.ts';
import { makePlan } from '../definition/make-plan.ts';
import type { Plan } from '../definition/plan.ts';
import { files } from '../host.ts';
import { buildImage } from '../pipeline.ts';
import { lineProgress, silentProgress } from '../progress.ts';
import { type BaseImage, basePlan, LOCAL_BASE } from '../render/base-image.ts';
import { renderFolder } from '../render/folder.ts';
import { choosePacker, versionText } from '../render/packer-version.ts';
import { assertMayRender, readRendered, writeRendered } from '../render/rendered-folder.ts';
import { readArchive } from '../rootfs/archive.ts';
import { OUTPUT_FOLDER } from './clean.ts';
import type { Context, Register } from './context.ts';
import { BUILD_STOP_MS } from './interrupt.ts';

interface RenderFlags {
  readonly out: string;
  readonly packerVersion?: string;
  readonly withBase?: boolean;
  readonly base?: string;
  readonly mirror?: string;
  readonly force?: boolean;
}

export const registerRender: Register = (program, context) => {
  program
    .command('render')
    .description('write a Packer template, cloud-init and the layers, for teams that run Packer themselves')
    .option('--out <folder>', 'where they appear', path.join(OUTPUT_FOLDER, 'packer'))
    .option('--packer-version <version>', 'the Packer to write for (default: the one of this machine)')
    .option(
      '--with-base',
      'also build the base image that Packer starts from, where the base has none to fetch',
    )
    .option('--base <base>', 'what to build on: debian-13, debian-12, ubuntu-24.04, ubuntu-26.04')
    .option('--mirror <url>', 'the archive to take packages from')
    .option('--force', 'replace files that were edited, or that are not ours')
    .addHelpText(
      'after',
      `
Examples:
  npx clusteros-build render --with-base && dist/packer/build.sh
  npx clusteros-build render --base ubuntu-24.04 --out packer --packer-version 1.11
`,
    )
    .action((flags: RenderFlags) => render(context, flags));
};

async function render(context: Context, flags: RenderFlags): Promise<void> {
  if (flags.withBase) context.stopWithin(BUILD_STOP_MS);
  const chosen = await choosePacker(flags.packerVersion);
  const [definition, host] = await Promise.all([
    loadDefinition(context.globals().definition),
    readHostFacts(),
  ]);
  const plan = makePlan(definition, host, { target: 'qcow2', base: flags.base, mirror: flags.mirror });
  const output = path.resolve(flags.out);
  const local = plan.base.distribution === 'debian';
  const withBase = flags.withBase === true && local;
  // The names do not depend on what the base and the archive turn out to be.
  const names = (await renderFolder(plan, { packer: chosen.version, epoch: 0 })).map((file) => file.path);
  const own = [...names, ...(withBase ? [LOCAL_BASE] : [])];
  await assertMayRender(output, own, flags.force === true);
  const epoch = plan.epoch ?? (await readArchive(plan.apt, context.signal)).date;
  const base = withBase ? await makeBase(context, plan, output) : undefined;
  const rendered = await renderFolder(plan, { packer: chosen.version, epoch, base });
  const kept = base?.checksum.replace('sha256:', '') ?? (await readRendered(output))?.get(LOCAL_BASE);
  await writeRendered(output, rendered, kept === undefined ? {} : { [LOCAL_BASE]: kept });
  const version = versionText(chosen.version);
  context.answer(
    {
      folder: output,
      packer: { version, from: chosen.from },
      base: base ?? null,
      files: rendered.map(({ path: place }) => place),
    },
    () =>
      [
        `wrote ${rendered.length} files to ${path.relative('.', output) || output}, for Packer ${version} (${chosen.from})`,
        ...(local && base === undefined
          ? [`Packer starts from ${LOCAL_BASE}, which is not there yet: --with-base makes it.`]
          : []),
        '',
        `next     ${path.join(path.relative('.', output) || '.', 'build.sh')}`,
      ].join('\n'),
  );
}

/** The base image, by the direct engine, in the rendered folder. */
async function makeBase(context: Context, plan: Plan, output: string): Promise<BaseImage> {
  const work = await files.makeWorkFolder(output, '.base');
  try {
    const built = await buildImage(basePlan(plan), {
      cache: await openCache(),
      output: work,
      signal: context.signal,
      progress: context.globals().json ? silentProgress : lineProgress(context.note),
    });
    await files.moveIntoPlace(built.image, path.join(output, LOCAL_BASE));
    return { image: LOCAL_BASE, checksum: `sha256:${built.sha256}` };
  } finally {
    await files.remove(work);
  }
}
