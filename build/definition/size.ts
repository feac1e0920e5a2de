const UNITS = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;
const SMALLEST = 2 * UNITS.GiB;
const LARGEST = 16 * UNITS.TiB;

/** Bytes of a disk size such as `8GiB`; undefined for anything else, and outside of 2 GiB to 16 TiB. */
export function sizeInBytes(text: string): number | undefined {
  const match = /^([1-9]\d{0,7}) ?(MiB|GiB|TiB)$/.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
  return bytes >= SMALLEST && bytes <= LARGEST ? bytes : undefined;
}

/** A number of bytes for people: `1.5 GiB`. */
export function humanSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${index === 0 ? value : value.toFixed(1).replace(/\.0$/, '')} ${units[index]}`;
}
