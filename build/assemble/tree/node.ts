/** One thing in a root file system, before it has an inode. */
import type { Segment } from '../segments.ts';

export type NodeKind = 'folder' | 'file' | 'symlink' | 'character' | 'block' | 'fifo';

export interface TreeNode {
  readonly kind: NodeKind;
  /** Permission bits with set-id and sticky bits, such as 0o4755. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Extended attributes by full name, such as `security.capability`. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Bytes of a regular file. */
  readonly size: number;
  readonly source?: Segment['source'];
  /** Target of a symbolic link. */
  readonly target?: string;
  /** Device numbers. */
  readonly major?: number;
  readonly minor?: number;
}

/**
 * A whole root file system: absolute path without the leading slash to node, `''` being the root folder.
 * Two paths with the same node object are hard links to one inode. Data is laid out in the order of the map.
 */
export type Tree = Map<string, TreeNode>;
