import { Decoder } from '@msgpack/msgpack';

/** What one value may take; 1,000 members with full tags are less than 1 MiB. */
const FRAME_BYTES = 4 * 1024 * 1024;
/** Values inside one value, itself included: bounds the work and the memory of its decoding. */
const FRAME_VALUES = 400_000;

interface FrameReader {
  /**
   * Take the next bytes of the stream.
   *
   * @returns the values that are complete now
   * @throws Error when the bytes are no msgpack or a limit is passed; the stream is then of no more use
   */
  push(chunk: Uint8Array): unknown[];
  /** Bytes that wait for the rest of their value. */
  readonly buffered: number;
}

/**
 * Cut a stream of raw concatenated msgpack values, as Serf's RPC sends them, into values. Lengths are counted
 * first, and a value is decoded only once it is there as a whole: what claims to be huge costs nothing.
 *
 * Source: the msgpack specification, https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export function createFrameReader(maxBytes = FRAME_BYTES, maxValues = FRAME_VALUES): FrameReader {
  // Texts stay bytes until each is decoded by itself: Addr and Payload of Serf are raw, not UTF-8.
  const decoder = new Decoder({ rawStrings: true });
  let buffer: Buffer = Buffer.alloc(0);
  let scan = START;
  return {
    push(chunk) {
      buffer = buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([buffer, chunk]);
      const values: unknown[] = [];
      let begin = 0;
      for (;;) {
        scan = skim(buffer.subarray(begin), scan, maxValues);
        if (scan.offset > maxBytes) throw new Error(`a value of more than ${maxBytes} bytes`);
        if (scan.open > 0 || begin + scan.offset > buffer.length) break;
        values.push(decoder.decode(buffer.subarray(begin, begin + scan.offset)));
        begin += scan.offset;
        scan = START;
      }
      // A copy: a view would keep the whole chunk alive.
      buffer = Buffer.from(buffer.subarray(begin));
      return values;
    },
    get buffered() {
      return buffer.length;
    },
  };
}

/** How far a value has been counted. */
interface Scan {
  /** Bytes of the value up to here; may lie beyond what has arrived. */
  readonly offset: number;
  /** Values that are still to come before the whole is complete. */
  readonly open: number;
  readonly seen: number;
}

const START: Scan = { offset: 0, open: 1, seen: 0 };

/** Go on counting until the value ends or the bytes do. Pure. */
function skim(bytes: Buffer, from: Scan, maxValues: number): Scan {
  let { offset, open, seen } = from;
  while (open > 0) {
    const head = headAt(bytes, offset);
    if (head === undefined) break;
    seen += 1;
    offset += head.size;
    open += head.inside - 1;
    if (seen + open > maxValues) throw new Error(`more than ${maxValues} values in one`);
  }
  return { offset, open, seen };
}

/** Bytes of a value up to the first value inside it, and how many are inside; undefined when cut off. */
function headAt(bytes: Buffer, at: number): { size: number; inside: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 0x80 || first >= 0xe0) return { size: 1, inside: 0 };
  if (first < 0x90) return { size: 1, inside: 2 * (first & 0x0f) };
  if (first < 0xa0) return { size: 1, inside: first & 0x0f };
  if (first < 0xc0) return { size: 1 + (first & 0x1f), inside: 0 };
  const fixed = FIXED[first];
  if (fixed !== undefined) return { size: fixed, inside: 0 };
  const counted = COUNTED[first];
  if (counted === undefined) throw new Error(`0x${first.toString(16)} begins no msgpack value`);
  const { width, per, extra } = counted;
  if (at + 1 + width > bytes.length) return undefined;
  const count = bytes.readUIntBE(at + 1, width);
  return per === 0
    ? { size: 1 + width + extra + count, inside: 0 }
    : { size: 1 + width, inside: per * count };
}

/** Sizes of the values whose first byte tells it: nil, false, true, numbers, fixext. */
const FIXED: Readonly<Record<number, number>> = {
  192: 1,
  194: 1,
  195: 1,
  202: 5,
  203: 9,
  204: 2,
  205: 3,
  206: 5,
  207: 9,
  208: 2,
  209: 3,
  210: 5,
  211: 9,
  212: 3,
  213: 4,
  214: 6,
  215: 10,
  216: 18,
};

/** Values with a count of `width` bytes: of bytes when `per` is 0, else of values times `per`. */
const COUNTED: Readonly<Record<number, { width: number; per: number; extra: number }>> = {
  196: { width: 1, per: 0, extra: 0 },
  197: { width: 2, per: 0, extra: 0 },
  198: { width: 4, per: 0, extra: 0 },
  199: { width: 1, per: 0, extra: 1 },
  200: { width: 2, per: 0, extra: 1 },
  201: { width: 4, per: 0, extra: 1 },
  217: { width: 1, per: 0, extra: 0 },
  218: { width: 2, per: 0, extra: 0 },
  219: { width: 4, per: 0, extra: 0 },
  220: { width: 2, per: 1, extra: 0 },
  221: { width: 4, per: 1, extra: 0 },
  222: { width: 2, per: 2, extra: 0 },
  223: { width: 4, per: 2, extra: 0 },
};
