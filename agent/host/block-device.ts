import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { type BlockDevice, DeviceFault, type DeviceIdentity, faultOf } from '../installer/device.ts';

/** Bytes that go to the device in one call. */
const CHUNK = 4 * 1024 * 1024;
const WASM_PAGE = 65_536;

/** Node's types know its name only. */
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: { Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer } };
};

interface OpenOptions {
  readonly size: number;
  readonly sector: number;
  /** False for looking only. */
  readonly writable: boolean;
}

/**
 * Open a block device past the page cache (O_DIRECT): writes fail when they fail and not at the next fsync, their
 * speed is the device's, and what is read back comes from the medium. For writing it is opened exclusively
 * (O_EXCL): the kernel refuses while it is mounted or part of a volume.
 *
 * O_DIRECT wants memory that is aligned, see open(2); that of WebAssembly begins with a page.
 *
 * @throws DeviceFault
 */
export async function openBlockDevice(path: string, options: OpenOptions): Promise<BlockDevice> {
  const { size, sector, writable } = options;
  const flags = constants.O_DIRECT | (writable ? constants.O_RDWR | constants.O_EXCL : constants.O_RDONLY);
  const handle = await fs.open(path, flags).catch((cause: unknown) => {
    throw faultOf(path, 'cannot be opened', cause);
  });
  const status = await handle.stat();
  if (!status.isBlockDevice()) {
    await handle.close();
    throw new DeviceFault('source', `${path}: is not a block device`);
  }
  const identity = await identify(status.rdev);
  const pages = CHUNK / WASM_PAGE;
  const memory = Buffer.from(new wasm.Memory({ initial: pages, maximum: pages }).buffer);

  const aligned = (offset: number, length: number) => {
    if (offset % sector !== 0 || length % sector !== 0) {
      throw new Error(`${length} bytes at ${offset} are no whole sectors of ${sector}`);
    }
    if (offset + length > size) throw new DeviceFault('too-small', `${path}: ends at byte ${size}`);
  };

  return {
    path,
    size,
    sector,
    identity,
    async read(offset, length) {
      aligned(offset, length);
      if (length > CHUNK) throw new Error(`at most ${CHUNK} bytes are read at once`);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle
          .read(memory, done, length - done, offset + done)
          .catch((cause: unknown) => {
            throw faultOf(path, `reading at byte ${offset + done}`, cause);
          });
        if (bytesRead === 0) throw new DeviceFault('gone', `${path}: nothing can be read at byte ${offset}`);
        done += bytesRead;
      }
      return memory.subarray(0, length);
    },
    async write(bytes, offset) {
      aligned(offset, bytes.length);
      for (let done = 0; done < bytes.length; ) {
        const part = bytes.subarray(done, done + CHUNK);
        memory.set(part);
        const { bytesWritten } = await handle
          .write(memory, 0, part.length, offset + done)
          .catch((cause: unknown) => {
            throw faultOf(path, `writing at byte ${offset + done}`, cause);
          });
        // A short write is followed by another, which says why.
        if (bytesWritten === 0)
          throw new DeviceFault('gone', `${path}: takes nothing at byte ${offset + done}`);
        done += bytesWritten - (bytesWritten % sector);
        if (bytesWritten < sector)
          throw new DeviceFault('io', `${path}: takes no whole sector at byte ${offset + done}`);
      }
    },
    async sync() {
      await handle.sync().catch((cause: unknown) => {
        throw faultOf(path, 'flushing', cause);
      });
    },
    close: () => handle.close(),
  };
}

/** Of an open device: its number is not given to another disk meanwhile. See sysfs-block in the kernel's ABI. */
async function identify(rdev: number): Promise<DeviceIdentity> {
  // makedev(3)
  const number = `${(rdev >>> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`;
  const attribute = async (name: string) => {
    const text = await fs.readFile(`/sys/dev/block/${number}/${name}`, 'utf8').catch(() => undefined);
    return text?.trim() || undefined;
  };
  const sectors = await attribute('size');
  return {
    number,
    sequence: await attribute('diskseq'),
    // In units of 512 bytes, whatever the disk's sectors are.
    size: sectors === undefined ? undefined : Number(sectors) * 512,
  };
}
