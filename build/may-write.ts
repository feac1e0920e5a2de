/**
 * The gateway of everything that we write where the operator says: nothing is replaced that we did not make, or that
 * was changed since, unless forced; a secret never is. What is no plain file is refused with the right command.
 */
import { createHash } from 'node:crypto';
import * as path from 'node:path';
import { OperatorError } from './errors.ts';
import { fileSystemName, isOfTheKernel } from './file-systems.ts';
import { files, pasteable, places } from './host.ts';
import { secretByName, secretIn } from './secrets.ts';

export interface Intent {
  /** What is written, for the sentence: `the seed`. */
  readonly what: string;
  /** Whether bytes are what an earlier run wrote, unchanged. Unless given, nothing is. */
  readonly ours?: (bytes: Buffer) => boolean | Promise<boolean>;
  /** Replace what is not ours. Undefined: the command has no such flag. */
  readonly force?: boolean | undefined;
  /** How the same gets onto a device. */
  readonly onDevice?: (device: string) => string;
}

/** Above this a file is looked at by its beginning: no secret and no text of ours is as large. */
const LARGEST_LOOK = 16 * 1024 * 1024;

/**
 * @throws OperatorError `output.exists`, `output.secret` (forced or not), `output.kind` for what is no plain file,
 *   `output.place` for a file system that keeps nothing
 */
export async function assertMayWrite(file: string, intent: Intent): Promise<void> {
  await assertPlace(file, intent);
  const standing = await places.standingAt(file);
  if (standing.kind === 'nothing') return;
  if (standing.kind !== 'file') throw noFile(file, standing, intent);
  const size = (await files.statOrUndefined(file))?.size ?? 0;
  const bytes = size <= LARGEST_LOOK ? await files.readBytes(file) : Buffer.alloc(0);
  if ((await intent.ours?.(bytes)) === true) return;
  const secret = secretIn(bytes) ?? secretByName(path.resolve(file));
  if (secret !== undefined) {
    throw new OperatorError({
      code: 'output.secret',
      message: `${file} is not replaced by ${intent.what}: it is ${secret}, which is never replaced`,
      fix: 'name another file, or move this one away',
    });
  }
  if (intent.force !== true) throw inTheWay([file], intent);
}

/** A file that the operator names, as a whole path. @throws OperatorError `output.kind` for the name of a folder */
export function outputFile(named: string, what: string): string {
  const file = path.resolve(named);
  if (named !== '' && !named.endsWith('/')) return file;
  throw new OperatorError({
    code: 'output.kind',
    exit: 'storage',
    message: `"${named}" names a folder, and ${what} is a file`,
    fix: `name a file in it: ${pasteable([path.join(file, 'NAME')])}`,
  });
}

/** Write a file that may be written. @throws like {@link assertMayWrite}; `file.unwritable`, `disk.full` */
export async function writeOutput(
  file: string,
  data: string | Uint8Array,
  intent: Intent & { readonly mode?: number },
): Promise<void> {
  await assertMayWrite(file, intent);
  await files.writeAtomic(file, data, intent.mode);
}

/** A folder that things appear in: made when it is not there. @throws OperatorError `output.kind`, `output.place` */
export async function assertMayFill(folder: string, intent: Intent): Promise<void> {
  await assertPlace(folder, intent);
  const real = await places.realPlace(folder);
  const standing = await places.standingAt(real);
  if (standing.kind === 'nothing' || standing.kind === 'folder') return;
  if (standing.kind === 'link') throw noFile(folder, standing, intent);
  const kind = standing.kind === 'file' ? 'a file' : KINDS[standing.kind];
  if (standing.kind === 'block' && intent.onDevice) throw noFile(folder, standing, intent);
  throw new OperatorError({
    code: 'output.kind',
    exit: 'storage',
    message: `${folder} is ${kind}; ${intent.what} needs a folder`,
    fix: 'name a folder, or one that is not there yet',
  });
}

/** @param found files that are in the way */
export function inTheWay(found: readonly string[], { what, force, ours }: Intent): OperatorError {
  const [first = ''] = found;
  const many = found.length > 1;
  const why = ours === undefined ? 'we did not make' : 'we did not make, or that was changed since';
  const forced = force === undefined ? '' : `; --force replaces ${many ? 'them' : 'it'}`;
  return new OperatorError({
    code: 'output.exists',
    message: many
      ? `${found.length} files are in the way of ${what}, which ${why.replace('that was', 'that were')}`
      : `${first} is in the way of ${what}: a file that ${why}`,
    evidence: many ? found.join('\n') : undefined,
    fix: `name another place, or move ${many ? 'them' : 'it'} away${forced}`,
  });
}

async function assertPlace(file: string, { what }: Intent): Promise<void> {
  const { kind: standing } = await places.standingAt(file);
  // What is a device or a link there has its own sentence.
  if (['block', 'character', 'link'].includes(standing)) return;
  const place = await places.realPlace(file);
  const kind = await places.fileSystemOf(file);
  if (/^\/dev(\/(?!shm\/)|$)/.test(place)) {
    throw new OperatorError({
      code: 'output.place',
      exit: 'storage',
      message: `${file} would be a file in the memory of this machine: /dev is for devices${standing === 'nothing' ? ', and there is none of this name' : ''}`,
      fix: 'name a place on a disk; for a stick: plug it in, and look at npx clusteros-build flash',
    });
  }
  if (!isOfTheKernel(kind)) return;
  throw new OperatorError({
    code: 'output.place',
    exit: 'storage',
    message: `${what} cannot be written to ${file}: ${fileSystemName(kind)} shows the kernel's state, and keeps no files`,
    fix: 'name a place on a disk, such as one below your home folder',
  });
}

const KINDS = {
  folder: 'a folder',
  block: 'a device',
  character: 'a device',
  fifo: 'a named pipe',
  socket: 'a socket',
} as const;

function noFile(file: string, standing: places.Standing, intent: Intent): OperatorError {
  const { what, onDevice } = intent;
  if (standing.kind === 'link') {
    return new OperatorError({
      code: 'output.kind',
      exit: 'storage',
      message: `${file} is a symbolic link to ${standing.to}, and ${what} would replace the link`,
      fix: `name the file itself, or remove the link: ${pasteable(['rm', file])}`,
    });
  }
  const kind = standing.kind as keyof typeof KINDS;
  const write = onDevice?.(file) ?? 'write a file, and copy that';
  return new OperatorError({
    code: 'output.kind',
    exit: 'storage',
    message: `${file} is ${KINDS[kind]}, and ${what} is a file`,
    fix:
      kind === 'block'
        ? `write a file, and bring that onto the device: ${write}`
        : kind === 'folder'
          ? `name a file in it: ${path.join(file, 'NAME')}`
          : 'name a plain file',
  });
}

const MARK = /\n# clusteros-build wrote what is above; sha256:([0-9a-f]{64})\n$/;

/** A text whose comments begin with `#`, so that {@link isMarked} knows it again when nobody has changed it. */
export function marked(text: string): string {
  return `${text}\n# clusteros-build wrote what is above; sha256:${sha256(text)}\n`;
}

export function isMarked(bytes: Buffer): boolean {
  const text = bytes.toString('utf8');
  const [end, digest] = MARK.exec(text) ?? [];
  return end !== undefined && sha256(text.slice(0, -end.length)) === digest;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
