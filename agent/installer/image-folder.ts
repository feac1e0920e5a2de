/**
 * The system to install as the live medium carries it: a folder with `install.json` and one file for each
 * partition. Written by the build; the squashfs that holds it is the live system's own.
 */
import * as path from 'node:path';
import * as z from 'zod';
import { AgentError } from '../errors.ts';
import { fileParts, files } from '../host.ts';
import { faultOfMap } from './block-map.ts';
import type { InstallImage } from './write.ts';

export const INSTALL_FILE = 'install.json';
const LIMIT = 32 * 1024 * 1024;

const mapSchema = z
  .object({
    size: z.int().positive(),
    ranges: z.array(z.object({ offset: z.int(), length: z.int(), sha256: z.string() })).readonly(),
  })
  .refine((map) => faultOfMap(map) === undefined, 'expected ranges in order, each with its SHA-256');

const fileSchema = z.object({ file: z.string().regex(/^[\w.-]+$/), map: mapSchema });

const installFileSchema = z.object({
  version: z.literal(1),
  name: z.string(),
  /** GUID of the disk. */
  uuid: z.string(),
  /** Base64 of 440 bytes. */
  bootCode: z.string().nullable(),
  partitions: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      uuid: z.string(),
      offset: z.int().positive(),
      /** Bytes; null: all that is left. */
      length: z.int().positive().nullable(),
      content: fileSchema,
      /** In place of `content` on disks with sectors of 4096 bytes: a FAT knows the size of its sectors. */
      content4096: fileSchema.optional(),
    }),
  ),
});

export type InstallFile = z.infer<typeof installFileSchema>;

/** @throws AgentError `install.image` when there is none or it is damaged */
export async function openImageFolder(
  folder: string,
): Promise<{ readonly forSector: (sector: number) => InstallImage; readonly close: () => Promise<void> }> {
  const file = path.join(folder, INSTALL_FILE);
  const found = await files.readLimited(file, LIMIT);
  if (found === undefined) throw noImage(`there is no ${file}`);
  let described: InstallFile;
  try {
    described = installFileSchema.parse(JSON.parse(found.bytes.toString('utf8')));
  } catch (cause) {
    throw noImage(`${file} is damaged`, cause);
  }
  const reader = fileParts.openReader(folder);
  return {
    close: reader.close,
    forSector: (sector) => ({
      name: described.name,
      uuid: described.uuid,
      bootCode: described.bootCode === null ? undefined : Buffer.from(described.bootCode, 'base64'),
      partitions: described.partitions.map(({ content, content4096, length, ...partition }) => {
        const { file: name, map } = sector === 4096 && content4096 !== undefined ? content4096 : content;
        return {
          ...partition,
          length: length ?? undefined,
          content: { map, read: (offset, count) => reader.read(name, offset, count) },
        };
      }),
    }),
  };
}

function noImage(message: string, cause?: unknown): AgentError {
  return new AgentError({
    code: 'install.image',
    exit: 'storage',
    message,
    fix: 'write the medium again, and let it be verified: npx clusteros-build flash',
    cause,
  });
}
