/** What ext4 can hold, said by path before anything is written: Linux, fs/ext4/ext4.h and namei.h. */
import type { TreeNode } from '../tree/node.ts';

const LONGEST_NAME = 255;
/** PATH_MAX without its NUL; also the most that one block takes. */
const LONGEST_TARGET = 4095;
/** Links of a file. A folder with more subfolders than this just stops counting (feature dir_nlink). */
export const MOST_LINKS = 65000;
/** Seconds since 1970: 34 bits, from the first second of a signed 32-bit number on. */
const FIRST_SECOND = -(2 ** 31);
const LAST_SECOND = FIRST_SECOND + 2 ** 34 - 1;

/** @throws Error that names the path */
export function checkLimits(path: string, node: TreeNode): void {
  const refuse = (what: string) => {
    throw new Error(`ext4 cannot hold ${path === '' ? 'the root folder' : path}: ${what}`);
  };
  const within = (value: number, least: number, most: number) =>
    Number.isInteger(value) && value >= least && value <= most;
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (path === '' && node.kind !== 'folder') refuse(`it is a ${node.kind}`);
  if (Buffer.byteLength(name) > LONGEST_NAME) refuse(`its name is longer than ${LONGEST_NAME} bytes`);
  if (path !== '' && (name === '' || name === '.' || name === '..' || name.includes('\0')))
    refuse('this is no name');
  if (node.kind === 'symlink' && !within(Buffer.byteLength(node.target ?? ''), 1, LONGEST_TARGET))
    refuse(`its target has not 1 to ${LONGEST_TARGET} bytes`);
  if (!within(node.mode, 0, 0o7777)) refuse(`its mode is ${node.mode}`);
  // The last number means "no one": chown(2).
  if (!within(node.uid, 0, 2 ** 32 - 2) || !within(node.gid, 0, 2 ** 32 - 2))
    refuse(`its owner is ${node.uid}:${node.gid}`);
  if (!within(node.mtime, FIRST_SECOND, LAST_SECOND)) refuse(`its time is ${node.mtime}`);
  if (!within(node.major ?? 0, 0, 0xfff) || !within(node.minor ?? 0, 0, 0xfffff))
    refuse(`its device number is ${node.major}:${node.minor}`);
}
