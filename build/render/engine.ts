/**
 * The other engine: Packer boots a base image in QEMU, its provisioners apply the same layers, and the guest writes
 * its finished root file system as a tar to a second disk. What comes out takes the place of the packages' tree of
 * the direct engine; the same assembly follows.
 */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type Cache, keyOf } from '../cache.ts';
import type { Plan } from '../definition/plan.ts';
import { OperatorError } from '../errors.ts';
import { ENDS_WITH_US, files, IN_OWN_NAMESPACES, proxy, run } from '../host.ts';
import { type ArchiveState, readArchive } from '../rootfs/archive.ts';
import { requireNamespaces } from '../rootfs/namespaces.ts';
import { type PackagesTree, packagesKey } from '../rootfs/packages.ts';
import { type BaseImage, basePlan, defaultBaseImage } from './base-image.ts';
import { renderFolder, writeFolder } from './folder.ts';
import type { RenderedFile } from './layer-files.ts';
import { choosePacker } from './packer-version.ts';

export interface PackerOptions {
  readonly cache: Cache;
  readonly signal: AbortSignal;
  readonly accel: 'kvm' | 'tcg';
  /** Makes an image by the direct engine: the base that Packer starts from, where there is none to fetch. */
  readonly makeImage: (base: Plan) => Promise<{ readonly image: string; readonly sha256: string }>;
  readonly onProgress?: (step: string) => void;
}

const TAR = 'packages.tar';
/** Larger than any root file system of ours; the file behind it is sparse. */
const EXPORT_MIB = 6144;
const SECTOR = 512;

/**
 * The root file system of a plan, by Packer: a tree like {@link import('../rootfs/packages.ts').packagesTree}'s, with
 * the layers' files in it already.
 *
 * @throws OperatorError `packer.*`, `mirror.*`, `disk.full`, `interrupted`
 */
export async function buildWithPacker(plan: Plan, options: PackerOptions): Promise<PackagesTree> {
  const { version } = await choosePacker(undefined);
  const archive = await readArchive(plan.apt, options.signal);
  const epoch = plan.epoch ?? archive.date;
  const rendered = await renderFolder(plan, { packer: version, epoch });
  const key = keyOf({
    engine: 'packer',
    packages: await packagesKey(plan, archive),
    base: await baseKey(plan, archive),
    // All but the template: where the base image lies is no part of the result.
    files: rendered.filter(({ path: place }) => place.startsWith('upload/')).map(fingerprint),
  });
  const hit = await options.cache.lookup('packages', key);
  const entry =
    hit ??
    (await options.cache.store('packages', key, async (folder) => {
      const base = await baseImage(plan, options);
      // Packer itself fetches nothing but a base image.
      const proxies = base.image.startsWith('https://') ? await proxy.proxyEnvironment([base.image]) : {};
      await make(await renderFolder(plan, { packer: version, epoch, base }), folder, { ...options, proxies });
    }));
  return { key, tar: path.join(entry, TAR), archive, epoch, cached: hit !== undefined };
}

/** What of the base image reaches the export: not its boot chain, and not the agent in it. */
async function baseKey(plan: Plan, archive: ArchiveState): Promise<string> {
  if (plan.base.distribution !== 'debian') return defaultBaseImage(plan).checksum;
  return await packagesKey(basePlan(plan), archive);
}

async function baseImage(plan: Plan, options: PackerOptions): Promise<BaseImage> {
  if (plan.base.distribution !== 'debian') return defaultBaseImage(plan);
  const { image, sha256 } = await options.makeImage(basePlan(plan));
  return { image: path.resolve(image), checksum: `sha256:${sha256}` };
}

/** With the variables that name this machine's proxy. */
type MakeOptions = PackerOptions & { readonly proxies: Readonly<Record<string, string>> };

async function make(rendered: readonly RenderedFile[], entry: string, options: MakeOptions): Promise<void> {
  const work = await files.makeWorkFolder(entry, 'packer');
  const sockets = await files.makeWorkFolder(shortFolder(tmpdir()), 'cospacker');
  try {
    await writeFolder(work, rendered);
    const output = path.join(work, 'output');
    await runPacker({ work, output, sockets }, options);
    await takeExport(output, path.join(entry, TAR), options.signal);
  } finally {
    await files.remove(sockets);
    await files.remove(work);
  }
}

