/** What two root file systems have in common, and what not. */
import { createHash } from 'node:crypto';
import type { Tree, TreeNode } from '../../build/assemble/tree/node.ts';
import { readTarIndex } from '../../build/assemble/tree/tar-index.ts';
import { WindowReader } from '../../build/assemble/window-reader.ts';
import type { Plan } from '../../build/definition/plan.ts';
import { files } from '../../build/host.ts';
import { type InstalledPackage, parseDpkgStatus } from '../../build/rootfs/dpkg-status.ts';

interface OpenRoot {
  readonly tree: Tree;
  readonly packages: readonly InstalledPackage[];
  readonly close: () => Promise<void>;
}

export async function openRoot(tar: string): Promise<OpenRoot> {
  const handle = await files.openFile(tar, 'r');
  const tree = await readTarIndex(handle);
  const status = await bytesOf(tree.get('var/lib/dpkg/status'));
  return { tree, packages: parseDpkgStatus(status.toString('utf8')), close: () => handle.close() };
}

/** Files, links and unit states of the plan that the tree does not have, in words. */
export async function unmanaged(tree: Tree, plan: Plan): Promise<string[]> {
  const found: string[] = [];
  for (const { path, mode, text } of plan.files) {
    const node = tree.get(path.slice(1));
    const [wanted, there] = [`${mode.toString(8)} 0:0 ${text}`, await describe(node)];
    if (wanted !== there) found.push(`${path}: ${there.slice(0, 60)}`);
  }
  for (const { path, target } of plan.links) {
    const there = tree.get(path.slice(1))?.target;
    if (there !== target) found.push(`${path} leads to ${there}`);
  }
  for (const unit of plan.units) {
    const own = tree.get(`etc/systemd/system/${unit.unit}`)?.target;
    const wanted =
      unit.state === 'masked'
        ? own
        : tree.get(`etc/systemd/system/${unit.wantedBy}.wants/${unit.unit}`)?.target;
    const right =
      unit.state === 'masked'
        ? wanted === '/dev/null'
        : (wanted !== undefined) === (unit.state === 'enabled');
    if (!right) found.push(`${unit.unit} is not ${unit.state}`);
  }
  for (const path of plan.removes) if (tree.has(path.slice(1))) found.push(`${path} is still there`);
  return found;
}

/** Paths of either tree that the other has not, or has otherwise: `< only in one`, `> only in other`, `! another`. */
export async function differences(one: Tree, other: Tree): Promise<string[]> {
  const found: string[] = [];
  for (const path of [...new Set([...one.keys(), ...other.keys()])].sort()) {
    const [here, there] = [one.get(path), other.get(path)];
    if (there === undefined) found.push(`< ${path}`);
    else if (here === undefined) found.push(`> ${path}`);
    else if (headOf(here) !== headOf(there)) found.push(`! ${path}: ${headOf(here)}, ${headOf(there)}`);
    else if (here.kind === 'file' && (await digest(here)) !== (await digest(there)))
      found.push(`! ${path}: bytes`);
  }
  return found;
}

function headOf({ kind, mode, uid, gid, target, xattrs }: TreeNode): string {
  const attributes = [...xattrs.keys()].sort().join(',');
  return `${kind} ${mode.toString(8)} ${uid}:${gid} ${target ?? ''}${attributes}`.trim();
}

async function describe(node: TreeNode | undefined): Promise<string> {
  if (node?.kind !== 'file') return node?.kind ?? 'nothing';
  return `${node.mode.toString(8)} ${node.uid}:${node.gid} ${(await bytesOf(node)).toString('utf8')}`;
}

async function digest(node: TreeNode): Promise<string> {
  return createHash('sha256')
    .update(await bytesOf(node))
    .digest('hex');
}

async function bytesOf(node: TreeNode | undefined): Promise<Buffer> {
  if (node?.kind !== 'file') throw new Error('there is no such file');
  if (node.source === undefined) return Buffer.alloc(0);
  if (node.source instanceof Uint8Array) return Buffer.from(node.source);
  const reader = readers.get(node.source.handle) ?? new WindowReader(node.source.handle);
  readers.set(node.source.handle, reader);
  return await reader.read(node.source.position, node.size);
}

/** One for each tar: a reader's window is far larger than most files. */
const readers = new WeakMap<files.FileHandle, WindowReader>();
