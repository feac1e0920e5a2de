/** What tests of images need: a folder of their own, trees written in one line, an image as a plain file. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import type { TestContext } from 'node:test';
import type { DiskImage } from '../segments.ts';
import type { NodeKind, TreeNode } from '../tree/node.ts';

export const EPOCH = 1_700_000_000;

/** A folder that is removed when the test ends. */
export function freshFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'image-test.'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `{ skip }` for test(), saying which of the programs this machine lacks. */
export function needs(...programs: readonly string[]): { skip: string | false } {
  const missing = programs.filter(
    (program) =>
      spawnSync('/bin/sh', ['-c', 'PATH=$PATH:/usr/sbin:/sbin; command -v -- "$0"', program]).status !== 0,
  );
  return { skip: missing.length > 0 && `${missing.join(', ')} not installed` };
}

/** Run a program whose failure is a result. Output is text. */
export function call(
  argv: readonly string[],
  options: { input?: string; env?: Record<string, string> } = {},
) {
  const [program = '', ...args] = argv;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    timeout: 60_000,
    ...(options.input === undefined ? {} : { input: options.input }),
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...options.env },
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** The output of a program that must succeed. */
export function output(argv: readonly string[], options: Parameters<typeof call>[1] = {}): string {
  const { status, stdout, stderr } = call(argv, options);
  if (status !== 0) throw new Error(`${argv.join(' ')} exits with ${status}\n${stdout}${stderr}`);
  return stdout;
}

export function node(kind: NodeKind, more: Partial<TreeNode> = {}): TreeNode {
  const mode = kind === 'folder' ? 0o755 : kind === 'symlink' ? 0o777 : 0o644;
  return { kind, mode, uid: 0, gid: 0, mtime: EPOCH, xattrs: new Map(), size: 0, ...more };
}

export function file(content: string | Uint8Array, more: Partial<TreeNode> = {}): TreeNode {
  const source = typeof content === 'string' ? Buffer.from(content) : content;
  return node('file', { size: source.length, ...(source.length > 0 ? { source } : {}), ...more });
}

export const folder = (more: Partial<TreeNode> = {}) => node('folder', more);
export const symlink = (target: string, more: Partial<TreeNode> = {}) => node('symlink', { target, ...more });

/** Write an image as a sparse plain file, one segment after the other. */
export async function writeRaw(image: DiskImage, target: string): Promise<string> {
  const out = await fs.open(target, 'w');
  try {
    await out.truncate(image.size);
    for (const { offset, length, source } of image.segments) {
      if (source instanceof Uint8Array) {
        await out.write(source, 0, length, offset);
        continue;
      }
      const buffer = Buffer.alloc(Math.min(length, 2 ** 20));
      const zeros = Buffer.alloc(buffer.length);
      for (let done = 0; done < length; done += buffer.length) {
        const count = Math.min(buffer.length, length - done);
        const { bytesRead } = await source.handle.read(buffer, 0, count, source.position + done);
        if (bytesRead !== count) throw new Error('the source of a segment ends early');
        // A hole stays a hole.
        if (!buffer.subarray(0, count).equals(zeros.subarray(0, count)))
          await out.write(buffer, 0, count, offset + done);
      }
    }
  } finally {
    await out.close();
  }
  return target;
}
