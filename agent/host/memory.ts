import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';

/** madvise(2): the next use of the pages reads them again from the file they map. */
const MADV_DONTNEED = 4;
const PAGE = 4096;

/**
 * Let go of memory that only the start, or something that is over, has needed: the program's own pages, code and
 * constants, of which waiting uses the smaller part, and what the C library keeps of freed memory. Nothing else
 * would take it back on a machine with free memory. Of the program, what is still needed comes back from the page
 * cache at its next use, sixteen pages at a time.
 *
 * Does nothing where Node was built without its foreign function interface.
 *
 * @returns how many bytes of the program were let go of, before any came back
 */
export async function releaseUnused(): Promise<number> {
  const ffi = await import('node:ffi').catch(() => undefined);
  if (ffi === undefined) return 0;
  using library = ffi.dlopen(null, {
    madvise: { arguments: ['u64', 'u64', 'i32'], return: 'i32' },
    malloc_trim: { arguments: ['u64'], return: 'i32' },
  });
  library.functions.malloc_trim(0n);
  let bytes = 0;
  const pagemap = openSync('/proc/self/pagemap', 'r');
  try {
    for (const { start, length } of fileMappings(readFileSync('/proc/self/maps', 'utf8'))) {
      const pages = Buffer.alloc((length / PAGE) * 8);
      const count = readSync(pagemap, pages, 0, pages.length, (start / PAGE) * 8);
      for (const run of cleanRuns(pages.subarray(0, count))) {
        const [at, size] = [start + run.first * PAGE, run.pages * PAGE];
        if (library.functions.madvise(BigInt(at), BigInt(size), MADV_DONTNEED) === 0) {
          bytes += run.present * PAGE;
        }
      }
    }
  } finally {
    closeSync(pagemap);
  }
  return bytes;
}

/** Addresses and lengths in bytes; below 2^47, as all of a program's are. */
interface Mapping {
  readonly start: number;
  readonly length: number;
}

/** Private mappings of files that may not be written to. @param maps see proc_pid_maps(5) */
export function fileMappings(maps: string): Mapping[] {
  return maps.split('\n').flatMap((line) => {
    const found = /^([0-9a-f]{1,12})-([0-9a-f]{1,12}) r-[-x]p [0-9a-f]+ \S+ [1-9]\d* +\//.exec(line);
    const [start, end] = [Number.parseInt(found?.[1] ?? '', 16), Number.parseInt(found?.[2] ?? '', 16)];
    return end > start ? [{ start, length: end - start }] : [];
  });
}

/** Compilers earn what they cost in a program that computes; this one mostly waits. */
const SMALL = ['--optimize-for-size', '--no-opt', '--no-maglev', '--no-sparkplug'] as const;

/**
 * Have V8 keep the process small from now on. Not as flags of the start: V8 would refuse all code that was compiled
 * without them, which is Node's own and the agent's, and starting would take twice its time.
 */
export function keepSmall(): void {
  for (const flag of SMALL) setFlagsFromString(flag);
}

interface Run {
  readonly first: number;
  readonly pages: number;
  /** How many of them are in memory. */
  readonly present: number;
}

/**
 * The longest runs of pages that are as the file has them, with at least one in memory. Not so are pages that were
 * changed before the right to write was taken away, as the linker does with addresses: they have no other copy.
 *
 * @param pagemap 64 bits for each page; see Documentation/admin-guide/mm/pagemap.rst of Linux
 */
export function cleanRuns(pagemap: Uint8Array): Run[] {
  const runs: Run[] = [];
  let [first, present] = [0, 0];
  const count = Math.floor(pagemap.length / 8);
  for (let page = 0; page <= count; page += 1) {
    // The highest byte: bit 63 "present", 62 "swapped", 61 "a page of a file".
    const flags = page === count ? 0x80 : (pagemap[page * 8 + 7] ?? 0) & 0xe0;
    const inMemory = flags === 0xa0;
    if (inMemory) present += 1;
    if (inMemory || flags === 0 || flags === 0x20) continue;
    if (present > 0) runs.push({ first, pages: page - first, present });
    [first, present] = [page + 1, 0];
  }
  return runs;
}
