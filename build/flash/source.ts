/** An image file as something to write: `.img` or `.img.zst`, with the block map beside it if there is one. */
import { createHash } from 'node:crypto';
import type { BlockMap, BlockRange, BlockSource } from '../../agent/installer/block-map.ts';
import { OperatorError } from '../errors.ts';
import { files, imageStream, pasteable } from '../host.ts';
import { readBmap } from './bmap.ts';

export interface FlashSource extends BlockSource {
  /** The block map's file, or undefined when every byte is written. */
  readonly bmap: string | undefined;
  readonly close: () => Promise<void>;
}

/** Bytes of a range of an image without a block map. */
const RANGE = 64 * 1024 * 1024;

/**
 * @param named the block map; false for none, undefined for the one beside the image if there is one
 * @throws OperatorError `flash.image`, `flash.bmap`, `file.unreadable`
 */
export async function openSource(image: string, named: string | false | undefined): Promise<FlashSource> {
  const status = await files.statOrUndefined(image);
  if (status === undefined || !status.isFile()) {
    throw new OperatorError({
      code: 'flash.image',
      exit: 'missing',
      message: `there is no image ${image}`,
      fix: 'build one: npx clusteros-build image --target usb',
    });
  }
  await assertPlain(image);
  const bmap = named === false ? undefined : (named ?? (await besides(image)));
  const map = bmap === undefined ? await measure(image) : readBmap(await files.readText(bmap), bmap);
  const stream = new ForwardReader(image);
  return { map, bmap, read: (offset, length) => stream.read(offset, length), close: () => stream.close() };
}

/** How files begin that hold a disk packed or in another form; whatever they are called, they start nothing. */
const PACKED: readonly (readonly [at: number, mark: string, what: string, by: string])[] = [
  [0, '\x1f\x8b', 'gzip', 'gunzip --keep'],
  [0, '\xfd7zXZ', 'xz', 'unxz --keep'],
  [0, 'BZh', 'bzip2', 'bunzip2 --keep'],
  [0, 'PK\x03\x04', 'zip', 'unzip'],
  [0, '7z\xbc\xaf', '7z', '7z x'],
  [257, 'ustar', 'tar', 'tar xf'],
  [0, '\x28\xb5\x2f\xfd', 'zstd', 'unzstd --keep'],
  ...['QFI\xfb', 'KDMV', 'vhdxfile', 'conectix', '<<< '].map(
    (mark) => [0, mark, 'a disk of virtual machines', 'qemu-img convert -O raw'] as const,
  ),
];

async function assertPlain(image: string): Promise<void> {
  const handle = await files.openFile(image, 'r');
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0).finally(() => handle.close());
  const start = buffer.toString('latin1', 0, bytesRead);
  const packed = PACKED.find(([at, mark]) => start.startsWith(mark, at));
  if (packed === undefined || (packed[2] === 'zstd' && image.endsWith('.zst'))) return;
  throw new OperatorError({
    code: 'flash.image',
    message: `${image} is not an image of a disk as it is: it is packed (${packed[2]})`,
    fix: `unpack it first: ${packed[3]} ${pasteable([image])}`,
  });
}

/** As bmaptool looks for it: `x.img.zst.bmap`, `x.img.bmap`, `x.bmap`. */
export async function besides(image: string): Promise<string | undefined> {
  const plain = image.replace(/\.zst$/, '');
  for (const file of [`${image}.bmap`, `${plain}.bmap`, `${plain.replace(/\.[^./]+$/, '')}.bmap`]) {
    if (await files.exists(file)) return file;
  }
  return undefined;
}

/** Digests for reading back, at the price of reading the image twice. */
async function measure(image: string): Promise<BlockMap> {
  const ranges: BlockRange[] = [];
  let size = 0;
  let start = 0;
  let hash = createHash('sha256');
  const end = () => {
    ranges.push({ offset: start, length: size - start, sha256: hash.digest('hex') });
    start = size;
    hash = createHash('sha256');
  };
  try {
    for await (const piece of imageStream.readImage(image)) {
      for (let at = 0; at < piece.length; ) {
        const part = piece.subarray(at, at + start + RANGE - size);
        hash.update(part);
        size += part.length;
        at += part.length;
        if (size - start === RANGE) end();
      }
    }
  } catch (cause) {
    throw damaged(image, cause);
  }
  if (size > start) end();
  if (size < 1024 * 1024 || size % 512 !== 0) {
    throw new OperatorError({
      code: 'flash.image',
      message: `${image} is not an image of a disk: it has ${size} bytes`,
      fix: 'name an .img, .img.zst or .iso',
    });
  }
  return { size, ranges };
}

/** What is looked at before a source is opened. Offsets may only grow. */
export function readerOf(image: string): Pick<ForwardReader, 'read' | 'close'> {
  return new ForwardReader(image);
}

/** A stream read by offsets that only grow; what lies between is passed over. */
class ForwardReader {
  readonly #image: string;
  readonly #pieces: AsyncGenerator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(image: string) {
    this.#image = image;
    this.#pieces = imageStream.readImage(image);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < this.#at) throw new Error(`byte ${offset} is behind us, at ${this.#at}`);
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      if (this.#rest.length === 0 && !(await this.#next())) break;
      const skip = Math.min(this.#rest.length, Math.max(0, offset - this.#at));
      const take = Math.min(this.#rest.length - skip, length - done);
      this.#rest.copy(bytes, done, skip, skip + take);
      this.#rest = this.#rest.subarray(skip + take);
      this.#at += skip + take;
      done += take;
    }
    return bytes.subarray(0, done);
  }

  close(): Promise<void> {
    return this.#pieces.return(undefined).then(() => {});
  }

  async #next(): Promise<boolean> {
    try {
      const { value, done } = await this.#pieces.next();
      if (done) return false;
      this.#rest = value;
      return true;
    } catch (cause) {
      throw damaged(this.#image, cause);
    }
  }
}

function damaged(image: string, cause: unknown): OperatorError {
  const errno = (cause as NodeJS.ErrnoException).code ?? '';
  if (!/^(ZSTD|ERR_|Z_)/.test(errno))
    return files.storageError('file.unreadable', `cannot read ${image}`, cause);
  return new OperatorError({
    code: 'flash.damaged',
    exit: 'storage',
    message: `the image ${image} is damaged: it cannot be decompressed`,
    fix: 'fetch or build it again, and check it with: npx clusteros-build verify',
    cause,
  });
}