/** Where Packer's plugins find room for their sockets: unix(7) allows 107 bytes, and with more Packer 1.6 crashes. */
export function shortFolder(wanted: string): string {
  const name = '/cospacker.XXXXXX/packer-plugin1234567890';
  return Buffer.byteLength(wanted) + name.length <= 107 ? wanted : '/tmp';
}

interface PackerPlaces {
  readonly work: string;
  readonly output: string;
  /** For its sockets and the throw-away key. */
  readonly sockets: string;
}

async function runPacker(
  { work, output, sockets }: PackerPlaces,
  { accel, signal, onProgress, proxies }: MakeOptions,
): Promise<void> {
  if (process.getuid?.() === 0) await requireNamespaces(signal);
  const variables = { accelerator: accel, output, export_disk: `["${EXPORT_MIB}M"]` };
  const argv = [
    // Packer, and its QEMU with it where root may.
    ...ENDS_WITH_US,
    ...(process.getuid?.() === 0 ? IN_OWN_NAMESPACES : []),
    path.join(work, 'build.sh'),
    '-color=false',
    '-timestamp-ui=false',
    ...Object.entries(variables).flatMap(([name, value]) => ['-var', `${name}=${value}`]),
  ];
  try {
    await run(argv, {
      cwd: work,
      env: {
        TMPDIR: sockets,
        PACKER_CACHE_DIR: path.join(work, 'cache'),
        CHECKPOINT_DISABLE: '1',
        ...proxies,
      },
      signal,
      // A shell puts SIGTERM off until Packer has ended, and Packer until QEMU has.
      killAtOnce: true,
      onLine: (line) => {
        const step = stepOf(line);
        if (step !== undefined) onProgress?.(step);
      },
    });
  } catch (cause) {
    throw explain(cause);
  }
}

/** What a line of Packer's output says about where it is. */
export function stepOf(line: string): string | undefined {
  const said = /^(?:==> | {4})qemu\.clusteros: (.*)$/.exec(line)?.[1]?.trim();
  return said === undefined || said === '' ? undefined : said.slice(0, 100);
}

function explain(cause: unknown): unknown {
  if (!(cause instanceof OperatorError) || cause.code !== 'command.failed') return cause;
  return new OperatorError({
    code: 'packer.failed',
    exit: 'command',
    message: 'Packer did not build the image',
    evidence: cause.evidence,
    fix: 'see what the step above says; the same by hand: npx clusteros-build render --with-base, then build.sh',
    cause,
  });
}

/** The tar on the second disk, cut to its length. @throws OperatorError `packer.export` when the guest did not finish it */
async function takeExport(output: string, tar: string, signal: AbortSignal): Promise<void> {
  const name = (await files.listFolder(output)).find((each) => each.endsWith('-1'));
  if (name === undefined) throw unfinished('there is no second disk');
  await run([...ENDS_WITH_US, 'qemu-img', 'convert', '-O', 'raw', path.join(output, name), tar], { signal });
  const handle = await files.openFile(tar, 'r+');
  try {
    const { size } = await handle.stat();
    const { buffer } = await handle.read(Buffer.alloc(SECTOR), 0, SECTOR, size - SECTOR);
    await handle.truncate(exportedBytes(buffer, size));
  } finally {
    await handle.close();
  }
}

/** Length of the tar, by the mark that the guest leaves in the last sector when all of it is written. */
export function exportedBytes(lastSector: Buffer, size: number): number {
  const bytes = Number(/^clusteros-export complete (\d+)\n/.exec(lastSector.toString('latin1'))?.[1]);
  if (Number.isSafeInteger(bytes) && bytes > 0 && bytes <= size - SECTOR) return bytes;
  throw unfinished('the mark at its end is missing');
}

function unfinished(why: string): OperatorError {
  return new OperatorError({
    code: 'packer.export',
    exit: 'command',
    message: `the guest did not export its root file system whole: ${why}`,
    fix: 'run it again; when it fails again, look at the guest: render, then build.sh, and connect by VNC',
  });
}

function fingerprint({ path: place, mode, text }: RenderedFile): readonly [string, number, string] {
  return [place, mode, createHash('sha256').update(text).digest('hex')];
}
