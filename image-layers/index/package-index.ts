import * as path from 'node:path';
import * as z from 'zod';
import { BASES } from '../../build/definition/bases.ts';
import { files } from '../../build/host.ts';
import { BASE_NAMES, type BaseName, type Layer } from '../layer.ts';
import { ALL_LAYERS } from '../layers.ts';

/**
 * What is known of a package in the archive of a base:
 * - a version and a component, with the page that says so where the archive itself was not read;
 * - `listed`: a page says that the base has it, but not in which component (another suite's page of the package,
 *   a file list, a package that depends on it, the packages of a machine that runs the base);
 * - `null` or `absent`: the archive has no package of that name;
 * - `evidence: 'none found'`: no page could be found, and `inferred` says what we assume and why.
 */
const Entry = z.union([
  z.strictObject({ version: z.string(), component: z.string(), evidence: z.url().optional() }),
  z.strictObject({ listed: z.literal(true), version: z.string().optional(), evidence: z.url() }),
  z.strictObject({ absent: z.literal(true), evidence: z.url() }),
  z.null(),
  z.strictObject({ evidence: z.literal('none found'), inferred: z.string() }),
]);
export type Entry = z.infer<typeof Entry>;

/** The package that ships a file; `null`: none does. */
const FileEntry = z.union([
  z.strictObject({ package: z.string(), evidence: z.url().optional() }),
  z.null(),
  z.strictObject({ evidence: z.literal('none found'), inferred: z.string() }),
]);
export type FileEntry = z.infer<typeof FileEntry>;

const PackageIndex = z.strictObject({
  base: z.enum(BASE_NAMES),
  /** Where it was read. */
  source: z.string(),
  /** The state that it shows: the date in the archive's Release file, or a word on the pages' age. */
  recorded: z.string(),
  packages: z.record(z.string(), Entry),
  files: z.record(z.string(), FileEntry),
});
export type PackageIndex = z.infer<typeof PackageIndex>;

/** Where packages put their units. */
const UNITS = '/usr/lib/systemd/system';

/** Names that later steps think of; recorded now so that their layers can be written without an archive. */
const CANDIDATES = [
  'containerd',
  'crun',
  'dracut',
  'initramfs-tools-core',
  'jupyterhub',
  'mariadb-server',
  'munge',
  'podman',
  'runc',
  'slurm-client',
  'slurm-wlm-basic-plugins',
  'slurmctld',
  'slurmd',
  'slurmdbd',
  'slurmrestd',
  'squashfs-tools',
  'systemd',
  'systemd-repart',
];

/** The packages that a layer asks for on a base. */
export function packagesOf(layer: Layer, base: BaseName): readonly string[] {
  return [...(layer.packages.all ?? []), ...(layer.packages[base] ?? [])];
}

/** Every name that a record has a word on: those of all layers on all bases, and the candidates. */
export function namesToRecord(): string[] {
  const named = ALL_LAYERS.flatMap((layer) => Object.values(layer.packages).flat());
  return [...new Set([...named, ...CANDIDATES])].sort();
}

/** Every file of a package that the build copies, that a layer links to, or that a unit's name stands for. */
export function filesToRecord(base: BaseName): string[] {
  return [...new Set([...filesRelied(base), ...maskedUnits()])].sort();
}

/** The files that must be there for an image to work. */
export function filesRelied(base: BaseName): string[] {
  const { shim, mokManager, grub } = BASES[base].secureBoot;
  const linked = ALL_LAYERS.flatMap((layer) => layer.links).map((link) => link.target);
  const wanted = ALL_LAYERS.flatMap((layer) => layer.units).filter(({ state }) => state === 'enabled');
  const own = new Set(ALL_LAYERS.flatMap((layer) => layer.files).map((file) => path.basename(file.path)));
  return [
    ...[shim, mokManager, grub],
    ...linked.filter((target) => target.startsWith(`${UNITS}/`)),
    ...wanted
      .map(({ unit }) => unit)
      .filter((unit) => !own.has(unit))
      .map((unit) => `${UNITS}/${unit}`),
  ];
}

/** The unit files that a layer masks. One base may have them and another not. */
export function maskedUnits(): string[] {
  const masked = ALL_LAYERS.flatMap((layer) => layer.units).filter(({ state }) => state === 'masked');
  return masked.map(({ unit }) => `${UNITS}/${unit}`);
}

/** @throws OperatorError when it is missing; ZodError when it is not of this form */
export async function readIndex(base: BaseName): Promise<PackageIndex> {
  return PackageIndex.parse(JSON.parse(await files.readText(indexFile(base))));
}

export async function writeIndex(index: PackageIndex): Promise<void> {
  await files.writeAtomic(indexFile(index.base), format(PackageIndex.parse(index)));
}

function indexFile(base: BaseName): string {
  return path.join(import.meta.dirname, `${base}.json`);
}

/** One line for each entry, sorted: a new recording is then a diff that one can read. */
function format({ packages, files, ...head }: PackageIndex): string {
  const table = (entries: Readonly<Record<string, unknown>>) =>
    Object.keys(entries)
      .sort()
      .map((name) => `    ${JSON.stringify(name)}: ${JSON.stringify(entries[name])}`)
      .join(',\n');
  const lines = Object.entries(head).map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},`,
  );
  return `{\n${lines.join('\n')}\n  "packages": {\n${table(packages)}\n  },\n  "files": {\n${table(files)}\n  }\n}\n`;
}
