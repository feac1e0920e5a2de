/**
 * Writes a qcow2 image, version 3, every cluster compressed with zstd, in one pass over the disk image.
 *
 * `qemu-img convert -c` gives the same, but from a raw file that would have to be written first.
 * Source: QEMU, docs/interop/qcow2.txt ("Header", "Cluster mapping", "Compressed Clusters Descriptor", "Host
 * cluster management").
 */

import type { files } from '../../host.ts';
import { chunks, type DiskImage, isZero } from '../segments.ts';
import { writeAt } from '../write-at.ts';
import { startZstdThreads } from './zstd-threads.ts';

const CLUSTER_BITS = 16;
const CLUSTER = 1 << CLUSTER_BITS;
const ENTRIES = CLUSTER / 8;
const SECTOR = 512;
const COMPRESSED = 1n << 62n;
const COPIED = 1n << 63n;
/** Position of the sector count in the descriptor of a compressed cluster. */
const COUNT_SHIFT = BigInt(62 - (CLUSTER_BITS - 8));
/** Clusters that go to a thread together. */
const BATCH = 16;

export interface Qcow2Options {
  /** zstd level, 1 to 19. */
  readonly level: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of the disk that are behind us, now and then. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** @returns the size of the written file in bytes */
export async function writeQcow2(
  file: files.FileHandle,
  image: DiskImage,
  options: Qcow2Options,
): Promise<number> {
  const size = Math.ceil(image.size / CLUSTER) * CLUSTER;
  const l2Tables = new Map<number, BigUint64Array>();
  const l1Length = Math.ceil(size / (CLUSTER * ENTRIES));
  // Host layout: header, L1 table, data, then the L2 tables, refcount blocks and refcount table at the end.
  const l1Offset = CLUSTER;
  const l1Clusters = Math.ceil((l1Length * 8) / CLUSTER);
  const dataStart = l1Offset + l1Clusters * CLUSTER;
  let at = dataStart;
  const out = new Appender(file, at);

  const keep = async (index: number, frame: Buffer) => {
    const table = l2Tables.get(Math.floor(index / ENTRIES)) ?? new BigUint64Array(ENTRIES);
    l2Tables.set(Math.floor(index / ENTRIES), table);
    // A cluster that zstd cannot make smaller still goes in as a frame: a few bytes more, one kind of entry less.
    const sectors = Math.floor((at + frame.length - 1) / SECTOR) - Math.floor(at / SECTOR);
    table[index % ENTRIES] = COMPRESSED | (BigInt(sectors) << COUNT_SHIFT) | BigInt(at);
    await out.append(frame);
    at += frame.length;
  };
  for await (const { index, frame } of compressed(image, options)) {
    await keep(index, frame);
    if (index % 1024 === 0) options.onProgress?.(index * CLUSTER, size);
  }
  options.onProgress?.(size, size);
  const data = { start: dataStart, end: at };
  await out.end();

  at = Math.ceil(at / CLUSTER) * CLUSTER;
  const l1 = new BigUint64Array(l1Length);
  for (const [index, table] of [...l2Tables].sort(([a], [b]) => a - b)) {
    l1[index] = COPIED | BigInt(at);
    await writeAt(file, bigEndian(table), at);
    at += CLUSTER;
  }
  await writeAt(file, bigEndian(l1), l1Offset);
  const end = await writeRefcounts(file, l2Tables, data, at);
  await writeAt(file, header(size, l1Length, l1Offset, end), 0);
  await file.truncate(end.size);
  return end.size;
}

/** All clusters that hold anything, in their order, each as a zstd frame. */
async function* compressed(image: DiskImage, { level, signal }: Qcow2Options) {
  const threads = startZstdThreads();
  const pending: { readonly indexes: readonly number[]; readonly frames: Promise<Buffer[]> }[] = [];
  const first = async () => {
    const { indexes = [], frames } = pending.shift() ?? {};
    return (await (frames ?? [])).map((frame, at) => ({ index: indexes[at] ?? 0, frame }));
  };
  try {
    for await (const { indexes, blocks } of batches(image)) {
      signal?.throwIfAborted();
      pending.push({ indexes, frames: threads.compress({ blocks, blockSize: CLUSTER, level }) });
      if (pending.length >= threads.room) yield* await first();
    }
    while (pending.length > 0) yield* await first();
  } finally {
    await threads.close();
  }
}

/** Clusters that hold anything, several together. */
async function* batches(image: DiskImage): AsyncGenerator<{ indexes: number[]; blocks: ArrayBuffer }> {
  let indexes: number[] = [];
  let blocks = new ArrayBuffer(BATCH * CLUSTER);
  // A cluster of zeros leaves its place to the next one.
  const place = () => Buffer.from(blocks, indexes.length * CLUSTER, CLUSTER);
  for await (const { index, bytes } of chunks(image, CLUSTER, place)) {
    if (isZero(bytes)) continue;
    indexes.push(index);
    if (indexes.length < BATCH) continue;
    yield { indexes, blocks };
    indexes = [];
    blocks = new ArrayBuffer(BATCH * CLUSTER);
  }
  if (indexes.length > 0) yield { indexes, blocks: blocks.slice(0, indexes.length * CLUSTER) };
}

interface Refcounts {
  readonly tableOffset: number;
  readonly tableClusters: number;
  /** Length of the whole file. */
  readonly size: number;
}

/** How often each host cluster is used: once, but for the shared ones of compressed data. */
async function writeRefcounts(
  file: files.FileHandle,
  l2Tables: ReadonlyMap<number, BigUint64Array>,
  /** Where compressed clusters lie in the file, in bytes. */
  data: { readonly start: number; readonly end: number },
  start: number,
): Promise<Refcounts> {
  const perBlock = CLUSTER / 2;
  const before = start / CLUSTER;
  let blocks = 1;
  let tableClusters = 1;
  for (;;) {
    const total = before + blocks + tableClusters;
    const needBlocks = Math.ceil(total / perBlock);
    const needTable = Math.ceil((needBlocks * 8) / CLUSTER);
    if (needBlocks <= blocks && needTable <= tableClusters) break;
    blocks = needBlocks;
    tableClusters = needTable;
  }
  const total = before + blocks + tableClusters;
  const counts = new Uint16Array(blocks * perBlock).fill(1, 0, total);
  counts.fill(0, data.start / CLUSTER, Math.ceil(data.end / CLUSTER));
  for (const table of l2Tables.values()) {
    for (const entry of table) {
      if (entry === 0n) continue;
      const offset = Number(entry & ((1n << COUNT_SHIFT) - 1n));
      const sectors = Number((entry & ~COMPRESSED) >> COUNT_SHIFT) + 1;
      const last = Math.floor((Math.floor(offset / SECTOR) * SECTOR + sectors * SECTOR - 1) / CLUSTER);
      for (let cluster = Math.floor(offset / CLUSTER); cluster <= last; cluster++) {
        counts[cluster] = (counts[cluster] ?? 0) + 1;
      }
    }
  }
  const table = new BigUint64Array((tableClusters * CLUSTER) / 8);
  for (let block = 0; block < blocks; block++) {
    const bytes = Buffer.from(counts.buffer, block * CLUSTER, CLUSTER);
    await writeAt(file, Buffer.from(bytes).swap16(), start + block * CLUSTER);
    table[block] = BigInt(start + block * CLUSTER);
  }
  const tableOffset = start + blocks * CLUSTER;
  await writeAt(file, bigEndian(table), tableOffset);
  return { tableOffset, tableClusters, size: tableOffset + tableClusters * CLUSTER };
}

function header(size: number, l1Length: number, l1Offset: number, refcounts: Refcounts): Buffer {
  const bytes = Buffer.alloc(CLUSTER);
  bytes.write('QFI\xfb', 0, 'latin1');
  bytes.writeUInt32BE(3, 4);
  bytes.writeUInt32BE(CLUSTER_BITS, 20);
  bytes.writeBigUInt64BE(BigInt(size), 24);
  bytes.writeUInt32BE(l1Length, 36);
  bytes.writeBigUInt64BE(BigInt(l1Offset), 40);
  bytes.writeBigUInt64BE(BigInt(refcounts.tableOffset), 48);
  bytes.writeUInt32BE(refcounts.tableClusters, 56);
  // Incompatible feature bit 3: the compression type is not zlib.
  bytes.writeBigUInt64BE(1n << 3n, 72);
  bytes.writeUInt32BE(4, 96);
  bytes.writeUInt32BE(112, 100);
  bytes.writeUInt8(1, 104);
  return bytes;
}

/** Collects small pieces to large writes. */
class Appender {
  readonly #file: files.FileHandle;
  #at: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(file: files.FileHandle, start: number) {
    this.#file = file;
    this.#at = start;
  }

  async append(bytes: Buffer): Promise<void> {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= 4 * 1024 * 1024) await this.end();
  }

  async end(): Promise<void> {
    const bytes = Buffer.concat(this.#parts);
    await writeAt(this.#file, bytes, this.#at);
    this.#at += bytes.length;
    this.#parts = [];
    this.#length = 0;
  }
}

/** A copy in the byte order of the format. */
function bigEndian(values: BigUint64Array): Buffer {
  return Buffer.from(values.slice().buffer).swap64();
}
