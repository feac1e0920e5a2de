/** CRC-32C (Castagnoli, reflected), as ext4 uses it: no final inversion, the seed is passed on. RFC 3720, B.4. */
const TABLE = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

/** Continue `seed` (0xffffffff at the start) over `bytes`. */
export function crc32c(seed: number, bytes: Uint8Array): number {
  let crc = seed;
  for (let i = 0; i < bytes.length; i++)
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return crc >>> 0;
}

/** Continue `seed` over a little-endian 32-bit number. */
export function crc32cOfNumber(seed: number, value: number): number {
  return crc32c(seed, new Uint8Array([value, value >>> 8, value >>> 16, value >>> 24]));
}
