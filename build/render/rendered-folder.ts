/** A rendered folder of the operator's: what an earlier rendering wrote goes, what anybody else did stays. */
import { createHash } from 'node:crypto';
import * as path from 'node:path';
import * as z from 'zod';
import { digestOf } from '../assemble/manifest.ts';
import { OperatorError } from '../errors.ts';
import { files, places } from '../host.ts';
import { assertMayFill, assertMayWrite, inTheWay } from '../may-write.ts';
import { writeFolder } from './folder.ts';
import type { RenderedFile } from './layer-files.ts';

/** The manifest of a rendered folder: its files with their digests, so that what was edited is known. */
const RENDERED = 'rendered.json';
/** Everything below it goes into the image. */
const UPLOAD = 'upload';
const INTENT = { what: 'what is rendered' };

const name = z.string().regex(/^(?!\/)(?!(?:.*\/)?\.{1,2}(?:\/|$))[^\0]+$/);
const manifestSchema = z.strictObject({
  format: z.literal(1),
  tool: z.literal('clusteros-build render'),
  files: z.record(name, z.string().regex(/^[0-9a-f]{64}$/)),
});

/** Names below the folder and the digests that they were written with; undefined for a folder that is not ours. */
export async function readRendered(folder: string): Promise<Map<string, string> | undefined> {
  const file = path.join(folder, RENDERED);
  if (!(await files.statOrUndefined(file))?.isFile()) return undefined;
  try {
    return new Map(Object.entries(manifestSchema.parse(JSON.parse(await files.readText(file))).files));
  } catch {
    return undefined;
  }
}

/**
 * Before anything is built or written. Names all that is in the way.
 *
 * @param names what will be written
 * @throws OperatorError `output.exists` unless forced, `render.upload` for strange files that would get into the
 *   image, `output.kind`, `output.place`
 */
export async function assertMayRender(
  output: string,
  names: readonly string[],
  force: boolean,
): Promise<void> {
  await assertMayFill(output, INTENT);
  const before = (await readRendered(output)) ?? new Map<string, string>();
  const lost: string[] = [];
  for (const each of names) {
    const file = path.join(output, each);
    if (await isUnchanged(file, before.get(each))) continue;
    const { kind } = await places.standingAt(file);
    // A key is never replaced, and what is no file is refused.
    if (kind !== 'nothing') await assertMayWrite(file, { ...INTENT, force: true });
    if (kind === 'file') lost.push(file);
  }
  if (lost.length > 0 && !force) throw inTheWay(lost, { ...INTENT, ours: () => false, force });
  const strange: string[] = [];
  for (const each of await filesBelow(output, UPLOAD)) {
    if (names.includes(each) || (await isUnchanged(path.join(output, each), before.get(each)))) continue;
    strange.push(each);
  }
  if (strange.length === 0 || force) return;
  throw new OperatorError({
    code: 'render.upload',
    message: `${path.join(output, UPLOAD)} holds files that were not rendered, and all of it goes into the image`,
    evidence: strange.map((each) => path.join(output, each)).join('\n'),
    fix: 'render into another folder, or move them away; --force leaves them there, and they get into the image',
  });
}

/** @param besides files that are there already, such as a base image, with their digests */
export async function writeRendered(
  output: string,
  rendered: readonly RenderedFile[],
  besides: Readonly<Record<string, string>> = {},
): Promise<void> {
  const before = (await readRendered(output)) ?? new Map<string, string>();
  const digests = new Map(rendered.map(({ path: place, text }) => [place, sha256(text)]));
  for (const [file, digest] of Object.entries(besides)) digests.set(file, digest);
  // A file of an earlier definition must not stay behind, and only what we wrote goes.
  for (const [each, digest] of before) {
    if (digests.has(each)) continue;
    if (!(await isUnchanged(path.join(output, each), digest))) continue;
    await files.remove(path.join(output, each));
    await removeEmptyFolders(output, path.dirname(each));
  }
  const manifest = {
    format: 1,
    tool: 'clusteros-build render',
    files: Object.fromEntries([...digests].sort(([one], [other]) => (one < other ? -1 : 1))),
  };
  await files.writeAtomic(path.join(output, RENDERED), `${JSON.stringify(manifest, undefined, 2)}\n`);
  await writeFolder(output, rendered);
}

/** Remove what a manifest names and nobody has changed, then the manifest. */
export async function removeRendered(output: string): Promise<void> {
  const before = await readRendered(output);
  if (before === undefined) return;
  for (const [each, digest] of before) {
    if (!(await isUnchanged(path.join(output, each), digest))) continue;
    await files.remove(path.join(output, each));
    await removeEmptyFolders(output, path.dirname(each));
  }
  await files.remove(path.join(output, RENDERED));
  await files.removeIfEmpty(output);
}

async function isUnchanged(file: string, digest: string | undefined): Promise<boolean> {
  if (digest === undefined || (await places.standingAt(file)).kind !== 'file') return false;
  return (await digestOf(file)).sha256 === digest;
}

async function removeEmptyFolders(output: string, below: string): Promise<void> {
  for (let at = below; at !== '.'; at = path.dirname(at)) await files.removeIfEmpty(path.join(output, at));
}

async function filesBelow(root: string, below: string): Promise<string[]> {
  const place = path.join(root, below);
  const { kind } = await places.standingAt(place);
  if (kind === 'nothing') return [];
  if (kind !== 'folder') return [below];
  const found = await Promise.all(
    (await files.listFolder(place)).map((each) => filesBelow(root, path.join(below, each))),
  );
  return found.flat();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
