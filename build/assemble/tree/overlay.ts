/** Puts files, links and unit states over a tree of packages. Pure but for the agent's bytes, which stay in their file. */
import type { LayerFile, LayerLink, LayerUnit } from '../../../image-layers/layer.ts';
import { OperatorError } from '../../errors.ts';
import type { Segment } from '../segments.ts';
import type { Tree, TreeNode } from './node.ts';
import { parentsOf } from './parents.ts';

export interface Overlay {
  readonly files: readonly LayerFile[];
  readonly links: readonly LayerLink[];
  readonly units: readonly LayerUnit[];
  readonly removes: readonly string[];
  /** Large programs; their data comes last in the image, so that a new one moves nothing else. */
  readonly programs: readonly {
    readonly path: string;
    readonly size: number;
    readonly source: Segment['source'];
  }[];
}

/**
 * @param epoch modification time of all that is new, seconds since 1970
 * @returns a new tree; the given one is unchanged
 */
export function applyOverlay(tree: Tree, overlay: Overlay, epoch: number): Tree {
  const result: Tree = new Map(tree);
  for (const path of overlay.removes) removeBelow(result, inTree(path));
  for (const unit of overlay.units) applyUnit(result, unit, epoch);
  for (const { path, target } of overlay.links) put(result, inTree(path), symlink(target, epoch), epoch);
  for (const { path, mode, text } of overlay.files) {
    const bytes = Buffer.from(text, 'utf8');
    put(result, inTree(path), { ...root('file', mode, epoch), size: bytes.length, source: bytes }, epoch);
  }
  for (const { path, size, source } of overlay.programs) {
    put(result, inTree(path), { ...root('file', 0o755, epoch), size, source }, epoch);
  }
  return result;
}

/** `systemctl enable`, `disable` and `mask`, as the links that they make (systemd.unit(5), "Unit File Load Path"). */
function applyUnit(tree: Tree, unit: LayerUnit, epoch: number): void {
  const own = `etc/systemd/system/${unit.unit}`;
  if (unit.state === 'masked') {
    put(tree, own, symlink('/dev/null', epoch), epoch);
    return;
  }
  const wanted = `etc/systemd/system/${unit.wantedBy}.wants/${unit.unit}`;
  if (unit.state === 'disabled') {
    tree.delete(wanted);
    return;
  }
  const shipped =
    tree.has(`usr/lib/systemd/system/${unit.unit}`) || tree.has(`lib/systemd/system/${unit.unit}`);
  const target = shipped ? `/usr/lib/systemd/system/${unit.unit}` : `/etc/systemd/system/${unit.unit}`;
  put(tree, wanted, symlink(target, epoch), epoch);
}

/** Add or replace a node; folders on the way are made. A replaced one moves to the end of the tree's order. */
function put(tree: Tree, path: string, node: TreeNode, epoch: number): void {
  for (const folder of parentsOf(path)) {
    const present = tree.get(folder);
    if (present === undefined) tree.set(folder, root('folder', 0o755, epoch));
    else if (present.kind !== 'folder') throw noPlace(path, folder, present);
  }
  const present = tree.get(path);
  if (present?.kind === 'folder') throw noPlace(path, path, present);
  tree.delete(path);
  tree.set(path, node);
}

/** What the packages have at a path is known only here. */
function noPlace(path: string, at: string, present: TreeNode): OperatorError {
  const what = present.kind === 'symlink' ? `a link to ${present.target}` : `a ${present.kind}`;
  return new OperatorError({
    code: 'definition.file-place',
    message: `/${path} cannot be put into the image: /${at} is ${what} there`,
    fix:
      present.kind === 'symlink'
        ? 'name the place that the link leads to, below files: in the definition'
        : 'name another path below files: in the definition',
  });
}

function removeBelow(tree: Tree, path: string): void {
  for (const known of [...tree.keys()]) {
    if (known === path || known.startsWith(`${path}/`)) tree.delete(known);
  }
}

function symlink(target: string, epoch: number): TreeNode {
  return { ...root('symlink', 0o777, epoch), target };
}

function root(kind: TreeNode['kind'], mode: number, mtime: number): TreeNode {
  return { kind, mode, uid: 0, gid: 0, mtime, xattrs: new Map(), size: 0 };
}

function inTree(path: string): string {
  return path.replace(/^\/+/, '');
}
