/** A program of ours as a file of its own, with its digest beside it: by that we know it again. */
import * as path from 'node:path';
import { digestOf } from './assemble/manifest.ts';
import { files } from './host.ts';
import { assertMayWrite } from './may-write.ts';

/** As sha256sum(1) writes it. */
export function digestFileOf(program: string): string {
  return `${program}.sha256`;
}

/** Whether the digest beside a program is its own. */
export async function isOwnProgram(program: string): Promise<boolean> {
  const beside = digestFileOf(program);
  const there = await Promise.all([program, beside].map(files.statOrUndefined));
  if (!there.every((status) => status?.isFile())) return false;
  return (await files.readText(beside)) === digestLine((await digestOf(program)).sha256, program);
}

/** @throws OperatorError `output.*` */
export async function assertMayWriteProgram(program: string, force: boolean): Promise<void> {
  const own = await isOwnProgram(program);
  for (const file of [program, digestFileOf(program)])
    await assertMayWrite(file, { what: 'the program', ours: () => own, force });
}

/** The digest first: a program without one is never replaced again. */
export async function writeProgram(
  { file, sha256 }: { readonly file: string; readonly sha256: string },
  program: string,
): Promise<void> {
  await files.writeAtomic(digestFileOf(program), digestLine(sha256, program));
  await files.copyAtomic(file, program, 0o755);
}

function digestLine(sha256: string, program: string): string {
  return `${sha256}  ${path.basename(program)}\n`;
}
