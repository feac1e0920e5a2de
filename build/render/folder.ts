/** A plan as a folder that Packer builds from: template, seed, layers, scripts. */
import * as path from 'node:path';
import { metaDataText, userDataText } from '../../packer/cloud-init.ts';
import { GUEST_USER, packerTemplate } from '../../packer/template.ts';
import type { Plan } from '../definition/plan.ts';
import { files } from '../host.ts';
import { type BaseImage, defaultBaseImage } from './base-image.ts';
import { type RenderedFile, renderLayers } from './layer-files.ts';
import { needsPlugins, type PackerVersion } from './packer-version.ts';

interface RenderOptions {
  readonly packer: PackerVersion;
  /** SOURCE_DATE_EPOCH of the image: no file in it is newer. */
  readonly epoch: number;
  /** Unless given, what {@link defaultBaseImage} says. */
  readonly base?: BaseImage | undefined;
}

const PACKER = path.join(import.meta.dirname, '..', '..', 'packer');
const ROOTFS = path.join(import.meta.dirname, '..', 'rootfs');
/** The recipe of the direct engine, which the guest's scripts run too: these hooks, and all that they may copy. */
const HOOKS = ['hooks/essential', 'hooks/customize'] as const;
const COPIED_BY_HOOKS = ['grub', 'initramfs'] as const;
const SCRIPTS = ['packages.sh', 'apply-layer.sh', 'finish.sh', 'leave.sh'] as const;

/** The files of the folder, in the order of their names; same plan, same bytes. */
export async function renderFolder(plan: Plan, options: RenderOptions): Promise<RenderedFile[]> {
  const layers = renderLayers(plan);
  const name = `${plan.name}-${plan.base.name}-${plan.arch}`;
  const template = packerTemplate({
    name,
    base: { name: plan.base.name, ...(options.base ?? defaultBaseImage(plan)) },
    diskBytes: plan.diskBytes,
    layers: layers.map(({ folder, summary }) => ({ folder, summary })),
    plugins: needsPlugins(options.packer),
  });
  const plain = (place: string, text: string): RenderedFile => ({ path: place, mode: 0o644, text });
  const rendered = [
    plain('clusteros.pkr.hcl', template),
    plain('cloud-init/user-data', userDataText()),
    plain('cloud-init/meta-data', metaDataText(name)),
    plain('upload/layers/packages', plan.packages.map((each) => `${each}\n`).join('')),
    plain('upload/provision/apt.sources', aptSources(plan)),
    plain('upload/provision/settings', settingsText(plan, options.epoch)),
    ...layers.flatMap((layer) => layer.files),
    ...(await copied()),
  ];
  return rendered.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** Write them into a new folder. @throws OperatorError `file.unwritable` */
export async function writeFolder(output: string, rendered: readonly RenderedFile[]): Promise<void> {
  for (const { path: place, mode, text } of rendered) {
    await files.writeAtomic(path.join(output, place), text, mode);
  }
}

async function copied(): Promise<RenderedFile[]> {
  const recipe: string[] = [...HOOKS];
  for (const folder of COPIED_BY_HOOKS)
    for (const name of await files.listFolder(path.join(ROOTFS, folder))) recipe.push(`${folder}/${name}`);
  const sources = [
    { from: path.join(PACKER, 'provision', 'build.sh'), to: 'build.sh', mode: 0o755 },
    { from: path.join(PACKER, 'provision', 'README.md'), to: 'README.md', mode: 0o644 },
    ...SCRIPTS.map((name) => ({
      from: path.join(PACKER, 'provision', name),
      to: `upload/provision/${name}`,
      mode: 0o755,
    })),
    ...recipe.map((name) => ({
      from: path.join(ROOTFS, name),
      to: `upload/provision/${name}`,
      mode: name.startsWith('hooks/') ? 0o755 : 0o644,
    })),
  ];
  return await Promise.all(
    sources.map(async ({ from, to, mode }) => ({ path: to, mode, text: await files.readText(from) })),
  );
}

/** What the scripts in the guest read. Only numbers and names of ours: a shell reads it. */
function settingsText(plan: Plan, epoch: number): string {
  return `SOURCE_DATE_EPOCH=${epoch}\nCLUSTEROS_INITRAMFS=${plan.initramfs}\nCLUSTEROS_USER=${GUEST_USER}\n`;
}

/** The archive of the build, for the guest (deb822 form, sources.list(5)). */
function aptSources({ apt }: Plan): string {
  const uris = [...new Set(apt.suites.map(({ uri }) => uri))];
  const stanzas = uris.map((uri) => {
    const suites = apt.suites.filter((each) => each.uri === uri).map(({ suite }) => suite);
    return [
      'Types: deb',
      `URIs: ${uri}`,
      `Suites: ${suites.join(' ')}`,
      `Components: ${apt.components.join(' ')}`,
      `Signed-By: ${apt.keyring}`,
      ...(apt.snapshot === undefined ? [] : ['Check-Valid-Until: no']),
      '',
    ].join('\n');
  });
  return stanzas.join('\n');
}
