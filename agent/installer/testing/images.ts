import { createHash, randomBytes } from 'node:crypto';
import type { BlockSource } from '../block-map.ts';
import type { InstallImage } from '../write.ts';

const MIB = 1024 * 1024;

/** Some chance bytes with holes between them. */
export function sparseSource(
  size: number,
  pieces: readonly (readonly [offset: number, length: number])[],
): BlockSource {
  const bytes = Buffer.alloc(size);
  const ranges = pieces.map(([offset, length]) => {
    randomBytes(length).copy(bytes, offset);
    const sha256 = createHash('sha256')
      .update(bytes.subarray(offset, offset + length))
      .digest('hex');
    return { offset, length, sha256 };
  });
  return {
    map: { size, ranges },
    read: async (offset, length) => Buffer.from(bytes.subarray(offset, offset + length)),
  };
}

/** A system in small: the three partitions of a real one. */
export function smallImage(): InstallImage {
  const uuid = (digit: string) => `${digit.repeat(8)}-1111-4111-8111-${digit.repeat(12)}`;
  return {
    name: 'a system',
    uuid: uuid('a'),
    bootCode: Buffer.alloc(440, 0xeb),
    partitions: [
      {
        name: 'bios-boot',
        type: '21686148-6449-6E6F-744E-656564454649',
        uuid: uuid('b'),
        offset: MIB,
        length: MIB,
        content: sparseSource(MIB, [[0, 32_768]]),
      },
      {
        name: 'esp',
        type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
        uuid: uuid('c'),
        offset: 2 * MIB,
        length: 2 * MIB,
        content: sparseSource(2 * MIB, [
          [0, 8192],
          [MIB, 40_960],
        ]),
      },
      {
        name: 'root',
        type: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709',
        uuid: uuid('d'),
        offset: 4 * MIB,
        length: undefined,
        content: sparseSource(3 * MIB, [
          [0, 4096],
          [65_536, 131_072],
          [2 * MIB, MIB],
        ]),
      },
    ],
  };
}
