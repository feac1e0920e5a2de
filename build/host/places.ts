/** What stands at a path, and on what kind of file system: what one has to know before writing there. */
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { storageError } from './files.ts';

export type Standing =
  | { readonly kind: 'nothing' | 'file' | 'folder' | 'block' | 'character' | 'fifo' | 'socket' }
  | { readonly kind: 'link'; readonly to: string };

/** Links are not followed. @throws OperatorError `file.unreadable` */
export async function standingAt(file: string): Promise<Standing> {
  try {
    const status = await fs.lstat(file);
    if (status.isSymbolicLink()) return { kind: 'link', to: await fs.readlink(file) };
    if (status.isFile()) return { kind: 'file' };
    if (status.isDirectory()) return { kind: 'folder' };
    if (status.isBlockDevice()) return { kind: 'block' };
    if (status.isCharacterDevice()) return { kind: 'character' };
    return { kind: status.isFIFO() ? 'fifo' : 'socket' };
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? ''))
      return { kind: 'nothing' };
    throw storageError('file.unreadable', `cannot look at ${file}`, cause);
  }
}

/** The path with every link in its folders followed; what does not exist yet stays as it is. */
export async function realPlace(file: string): Promise<string> {
  const rest: string[] = [];
  for (let at = path.resolve(file); ; at = path.dirname(at)) {
    const real = await fs.realpath(at).catch(() => undefined);
    if (real !== undefined) return path.join(real, ...rest);
    if (at === '/') return path.resolve(file);
    rest.unshift(path.basename(at));
  }
}

/** The kind of the file system that holds a path, as /proc/self/mountinfo names it: `ext4`, `fuseblk`, `proc`. */
export async function fileSystemOf(file: string): Promise<string> {
  return mountedKind(await fs.readFile('/proc/self/mountinfo', 'utf8'), await realPlace(file));
}

/**
 * The kind of the innermost mount that holds a path. Pure.
 *
 * Source: proc_pid_mountinfo(5); blanks and the like in a mount point are octal escapes.
 */
export function mountedKind(mountinfo: string, place: string): string {
  let found = { point: '', kind: 'unknown' };
  for (const line of mountinfo.split('\n')) {
    const [, mount = '', kind = ''] = /^(?:\S+ ){4}(\S+) .*? - (\S+)/.exec(line) ?? [];
    const point = mount.replace(/\\([0-7]{3})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const holds = point === '/' || place === point || place.startsWith(`${point}/`);
    // Of two mounts on one point the later one is seen.
    if (point !== '' && holds && point.length >= found.point.length) found = { point, kind };
  }
  return found.kind;
}

/** Whether a file made in a folder can be its owner's alone: some file systems take every mode and keep none. */
export async function keepsModes(folder: string): Promise<boolean> {
  const probe = await fs.mkdtemp(path.join(folder, '.clusteros-mode.')).catch((cause: unknown) => {
    throw storageError('file.unwritable', `cannot write in ${folder}`, cause);
  });
  try {
    await fs.chmod(probe, 0o700).catch(() => undefined);
    return ((await fs.stat(probe)).mode & 0o077) === 0;
  } finally {
    await fs.rmdir(probe);
  }
}
