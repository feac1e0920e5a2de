import { readFileSync } from 'node:fs';

/** madvise(2): the next use of the pages reads them again from the file they map. */
const MADV_DONTNEED = 4;

/**
 * Let go of the program's own pages, code and constants, that this process has in its memory. Starting reads four
 * times as many of them as waiting does, and nothing else would take them back on a machine with free memory. What is
 * still needed comes back from the page cache at its next use, sixteen pages at a time.
 *
 * Does nothing where Node was built without its foreign function interface.
 *
 * @returns how many bytes were let go of, before any came back
 */
export async function releaseProgramPages(): Promise<number> {
  const mappings = releasable(readFileSync('/proc/self/smaps', 'utf8'));
  const ffi = await import('node:ffi').catch(() => undefined);
  if (ffi === undefined) return 0;
  using library = ffi.dlopen(null, {
    madvise: { arguments: ['u64', 'u64', 'i32'], return: 'i32' },
  });
  let bytes = 0;
  for (const { start, length, resident } of mappings) {
    if (library.functions.madvise(start, length, MADV_DONTNEED) === 0) bytes += resident;
  }
  return bytes;
}

interface Mapping {
  /** Address. */
  readonly start: bigint;
  readonly length: bigint;
  /** Bytes of it in memory. */
  readonly resident: number;
}

/**
 * Mappings of which every page is still as the file has it, and stays so: private, of a file, not writable, and with
 * nothing that this process changed before it took the right to write away (the addresses that the linker put in).
 *
 * @param smaps see proc_pid_smaps(5)
 */
export function releasable(smaps: string): Mapping[] {
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((entry) => {
    const head = /^([0-9a-f]+)-([0-9a-f]+) r-[-x]p [0-9a-f]+ \S+ [1-9]\d* +\//.exec(entry);
    const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(entry)?.[1]);
    // Said so that what is not told (NaN) is not taken either.
    if (head === null || !(kilobytes('Anonymous') === 0) || !(kilobytes('Rss') > 0)) return [];
    const [start, end] = [BigInt(`0x${head[1]}`), BigInt(`0x${head[2]}`)];
    return [{ start, length: end - start, resident: kilobytes('Rss') * 1024 }];
  });
}
