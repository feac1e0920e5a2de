/** ar archives, as Debian packages use them. Source: deb(5); ar(5), "common" format. */

interface ArMember {
  readonly name: string;
  /** Position and length of the content in bytes. */
  readonly start: number;
  readonly size: number;
}

const MAGIC = '!<arch>\n';
const HEADER = 60;

/** @throws Error when the bytes are no archive, or end early */
export function arMembers(bytes: Buffer): ArMember[] {
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new Error('not an ar archive');
  const members: ArMember[] = [];
  for (let at = MAGIC.length; at < bytes.length; ) {
    const size = Number(bytes.toString('latin1', at + 48, at + 58).trim() || 'x');
    const start = at + HEADER;
    if (!Number.isSafeInteger(size) || size < 0 || start + size > bytes.length)
      throw new Error('a damaged ar archive');
    members.push({ name: bytes.toString('latin1', at, at + 16).replace(/\/?\s*$/, ''), start, size });
    at = start + size + (size % 2);
  }
  return members;
}

/** The header of a member: times and owners are zero. */
export function arHeader(name: string, size: number): Buffer {
  const field = (value: string | number, width: number) => String(value).padEnd(width);
  return Buffer.from(
    `${field(name, 16)}${field(0, 12)}${field(0, 6)}${field(0, 6)}${field('100644', 8)}${field(size, 10)}\`\n`,
    'latin1',
  );
}
