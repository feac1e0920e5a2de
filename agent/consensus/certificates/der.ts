/**
 * As much of DER (X.690) as a certificate needs, written only. @peculiar/x509 would cost the agent more memory
 * than all of its own code.
 */

type Der = Buffer;

const TAGS = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

export function sequence(...parts: readonly Der[]): Der {
  return tagged(TAGS.sequence, ...parts);
}

export function set(...parts: readonly Der[]): Der {
  return tagged(TAGS.set, ...parts);
}

/** @param number its tag in a structure: `[0]` and so on, around a whole element */
export function explicit(number: number, part: Der): Der {
  return tagged(0xa0 | number, part);
}

/** @param number its tag in a structure, in place of the element's own */
export function implicit(number: number, content: Uint8Array): Der {
  return tagged(0x80 | number, content);
}

/** A number of at least 0, big-endian. */
export function integer(bytes: Uint8Array): Der {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
  const rest = bytes.subarray(from);
  // A set first bit would make it negative.
  const sign = (rest[0] ?? 0) >= 0x80 || rest.length === 0 ? [0] : [];
  return tagged(TAGS.integer, Buffer.from(sign), rest);
}

export function boolean(value: boolean): Der {
  return tagged(TAGS.boolean, Buffer.of(value ? 0xff : 0));
}

/** @param unused bits at the end of the last byte that do not count */
export function bitString(bytes: Uint8Array, unused = 0): Der {
  return tagged(TAGS.bitString, Buffer.of(unused), bytes);
}

export function octetString(bytes: Uint8Array): Der {
  return tagged(TAGS.octetString, bytes);
}

export function utf8String(text: string): Der {
  return tagged(TAGS.utf8String, Buffer.from(text, 'utf8'));
}

/** @param dotted `2.5.29.17` */
export function oid(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((number) => {
    const groups = [number & 0x7f];
    for (let left = number >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return tagged(TAGS.oid, Buffer.from(bytes));
}

/** RFC 5280, 4.1.2.5: two digits for the year before 2050, four from then on. */
export function time(date: Date): Der {
  const digits = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return date.getUTCFullYear() < 2050
    ? tagged(TAGS.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : tagged(TAGS.generalizedTime, Buffer.from(digits, 'latin1'));
}

export function pem(label: string, der: Der): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function tagged(tag: number, ...parts: readonly Uint8Array[]): Der {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const sizes: number[] = [];
  for (let left = length; length >= 0x80 && left > 0; left >>>= 8) sizes.unshift(left & 0xff);
  const size = length < 0x80 ? [length] : [0x80 | sizes.length, ...sizes];
  return Buffer.concat([Buffer.from([tag, ...size]), ...parts]);
}
