/** Records before an entry of a tar file (pax(1), "pax Extended Header"), for what tar-stream does not write. */

const BLOCK = 512;

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. The value may hold any bytes. */
export function paxRecord(key: string, value: Uint8Array | string): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length + String(rest.length).length;
  if (rest.length + String(length).length !== length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** The blocks that carry these records; the entry that they are about follows. */
export function paxBlocks(records: Buffer): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, '0'), at);
  header.write('PaxHeader', 0);
  octal(0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(records.length, 124, 11);
  octal(0, 136, 11);
  header.write(' '.repeat(8), 148);
  header.write('x', 156);
  header.write('ustar\u000000', 257);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  header.write('\0 ', 154);
  return Buffer.concat([header, records, Buffer.alloc(-records.length & (BLOCK - 1))]);
}
